//! `remit add`, `remove`, `grant`, `revoke`: changes of `remit.toml` that show their difference and write file and lock together.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use remit_core::{
    Error,
    grant::{Grants, authored::AuthoredGrants, line},
    plugin::{
        Kind, PluginName,
        diff::{Changes, diff, removal},
        flag::Flag,
        inspect::inspect_interface,
    },
    project::{Plugin, Project},
};
use remit_runtime::project::{MANIFEST_FILE, OpenProject};
use toml_edit::{DocumentMut, Item, Table, value};

use super::review_show::{print_change, print_flag};
use crate::{
    Exit,
    commands::build::Goal,
    opened::{self, Door},
    output,
    outside::Start,
};

/// Add a plugin to the project; makes `remit.toml` where there is none
///
/// With --command, REFERENCE is a name, and what follows is the command of an outside MCP server: a native process, outside of the
/// sandbox, which is started to list its tools once you say yes. Nothing may stand behind the command. With --url, it is one elsewhere.
///
/// Examples:
///   remit add plugins/files
///   remit add tickets --command npx tickets-mcp
///   remit add issues --url https://example.com/mcp
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Add {
    /// A crate's folder, or the path of a `.wasm`
    reference: PathBuf,
    /// Its name in the project; default: made from the path
    #[arg(long)]
    name: Option<String>,
    /// Program and arguments of an outside MCP server
    #[arg(long, num_args = 1.., allow_hyphen_values = true, conflicts_with = "name", value_name = "WORD")]
    command: Vec<String>,
    /// Where an outside MCP server is
    #[arg(long, conflicts_with_all = ["name", "command"])]
    url: Option<String>,
    /// Answer yes
    #[arg(long)]
    yes: bool,
}

/// Remove a plugin from the project, its grants and its approval
///
/// Example: remit remove files
#[derive(Debug, clap::Args)]
pub struct Remove {
    /// The plugin
    plugin: String,
    /// Answer yes
    #[arg(long)]
    yes: bool,
}

/// Grant a plugin a right
///
/// Examples:
///   remit grant files fs docs:/docs
///   remit grant fetch http 'GET https://example.com/**'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Grant {
    /// The plugin
    plugin: String,
    /// fs, http, env, config, kv, tools, model, or a capability of the application
    capability: String,
    /// What of it: fs PATH[:MOUNT][:read|write], http 'METHOD URL', env KEY=VALUE, kv read|write, tools PLUGIN/TOOL, model NAME
    scope: String,
    /// Answer yes
    #[arg(long)]
    yes: bool,
}

/// Take a right from a plugin
///
/// Example: remit revoke files fs docs:/docs
#[derive(Debug, clap::Args)]
pub struct Revoke {
    /// The plugin
    plugin: String,
    /// Its capability
    capability: String,
    /// What of it, as it was granted
    scope: String,
}

impl super::Run {
    pub(super) fn add(&self, arguments: &Add) -> anyhow::Result<Exit> {
        let project = self.open_or_make()?;
        if let Some(url) = &arguments.url {
            return self.add_outside(&project, arguments, ("url", value(url)));
        }
        if !arguments.command.is_empty() {
            let words = arguments.command.iter().collect::<toml_edit::Array>();
            return self.add_outside(&project, arguments, ("command", value(words)));
        }
        let path = self.environment.cwd.join(&arguments.reference);
        let shown = arguments.reference.display();
        let is_crate = path.join("Cargo.toml").is_file();
        if !is_crate && !path.is_file() {
            return Err(Error::not_found(format!("`{shown}` is neither a crate's folder nor a component"))
                .hint("name a folder with `Cargo.toml` and `plugin.toml`, or a `.wasm`")
                .into());
        }
        let name: PluginName = match &arguments.name {
            Some(name) => name.parse()?,
            None => opened::plugin_name(&path).parse()?,
        };
        is_new(&project, &name, "choose another: --name NAME")?;
        let mut document = document(&project)?;
        let mut table = Table::new();
        let source = relative(&project.root, &path)?;
        if Path::new(&source).is_absolute() {
            table.insert("outside", value(true));
        }
        table.insert("source", value(source));
        let kind = if is_crate {
            let built = self.build_crate(&path, Goal::Project(&project, &name))?;
            output::note(&format!("built `{name}`: {}", super::build::offers(built.kind, built.section.tools.len())));
            built.kind
        } else {
            inspect_interface(&opened::read_component(&path)?, &[])?.kind
        };
        let section = if kind == Kind::Agent { "agents" } else { "plugins" };
        section_of(&mut document, section)?.insert(name.as_str(), Item::Table(table));
        self.change(&project, &document, &name, "add", arguments.yes)
    }

