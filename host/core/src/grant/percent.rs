//! One spelling for each path segment and query, so that patterns and requests can be compared byte by byte.
//!
//! RFC 3986, section 6.2.2: hex digits in upper case, unreserved characters never encoded. `@` and `:` count as unreserved here,
//! since inside a path or query they delimit nothing. Everything that is no URL character is always encoded, and so are `*`, `{`,
//! `}` and `'`: the first three have a meaning in patterns, and the last is encoded by the `url` crate in queries but not in paths.

use std::borrow::Cow;

/// What a user's name stands for in grants.
pub(super) const USER: &str = "{user}";

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Bytes that are the same whether they are encoded or not, and are written as they are.
fn is_free(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'@' | b':')
}

/// Bytes that are written as they are, and mean something else when encoded.
fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'(' | b')' | b'+' | b',' | b';' | b'=' | b'/' | b'?')
}

fn push_encoded(out: &mut String, byte: u8) {
    out.push('%');
    for digit in [byte >> 4, byte & 15] {
        if let Some(hex) = HEX.get(usize::from(digit)) {
            out.push(char::from(*hex));
        }
    }
}

/// The byte that `%XX` at the start of `bytes` stands for.
fn escape_at(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

/// The one spelling of a segment or query. A `%` that starts no escape is a `%25`.
pub(super) fn normal(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| is_free(byte) || is_delimiter(byte)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        let escaped = escape_at(rest);
        match escaped {
            Some(plain) if is_free(plain) => out.push(char::from(plain)),
            Some(other) => push_encoded(&mut out, other),
            None if is_free(*byte) || is_delimiter(*byte) => out.push(char::from(*byte)),
            None => push_encoded(&mut out, *byte),
        }
        rest = if escaped.is_some() { rest.get(3..).unwrap_or_default() } else { tail };
    }
    Cow::Owned(out)
}

/// [`normal`] for text of a pattern, where `{user}` keeps its meaning.
pub(super) fn normal_template(text: &str) -> String {
    text.split(USER).map(normal).collect::<Vec<_>>().join(USER)
}

/// `name` with everything encoded that could mean more than itself in a path, a URL or a configuration value.
///
/// Names of dots only are encoded too, so that no `{user}` ever is `.` or `..`. Two names never give the same text.
pub(super) fn encode_user(name: &str) -> String {
    let dots = name.bytes().all(|byte| byte == b'.');
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if is_free(byte) && byte != b':' && !(dots && byte == b'.') {
            out.push(char::from(byte));
        } else {
            push_encoded(&mut out, byte);
        }
    }
    out
}

/// `text` with `{user}` replaced by an encoded name.
pub(super) fn fill(text: &str, encoded_user: &str) -> String {
    text.replace(USER, encoded_user)
}

/// Whether a server that decodes `segment` before it looks for slashes could see more than one segment in it.
pub(super) fn hides_slash(segment: &str) -> bool {
    segment.contains('%') && decoded(segment).iter().any(|byte| matches!(byte, b'/' | b'\\'))
}

/// Whether a server that decodes `segment`, even more than once, could climb with it: it holds a `.` or `..` between slashes.
/// Path parameters (`..;a=b`) do not hide one.
pub(super) fn climbs(segment: &str) -> bool {
    if !segment.contains('.') && !segment.contains('%') {
        return false;
    }
    let bytes = decoded(segment);
    bytes.split(|byte| matches!(byte, b'/' | b'\\')).any(|part| {
        let name = part.split(|byte| *byte == b';').next().unwrap_or_default();
        matches!(name, b"." | b"..")
    })
}

/// `text` decoded until nothing is left to decode, in one pass: what a decoded byte completes is decoded at once.
fn decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('%') {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        out.push(byte);
        while let Some(start) = out.len().checked_sub(3) {
            let Some(plain) = out.get(start..).and_then(escape_at) else { break };
            out.truncate(start);
            out.push(plain);
        }
    }
    Cow::Owned(out)
}
