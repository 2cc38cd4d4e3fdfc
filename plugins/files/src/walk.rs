//! A walk over a tree that honours `.gitignore` and never follows links.

use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use remit::Error;

use crate::path;

/// Most entries of one folder that are looked at.
const FOLDER_ENTRIES_MAX: usize = 50_000;
/// Most entries of one walk.
const WALK_ENTRIES_MAX: usize = 200_000;
/// Deepest folder, counted from the start.
pub const DEPTH_MAX: usize = 64;
/// Largest `.gitignore` that is honoured, in bytes.
const RULES_MAX_BYTES: u64 = 256 << 10;
/// Most notes on what was left out.
const NOTES_MAX: usize = 20;

/// What an entry is.
#[remit::data]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link; it is not followed.
    Link,
    /// Something else, such as a device.
    Other,
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match (kind.is_file(), kind.is_dir(), kind.is_symlink()) {
            (true, ..) => Self::File,
            (_, true, _) => Self::Folder,
            (.., true) => Self::Link,
            _ => Self::Other,
        }
    }
}

/// One thing that the walk came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its absolute path.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
}

/// Entries of one folder that are still to come, and the rules of that folder.
struct Level {
    entries: std::vec::IntoIter<Entry>,
    rules: Gitignore,
}

/// A walk, depth first, in the order of names.
pub struct Walk {
    levels: Vec<Level>,
    /// Rules of the folders above the start, outermost first.
    above: Vec<Gitignore>,
    depth: usize,
    all: bool,
    seen: usize,
    notes: Vec<String>,
}

impl Walk {
    /// Starts below the folder `start`, down to `depth` levels; `all` also shows what `.gitignore` files name, and `.git`.
    ///
    /// # Errors
    /// See [`path::explain`]; what fails further down becomes a note.
    pub fn new(start: &Path, depth: usize, all: bool) -> Result<Self, Error> {
        let mut walk = Self { levels: Vec::new(), above: Vec::new(), depth: depth.min(DEPTH_MAX), all, seen: 0, notes: Vec::new() };
        if let Some(mount) = path::mount_of(start).filter(|_| !all) {
            let mut folders: Vec<&Path> = start.ancestors().skip(1).take_while(|folder| folder.starts_with(&mount)).collect();
            folders.reverse();
            walk.above = folders.into_iter().map(|folder| walk.rules(folder)).collect();
        }
        walk.descend(start).map_err(|error| path::explain("list", start, &error))?;
        Ok(walk)
    }

    /// What was left out and why, in sentences; at most [`NOTES_MAX`].
    pub fn notes(self) -> Vec<String> {
        self.notes
    }

    /// Leaves a note, unless there are enough.
    pub fn note(&mut self, text: String) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(text);
        }
    }

    fn rules(&mut self, folder: &Path) -> Gitignore {
        let file = folder.join(".gitignore");
        if self.all || !file.is_file() {
            return Gitignore::empty();
        }
        if fs::metadata(&file).is_ok_and(|metadata| metadata.len() > RULES_MAX_BYTES) {
            self.note(format!("`{}` is larger than {RULES_MAX_BYTES} bytes and was not honoured", file.display()));
            return Gitignore::empty();
        }
        let mut builder = GitignoreBuilder::new(folder);
        if let Some(error) = builder.add(&file) {
            self.note(format!("some rules were left out: {error}"));
        }
        builder.build().unwrap_or_else(|error| {
            self.note(format!("`{}` was not honoured: {error}", file.display()));
            Gitignore::empty()
        })
    }

    fn descend(&mut self, folder: &Path) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entries.len() == FOLDER_ENTRIES_MAX {
                self.note(format!("`{}` has more than {FOLDER_ENTRIES_MAX} entries; the others were left out", folder.display()));
                break;
            }
            entries.push(Entry { path: folder.join(entry.file_name()), kind: entry.file_type()?.into() });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let rules = self.rules(folder);
        self.levels.push(Level { entries: entries.into_iter(), rules });
        Ok(())
    }

    /// The nearest `.gitignore` that says something of the entry decides.
    fn ignored(&self, entry: &Entry) -> bool {
        if self.all {
            return false;
        }
        if entry.path.file_name().is_some_and(|name| name == ".git") {
            return true;
        }
        let inner = self.levels.iter().rev().map(|level| &level.rules);
        inner
            .chain(self.above.iter().rev())
            .map(|rules| rules.matched(&entry.path, entry.kind == Kind::Folder))
            .find(|matched| !matched.is_none())
            .is_some_and(|matched| matched.is_ignore())
    }
}

impl Iterator for Walk {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            let Some(entry) = self.levels.last_mut()?.entries.next() else {
                self.levels.pop();
                continue;
            };
            if self.seen == WALK_ENTRIES_MAX {
                self.note(format!("the walk ended after {WALK_ENTRIES_MAX} entries; start in a folder further down"));
                self.levels.clear();
                return None;
            }
            self.seen += 1;
            if self.ignored(&entry) {
                continue;
            }
            if entry.kind == Kind::Folder
                && self.levels.len() < self.depth
                && let Err(error) = self.descend(&entry.path)
            {
                self.note(format!("`{}` could not be listed: {error}", entry.path.display()));
            }
            return Some(entry);
        }
    }
}

/// Which files are meant.
pub struct Filter {
    glob: Option<GlobMatcher>,
    by_name: bool,
    start: PathBuf,
}

impl Filter {
    /// `glob` is matched against the name, or, if it holds a `/`, against the path below `start`. `None` means every file.
    ///
    /// # Errors
    /// `invalid-arguments` when the glob is malformed.
    pub fn new(glob: Option<&str>, start: &Path) -> Result<Self, Error> {
        let build = |text: &str| {
            GlobBuilder::new(text.trim_start_matches('/')).literal_separator(true).build().map_err(|error| {
                Error::invalid_arguments(format!("`{text}` is not a glob: {}; write one such as `*.md` or `src/**/*.rs`", error.kind()))
            })
        };
        let matcher = glob.map(build).transpose()?.map(|glob| glob.compile_matcher());
        Ok(Self { glob: matcher, by_name: glob.is_none_or(|text| !text.contains('/')), start: start.to_owned() })
    }

    /// Whether `path` is meant.
    pub fn matches(&self, path: &Path) -> bool {
        let Some(glob) = &self.glob else { return true };
        if self.by_name {
            return path.file_name().is_some_and(|name| glob.is_match(name));
        }
        path.strip_prefix(&self.start).is_ok_and(|below| glob.is_match(below))
    }
}
