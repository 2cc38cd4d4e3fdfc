//! The cache's folder: owned by this user, written by nobody else, never reached through a link.

use std::{
    fs::{DirBuilder, File},
    io::{Read as _, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

use remit_core::{Error, Result};
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT},
    io::Errno,
};

/// An opened folder that passed its checks. Every file is reached through the handle, so that what was checked is what is used.
pub(super) struct Folder(OwnedFd);

impl Folder {
    /// Opens `path`, made if it is not there (0700).
    ///
    /// # Errors
    /// `unavailable` when it can be neither made nor opened; `denied` when it is a link, belongs to someone else or others may write to it.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        let unavailable =
            |error: &dyn std::fmt::Display| Error::unavailable(format!("the folder `{shown}` for compiled code cannot be used: {error}"));
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| unavailable(&error))?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let folder = match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
            Err(Errno::LOOP | Errno::NOTDIR) => {
                return Err(
                    Error::denied(format!("the folder `{shown}` for compiled code is a link")).hint("name the folder that it points to")
                );
            }
            opened => opened.map_err(|error| unavailable(&error))?,
        };
        let stat = rustix::fs::fstat(&folder).map_err(|error| unavailable(&error))?;
        if !is_ours_alone(&stat) {
            return Err(Error::denied(format!(
                "the folder `{shown}` for compiled code belongs to another user, or others may write to it"
            ))
            .hint(format!("make it yours alone: chmod 700 '{shown}'; or name another folder")));
        }
        Ok(Self(folder))
    }

    /// Opens the file `name` for reading, with its size; `None` when it is not there.
    ///
    /// # Errors
    /// `host` when it cannot be read; `denied` when it is no plain file of this user alone.
    pub(super) fn file(&self, name: &str) -> Result<Option<(File, u64)>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = match rustix::fs::openat(&self.0, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(Error::denied(format!("`{name}` among the compiled code is a link"))),
            opened => opened.map_err(|error| failed("read", name, error))?,
        };
        let stat = rustix::fs::fstat(&opened).map_err(|error| failed("read", name, error))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || !is_ours_alone(&stat) {
            return Err(Error::denied(format!("`{name}` among the compiled code belongs to another user, or others may write to it")));
        }
        Ok(Some((File::from(opened), u64::try_from(stat.st_size).unwrap_or(u64::MAX))))
    }

    /// Reads the whole of `name`; `None` when it is not there.
    ///
    /// # Errors
    /// As [`Folder::file`], and `limit` when it is larger than `max_bytes`.
    pub(super) fn read(&self, name: &str, max_bytes: u64) -> Result<Option<Vec<u8>>> {
        let Some((file, size)) = self.file(name)? else { return Ok(None) };
        if size > max_bytes {
            return Err(Error::limit(format!("`{name}` among the compiled code is larger than {max_bytes} bytes")));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        file.take(max_bytes).read_to_end(&mut bytes).map_err(|error| failed("read", name, error))?;
        Ok(Some(bytes))
    }

    /// Writes `parts` to the new file `name` (0600), which must not be there yet.
    ///
    /// # Errors
    /// `host` when it is there or cannot be written; nothing is left then.
    pub(super) fn create(&self, name: &str, parts: &[&[u8]]) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR).map_err(|error| failed("write", name, error))?;
        let mut file = File::from(opened);
        let written = parts.iter().try_for_each(|part| file.write_all(part)).map_err(|error| failed("write", name, error));
        if written.is_err() {
            self.remove(name)?;
        }
        written
    }

    /// Gives `from` the name `to`, in place of what has it.
    ///
    /// # Errors
    /// `host`.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<()> {
        rustix::fs::renameat(&self.0, from, &self.0, to).map_err(|error| failed("rename", from, error))
    }

    /// Gives `from` the further name `to` if nothing has it; says whether it did.
    ///
    /// # Errors
    /// `host`.
    pub(super) fn link(&self, from: &str, to: &str) -> Result<bool> {
        match rustix::fs::linkat(&self.0, from, &self.0, to, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(failed("link", from, error)),
        }
    }

    /// Removes `name`, if it is there.
    ///
    /// # Errors
    /// `host`.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        match rustix::fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed("remove", name, error)),
        }
    }

    /// Marks `name` as used now.
    ///
    /// # Errors
    /// `host`.
    pub(super) fn touch(&self, name: &str) -> Result<()> {
        let unchanged = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let times = Timestamps { last_access: unchanged, last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW } };
        rustix::fs::utimensat(&self.0, name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| failed("mark", name, error))
    }

    /// The plain files in it.
    ///
    /// # Errors
    /// `host`.
    pub(super) fn list(&self) -> Result<Vec<Listed>> {
        let unreadable = |error: Errno| Error::host("the folder for compiled code cannot be listed", error);
        let mut listed = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.0).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            match rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                    listed.push(Listed { name: name.to_owned(), bytes: u64::try_from(stat.st_size).unwrap_or(0), used: used(&stat) })
                }
                // Another process may have removed it meanwhile.
                Ok(_) | Err(Errno::NOENT) => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
        Ok(listed)
    }
}

/// One file of the folder.
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) bytes: u64,
    /// When it was used last: seconds and nanoseconds.
    pub(super) used: (i64, i64),
}

/// Seconds and nanoseconds of the last use; their types differ between systems.
#[allow(clippy::unnecessary_cast, reason = "they are what is wanted on some systems only")]
fn used(stat: &Stat) -> (i64, i64) {
    (stat.st_mtime as i64, stat.st_mtime_nsec as i64)
}

fn is_ours_alone(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o022 == 0
}

fn failed(doing: &str, name: &str, error: impl std::fmt::Display) -> Error {
    Error::host(format!("`{name}` among the compiled code: cannot {doing} it"), error)
}
