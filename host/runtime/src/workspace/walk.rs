//! What is in the folder of a workspace.

use cap_std::fs::{Dir, Metadata};
use remit_core::{
    Error, Result,
    limit::{TREE_PATH_MAX_BYTES, WORKSPACE_FILES_MAX},
    plugin::text::visible,
};

use super::Place;

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Present {
    /// Bytes of files.
    pub(super) bytes: u64,
    /// Files, folders and links.
    pub(super) files: u64,
}

/// Counts what is there.
///
/// # Errors
/// Those of [`walk`].
pub(super) fn present(place: &Place, dir: &Dir) -> Result<Present> {
    let mut present = Present::default();
    walk(place, dir, |_, metadata| {
        present.files += 1;
        if metadata.is_file() {
            present.bytes = present.bytes.saturating_add(metadata.len());
        }
        Ok(())
    })?;
    Ok(present)
}

/// Shows each entry by its path; links are not followed.
///
/// # Errors
/// `host` for what cannot be read, and for what no guest can have made; `limit` for more than any workspace may hold; those of `see`.
pub(super) fn walk(place: &Place, dir: &Dir, mut see: impl FnMut(&str, &Metadata) -> Result<()>) -> Result<()> {
    let failed = |error: &std::io::Error| place.failed("read", error);
    let mut folders = vec![String::new()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let at = if folder.is_empty() { "." } else { &folder };
        for entry in dir.read_dir(at).map_err(|error| failed(&error))? {
            let entry = entry.map_err(|error| failed(&error))?;
            let name = entry.file_name();
            let foreign = |name: &str| {
                let name = visible(name, 160);
                Error::host(format!("the workspace of `{}` holds what no guest made: `{name}`", place.plugin), "an entry of a workspace")
                    .hint("remove it from the project's state folder")
            };
            let name = name.to_str().ok_or_else(|| foreign(&name.to_string_lossy()))?;
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            let metadata = entry.metadata().map_err(|error| failed(&error))?;
            let known = metadata.is_file() || metadata.is_dir() || metadata.is_symlink();
            if !known || path.len() > TREE_PATH_MAX_BYTES {
                return Err(foreign(&path));
            }
            seen += 1;
            if seen > WORKSPACE_FILES_MAX {
                return Err(Error::limit(format!(
                    "the workspace of `{}` holds more than {WORKSPACE_FILES_MAX} files and folders",
                    place.plugin
                )));
            }
            see(&path, &metadata)?;
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    Ok(())
}

/// Where the system cannot be asked for all of a file system: each file and folder by itself.
#[cfg(not(target_os = "linux"))]
pub(super) fn sync_each(dir: &Dir) -> std::io::Result<()> {
    for entry in dir.entries()? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync_each(&entry.open_dir()?)?;
        } else if kind.is_file() {
            entry.open()?.sync_all()?;
        }
    }
    dir.open(".")?.sync_all()
}
