//! `write` and `edit`: whole files, replaced in one step.

use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use remit::Error;

use crate::{digest, path};

/// Largest file that is changed or compared, in bytes.
pub const FILE_MAX_BYTES: u64 = 16 << 20;

/// What to write.
#[remit::data]
#[derive(Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// The file, such as `/docs/a.md`.
    pub path: String,
    /// What it shall hold.
    pub content: String,
    /// Takes `content` as base64 of the bytes.
    #[serde(default)]
    pub base64: bool,
    /// Only if there is no such file yet.
    #[serde(default)]
    pub if_absent: bool,
    /// Only if the file's SHA-256 is this one (64 hex digits, as `read` gives it).
    pub expected_sha256: Option<String>,
    /// Creates the folders that are missing.
    #[serde(default)]
    pub create_folders: bool,
}

/// What was written.
#[remit::data]
#[derive(Debug, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: String,
    /// Whether the file is new.
    pub created: bool,
    /// Whether anything changed; `false` when the file held just this.
    pub changed: bool,
}

/// Writes a file as a whole, on conditions if wanted. What holds the wanted content already is left alone, so a repetition does no harm.
#[remit::tool(idempotent, title = "Write a file")]
pub fn write(args: Write) -> Result<Written, Error> {
    let target = path::parse(&args.path)?;
    let bytes = if args.base64 {
        BASE64.decode(&args.content).map_err(|error| Error::invalid_arguments(format!("`content` is not base64: {error}")))?
    } else {
        args.content.as_bytes().to_vec()
    };
    let wanted = digest::of(&bytes);
    let before = present(&target, &args.path)?;
    let created = before.is_none();
    let changed = before.as_deref() != Some(&bytes);
    if changed {
        check(&args, before.as_deref())?;
        prepare_folder(&target, args.create_folders)?;
        replace(&target, &bytes).map_err(|error| path::explain("write", &target, &error))?;
    }
    Ok(Written { path: args.path.clone(), size: bytes.len() as u64, sha256: wanted, created, changed })
}

/// Refuses unless the file is as the caller expects it.
fn check(args: &Write, before: Option<&[u8]>) -> Result<(), Error> {
    let Some(before) = before else {
        return match &args.expected_sha256 {
            Some(_) => Err(Error::invalid_arguments(format!(
                "`{}` does not exist, but `expected_sha256` is given; leave it out to create the file",
                args.path
            ))),
            None => Ok(()),
        };
    };
    if args.if_absent {
        return Err(Error::invalid_arguments(format!("`{}` exists; leave out `if_absent` to replace it", args.path)));
    }
    expect(args.expected_sha256.as_deref(), before, &args.path)
}

/// Refuses unless `bytes` have the SHA-256 that the caller expects, if one is expected.
pub fn expect(expected: Option<&str>, bytes: &[u8], shown: &str) -> Result<(), Error> {
    let Some(expected) = expected else { return Ok(()) };
    let actual = digest::of(bytes);
    if expected.trim_start_matches("sha256:").eq_ignore_ascii_case(&actual) {
        return Ok(());
    }
    Err(Error::invalid_arguments(format!("`{shown}` was changed meanwhile: its SHA-256 is {actual}; read it again")))
}

/// The bytes of the file `target`, or `None` if there is nothing.
fn present(target: &Path, shown: &str) -> Result<Option<Vec<u8>>, Error> {
    match load(target, shown) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Load::Refused(error)) => Err(error),
        Err(Load::Io(error)) if error.kind() == ErrorKind::NotFound && path::mount_of(target).is_some() => Ok(None),
        Err(Load::Io(error)) => Err(path::explain("write", target, &error)),
    }
}

/// Why a file could not be loaded.
pub enum Load {
    /// The system says no.
    Io(io::Error),
    /// It is nothing that is changed here.
    Refused(Error),
}

impl From<io::Error> for Load {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Loads a plain file of at most [`FILE_MAX_BYTES`] to change it.
///
/// # Errors
/// `Refused` for folders, links and large files; `Io` for the rest.
pub fn load(target: &Path, shown: &str) -> Result<Vec<u8>, Load> {
    let refuse = |why: String| Err(Load::Refused(Error::invalid_arguments(why)));
    let metadata = fs::symlink_metadata(target)?;
    if metadata.is_symlink() {
        return refuse(format!("`{shown}` is a symbolic link; name the file that it points to"));
    }
    if !metadata.is_file() {
        return refuse(format!("`{shown}` is not a file; name a file"));
    }
    if metadata.len() > FILE_MAX_BYTES {
        return refuse(format!("`{shown}` has {} bytes; files up to {FILE_MAX_BYTES} are changed", metadata.len()));
    }
    let mut bytes = Vec::new();
    File::open(target)?.take(FILE_MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn prepare_folder(target: &Path, create: bool) -> Result<(), Error> {
    let Some(folder) = target.parent().filter(|folder| !folder.is_dir()) else { return Ok(()) };
    if !create {
        let message = format!("the folder `{}` does not exist; set `create_folders` to create it", folder.display());
        return Err(if path::mount_of(target).is_some() { Error::invalid_arguments(message) } else { Error::denied(path::granted()) });
    }
    fs::create_dir_all(folder).map_err(|error| path::explain("create", folder, &error))
}

/// Puts `bytes` in the place of `target` in one step: readers see the old content or the new one, never a part.
///
/// # Errors
/// What the system answers; the file is then as it was.
pub fn replace(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let (draft, mut file) = create_draft(target)?;
    let filled = file.write_all(bytes).and_then(|()| file.sync_all());
    drop(file);
    if let Err(error) = filled.and_then(|()| fs::rename(&draft, target)) {
        return Err(match fs::remove_file(&draft) {
            Ok(()) => error,
            Err(left) => io::Error::new(error.kind(), format!("{error}; `{}` was left behind: {left}", draft.display())),
        });
    }
    Ok(())
}

/// Creates a hidden file of a new name beside `target`.
fn create_draft(target: &Path) -> io::Result<(PathBuf, File)> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let draft = target.with_file_name(format!(".draft-{:016x}", RandomState::new().build_hasher().finish()));
        match OpenOptions::new().write(true).create_new(true).open(&draft) {
            Ok(file) => return Ok((draft, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && attempts < 8 => {}
            Err(error) => return Err(error),
        }
    }
}
