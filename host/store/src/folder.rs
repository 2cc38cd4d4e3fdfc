//! The store's folder: this user's own, and closed to everybody else.
#![expect(clippy::disallowed_methods, reason = "this file owns the access to the store's folder")]

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use remit_core::{Error, Result};

/// The database's name in its folder.
pub(crate) const DATABASE: &str = "state.db";

/// Makes sure that `folder` is there, is no link, belongs to this user, and is closed to others.
///
/// # Errors
/// `denied` when it is not so; `host` when it cannot be made or looked at.
pub(crate) fn own(folder: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed("made", folder, error))?;
    let meta = std::fs::symlink_metadata(folder).map_err(|error| failed("read", folder, error))?;
    if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(Error::denied("the folder of the state database is a link, or belongs to somebody else")
            .hint("remove it, and let `remit` make it anew")
            .internal(folder.display()));
    }
    if meta.mode() & 0o077 != 0 {
        return Err(Error::denied("the folder of the state database is open to others")
            .hint(format!("close it: chmod 700 '{}'", folder.display()))
            .internal(folder.display()));
    }
    Ok(())
}

/// Holds the folder against others who open the store, until it is dropped: making and migrating happens once.
///
/// # Errors
/// `host`.
pub(crate) fn opening(folder: &Path) -> Result<File> {
    let path = folder.join("state.lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(|error| failed("opened", &path, error))?;
    file.lock().map_err(|error| failed("locked", &path, error))?;
    Ok(file)
}

/// Makes an empty file for a database, for this user alone; one that is there is not touched.
///
/// A database that may be in use is never opened as a plain file: closing it would let go of SQLite's locks on it.
///
/// # Errors
/// `host`.
pub(crate) fn reserve(folder: &Path, name: &str) -> Result<()> {
    let path = folder.join(name);
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(_) => sync(folder),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed("made", &path, error)),
    }
}

/// Makes the names in the folder durable.
///
/// # Errors
/// `host`.
pub(crate) fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(|error| failed("synced", folder, error))
}

/// Removes a file; one that is not there is fine.
///
/// # Errors
/// `host`.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("removed", path, error)),
        _ => Ok(()),
    }
}

/// What went wrong with a file of the store.
pub(crate) fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let message = format!("`{name}` of the state database could not be {what}: {error}");
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::unavailable(message).hint("free some space, and try again"),
        _ => Error::host(message, path.display()),
    }
}
