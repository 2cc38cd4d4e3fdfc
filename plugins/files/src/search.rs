//! `search`: lines that match, in a file or in a tree.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use regex::bytes::{Regex, RegexBuilder};
use remit::Error;

use crate::lines::{self, head, read_line};
use crate::path;
use crate::walk::{DEPTH_MAX, Filter, Kind, Walk};

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;
const CONTEXT_MAX: usize = 20;
/// Longest shown part of a line, in bytes.
const SHOWN_MAX_BYTES: usize = 500;
/// Most bytes of lines in an answer.
const ANSWER_MAX_BYTES: usize = 96 << 10;
/// Largest compiled pattern, in bytes.
const PATTERN_MAX_BYTES: usize = 1 << 20;
const BUFFER_BYTES: usize = 64 << 10;

/// What to search.
#[remit::data]
#[derive(Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// The folder (searched with all that is below) or the file.
    pub path: String,
    /// A regular expression (Rust's syntax), matched within single lines.
    pub pattern: String,
    /// Takes the pattern as plain text.
    #[serde(default)]
    pub literal: bool,
    /// Does not tell upper from lower case.
    #[serde(default)]
    pub ignore_case: bool,
    /// Only files that match, such as `*.md` (by name) or `src/**/*.rs` (by path below the folder).
    pub glob: Option<String>,
    /// Lines to show before and after each match; 0 unless told, at most 20.
    #[serde(default)]
    #[schemars(range(max = 20))]
    pub context: usize,
    /// Also searches what `.gitignore` files name.
    #[serde(default)]
    pub all: bool,
    /// Matches to leave out at the start: to go on with a long answer.
    #[serde(default)]
    pub skip: usize,
    /// Most matches in the answer; 100 unless told, at most 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<usize>,
}

/// What was found.
#[remit::data]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The matching lines, in the order of paths.
    pub matches: Vec<Match>,
    /// Files that were searched.
    pub files_searched: usize,
    /// Files that were left out as they are not text.
    pub binary_files: usize,
    /// How to get the rest; absent when everything was searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What could not be searched, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One matching line.
#[remit::data]
#[derive(Debug, PartialEq, Eq)]
pub struct Match {
    /// The file.
    pub path: String,
    /// The line's number, counted from 1.
    pub line: u64,
    /// The line; a long one is cut round the match, shown by `…`.
    pub text: String,
    /// Lines before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Lines after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
}

/// One search as it goes.
struct Run {
    pattern: Regex,
    context: usize,
    skip: usize,
    limit: usize,
    seen: usize,
    bytes: usize,
    found: Found,
}

/// Searches lines by a regular expression, in a file or in all files below a folder, leaving out what `.gitignore` files name.
#[remit::tool(read, title = "Search in files")]
pub fn search(args: Search) -> Result<Found, Error> {
    let start = path::parse(&args.path)?;
    let filter = Filter::new(args.glob.as_deref(), &start)?;
    let limit = args.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let context = args.context.min(CONTEXT_MAX);
    let mut run = Run { pattern: pattern(&args)?, context, skip: args.skip, limit, seen: 0, bytes: 0, found: Found::default() };
    if start.parent().is_none() {
        return Err(Error::invalid_arguments(format!("name a folder below the root to search; {}", path::granted())));
    }
    let metadata = fs::metadata(&start).map_err(|error| path::explain("search", &start, &error))?;
    if !metadata.is_dir() {
        run.file(&start).map_err(|error| path::explain("search", &start, &error))?;
        return Ok(run.found);
    }
    let mut walk = Walk::new(&start, DEPTH_MAX, args.all)?;
    while let Some(entry) = walk.next() {
        if entry.kind != Kind::File || !filter.matches(&entry.path) {
            continue;
        }
        if let Err(error) = run.file(&entry.path) {
            walk.note(format!("`{}` could not be read: {error}", entry.path.display()));
        }
        if run.full() {
            break;
        }
    }
    run.found.notes = walk.notes();
    Ok(run.found)
}

