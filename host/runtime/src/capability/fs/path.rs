//! Paths in the guest's names, and the folders above the mounts that are not on disk. Pure.

/// Where a path that begins above the mounts leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Into the mount with this place in the list, by this path relative to it (`.` is the mount itself).
    Mount(usize, String),
    /// To a folder above a mount.
    Above(String),
    /// To nothing that is granted.
    Outside(String),
}

/// `path` taken from the folder `base`, both as the guest names them; absolute, without `.`, `..` and `//`. Links are not looked
/// at, so the result is for people, never for opening.
pub(super) fn join(base: &str, path: &str) -> String {
    let start = if path.starts_with('/') { "" } else { base };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Whether the folder `above` (absolute) is a proper ancestor of `path`.
pub(super) fn is_above(above: &str, path: &str) -> bool {
    let base = if above == "/" { "" } else { above };
    path.strip_prefix(base).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
}

/// Follows the relative `path` from `base`, a folder above the mounts, to the longest mount on the way.
///
/// Above the mounts there are no links, so `..` is taken away there. What follows a mount's name is left as it is: behind it there
/// may be links, which only the system can follow.
pub(super) fn route(base: &str, path: &str, mounts: &[&str]) -> Route {
    let mut at = base.to_owned();
    let mut found = None;
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    for (index, part) in parts.iter().enumerate() {
        if found.is_some() && *part == ".." {
            break;
        }
        at = join(&at, part);
        if let Some(mount) = mounts.iter().position(|mount| *mount == at) {
            found = Some((mount, index + 1));
        } else if found.is_some() && !mounts.iter().any(|mount| is_above(&at, mount)) {
            break;
        }
    }
    match found {
        Some((mount, taken)) => Route::Mount(mount, rest(&parts, taken, path)),
        None if at == "/" || mounts.iter().any(|mount| is_above(&at, mount)) => Route::Above(at),
        None => Route::Outside(at),
    }
}

/// The parts after the first `taken`, with the final `/` of `path`.
fn rest(parts: &[&str], taken: usize, path: &str) -> String {
    let mut rest = parts.get(taken..).unwrap_or_default().join("/");
    if rest.is_empty() {
        rest.push('.');
    } else if path.ends_with('/') {
        rest.push('/');
    }
    rest
}

/// The names in the folder `above` that lead to mounts; with `true` where a mount itself has that name.
pub(super) fn names(above: &str, mounts: &[&str]) -> Vec<(String, Option<usize>)> {
    let mut names: Vec<(String, Option<usize>)> = Vec::new();
    for (index, mount) in mounts.iter().enumerate().filter(|(_, mount)| is_above(above, mount)) {
        let below = mount.strip_prefix(above).unwrap_or_default().trim_start_matches('/');
        let (name, leaf) = match below.split_once('/') {
            Some((first, _)) => (first, None),
            None => (below, Some(index)),
        };
        match names.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = known.or(leaf),
            None => names.push((name.to_owned(), leaf)),
        }
    }
    names.sort();
    names
}

/// A path that names an entry of a folder, for operations that change the folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// The folder; `.` when the path has one part.
    pub folder: &'a str,
    /// The entry, never empty, `.` or `..`.
    pub name: &'a str,
    /// Whether the path ends in `/`, and so can only mean a folder.
    pub must_be_folder: bool,
}

/// Splits `path` into folder and entry; `None` when it ends in `.` or `..` or has no part.
pub(super) fn entry(path: &str) -> Option<Entry<'_>> {
    let trimmed = path.trim_end_matches('/');
    let (folder, name) = match trimmed.rsplit_once('/') {
        Some((folder, name)) => (folder, name),
        None => (".", trimmed),
    };
    let usable = !matches!(name, "" | "." | "..") && !folder.is_empty();
    usable.then_some(Entry { folder, name, must_be_folder: trimmed.len() < path.len() })
}
