//! The folder in which mails wait for whoever delivers them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use remit::{Error, Result, WithContext};
use sha2::{Digest as _, Sha256};

/// Where the project mounts it.
pub const FOLDER: &str = "/outbox";
/// Where in the outbox mails lie that were delivered, if whoever delivers them keeps them.
pub const SENT: &str = "sent";
/// Longest idempotency key that is a file's name as it stands, in bytes.
const KEY_MAX_BYTES: usize = 100;

/// What became of a mail.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    /// The file's name without its ending; also the first half of the mail's id.
    pub stem: String,
    /// Whether the file is new; `false` where the same mail was there.
    pub new: bool,
}

/// Puts a mail into the outbox, in one step: who delivers it sees all of it or nothing.
///
/// # Errors
///
/// `InvalidArguments` where a mail with this key was there with other content, else what the system answers.
pub fn put(folder: &Path, text: &str, key: Option<&str>) -> Result<Kept> {
    let stem = key.map_or_else(|| digest(text), name_of_key);
    let target = folder.join(format!("{stem}.eml"));
    match fs::read_to_string(&target) {
        Ok(present) if essence(&present) == text => return Ok(Kept { stem, new: false }),
        Ok(_) => return Err(Error::invalid_arguments(format!("the outbox holds another mail with the key `{stem}`"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).context(format!("cannot read `{}`", target.display())),
    }
    let now = Timestamp::try_from(std::time::SystemTime::now())?.to_zoned(TimeZone::UTC);
    let dated = format!("Date: {}\r\nMessage-ID: <{stem}@remit>\r\n{text}", rfc2822::to_string(&now)?);
    let draft = folder.join(draft_of(&stem));
    write(&draft, &target, &dated).context(format!("cannot write `{}`", target.display()))?;
    Ok(Kept { stem, new: true })
}

/// What is left of the mail with a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Trail {
    /// It was put into the outbox, as new.
    Put(Kept),
    /// It was not.
    Never,
    /// It was not, or it was delivered and taken away: that looks the same.
    Lost,
}

/// Looks for the mail with `key` that was to be put into the outbox `folder`.
///
/// # Errors
///
/// What the system answers, such as where the outbox is not there.
pub fn trail(folder: &Path, key: &str) -> Result<Trail> {
    let is_there = |path: &Path| path.try_exists().context(format!("cannot look for `{}`", path.display()));
    // A folder that cannot be read must not look like one without the mail.
    fs::read_dir(folder).context(format!("cannot list `{}`", folder.display()))?;
    let stem = name_of_key(key);
    let (name, sent) = (format!("{stem}.eml"), folder.join(SENT));
    // In the order in which a mail moves on, so that it is not missed on its way.
    let draft = is_there(&folder.join(draft_of(&stem)))?;
    if is_there(&folder.join(&name))? || is_there(&sent.join(&name))? {
        return Ok(Trail::Put(Kept { stem, new: true }));
    }
    Ok(if draft || is_there(&sent)? { Trail::Never } else { Trail::Lost })
}

/// The name of what is not yet a mail.
fn draft_of(stem: &str) -> String {
    format!(".{stem}.part")
}

fn write(draft: &Path, target: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    fs::rename(draft, target)
}

/// A mail without the lines that say when it was written.
fn essence(mail: &str) -> &str {
    let mut rest = mail;
    for head in ["Date: ", "Message-ID: "] {
        rest = rest.strip_prefix(head).and_then(|line| line.split_once("\r\n")).map_or(rest, |(_, after)| after);
    }
    rest
}

/// A key that is fit to be a file's name, or its digest.
fn name_of_key(key: &str) -> String {
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=KEY_MAX_BYTES).contains(&key.len()) && key.chars().all(fit) { key.to_owned() } else { digest(key) }
}

fn digest(text: &str) -> String {
    let hash = Sha256::new().chain_update(text).finalize();
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
