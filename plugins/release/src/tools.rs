//! The tools of `files` that the agent uses, with the parts of their answers that it needs.

use remit::durable::{self, Group};
use remit::serde_json::{Value, json};
use remit::{Error, Result, WithContext};

/// Matches of one answer of `files/search`.
const MATCHES: usize = 1000;
/// Largest file that is changed, in bytes: what `files/read` gives at once.
const FILE_MAX_BYTES: usize = 160 << 10;

#[remit::data]
struct Found {
    matches: Vec<Match>,
    next: Option<String>,
}

/// A line that matches.
#[remit::data]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Its file.
    pub path: String,
    /// Its number, counted from 1.
    pub line: u64,
}

/// A text file.
#[remit::data]
pub struct Text {
    /// All of it.
    pub content: String,
    /// `text`, or how else the content is written.
    pub encoding: String,
    /// Its SHA-256.
    pub sha256: Option<String>,
    /// Set where the file goes on.
    pub next: Option<String>,
}

/// Finds lines below a folder, all of them.
///
/// # Errors
///
/// What `files/search` answers.
pub fn search(folder: &str, query: &Value) -> Result<Vec<Match>> {
    let mut matches: Vec<Match> = Vec::new();
    loop {
        let mut arguments = json!({ "path": folder, "skip": matches.len(), "limit": MATCHES });
        if let (Value::Object(all), Value::Object(some)) = (&mut arguments, query.clone()) {
            all.extend(some);
        }
        let page: Found = durable::call("files/search", &arguments)?.data()?;
        matches.extend(page.matches);
        if page.next.is_none() {
            return Ok(matches);
        }
    }
}

fn whole(path: &str) -> Value {
    json!({ "path": path, "max_bytes": FILE_MAX_BYTES })
}

fn text(path: &str, text: Text) -> Result<Text> {
    if text.next.is_some() || text.encoding != "text" {
        return Err(Error::failed(format!("`{path}` is no text of at most {FILE_MAX_BYTES} bytes")));
    }
    Ok(text)
}

/// Reads a file.
///
/// # Errors
///
/// What `files/read` answers; `Failed` where the file is too large or no text.
pub fn read(path: &str) -> Result<Text> {
    text(path, durable::call("files/read", &whole(path))?.data()?)
}

/// Reads files side by side; the texts stand in the order of the paths.
///
/// # Errors
///
/// As [`read`], of the first file that fails.
pub fn read_all(paths: &[String]) -> Result<Vec<Text>> {
    let mut group = Group::new();
    for path in paths {
        group.start("files/read", &whole(path))?;
    }
    let mut ended: Vec<_> = group.collect();
    ended.sort_by_key(|(call, _)| *call);
    let read = |(path, (_, outcome)): (&String, (u32, Result<remit::Output>))| text(path, outcome?.data()?).context("cannot inspect");
    paths.iter().zip(ended).map(read).collect()
}

/// Replaces a piece of a file; with a SHA-256 only where the file has it.
///
/// # Errors
///
/// What `files/edit` answers.
pub fn edit(path: &str, old: &str, new: &str, sha256: Option<&str>) -> Result<()> {
    durable::call("files/edit", &json!({ "path": path, "old": old, "new": new, "expected_sha256": sha256 })).map(drop)
}

/// Writes a file that is not there yet.
///
/// # Errors
///
/// What `files/write` answers.
pub fn write_new(path: &str, content: &str) -> Result<()> {
    durable::call("files/write", &json!({ "path": path, "content": content, "if_absent": true, "create_folders": true })).map(drop)
}
