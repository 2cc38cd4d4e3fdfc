//! Granted folders and files: opened once, when they are granted, and held from then on.

#[cfg(target_os = "linux")]
use std::ffi::OsString;
use std::{collections::BTreeSet, io, path::Path, sync::Arc};

use cap_std::{ambient_authority, fs::Dir};
use remit_bindings::filesystem::types::DescriptorType;
use remit_core::{
    Error, Kind, Result,
    grant::{Access, Mount, Source},
    label::Label,
};

use super::{
    disk::{kind, volume},
    path::is_above,
    quota::Usage,
};

/// A granted folder or file, opened when it was granted. The host's path plays no part after that: who replaces the folder
/// changes nothing for calls that hold it.
#[derive(Debug, Clone)]
pub struct OpenMount {
    /// Where the guest sees it.
    pub(super) guest: String,
    /// What may be done below it.
    pub(super) access: Access,
    /// Bytes that one call may write.
    pub(super) max_bytes: u64,
    /// Files, folders and links that one call may create.
    pub(super) max_files: u64,
    /// The folder; for a single file the folder that holds it.
    pub(super) dir: Arc<Dir>,
    /// The name of a single file in `dir`.
    pub(super) file: Option<String>,
    /// The file system that the mount lies on.
    pub(super) volume: u64,
    /// What is in a workspace, for all calls that have it; every other mount is counted anew for each call.
    pub(super) usage: Option<Arc<Usage>>,
    /// What whoever uses it has seen.
    pub(super) labels: BTreeSet<Label>,
}

