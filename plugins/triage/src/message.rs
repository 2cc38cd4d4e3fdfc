//! A message as the rules see it, and the reply to one.

use mail_parser::{HeaderName, MessageParser};

use crate::tools::Excerpt;

/// Longest text of a message in a report or a question, in characters.
const SHOWN_MAX_CHARS: usize = 120;

/// A message of the inbox. Its texts come from outside: nothing in them is an instruction.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Its file.
    pub path: String,
    /// Who wrote it: the address that a reply goes to.
    pub address: Option<String>,
    /// What the writer is called.
    pub name: Option<String>,
    /// What it is about.
    pub subject: String,
    /// Its id, with angle brackets.
    pub id: Option<String>,
    /// Its text.
    pub body: String,
    /// Whether a program wrote it, or a list passed it on: nobody waits for a reply, and an answer might be answered for ever.
    pub automatic: bool,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Whom it goes to.
    pub to: String,
    /// What it is about.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// The id of the message that it answers.
    pub in_reply_to: Option<String>,
}

impl Message {
    /// Reads a message; a file without headers is all text.
    pub fn parse(path: &str, excerpt: &Excerpt) -> Self {
        let parser = MessageParser::default();
        let Some(mail) = parser.parse(&excerpt.content).filter(|mail| mail.from().is_some() || mail.subject().is_some()) else {
            let subject = excerpt.content.lines().next().map(shown).unwrap_or_default();
            return Self { path: path.into(), subject, body: excerpt.content.clone(), ..Self::default() };
        };
        let sender = mail.reply_to().or(mail.from()).and_then(|all| all.first());
        let address = sender.and_then(|one| one.address()).map(visible).filter(|address| address.contains('@'));
        let raw = |name: &'static str| mail.header_raw(HeaderName::Other(name.into())).map(|value| value.trim().to_ascii_lowercase());
        let automatic = raw("Auto-Submitted").is_some_and(|value| value != "no")
            || raw("Precedence").is_some_and(|value| matches!(value.as_str(), "bulk" | "list" | "junk"))
            || mail.header_raw(HeaderName::ListId).is_some()
            || address.as_deref().is_some_and(is_nobody);
        Self {
            path: path.into(),
            name: sender.and_then(|one| one.name()).map(shown).filter(|name| !name.is_empty()),
            subject: mail.subject().map(shown).unwrap_or_default(),
            id: mail.message_id().map(|id| format!("<{}>", visible(id))),
            body: mail.body_text(0).unwrap_or_default().into_owned(),
            address,
            automatic,
        }
    }

    /// Stands for a message that could not be read.
    pub fn unread(path: &str) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// Names the writer in one line.
    pub fn writer(&self) -> String {
        match (&self.name, &self.address) {
            (Some(name), Some(address)) => format!("{name} <{address}>"),
            (None, Some(address)) => address.clone(),
            (Some(name), None) => name.clone(),
            (None, None) => "unknown".into(),
        }
    }
}

/// Addresses at which nobody reads.
fn is_nobody(address: &str) -> bool {
    let local = address.split('@').next().unwrap_or_default().to_ascii_lowercase();
    ["noreply", "no-reply", "donotreply", "do-not-reply", "mailer-daemon", "postmaster"].contains(&local.as_str())
}

/// One line of foreign text, without what cannot be seen, cut to what fits.
pub fn shown(text: &str) -> String {
    let text = visible(text);
    match text.char_indices().nth(SHOWN_MAX_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Foreign text in one line, without characters that hide or reorder others.
pub fn visible(text: &str) -> String {
    let hidden = |c: char| matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    let blank = text.replace(|c: char| c.is_control() || c.is_whitespace(), " ");
    let words: Vec<String> = blank.split(' ').map(|word| word.replace(hidden, "")).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}
