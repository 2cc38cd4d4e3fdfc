//! The only place where a project's files are opened: bounded reads, atomic writes, folders of one owner.
#![expect(clippy::disallowed_methods, reason = "this file owns the access to a project's files and state")]

use std::{
    fs::{DirBuilder, File, Metadata, OpenOptions, Permissions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use remit_core::{
    Error, Result,
    plugin::{Digest, text::visible},
};
use rustix::fs::OFlags;

/// Reads a regular file of at most `max_bytes`; one byte more is read, so that the caller's own check sees that it is too large.
///
/// # Errors
/// `invalid` when it is no regular file, `host` when it cannot be read. `None` when it does not exist.
pub(crate) fn read(path: &Path, max_bytes: u64) -> Result<Option<Vec<u8>>> {
    open(path)?.map(|(file, meta)| contents(path, file, &meta, max_bytes)).transpose()
}

/// The digest of a regular file of at most `max_bytes`.
///
/// # Errors
/// `limit` when it has more; `host` when it cannot be read; `unavailable` when it is gone.
pub(super) fn digest(path: &Path, max_bytes: u64) -> Result<Digest> {
    let gone = || Error::unavailable(format!("`{}` is not there", name(path)));
    let (file, _) = open(path)?.ok_or_else(gone)?;
    let read = Digest::of_stream(file.take(max_bytes.saturating_add(1)));
    let (digest, size) = read.map_err(|error| failed(path, "read", error))?;
    match size > max_bytes {
        true => Err(Error::limit(format!("`{}` has more than {} MiB", name(path), max_bytes >> 20))),
        false => Ok(digest),
    }
}

/// Whether there is a regular file at `path`.
pub(super) fn is_regular(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file())
}

/// Whether there is a regular file at `path` that somebody may execute.
pub(super) fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o111 != 0)
}

/// Like [`read`], for a file that only this user may have written.
///
/// # Errors
/// As for [`read`]; `denied` when somebody else could have written it.
pub(super) fn read_own(path: &Path, max_bytes: u64) -> Result<Option<Vec<u8>>> {
    let Some((file, meta)) = open(path)? else { return Ok(None) };
    if !is_own(&meta) || meta.mode() & 0o022 != 0 {
        return Err(Error::denied(format!("`{}` may have been written by somebody else", name(path)))
            .hint("remove it, or make yourself its only writer"));
    }
    contents(path, file, &meta, max_bytes).map(Some)
}

/// What changes with a file: device, number, size, time of the last change.
pub(super) type Mark = (u64, u64, u64, i64, i64);

/// The mark of a file, if there is one that can be looked at.
pub(super) fn mark(path: &Path) -> Option<Mark> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}

fn open(path: &Path) -> Result<Option<(File, Metadata)>> {
    // Without NONBLOCK, opening a FIFO would wait for its writer.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => {
            let meta = file.metadata().map_err(|error| failed(path, "read", error))?;
            Ok(Some((file, meta)))
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(failed(path, "read", error)),
    }
}

fn contents(path: &Path, file: File, meta: &Metadata, max_bytes: u64) -> Result<Vec<u8>> {
    if !meta.is_file() {
        return Err(Error::invalid(format!("`{}` is not a regular file", name(path))).hint("put a regular file in its place"));
    }
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| failed(path, "read", error))?;
    Ok(bytes)
}

/// Writes a file so that whoever reads it, now or after a crash, sees the old bytes or all of the new ones.
///
/// # Errors
/// `host`; the file is then as it was, unless only its folder could not be synced.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let (folder, temporary) = temporary(path)?;
    let written =
        write_new(&temporary, bytes, mode).and_then(|()| std::fs::rename(&temporary, path)).and_then(|()| File::open(&folder)?.sync_all());
    written.map_err(|error| {
        let left = std::fs::remove_file(&temporary);
        tracing::debug!(path = %temporary.display(), removed = left.is_ok(), "a write failed");
        failed(path, "written", error)
    })
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Waits until nobody else holds the lock that the file at `path` stands for; it is held until the handle is dropped.
///
/// # Errors
/// `host` when it cannot be made or locked.
pub(super) fn lock(path: &Path) -> Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = file.map_err(|error| failed(path, "locked", error))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).map_err(|error| failed(path, "locked", error.into()))?;
    Ok(file)
}

