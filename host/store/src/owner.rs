//! Owners of sessions: each open store holds a locked file. It is alive as long as the file is locked, whatever the clocks say.
#![expect(clippy::disallowed_methods, reason = "this file owns the access to the files of owners")]

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use remit_core::{Error, Result};
use rustix::fs::OFlags;

use crate::folder::{failed, remove};

/// This open store as an owner. The system lets go of its lock when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Owner {
    id: i64,
    folder: PathBuf,
    /// Locked while it is open.
    _file: File,
}

impl Owner {
    /// A new owner in `folder`. The caller keeps others from opening the store meanwhile. Files of dead owners are removed.
    ///
    /// # Errors
    /// `host`.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let folder = folder.join("owners");
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|error| failed("made", &folder, error))?;
        sweep(&folder)?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| Error::host("the machine gives no random numbers", error))?;
        let id = i64::from_le_bytes(random) & i64::MAX;
        let path = path(&folder, id);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| failed("made", &path, error))?;
        file.lock().map_err(|error| failed("locked", &path, error))?;
        Ok(Self { id, folder, _file: file })
    }

    /// Its number, drawn at random.
    pub(crate) fn id(&self) -> i64 {
        self.id
    }

    /// Whether the owner `id` is alive. It may be this one.
    ///
    /// # Errors
    /// `host` when it cannot be found out.
    pub(crate) fn is_alive(&self, id: i64) -> Result<bool> {
        is_locked(&path(&self.folder, id))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Err(error) = remove(&path(&self.folder, self.id)) {
            tracing::debug!(error = error.message, "the file of an owner is left");
        }
    }
}

/// Whether anybody has the store in `folder` open.
///
/// # Errors
/// `host` when it cannot be found out.
pub(crate) fn any_alive(folder: &Path) -> Result<bool> {
    let owners = folder.join("owners");
    if !owners.exists() {
        return Ok(false);
    }
    for entry in std::fs::read_dir(&owners).map_err(|error| failed("listed", &owners, error))? {
        if is_locked(&entry.map_err(|error| failed("listed", &owners, error))?.path())? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn path(folder: &Path, id: i64) -> PathBuf {
    folder.join(format!("{id:016x}"))
}

/// Removes files that nobody holds any more.
fn sweep(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(|error| failed("listed", folder, error))? {
        let path = entry.map_err(|error| failed("listed", folder, error))?.path();
        if !is_locked(&path)? {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Whether somebody holds the lock of the file. Asking shares the lock with others who ask, so that nobody is taken for an owner.
fn is_locked(path: &Path) -> Result<bool> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed("opened", path, error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(failed("looked at", path, error)),
    }
}
