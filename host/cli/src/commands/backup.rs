//! `remit backup` and `remit restore`: copies of what a project's sessions have.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use remit_core::{Error, Kind, clock::Clock as _};
use remit_runtime::services::SystemClock;
use serde_json::json;

use crate::{Exit, output};

/// Copy the project's sessions, state, key-value data and audit log to a new folder, while they are used
///
/// The components that turns may need are copied as well. Grants, lock and secrets are not: they stand in other places.
///
/// Example: remit backup ../backup-monday
#[derive(Debug, clap::Args)]
pub struct Backup {
    /// The folder, which is made
    folder: PathBuf,
}

/// Put a backup in place of the project's sessions
///
/// What is there is kept beside it, its audit log too: the log goes on from the one of the backup, and says so. Turns that had not ended when the backup was made are quarantined, since nobody knows what they did
/// after it: `remit session abandon` ends them, `remit session fork` goes on from them.
///
/// Example: remit restore ../backup-monday
#[derive(Debug, clap::Args)]
pub struct Restore {
    /// The folder of the backup
    folder: PathBuf,
    /// Answer yes
    #[arg(long)]
    yes: bool,
}

/// What the copy of the database is called.
const DATABASE: &str = "state.db";
/// Where the copies of components lie.
const COMPONENTS: &str = "components";

impl super::Run {
    #[allow(clippy::disallowed_methods, reason = "the backup's folder is made here")]
    pub(super) fn backup(&self, arguments: &Backup) -> anyhow::Result<Exit> {
        let project = self.open_trusted()?;
        let folder = self.environment.cwd.join(&arguments.folder);
        if folder.exists() {
            let error = Error::new(Kind::Conflict, format!("`{}` is there already", arguments.folder.display()));
            return Err(error.hint("name a folder that is not there yet").into());
        }
        std::fs::create_dir_all(folder.join(COMPONENTS)).with_context(|| format!("`{}` cannot be made", folder.display()))?;
        remit_store::backup(&project.state.sessions()?, &folder.join(DATABASE))?;
        let components = copy_components(&project.state.path().join(COMPONENTS), &folder.join(COMPONENTS))?;
        let bytes = std::fs::metadata(folder.join(DATABASE))?.len();
        if self.global.json {
            output::json(&json!({ "folder": folder, "bytes": bytes, "components": components }));
        } else {
            output::note(&format!(
                "{} KiB of sessions and {components} components in `{}`",
                bytes.div_ceil(1024),
                arguments.folder.display()
            ));
        }
        Ok(Exit::Done)
    }

    pub(super) fn restore(&self, arguments: &Restore) -> anyhow::Result<Exit> {
        let project = self.open_trusted()?;
        let folder = self.environment.cwd.join(&arguments.folder);
        let sessions = project.state.sessions()?;
        output::note(&format!("what the sessions of `{}` are now is put aside as `state.db.before`", project.project.name));
        if !super::confirm("Put the backup in its place?", arguments.yes)? {
            output::note("nothing was changed");
            return Ok(Exit::Denied);
        }
        let by = &self.environment.principal;
        let open_turns = remit_store::restore(&sessions, &folder.join(DATABASE), by, SystemClock.now())?;
        // The audit log begins a new epoch, which is signed at once.
        let store = self.store(&project.state, false)?;
        self.block_on(async { Ok(store.audit_checkpoint().await?) })?;
        for component in components(&folder.join(COMPONENTS))? {
            let bytes = crate::opened::read_component(&component)?;
            project.state.keep_component(&bytes)?;
        }
        if self.global.json {
            output::json(&json!({ "quarantined": open_turns }));
        } else {
            output::note(&format!("restored; {} quarantined that had not ended", output::counted(open_turns as usize, "turn")));
        }
        Ok(Exit::Done)
    }
}

#[allow(clippy::disallowed_methods, reason = "kept components are listed here")]
fn components(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("`{}` cannot be listed", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            found.push(path);
        }
    }
    Ok(found)
}

#[allow(clippy::disallowed_methods, reason = "kept components are copied here")]
fn copy_components(from: &Path, to: &Path) -> anyhow::Result<usize> {
    let found = components(from)?;
    for path in &found {
        let name = path.file_name().context("a component has a name")?;
        std::fs::copy(path, to.join(name)).with_context(|| format!("`{}` cannot be copied", path.display()))?;
    }
    Ok(found.len())
}
