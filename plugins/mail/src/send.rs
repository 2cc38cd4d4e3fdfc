//! `send`: one mail into the outbox.

use std::path::Path;

use remit::{Context, Result};

use crate::{message, outbox};

/// A mail.
#[remit::data]
#[derive(Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// Whom it goes to, such as `ada@example.com` or `Ada Lovelace <ada@example.com>`.
    pub to: Vec<String>,
    /// Who gets a copy.
    #[serde(default)]
    pub cc: Vec<String>,
    /// What it is about, in one line.
    pub subject: String,
    /// The text.
    pub body: String,
    /// The id of the message that it answers, with its angle brackets: `<1234@example.com>`.
    pub in_reply_to: Option<String>,
}

/// What became of it.
#[remit::data]
#[derive(Debug, PartialEq, Eq)]
pub struct Sent {
    /// The file in the outbox.
    pub file: String,
    /// The mail's id.
    pub message_id: String,
    /// Whether it is new; `false` where the outbox held this very mail, so that nothing had to be done.
    pub new: bool,
}

/// Puts a mail into the outbox, where whoever delivers it finds it. It adds no sender: that is left to delivery.
#[remit::tool(once, title = "Send a mail")]
pub fn send(args: Send, context: &Context) -> Result<Sent> {
    deliver(Path::new(outbox::FOLDER), &args, context.idempotency_key.as_deref())
}

/// Puts a mail into the outbox `folder`.
///
/// # Errors
///
/// As [`message::write`] and [`outbox::put`].
pub fn deliver(folder: &Path, mail: &Send, key: Option<&str>) -> Result<Sent> {
    let kept = outbox::put(folder, &message::write(mail)?, key)?;
    Ok(sent(&kept))
}

/// Tells the caller what became of a mail.
pub fn sent(kept: &outbox::Kept) -> Sent {
    Sent { file: format!("{}.eml", kept.stem), message_id: format!("<{}@remit>", kept.stem), new: kept.new }
}
