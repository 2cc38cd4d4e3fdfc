//! The tools that the agent uses, with the parts of their answers that it needs.

use remit::durable::{self, Group};
use remit::serde_json::{Value, json};
use remit::{Result, WithContext};

use crate::message::Draft;

/// Deepest folder below the inbox.
const DEPTH: usize = 8;
/// Entries of one answer of `files/list`.
const PAGE: usize = 1000;
/// Bytes of a message that are read.
const MESSAGE_MAX_BYTES: usize = 64 << 10;

#[remit::data]
struct Listing {
    entries: Vec<Entry>,
    next: Option<String>,
}

#[remit::data]
struct Entry {
    path: String,
}

/// The start of a file.
#[remit::data]
pub struct Excerpt {
    /// The text.
    pub content: String,
    /// `text` or `lossy`; `binary` without content where the file is no text.
    pub encoding: String,
    /// Set where the file goes on.
    pub next: Option<String>,
}

#[remit::data]
struct Sent {
    file: String,
}

/// Lists the files below a folder that match, all pages.
///
/// # Errors
///
/// What `files/list` answers.
pub fn list(folder: &str, glob: &str) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    loop {
        let arguments = json!({ "path": folder, "depth": DEPTH, "glob": glob, "skip": paths.len(), "limit": PAGE });
        let page: Listing = durable::call("files/list", &arguments).and_then(|output| output.data()).context("cannot list the inbox")?;
        paths.extend(page.entries.into_iter().map(|entry| entry.path));
        if page.next.is_none() {
            return Ok(paths);
        }
    }
}

/// Reads files side by side; the answers stand in the order of the paths.
///
/// # Errors
///
/// `Failed` where a call cannot be made; what `files/read` answers stands with each path.
pub fn read_all(paths: &[String]) -> Result<Vec<(String, Result<Excerpt>)>> {
    let mut group = Group::new();
    for path in paths {
        group.start("files/read", &json!({ "path": path, "max_bytes": MESSAGE_MAX_BYTES }))?;
    }
    let mut ended: Vec<_> = group.collect();
    ended.sort_by_key(|(call, _)| *call);
    Ok(paths.iter().cloned().zip(ended.into_iter().map(|(_, outcome)| outcome.and_then(|output| output.data()))).collect())
}

/// Writes a file.
///
/// # Errors
///
/// What `files/write` answers.
pub fn write(path: &str, content: &str) -> Result<()> {
    durable::call("files/write", &json!({ "path": path, "content": content, "create_folders": true })).map(drop)
}

/// Sends a reply and returns its file in the outbox.
///
/// # Errors
///
/// What `mail/send` answers.
pub fn send(draft: &Draft) -> Result<String> {
    let mut arguments = json!({ "to": [draft.to], "subject": draft.subject, "body": draft.body });
    if let (Some(id), Value::Object(fields)) = (&draft.in_reply_to, &mut arguments) {
        fields.insert("in_reply_to".into(), id.clone().into());
    }
    let sent: Sent = durable::call("mail/send", &arguments)?.data()?;
    Ok(sent.file)
}
