//! Paths in the guest's names, and errors that tell which folders are granted.

use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use remit::Error;

/// Longest path, in bytes.
const PATH_MAX_BYTES: usize = 4096;

/// Reads `text` as an absolute path without `..`.
///
/// # Errors
/// `invalid-arguments` when it is relative, too long, or climbs with `..`.
pub fn parse(text: &str) -> Result<PathBuf, Error> {
    if text.len() > PATH_MAX_BYTES {
        return Err(Error::invalid_arguments(format!("the path has {} bytes; at most {PATH_MAX_BYTES} are accepted", text.len())));
    }
    let mut path = PathBuf::from("/");
    if !text.starts_with('/') {
        return Err(Error::invalid_arguments(format!(
            "`{text}` is not an absolute path; write it from the root, such as `/docs/a.md`; {}",
            granted()
        )));
    }
    for component in Path::new(text).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            Component::ParentDir => return Err(Error::invalid_arguments(format!("`{text}` climbs with `..`; write the path without it"))),
        }
    }
    Ok(path)
}

/// The granted folders in the guest's names, sorted.
#[cfg(target_family = "wasm")]
pub fn mounts() -> Vec<PathBuf> {
    let mut mounts: Vec<PathBuf> =
        wasip2::filesystem::preopens::get_directories().into_iter().map(|(_, path)| PathBuf::from(path)).collect();
    mounts.retain(|path| path != Path::new("/"));
    mounts.sort();
    mounts.dedup();
    mounts
}

/// The folders below the root, sorted: what stands for mounts in native tests.
#[cfg(not(target_family = "wasm"))]
pub fn mounts() -> Vec<PathBuf> {
    let mut mounts: Vec<PathBuf> = std::fs::read_dir("/").into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    mounts.sort();
    mounts
}

/// The mount that holds `path`; the longest if they nest.
pub fn mount_of(path: &Path) -> Option<PathBuf> {
    mounts().into_iter().filter(|mount| path.starts_with(mount)).max_by_key(|mount| mount.components().count())
}

/// What is granted, as the end of a sentence.
pub fn granted() -> String {
    let mounts = mounts();
    if mounts.is_empty() {
        return "no folder is granted to this plugin".to_owned();
    }
    let names: Vec<String> = mounts.iter().map(|mount| format!("`{}`", mount.display())).collect();
    format!("granted folders: {}", names.join(", "))
}

/// Says why `action` (a verb such as `read`) on `path` failed, and what to do.
pub fn explain(action: &str, path: &Path, error: &io::Error) -> Error {
    let shown = path.display();
    if mount_of(path).is_none() {
        return Error::denied(format!("cannot {action} `{shown}`: it lies in no granted folder ({error}); {}", granted()));
    }
    match error.kind() {
        ErrorKind::NotFound => Error::invalid_arguments(format!("cannot {action} `{shown}`: it does not exist; {}", nearest(path))),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Error::denied(format!("cannot {action} `{shown}`: {error}; the folder may be granted for reading only"))
        }
        ErrorKind::IsADirectory => Error::invalid_arguments(format!("cannot {action} `{shown}`: it is a folder; name a file in it")),
        ErrorKind::NotADirectory => {
            Error::invalid_arguments(format!("cannot {action} `{shown}`: a part of the path is a file, not a folder"))
        }
        _ => Error::failed(format!("cannot {action} `{shown}`: {error}")),
    }
}

/// The closest folder above `path` that exists, as the end of a sentence.
fn nearest(path: &Path) -> String {
    match path.ancestors().skip(1).find(|folder| folder.is_dir()) {
        Some(folder) => format!("`list` of `{}` shows what is there", folder.display()),
        None => granted(),
    }
}