    fn add_outside(&self, project: &OpenProject, arguments: &Add, (key, source): (&str, Item)) -> anyhow::Result<Exit> {
        let name: PluginName = arguments.reference.to_string_lossy().parse()?;
        is_new(project, &name, "choose another name")?;
        let mut document = document(project)?;
        let mut table = Table::new();
        table.insert(key, source);
        section_of(&mut document, "plugins")?.insert(name.as_str(), Item::Table(table));
        self.change(project, &document, &name, "add", arguments.yes)
    }

    pub(super) fn remove(&self, arguments: &Remove) -> anyhow::Result<Exit> {
        let project = self.open_to_edit()?;
        let plugin = project.plugin(&arguments.plugin)?;
        let mut document = document(&project)?;
        section_of(&mut document, plugin.table())?.remove(plugin.name.as_str());
        if !self.agreed(&plugin.name, &removal(plugin), &[], arguments.yes)? {
            return Ok(Exit::Denied);
        }
        let mut lock = project.lock.clone().unwrap_or_default();
        lock.plugins.remove(&plugin.name);
        self.approve(&project, lock, Vec::new(), Door::of("remove"), Some(&document.to_string()))?;
        Ok(Exit::Done)
    }

    pub(super) fn grant(&self, arguments: &Grant) -> anyhow::Result<Exit> {
        let project = self.open_to_edit()?;
        let plugin = project.plugin(&arguments.plugin)?;
        let mut grants = plugin.grants.clone();
        grants.merge(line::parse(&arguments.capability, &arguments.scope)?)?;
        if grants == plugin.grants {
            output::note("it is granted already");
            let revoked = self.open()?.revoked(&plugin.name);
            opened::revoked_lines(&revoked, &arguments.capability).for_each(|line| output::note(&line));
            return Ok(Exit::Done);
        }
        let mut document = document(&project)?;
        set_grants(&mut document, plugin, &arguments.capability, &grants)?;
        self.change(&project, &document, &plugin.name, "grant", arguments.yes)
    }

    pub(super) fn revoke(&self, arguments: &Revoke) -> anyhow::Result<Exit> {
        let project = self.open_to_edit()?;
        let plugin = project.plugin(&arguments.plugin)?;
        let mut grants = plugin.grants.clone();
        if !grants.remove(&line::parse_revoked(&arguments.capability, &arguments.scope)?) {
            let has: Vec<_> = line::format(&plugin.grants)
                .into_iter()
                .map(|(capability, scope)| format!("{capability} {}", line::quote(&scope)))
                .collect();
            let has = if has.is_empty() { "nothing".to_owned() } else { has.join(", ") };
            return Err(Error::not_found(format!("`{}` has no such grant", plugin.name)).hint(format!("it has: {has}")).into());
        }
        let mut document = document(&project)?;
        set_grants(&mut document, plugin, &arguments.capability, &grants)?;
        self.change(&project, &document, &plugin.name, "revoke", true)
    }

    /// Shows what a new `remit.toml` changes of `name`; on yes, writes it with its lock.
    fn change(&self, project: &OpenProject, document: &DocumentMut, name: &PluginName, via: &str, yes: bool) -> anyhow::Result<Exit> {
        let text = document.to_string();
        let changed = OpenProject { project: Project::parse(MANIFEST_FILE, text.as_bytes())?, ..project.clone() };
        let lock = project.lock.clone().unwrap_or_default();
        let start = if yes { Start::Yes } else { Start::Ask };
        let plugin = changed.plugin(name.as_str())?;
        let current = self.current(&changed, plugin, lock.plugins.get(name), start)?;
        let known = project.project.plugins.get(name).map(|before| current.flags(self, project, before)).unwrap_or_default();
        let flags: Vec<Flag> = current.flags(self, &changed, plugin).into_iter().filter(|flag| !known.contains(flag)).collect();
        if !self.agreed(name, &diff(lock.plugins.get(name), &current.locked), &flags, yes)? {
            return Ok(Exit::Denied);
        }
        self.approve(project, lock, vec![(name.clone(), current)], Door::of(via), Some(&text))?;
        Ok(Exit::Done)
    }

    /// Shows `changes` of a plugin, and what of them deserves a second look, and asks whether to write them.
    fn agreed(&self, name: &PluginName, changes: &Changes, flags: &[Flag], yes: bool) -> anyhow::Result<bool> {
        if self.global.json {
            let lines: Vec<_> = changes.list.iter().map(ToString::to_string).collect();
            output::json(&serde_json::json!({ "plugin": name.as_str(), "changes": lines, "flags": flags }));
        } else {
            changes.list.iter().for_each(print_change);
            flags.iter().for_each(print_flag);
        }
        let agreed = super::confirm("Write this to `remit.toml` and `remit.lock`?", yes)?;
        if !agreed {
            output::note("nothing was written");
        }
        Ok(agreed)
    }