fn pattern(args: &Search) -> Result<Regex, Error> {
    if args.pattern.is_empty() {
        return Err(Error::invalid_arguments("`pattern` is empty; it would match every line"));
    }
    let source = if args.literal { regex::escape(&args.pattern) } else { args.pattern.clone() };
    RegexBuilder::new(&source)
        .case_insensitive(args.ignore_case)
        .size_limit(PATTERN_MAX_BYTES)
        .dfa_size_limit(PATTERN_MAX_BYTES)
        .build()
        .map_err(|error| Error::invalid_arguments(format!("`pattern` is not a regular expression: {error}; for plain text set `literal`")))
}

impl Run {
    fn full(&self) -> bool {
        self.found.next.is_some()
    }

    /// Searches one file, until the answer is full.
    fn file(&mut self, path: &Path) -> io::Result<()> {
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
        if lines::is_binary(reader.fill_buf()?) {
            self.found.binary_files += 1;
            return Ok(());
        }
        self.found.files_searched += 1;
        let (mut line, mut number) = (Vec::new(), 0u64);
        let mut before: VecDeque<String> = VecDeque::new();
        // Matches whose lines after them are still to come: index into the answer, and how many.
        let mut open: VecDeque<(usize, usize)> = VecDeque::new();
        while read_line(&mut reader, &mut line)?.is_some() {
            number += 1;
            let content = lines::content(&line);
            let hit = if self.full() { None } else { self.pattern.find(content).map(|hit| hit.start()) };
            self.follow(&mut open, content);
            if let Some(at) = hit
                && let Some(index) = self.hit(path, number, shown(content, at), &before)
            {
                open.push_back((index, self.context));
            }
            if self.full() && open.is_empty() {
                break;
            }
            if self.context > 0 {
                before.push_back(shown(content, 0));
                if before.len() > self.context {
                    before.pop_front();
                }
            }
        }
        Ok(())
    }

    /// Takes one match into the answer and tells its index; says how to go on once the answer is full.
    fn hit(&mut self, path: &Path, line: u64, text: String, before: &VecDeque<String>) -> Option<usize> {
        self.seen += 1;
        if self.seen <= self.skip {
            return None;
        }
        let index = self.found.matches.len();
        if index == self.limit || self.bytes > ANSWER_MAX_BYTES {
            self.found.next = Some(format!("there is more: call again with `skip` = {}, or narrow the pattern", self.seen - 1));
            return None;
        }
        self.bytes += text.len() + before.iter().map(String::len).sum::<usize>();
        let before = before.iter().cloned().collect();
        self.found.matches.push(Match { path: path.display().to_string(), line, text, before, after: Vec::new() });
        (self.context > 0).then_some(index)
    }

    /// Gives `content` to the matches that wait for lines after them.
    fn follow(&mut self, open: &mut VecDeque<(usize, usize)>, content: &[u8]) {
        for (index, left) in open.iter_mut() {
            if let Some(found) = self.found.matches.get_mut(*index) {
                let text = shown(content, 0);
                self.bytes += text.len();
                found.after.push(text);
            }
            *left -= 1;
        }
        open.retain(|(_, left)| *left > 0);
    }
}

/// `line` as text, cut round the byte `at`.
fn shown(line: &[u8], at: usize) -> String {
    let from = if at > SHOWN_MAX_BYTES / 2 && line.len() > SHOWN_MAX_BYTES { at - SHOWN_MAX_BYTES / 4 } else { 0 };
    let text = String::from_utf8_lossy(line.get(from..).unwrap_or_default());
    let text = if from > 0 { text.trim_start_matches('\u{fffd}') } else { &text };
    let kept = head(text, SHOWN_MAX_BYTES);
    let (start, end) = (if from > 0 { "…" } else { "" }, if kept.len() < text.len() { "…" } else { "" });
    format!("{start}{kept}{end}")
}
