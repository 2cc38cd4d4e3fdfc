//! `list`: what waits in the outbox.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use remit::{Result, WithContext};

use crate::{message, outbox};

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;
/// Headers are looked for in that many bytes of a mail.
const HEAD_MAX_BYTES: u64 = 64 << 10;

/// Which part of the outbox to list.
#[remit::data]
#[derive(Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Mails to leave out at the start: to go on with a long list.
    #[serde(default)]
    pub skip: usize,
    /// Most mails in the answer; 100 unless told, at most 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<usize>,
}

/// A part of the outbox.
#[remit::data]
#[derive(Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The mails, in the order of their files' names.
    pub mails: Vec<Mail>,
    /// All mails, the ones left out included.
    pub total: usize,
    /// How to get the rest; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One mail.
#[remit::data]
#[derive(Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its file.
    pub file: String,
    /// Whom it goes to.
    pub to: Option<String>,
    /// What it is about.
    pub subject: Option<String>,
    /// When it was written.
    pub date: Option<String>,
}

/// Lists the mails that wait in the outbox.
#[remit::tool(read, title = "List the outbox")]
pub fn list(args: List) -> Result<Waiting> {
    waiting(Path::new(outbox::FOLDER), &args)
}

/// Lists the mails in the outbox `folder`.
///
/// # Errors
///
/// What the system answers.
pub fn waiting(folder: &Path, args: &List) -> Result<Waiting> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).context(format!("cannot list `{}`", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".eml") && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    let limit = args.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let mails: Vec<Mail> = names.iter().skip(args.skip).take(limit).map(|name| mail(folder, name)).collect::<Result<_>>()?;
    let (total, shown) = (names.len(), args.skip.saturating_add(mails.len()));
    let next = (shown < total && !mails.is_empty()).then(|| format!("{} more: call again with `skip` = {shown}", total - shown));
    Ok(Waiting { mails, total, next })
}

fn mail(folder: &Path, name: &str) -> Result<Mail> {
    let mut head = Vec::new();
    let file = File::open(folder.join(name)).context(format!("cannot read `{name}`"))?;
    file.take(HEAD_MAX_BYTES).read_to_end(&mut head)?;
    let head = String::from_utf8_lossy(&head);
    let header = |wanted: &str| message::read_header(&head, wanted);
    Ok(Mail { file: name.to_owned(), to: header("to"), subject: header("subject"), date: header("date") })
}
