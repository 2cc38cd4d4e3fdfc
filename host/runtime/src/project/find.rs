//! Which folder is the project.

use std::path::{Path, PathBuf};

use remit_core::{Error, Result, plugin::text::visible};

use super::file;

/// The file that makes a folder a project.
pub const MANIFEST_FILE: &str = "remit.toml";
/// What was approved of it.
pub const LOCK_FILE: &str = "remit.lock";
/// One user's own narrowing.
pub const LOCAL_FILE: &str = "remit.local.toml";

/// The project's folder, without links: `explicit` (`--project`), else `env` (`REMIT_PROJECT`), else the nearest one upward from `cwd`.
///
/// A folder or its `remit.toml` may be named; relative paths are below `cwd`. What was named and is no project is an error, never a
/// reason to look elsewhere.
///
/// # Errors
/// `not-found` when there is no `remit.toml`; `host` when a folder cannot be read.
pub fn find(explicit: Option<&Path>, env: Option<&Path>, cwd: &Path) -> Result<PathBuf> {
    if let Some(named) = explicit.or(env) {
        let path = cwd.join(named);
        let folder = match path.file_name() {
            Some(name) if name == MANIFEST_FILE => path.parent().unwrap_or(&path),
            _ => &path,
        };
        return at(folder)?.ok_or_else(|| {
            Error::not_found(format!("`{}` is not a project: it has no `{MANIFEST_FILE}`", visible(&named.to_string_lossy(), 256)))
                .hint("name the folder that holds it: --project FOLDER")
        });
    }
    for folder in cwd.ancestors() {
        if let Some(found) = at(folder)? {
            return Ok(found);
        }
    }
    Err(Error::not_found(format!("there is no project here: no `{MANIFEST_FILE}` in this folder or above it"))
        .hint("go to one, name one with --project FOLDER, or make one: remit add REF"))
}

fn at(folder: &Path) -> Result<Option<PathBuf>> {
    match file::is_file(&folder.join(MANIFEST_FILE)) {
        true => file::canonical(folder),
        false => Ok(None),
    }
}
