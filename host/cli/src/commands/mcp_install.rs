//! `remit mcp install`: a client's own configuration learns how to start `remit mcp`.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use jsonc_parser::{
    ParseOptions,
    cst::{CstInputValue, CstRootNode},
};
use remit_core::{Error, Result, limit::FILE_MAX_BYTES, plugin::text::visible};

use crate::{
    Exit,
    environment::Environment,
    output::{self, BAD, GOOD, HEAD},
};

/// Write into an MCP client's configuration how to start `remit mcp` for this project
///
/// Shows the difference and asks; everything else in the file stays as it is. `claude-code`, `vscode` and `opencode` read a
/// file of the working directory (`.mcp.json`, `.vscode/mcp.json`, `opencode.json`), the others one of the user.
///
/// Examples:
///   remit mcp install claude-code
///   remit mcp install codex --project ~/work/acme --name acme
///   remit mcp install zed --print
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Install {
    /// Which client
    #[arg(value_enum)]
    client: Client,
    /// What the client calls the server; default: the project's name
    #[arg(long)]
    name: Option<String>,
    /// Print what to add, and write nothing
    #[arg(long)]
    print: bool,
    /// Write without asking
    #[arg(long, conflicts_with = "print")]
    yes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Client {
    ClaudeCode,
    ClaudeDesktop,
    Cursor,
    Vscode,
    Zed,
    Codex,
    Opencode,
}

/// How a client is told to start a server.
struct Entry {
    name: String,
    command: String,
    arguments: Vec<String>,
}

impl super::Run {
    pub(super) fn mcp_install(&self, arguments: &Install) -> anyhow::Result<Exit> {
        let project = self.open()?;
        let utf8 = |path: &Path| {
            let shown = visible(&path.to_string_lossy(), 256);
            let refuse = || Error::invalid(format!("the path `{shown}` is not UTF-8, and a configuration cannot name it"));
            path.to_str().map(str::to_owned).ok_or_else(refuse)
        };
        let entry = Entry {
            name: arguments.name.clone().unwrap_or_else(|| project.project.name.clone()),
            command: utf8(&self.environment.program)?,
            arguments: vec!["--project".to_owned(), utf8(&project.root)?, "mcp".to_owned()],
        };
        let client = arguments.client;
        if arguments.print {
            output::line(client.with("", &entry)?.trim_end());
            return Ok(Exit::Done);
        }
        let path = client.path(&self.environment)?;
        let old = read(&path)?.unwrap_or_default();
        let new = client.with(&old, &entry).map_err(|error| {
            let message = format!("`{}` is left as it is: {}", path.display(), error.message);
            Error { message, ..error }
        })?;
        let changed = new != old;
        output::note(&format!("{HEAD}{}{HEAD:#}", path.display()));
        difference(&old, &new);
        if self.trusted().check(&project.pins).is_err() {
            output::note("  this project is not trusted as it is now, so it will not be served: remit review");
        }
        if changed {
            if !super::confirm("Write it?", arguments.yes)? {
                return Ok(Exit::Denied);
            }
            write(&path, &new)?;
        }
        if self.global.json {
            output::json(&serde_json::json!({ "file": path, "server": entry.name, "changed": changed }));
        } else {
            output::line(&format!("{} `{}` in {}", if changed { "wrote" } else { "already there:" }, entry.name, path.display()));
        }
        Ok(Exit::Done)
    }
}

impl Client {
    /// The file that it reads.
    fn path(self, environment: &Environment) -> anyhow::Result<PathBuf> {
        let home = || environment.user.clone().ok_or_else(|| Error::invalid("`HOME` is not set").hint("set `HOME`"));
        Ok(match self {
            Self::ClaudeCode => environment.cwd.join(".mcp.json"),
            Self::Vscode => environment.cwd.join(".vscode/mcp.json"),
            Self::Opencode => environment.cwd.join("opencode.json"),
            Self::Cursor => home()?.join(".cursor/mcp.json"),
            Self::Codex => match &environment.codex {
                Some(folder) => folder.join("config.toml"),
                None => home()?.join(".codex/config.toml"),
            },
            Self::ClaudeDesktop if cfg!(target_os = "macos") => {
                home()?.join("Library/Application Support/Claude/claude_desktop_config.json")
            }
            Self::ClaudeDesktop => environment.config.join("Claude/claude_desktop_config.json"),
            Self::Zed => environment.config.join("zed/settings.json"),
        })
    }

    /// `text` with `entry` in it, and nothing else changed.
    fn with(self, text: &str, entry: &Entry) -> Result<String> {
        match self {
            Self::Codex => in_toml(text, entry),
            Self::Vscode => in_json(text, "servers", &entry.name, [("type", "stdio".into())].into_iter().chain(entry.apart())),
            Self::Zed => in_json(text, "context_servers", &entry.name, entry.apart()),
            Self::Opencode => in_json(text, "mcp", &entry.name, [("type", "local".into()), ("command", entry.words())]),
            Self::ClaudeCode | Self::ClaudeDesktop | Self::Cursor => in_json(text, "mcpServers", &entry.name, entry.apart()),
        }
    }
}

impl Entry {
    /// The command and its arguments, apart.
    fn apart(&self) -> [(&'static str, CstInputValue); 2] {
        let arguments = self.arguments.iter().map(|argument| argument.as_str().into()).collect();
        [("command", self.command.as_str().into()), ("args", CstInputValue::Array(arguments))]
    }

    /// All words of the command line.
    fn words(&self) -> CstInputValue {
        CstInputValue::Array([&self.command].into_iter().chain(&self.arguments).map(|word| word.as_str().into()).collect())
    }
}

fn in_toml(text: &str, entry: &Entry) -> Result<String> {
    let refuse = |what: &str| Error::invalid(format!("its `{what}` is not a table"));
    let mut document: toml_edit::DocumentMut =
        text.parse().map_err(|error| Error::invalid(format!("it is no TOML: {}", visible(&format!("{error}"), 512))))?;
    let servers = document.entry("mcp_servers").or_insert_with(|| {
        let mut servers = toml_edit::Table::new();
        // Only the tables in it are written.
        servers.set_implicit(true);
        servers.into()
    });
    let servers = servers.as_table_like_mut().ok_or_else(|| refuse("mcp_servers"))?;
    let server = servers.entry(&entry.name).or_insert_with(toml_edit::table);
    let server = server.as_table_like_mut().ok_or_else(|| refuse(&entry.name))?;
    server.insert("command", toml_edit::value(&entry.command));
    server.insert("args", toml_edit::value(entry.arguments.iter().collect::<toml_edit::Array>()));
    Ok(document.to_string())
}

/// Clients read JSON with comments and final commas, which stay.
fn in_json(text: &str, table: &str, name: &str, members: impl IntoIterator<Item = (&'static str, CstInputValue)>) -> Result<String> {
    let refuse = |what: &str| Error::invalid(format!("{what} is not a JSON object"));
    let root = CstRootNode::parse(text, &ParseOptions::default())
        .map_err(|error| Error::invalid(format!("it is no JSON: {}", visible(&error.to_string(), 512))))?;
    let file = root.object_value_or_create().ok_or_else(|| refuse("the file"))?;
    let servers = file.object_value_or_create(table).ok_or_else(|| refuse(&format!("its `{table}`")))?;
    let server = servers.object_value_or_create(name).ok_or_else(|| refuse(&format!("its `{}`", visible(name, 64))))?;
    for (name, value) in members {
        match server.get(name) {
            Some(member) => member.set_value(value),
            None => drop(server.append(name, value)),
        }
    }
    Ok(root.to_string())
}

/// Shows which lines go and which come.
fn difference(old: &str, new: &str) {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let [old, new] = [&old, &new].map(|lines| lines.get(same..).unwrap_or_default());
    let end = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    for (sign, style, lines) in [('-', BAD, old), ('+', GOOD, new)] {
        for line in lines.iter().take(lines.len() - end) {
            output::note(&format!("  {style}{sign} {}{style:#}", visible(line, 512)));
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a client's configuration is read here, bounded")]
fn read(path: &Path) -> anyhow::Result<Option<String>> {
    let context = || format!("`{}` cannot be read", path.display());
    let bytes = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        meta => meta.with_context(context)?.len(),
    };
    if bytes > FILE_MAX_BYTES {
        return Err(Error::limit(format!("`{}` has more than {} MiB", path.display(), FILE_MAX_BYTES >> 20)).into());
    }
    fs::read_to_string(path).map(Some).with_context(context)
}

/// Replaces a file whole, with the rights that it had; a link stays a link.
#[allow(clippy::disallowed_methods, reason = "a client's configuration is written here")]
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let context = || format!("`{}` cannot be written", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(context)?;
    }
    let old = path.canonicalize().ok();
    let path = old.as_deref().unwrap_or(path);
    let mode = old.as_ref().and_then(|old| fs::metadata(old).ok()).map_or(0o600, |meta| meta.permissions().mode());
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    fs::write(&part, text).with_context(context)?;
    fs::set_permissions(&part, fs::Permissions::from_mode(mode)).with_context(context)?;
    fs::rename(&part, path).with_context(context)
}

#[cfg(test)]
mod tests;