    /// The project as it is written, when its user trusts it, or when there is nothing in it yet: what is written becomes trusted as a
    /// whole.
    fn open_to_edit(&self) -> anyhow::Result<OpenProject> {
        let project = self.open()?;
        if project.lock.is_some() || !project.project.plugins.is_empty() {
            self.trusted().check(&project.pins)?;
        }
        Ok(project.as_written())
    }

    /// The project, or a new one in the working directory.
    fn open_or_make(&self) -> anyhow::Result<OpenProject> {
        match self.open_to_edit() {
            Err(error) if self.global.project.is_none() && is_missing(&error) => {
                make(&self.environment.cwd)?;
                self.open()
            }
            opened => opened,
        }
    }
}

fn is_new(project: &OpenProject, name: &PluginName, hint: &str) -> anyhow::Result<()> {
    match project.project.plugins.contains_key(name) {
        true => Err(Error::new(remit_core::Kind::Conflict, format!("the project has a plugin `{name}` already")).hint(hint).into()),
        false => Ok(()),
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>().is_some_and(|error| error.kind == remit_core::Kind::NotFound)
}

#[allow(clippy::disallowed_methods, reason = "a new project is written here")]
fn make(folder: &Path) -> anyhow::Result<()> {
    let name = opened::plugin_name(folder);
    let path = folder.join(MANIFEST_FILE);
    std::fs::write(&path, format!("version = 1\n\n[project]\nname = \"{name}\"\n"))
        .with_context(|| format!("`{}` cannot be written", path.display()))?;
    output::note(&format!("made {MANIFEST_FILE}"));
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "the text that is edited is read here; its size was checked when the project was opened")]
fn document(project: &OpenProject) -> anyhow::Result<DocumentMut> {
    let text = std::fs::read_to_string(project.root.join(MANIFEST_FILE)).context("`remit.toml` cannot be read")?;
    Ok(text.parse()?)
}

/// The table `plugins` or `agents`.
fn section_of<'a>(document: &'a mut DocumentMut, name: &str) -> anyhow::Result<&'a mut Table> {
    let mut implicit = Table::new();
    implicit.set_implicit(true);
    let item = document.entry(name).or_insert(Item::Table(implicit));
    item.as_table_mut().ok_or_else(|| Error::invalid(format!("`{name}` in `remit.toml` is not a table")).into())
}

/// Replaces what is written of one capability; comments elsewhere stay.
fn set_grants(document: &mut DocumentMut, plugin: &Plugin, capability: &str, grants: &Grants) -> anyhow::Result<()> {
    let name = &plugin.name;
    if plugin.is_outside() {
        let error = Error::invalid(format!("`{name}` is an outside server and cannot be held to grants"));
        return Err(error.hint(format!("what it is given stands in `[plugins.{name}]` in `remit.toml`")).into());
    }
    if plugin.agent && !matches!(capability, "tools" | "model") {
        let error = Error::invalid(format!(
            "`{name}` is an agent: it acts through tools and asks models, and `{capability}` cannot be granted to it"
        ));
        return Err(error.hint(format!("grant it to a tool, and the tool to the agent: remit grant {name} tools PLUGIN/TOOL")).into());
    }
    let written = toml::to_string(&AuthoredGrants::from(grants))?;
    let mut written: DocumentMut = written.parse()?;
    let no_table = || Error::invalid(format!("`{}.{name}` in `remit.toml` is not a table", plugin.table()));
    let table = section_of(document, plugin.table())?.get_mut(name.as_str()).and_then(Item::as_table_mut).ok_or_else(no_table)?;
    // An agent's grants stand in its table itself.
    let own = match plugin.agent {
        true => table,
        false => table.entry("grants").or_insert(Item::Table(Table::new())).as_table_like_mut().ok_or_else(no_table)?,
    };
    match written.remove(capability) {
        Some(item) => own.insert(capability, inline(item)),
        None => own.remove(capability),
    };
    Ok(())
}

/// A list of tables on a line of its own each, as people write it.
fn inline(item: Item) -> Item {
    match item.into_value() {
        Ok(mut written) => {
            if let Some(list) = written.as_array_mut().filter(|list| list.len() > 1) {
                list.iter_mut().for_each(|one| one.decor_mut().set_prefix("\n    "));
                list.set_trailing("\n");
                list.set_trailing_comma(true);
            }
            Item::Value(written)
        }
        Err(item) => item,
    }
}

/// The source as it is written: below the project's folder without its prefix, elsewhere absolute.
fn relative(root: &Path, path: &Path) -> anyhow::Result<String> {
    let path = path.canonicalize().with_context(|| format!("`{}` cannot be read", path.display()))?;
    let written = path.strip_prefix(root).unwrap_or(&path);
    let text = written.to_str().ok_or_else(|| Error::invalid(format!("`{}` is not UTF-8", written.display())))?;
    Ok(if text.is_empty() { ".".to_owned() } else { text.to_owned() })
}
