//! A mail as a file: RFC 5322 with text in UTF-8.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use remit::{Error, Result};

use crate::address;
use crate::send::Send;

/// Most recipients of one mail.
const RECIPIENTS_MAX: usize = 50;
/// Longest subject, in characters.
const SUBJECT_MAX_CHARS: usize = 500;
/// Longest line of a mail that is not encoded, in bytes (RFC 5322, 2.1.1).
const LINE_MAX_BYTES: usize = 998;
/// Bytes of text in one encoded word, so that the word has at most 75 characters (RFC 2047, 2).
const WORD_MAX_BYTES: usize = 45;
/// Characters in a line of base64 (RFC 2045, 6.8).
const BASE64_LINE_CHARS: usize = 76;

/// Writes a mail without its date and its id, which say nothing about what it is.
///
/// # Errors
///
/// `InvalidArguments` where a header would end before its end, an address is none, or there are too many.
pub fn write(mail: &Send) -> Result<String> {
    let recipients = mail.to.len() + mail.cc.len();
    if mail.to.is_empty() || recipients > RECIPIENTS_MAX {
        return Err(Error::invalid_arguments(format!(
            "a mail has 1 to {RECIPIENTS_MAX} recipients, at least one in `to`; here: {recipients}"
        )));
    }
    if mail.subject.chars().count() > SUBJECT_MAX_CHARS {
        return Err(Error::invalid_arguments(format!("the subject is longer than {SUBJECT_MAX_CHARS} characters")));
    }
    let mut text = format!("To: {}\r\n", addresses("to", &mail.to)?);
    if !mail.cc.is_empty() {
        text += &format!("Cc: {}\r\n", addresses("cc", &mail.cc)?);
    }
    text += &format!("Subject: {}\r\n", encode_text(one_line("subject", &mail.subject)?));
    if let Some(id) = &mail.in_reply_to {
        let id = message_id(id)?;
        text += &format!("In-Reply-To: {id}\r\nReferences: {id}\r\n");
    }
    let (encoding, body) = encode_body(&mail.body);
    text += &format!("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}");
    Ok(text)
}

fn addresses(field: &str, all: &[String]) -> Result<String> {
    let written: Vec<String> = all.iter().map(|one| address::header(one_line(field, one)?)).collect::<Result<_>>()?;
    Ok(written.join(",\r\n "))
}

/// Refuses what would end a header and begin another one.
fn one_line<'a>(field: &str, text: &'a str) -> Result<&'a str> {
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(Error::invalid_arguments(format!("`{field}` holds the control character {c:?}; a header is one line"))),
        None => Ok(text.trim()),
    }
}

fn message_id(id: &str) -> Result<&str> {
    let id = one_line("in_reply_to", id)?;
    let inner = id.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or_default();
    if inner.is_empty() || inner.len() > LINE_MAX_BYTES - 32 || !inner.chars().all(|c| c.is_ascii_graphic() && c != '<' && c != '>') {
        return Err(Error::invalid_arguments(format!("`{id}` is no message id such as `<1234@example.com>`")));
    }
    Ok(id)
}

/// Writes text of a header: as it is, or in encoded words where it is not ASCII (RFC 2047).
pub fn encode_text(text: &str) -> String {
    if text.is_ascii() && !text.contains("=?") {
        return text.to_owned();
    }
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(WORD_MAX_BYTES));
        words.push(format!("=?utf-8?B?{}?=", BASE64.encode(word)));
        rest = after;
    }
    words.join("\r\n ")
}

/// Reads what [`encode_text`] wrote; words of other encodings stay as they are.
pub fn decode_text(text: &str) -> String {
    let decode = |word: &str| -> Option<String> {
        let inner = word.strip_prefix("=?utf-8?B?")?.strip_suffix("?=")?;
        String::from_utf8(BASE64.decode(inner).ok()?).ok()
    };
    let mut shown = String::new();
    let mut after_encoded = true;
    for word in text.split(' ') {
        let decoded = decode(word);
        // Between two encoded words the blank only folds the line.
        let folded = after_encoded && decoded.is_some();
        if !folded && !shown.is_empty() {
            shown.push(' ');
        }
        after_encoded = decoded.is_some();
        shown.push_str(decoded.as_deref().unwrap_or(word));
    }
    shown
}

fn encode_body(body: &str) -> (&'static str, String) {
    let lines: Vec<&str> = body.lines().collect();
    let plain = lines.iter().all(|line| line.len() <= LINE_MAX_BYTES && !line.contains(['\r', '\0']));
    if plain {
        let text = lines.iter().map(|line| format!("{line}\r\n")).collect();
        return (if body.is_ascii() { "7bit" } else { "8bit" }, text);
    }
    let encoded = BASE64.encode(body);
    let mut text = String::new();
    for (at, c) in encoded.chars().enumerate() {
        if at > 0 && at % BASE64_LINE_CHARS == 0 {
            text.push_str("\r\n");
        }
        text.push(c);
    }
    ("base64", text + "\r\n")
}

/// Finds a header of a mail by its name, unfolded and decoded.
pub fn read_header(mail: &str, name: &str) -> Option<String> {
    let mut found: Option<String> = None;
    for line in mail.lines().take_while(|line| !line.is_empty()) {
        match &mut found {
            Some(value) if line.starts_with([' ', '\t']) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            Some(_) => break,
            None => {
                let value = line.split_once(':').filter(|(head, _)| head.eq_ignore_ascii_case(name));
                found = value.map(|(_, value)| value.trim().to_owned());
            }
        }
    }
    found.map(|value| decode_text(&value))
}
