//! `list`: what a folder holds.

use std::fs;

use remit::Error;

use crate::path;
use crate::walk::{DEPTH_MAX, Entry, Filter, Kind, Walk};

const LIMIT_DEFAULT: usize = 200;
const LIMIT_MAX: usize = 1000;

/// What to list.
#[remit::data]
#[derive(Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The folder, such as `/docs`. `/` lists the granted folders.
    #[serde(default = "root")]
    pub path: String,
    /// How many levels to go down; 1 (the default) lists the folder itself. At most 64.
    #[schemars(range(min = 1, max = 64))]
    pub depth: Option<usize>,
    /// Only files that match, such as `*.md` (by name) or `src/**/*.rs` (by path below the folder).
    pub glob: Option<String>,
    /// Also shows what `.gitignore` files name, and `.git`.
    #[serde(default)]
    pub all: bool,
    /// Entries to leave out at the start: to go on with a long list.
    #[serde(default)]
    pub skip: usize,
    /// Most entries in the answer; 200 unless told, at most 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<usize>,
}

fn root() -> String {
    "/".to_owned()
}

/// A part of a folder's list.
#[remit::data]
#[derive(Debug, PartialEq, Eq)]
pub struct Listing {
    /// The entries, depth first, in the order of names.
    pub entries: Vec<Item>,
    /// All entries that match, the ones left out included.
    pub total: usize,
    /// How to get the rest; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What could not be shown, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One entry.
#[remit::data]
#[derive(Debug, PartialEq, Eq)]
pub struct Item {
    /// Its absolute path.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Bytes of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// Lists what a folder holds, with sizes, leaving out what `.gitignore` files name. `/` lists the granted folders.
#[remit::tool(read, title = "List a folder")]
pub fn list(args: List) -> Result<Listing, Error> {
    let start = path::parse(&args.path)?;
    if start.parent().is_none() {
        return Ok(mounts());
    }
    let depth = args.depth.unwrap_or(1).clamp(1, DEPTH_MAX);
    let limit = args.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let filter = Filter::new(args.glob.as_deref(), &start)?;
    let metadata = fs::metadata(&start).map_err(|error| path::explain("list", &start, &error))?;
    if !metadata.is_dir() {
        return Err(Error::invalid_arguments(format!("`{}` is not a folder; use `read` for a file", args.path)));
    }
    let mut walk = Walk::new(&start, depth, args.all)?;
    let (mut entries, mut total) = (Vec::new(), 0);
    for entry in walk.by_ref() {
        if args.glob.is_some() && (entry.kind == Kind::Folder || !filter.matches(&entry.path)) {
            continue;
        }
        if total >= args.skip && entries.len() < limit {
            entries.push(item(&entry));
        }
        total += 1;
    }
    let shown = args.skip.saturating_add(entries.len());
    let next = (shown < total && !entries.is_empty()).then(|| format!("{} more: call again with `skip` = {shown}", total - shown));
    Ok(Listing { entries, total, next, notes: walk.notes() })
}

fn mounts() -> Listing {
    let entries: Vec<Item> =
        path::mounts().iter().map(|mount| Item { path: mount.display().to_string(), kind: Kind::Folder, size: None }).collect();
    let notes = if entries.is_empty() { vec![path::granted()] } else { Vec::new() };
    Listing { total: entries.len(), entries, next: None, notes }
}

fn item(entry: &Entry) -> Item {
    let size = match entry.kind {
        Kind::File => fs::symlink_metadata(&entry.path).ok().map(|metadata| metadata.len()),
        _ => None,
    };
    Item { path: entry.path.display().to_string(), kind: entry.kind, size }
}
