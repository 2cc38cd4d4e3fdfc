//! `edit`: one piece of text for another.

use remit::Error;

use crate::write::{Load, expect, load, replace};
use crate::{digest, lines, path};

/// Most places that a message names.
const PLACES_MAX: usize = 5;

/// What to change.
#[remit::data]
#[derive(Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The file, such as `/docs/a.md`.
    pub path: String,
    /// The text to replace, exactly as it stands in the file. It has to occur once, unless `all` is set.
    pub old: String,
    /// What comes in its place.
    pub new: String,
    /// Replaces every occurrence.
    #[serde(default)]
    pub all: bool,
    /// Only if the file's SHA-256 is this one (64 hex digits, as `read` gives it).
    pub expected_sha256: Option<String>,
}

/// What was changed.
#[remit::data]
#[derive(Debug, PartialEq, Eq)]
pub struct Edited {
    /// The file.
    pub path: String,
    /// Places that were replaced.
    pub replaced: usize,
    /// The lines in which they began, counted from 1, before the change; at most 5.
    pub lines: Vec<usize>,
    /// The file's bytes now.
    pub size: u64,
    /// Its SHA-256 now.
    pub sha256: String,
}

/// Replaces a piece of text in a file; it has to occur exactly once, unless `all` is set.
#[remit::tool(once, title = "Edit a file")]
pub fn edit(args: Edit) -> Result<Edited, Error> {
    if args.old.is_empty() {
        return Err(Error::invalid_arguments("`old` is empty; give the text to replace, or use `write`"));
    }
    if args.old == args.new {
        return Err(Error::invalid_arguments("`old` and `new` are the same"));
    }
    let target = path::parse(&args.path)?;
    let bytes = load(&target, &args.path).map_err(|why| match why {
        Load::Io(error) => path::explain("edit", &target, &error),
        Load::Refused(error) => error,
    })?;
    expect(args.expected_sha256.as_deref(), &bytes, &args.path)?;
    let text = String::from_utf8(bytes)
        .map_err(|error| Error::invalid_arguments(format!("`{}` is not UTF-8 text ({}); use `write`", args.path, error.utf8_error())))?;
    let (replaced, lines) = places(&text, &args.old);
    match replaced {
        0 => return Err(Error::invalid_arguments(format!("`old` does not occur in `{}`{}", args.path, near(&text, &args.old)))),
        2.. if !args.all => return Err(Error::invalid_arguments(ambiguous(replaced, &lines))),
        _ => {}
    }
    let changed = text.replace(&args.old, &args.new);
    replace(&target, changed.as_bytes()).map_err(|error| path::explain("edit", &target, &error))?;
    Ok(Edited { path: args.path.clone(), replaced, lines, size: changed.len() as u64, sha256: digest::of(changed.as_bytes()) })
}

/// How often `old` occurs, and the first lines where it does.
fn places(text: &str, old: &str) -> (usize, Vec<usize>) {
    let (mut count, mut lines, mut line, mut done) = (0, Vec::new(), 1, 0);
    for (at, _) in text.match_indices(old) {
        count += 1;
        if lines.len() < PLACES_MAX {
            line += text.get(done..at).map_or(0, |between| between.matches('\n').count());
            done = at;
            lines.push(line);
        }
    }
    (count, lines)
}

fn ambiguous(count: usize, lines: &[usize]) -> String {
    let shown: Vec<String> = lines.iter().map(usize::to_string).collect();
    let dots = if count > lines.len() { ", …" } else { "" };
    format!("`old` occurs {count} times (lines {}{dots}); give more of the text round it, or set `all`", shown.join(", "))
}

/// Why the text may not have been found, as the end of a sentence.
fn near(text: &str, old: &str) -> String {
    if text.contains("\r\n") && !old.contains("\r\n") && old.contains('\n') && text.contains(&old.replace('\n', "\r\n")) {
        return "; the file has line breaks `\\r\\n`, `old` has `\\n`".to_owned();
    }
    let Some(first) = old.lines().map(str::trim).find(|line| !line.is_empty()) else { return String::new() };
    match text.lines().enumerate().find(|(_, line)| line.contains(first)) {
        Some((index, line)) if old.trim().contains('\n') || !line.contains(old) => {
            format!("; line {} is close: `{}` (spaces and line breaks count)", index + 1, lines::head(line, 200))
        }
        _ => "; `read` shows what it holds".to_owned(),
    }
}