/// A name beside `path` that nobody else uses, and their folder.
fn temporary(path: &Path) -> Result<(PathBuf, PathBuf)> {
    let (Some(folder), Some(file)) = (path.parent(), path.file_name()) else {
        return Err(Error::host(format!("`{}` could not be written", name(path)), "it has no folder"));
    };
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| Error::host("the machine gives no random numbers", error))?;
    let unique = format!(".{}.{:016x}.new", file.to_string_lossy(), u64::from_le_bytes(random));
    Ok((folder.to_owned(), folder.join(unique)))
}

/// What the files in a folder are called; names that are no text are left out.
///
/// # Errors
/// `host` when it cannot be listed.
pub(super) fn names(folder: &Path) -> Result<Vec<String>> {
    let listed = std::fs::read_dir(folder).map_err(|error| failed(folder, "listed", error))?;
    let names = listed.map(|entry| entry.map(|entry| entry.file_name().into_string().ok()));
    names.filter_map(Result::transpose).map(|name| name.map_err(|error| failed(folder, "listed", error))).collect()
}

/// Removes a file, and returns how large it was; one that is not there is fine.
///
/// # Errors
/// `host` when it cannot be removed.
pub(super) fn remove(path: &Path) -> Result<u64> {
    let bytes = std::fs::symlink_metadata(path).map_or(0, |meta| meta.len());
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(path, "removed", error)),
        _ => Ok(bytes),
    }
}

/// Makes what was removed from `folder`, or put into it, durable.
///
/// # Errors
/// `host` when the system cannot say that it is.
pub(super) fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(folder, "synced", error))
}

/// The time of a file: of its last change, or what [`set_time`] made it.
pub(super) fn time(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

/// Sets the time of a file; one that is not there is fine.
///
/// # Errors
/// `host` when it cannot be set.
pub(super) fn set_time(path: &Path, time: SystemTime) -> Result<()> {
    match open(path)? {
        Some((file, _)) => file.set_modified(time).map_err(|error| failed(path, "marked", error)),
        None => Ok(()),
    }
}

/// Makes sure that `folder` exists, is a folder and not a link to one, and that nobody but this user may look into it.
///
/// # Errors
/// `denied` when it belongs to somebody else or is a link; `host` when it cannot be made.
pub(super) fn own_folder(folder: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(folder, "made", error))?;
    let meta = std::fs::symlink_metadata(folder).map_err(|error| failed(folder, "read", error))?;
    if !meta.is_dir() || !is_own(&meta) {
        return Err(Error::denied(format!("`{}` is a link, or belongs to somebody else", name(folder)))
            .hint("remove it, and let `remit` make it anew"));
    }
    if meta.mode() & 0o077 != 0 {
        std::fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(|error| failed(folder, "closed to others", error))?;
    }
    Ok(())
}

/// The path without links, `.` and `..`; `None` when it does not exist.
///
/// # Errors
/// `host` when it cannot be followed.
pub(super) fn canonical(path: &Path) -> Result<Option<PathBuf>> {
    match path.canonicalize() {
        Ok(path) => Ok(Some(path)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(failed(path, "followed", error)),
    }
}

/// Whether there is anything at `path` that is not a folder.
pub(super) fn is_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| !meta.is_dir())
}

fn is_own(meta: &Metadata) -> bool {
    meta.uid() == rustix::process::geteuid().as_raw()
}

fn name(path: &Path) -> String {
    visible(&path.file_name().unwrap_or(path.as_os_str()).to_string_lossy(), 128)
}

fn failed(path: &Path, what: &str, error: io::Error) -> Error {
    Error::host(format!("`{}` could not be {what}: {error}", name(path)), path.display())
}
