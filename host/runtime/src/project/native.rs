//! What an outside MCP server is started from, and whether it is still what was approved.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use remit_core::{
    Blame, Error, Result,
    limit::COMMAND_FILE_MAX_BYTES,
    plugin::{Digest, PluginName, lock::native_digest, text::visible},
    project::{Command, EnvValue, Source},
};

use super::file;

/// The `PATH` of an outside server that is given none of its own; its program is looked up there too.
pub const NATIVE_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// An outside MCP server, ready to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Native {
    /// Its command.
    pub command: Command,
    /// The project's folder.
    pub root: PathBuf,
    /// The program, as it was found.
    pub program: PathBuf,
    /// The digests of the program and of every file that an argument names; a path below the project's folder is relative to it.
    pub files: BTreeMap<String, Digest>,
}

impl Native {
    /// Finds the program and reads the files that the command of `plugin` names. Nothing is started.
    ///
    /// # Errors
    /// `unavailable` when there is no such program; `limit` for a file over [`COMMAND_FILE_MAX_BYTES`]; `host` when one cannot be read.
    pub fn find(plugin: &PluginName, root: &Path, command: &Command) -> Result<Self> {
        let folder = folder(root, command);
        let missing = |why: String| {
            Error::unavailable(format!("`{plugin}` cannot be started: {why}"))
                .hint("write the program's whole path, or give the process a `PATH`: env = { PATH = \"…\" }")
        };
        if !folder.is_dir() {
            return Err(missing(format!("its folder `{}` is not there", visible(&folder.to_string_lossy(), 256))));
        }
        let name = command.argv.first().map(String::as_str).unwrap_or_default();
        let shown = visible(name, 128);
        let program = match name.contains('/') {
            true => Some(root.join(name)).filter(|path| file::is_program(path)),
            false => search_path(command)
                .split(':')
                .map(Path::new)
                .filter(|dir| dir.is_absolute())
                .map(|dir| dir.join(name))
                .find(|path| file::is_program(path)),
        };
        let program = program.ok_or_else(|| match name.contains('/') {
            true => missing(format!("`{shown}` is not a program")),
            false => missing(format!("there is no program `{shown}` in {}", visible(search_path(command), 256))),
        })?;
        let mut files = BTreeMap::new();
        let named = command.argv.iter().skip(1).map(|word| folder.join(word)).filter(|path| file::is_regular(path));
        for path in std::iter::once(program.clone()).chain(named) {
            let digest = file::digest(&path, COMMAND_FILE_MAX_BYTES)?;
            files.insert(path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned(), digest);
        }
        Ok(Self { command: command.clone(), root: root.to_owned(), program, files })
    }

    /// What stands for it in lock, audit log and journal.
    pub fn digest(&self) -> Digest {
        native_digest(&Source::Command(self.command.clone()).to_string(), &self.files)
    }

    /// Checks that its files are still what they were. Between this and the start of the process they can change unnoticed.
    ///
    /// # Errors
    /// `unavailable` when they are not; those of [`Native::find`].
    pub fn check(&self, plugin: &PluginName) -> Result<()> {
        let now = Self::find(plugin, &self.root, &self.command)?;
        match now.program == self.program && now.files == self.files {
            true => Ok(()),
            false => Err(Error::unavailable(format!(
                "`{plugin}` is not started: its executable, or a file that its command names, is not the approved one"
            ))
            .blame(Blame::Grant)
            .code("E-REVIEW")
            .hint("remit review")),
        }
    }

    /// The folder that it runs in.
    pub fn folder(&self) -> PathBuf {
        folder(&self.root, &self.command)
    }

    /// The `PATH` that it gets.
    pub fn search_path(&self) -> &str {
        search_path(&self.command)
    }
}

fn folder(root: &Path, command: &Command) -> PathBuf {
    command.cwd.as_deref().map_or_else(|| root.to_owned(), |below| root.join(below))
}

fn search_path(command: &Command) -> &str {
    match command.env.get("PATH") {
        Some(EnvValue::Fixed(path)) => path,
        _ => NATIVE_PATH,
    }
}