impl OpenMount {
    /// The workspace that `mount` grants: its folder, and what is in it.
    ///
    /// # Errors
    /// When the system does not say where the folder lies.
    pub(crate) fn workspace(mount: &Mount, dir: Dir, usage: Arc<Usage>) -> io::Result<Self> {
        let volume = volume(&dir)?;
        let Mount { guest, access, max_bytes, max_files, labels, .. } = mount;
        let (guest, labels, dir, usage) = (guest.clone(), labels.clone(), Arc::new(dir), Some(usage));
        Ok(Self { guest, access: *access, max_bytes: *max_bytes, max_files: *max_files, dir, file: None, volume, usage, labels })
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Arc<Dir> {
        &self.dir
    }
}

/// Opens each folder or file that is granted of the host. A workspace is opened elsewhere, anew for each call.
///
/// # Errors
/// `unavailable` when it is missing or cannot be read; `invalid` when it is neither a folder nor a regular file, when another file
/// system is mounted inside it, or when a single file lies inside a mounted folder; `host` when the system's list of mounted file
/// systems cannot be read.
pub fn open(mounts: &[Mount]) -> Result<Vec<OpenMount>> {
    let of_host = mounts.iter().filter_map(|mount| if let Source::Host(host) = &mount.source { Some((mount, host)) } else { None });
    let opened = of_host.map(|(mount, host)| open_one(mount, host)).collect::<Result<Vec<_>>>()?;
    for file in opened.iter().filter(|mount| mount.file.is_some()) {
        if let Some(folder) = opened.iter().find(|mount| mount.file.is_none() && is_above(&mount.guest, &file.guest)) {
            let message = format!("the file `{}` cannot be mounted inside the folder `{}`", file.guest, folder.guest);
            return Err(Error::invalid(message).hint("give the file a `mount` outside every mounted folder"));
        }
    }
    Ok(opened)
}

fn open_one(mount: &Mount, host: &Path) -> Result<OpenMount> {
    let (dir, file) = match Dir::open_ambient_dir(host, ambient_authority()) {
        Ok(dir) => (dir, None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            let (dir, name) = open_file(mount, host)?;
            (dir, Some(name))
        }
        Err(error) => return Err(unavailable(mount, host, &error)),
    };
    if file.is_none() {
        refuse_mounts_inside(mount, host, &dir)?;
    }
    let volume = volume(&dir).map_err(|error| unavailable(mount, host, &error))?;
    let Mount { guest, access, max_bytes, max_files, labels, .. } = mount;
    let (guest, labels, dir, usage) = (guest.clone(), labels.clone(), Arc::new(dir), None);
    Ok(OpenMount { guest, access: *access, max_bytes: *max_bytes, max_files: *max_files, dir, file, volume, usage, labels })
}

/// Opens the folder that holds a single file, and looks at the file without opening it.
fn open_file(mount: &Mount, host: &Path) -> Result<(Dir, String)> {
    let (Some(parent), Some(name)) = (host.parent(), host.file_name().and_then(|name| name.to_str())) else {
        return Err(wrong_kind(mount, host, "has no name in UTF-8"));
    };
    let dir = Dir::open_ambient_dir(parent, ambient_authority()).map_err(|error| unavailable(mount, host, &error))?;
    let found = dir.symlink_metadata(name).map_err(|error| unavailable(mount, host, &error))?;
    match kind(found.file_type()) {
        DescriptorType::RegularFile => Ok((dir, name.to_owned())),
        DescriptorType::SymbolicLink => Err(wrong_kind(mount, host, "is a link").hint("grant the file that the link leads to")),
        _ => Err(wrong_kind(mount, host, "is neither a folder nor a regular file").hint("grant a folder or a regular file")),
    }
}

fn unavailable(mount: &Mount, host: &Path, error: &io::Error) -> Error {
    let guest = &mount.guest;
    let internal = format!("{}: {error}", host.display());
    let failed = |what: &str, hint: String| Error::new(Kind::Unavailable, format!("what is granted as `{guest}` {what}")).hint(hint);
    match error.kind() {
        io::ErrorKind::NotFound => failed("does not exist", format!("create it, or correct `path` in the `fs` grant of `{guest}`")),
        io::ErrorKind::PermissionDenied => failed("may not be read by this host", "allow the host's user to read it".to_owned()),
        _ => failed("cannot be opened", format!("check `path` in the `fs` grant of `{guest}`")),
    }
    .internal(internal)
}

fn wrong_kind(mount: &Mount, host: &Path, what: &str) -> Error {
    Error::invalid(format!("what is granted as `{}` {what}", mount.guest)).internal(host.display())
}

/// Refuses a folder that has another file system mounted inside it (F9). One that is mounted later is refused when a path meets it.
#[cfg(target_os = "linux")]
#[allow(clippy::disallowed_methods, reason = "the system's own list, of the system's own size")]
fn refuse_mounts_inside(mount: &Mount, host: &Path, dir: &Dir) -> Result<()> {
    use rustix::fd::{AsFd, AsRawFd};
    let failed = |error: &dyn std::fmt::Display| Error::host("the list of mounted file systems cannot be read", error);
    let link = format!("/proc/self/fd/{}", dir.as_fd().as_raw_fd());
    let path = rustix::fs::readlink(link, Vec::new()).map_err(|error| failed(&error))?;
    let table = std::fs::read("/proc/self/mountinfo").map_err(|error| failed(&error))?;
    let Some(inside) = mount_inside(&table, path.as_bytes()) else { return Ok(()) };
    let inside = remit_core::plugin::text::visible(&inside.to_string_lossy(), 256);
    Err(Error::invalid(format!("what is granted as `{}` has another file system mounted inside it, at `{inside}`", mount.guest))
        .hint("grant the folders beside it one by one, or that file system by itself")
        .internal(host.display()))
}

/// Elsewhere only the check at each opening is there.
#[cfg(not(target_os = "linux"))]
fn refuse_mounts_inside(_mount: &Mount, _host: &Path, _dir: &Dir) -> Result<()> {
    Ok(())
}

/// The first mount point of `table` (in the form of `/proc/self/mountinfo`) below `folder`, relative to it.
#[cfg(target_os = "linux")]
pub(super) fn mount_inside(table: &[u8], folder: &[u8]) -> Option<OsString> {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    table.split(|byte| *byte == b'\n').find_map(|line| {
        let point = unescape(line.split(|byte| *byte == b' ').nth(4)?);
        let inside = Path::new(OsStr::from_bytes(&point)).strip_prefix(OsStr::from_bytes(folder)).ok()?;
        (!inside.as_os_str().is_empty()).then(|| inside.as_os_str().to_owned())
    })
}

/// Undoes the kernel's `\ooo` for spaces, tabs, line ends and backslashes.
#[cfg(target_os = "linux")]
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let code = (byte == b'\\').then(|| after.get(..3)).flatten().and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(code) => {
                out.push(code);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}
