//! A secret's value never reaches a guest: what comes back is searched for it, in the forms that servers echo (N13).

use std::collections::HashSet;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use secrecy::zeroize::Zeroizing;
use url::form_urlencoded;

/// What a masked byte becomes. Masking keeps lengths, so `content-length` and ranges stay true.
const MASK: u8 = b'*';

/// The texts that are masked in what comes back.
#[derive(Default)]
pub struct Needles {
    forms: Vec<Zeroizing<Vec<u8>>>,
    /// The bytes that a form starts with, so that most of a response is looked at once.
    starts: HashSet<u8>,
}

impl Needles {
    /// `value` itself, in base64 (both alphabets), percent-encoded, as a JSON string; and, when it is base64 of `user:password` as for
    /// Basic authentication, what it stands for.
    pub(super) fn of(value: &str) -> Self {
        let mut needles = Self::default();
        needles.add_secret(value);
        needles
    }

    /// Adds the forms of another one.
    pub fn add_secret(&mut self, value: &str) {
        self.add_forms(value);
        if let Some(decoded) = STANDARD.decode(value).ok().map(Zeroizing::new).as_ref().and_then(|bytes| std::str::from_utf8(bytes).ok())
            && let Some((_, password)) = decoded.split_once(':')
        {
            self.add_forms(decoded);
            self.add_forms(password);
        }
    }

    fn add_forms(&mut self, value: &str) {
        let plus: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
        for percent in [plus.replace('+', "%20"), plus] {
            self.add(lowercase_hex(&percent));
            self.add(percent);
        }
        self.add(STANDARD_NO_PAD.encode(value));
        self.add(URL_SAFE_NO_PAD.encode(value));
        let json = serde_json::Value::from(value).to_string();
        self.add(json.get(1..json.len() - 1).unwrap_or_default().to_owned());
        self.add(value.to_owned());
    }

    fn add(&mut self, form: String) {
        let form = Zeroizing::new(form.into_bytes());
        if let Some(first) = form.first().filter(|_| !self.forms.contains(&form)) {
            self.starts.insert(*first);
            self.forms.push(form);
        }
    }

    /// Whether there is nothing to mask.
    pub(super) fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// Masks the values of `headers`; a header whose very name holds a secret is removed.
    pub(super) fn scrub_headers(&self, headers: &mut HeaderMap) {
        if self.is_empty() {
            return;
        }
        let named: Vec<_> = headers.keys().filter(|name| self.hides_in_name(name.as_str())).cloned().collect();
        for name in named {
            headers.remove(&name);
        }
        for value in headers.values_mut() {
            let masked = self.scrub_whole(value.as_bytes());
            if masked != value.as_bytes() {
                *value = HeaderValue::from_bytes(&masked).unwrap_or_else(|_never| HeaderValue::from_static("***"));
            }
        }
    }

    fn hides_in_name(&self, name: &str) -> bool {
        self.forms.iter().any(|needle| name.as_bytes().windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle)))
    }

    /// `text` with every secret masked.
    pub fn scrub(&self, text: &str) -> String {
        match self.is_empty() {
            true => text.to_owned(),
            false => String::from_utf8_lossy(&self.scrub_whole(text.as_bytes())).into_owned(),
        }
    }

    fn scrub_whole(&self, text: &[u8]) -> Vec<u8> {
        let mut window = Window::default();
        let mut out = window.push(self, text);
        out.extend(window.finish(self));
        out
    }

    /// The longest needle that `text` starts with, and whether more text could show a longer one.
    fn look(&self, text: &[u8]) -> (usize, bool) {
        if !text.first().is_some_and(|first| self.starts.contains(first)) {
            return (0, false);
        }
        let found = self.forms.iter().filter(|needle| text.starts_with(needle)).map(|needle| needle.len()).max().unwrap_or(0);
        let open = self.forms.iter().any(|needle| needle.len() > text.len() && needle.starts_with(text));
        (found, open)
    }
}

/// What of a stream was read but not yet given out.
#[derive(Default)]
struct Window {
    held: Vec<u8>,
    /// How many of the held bytes, from the first, are known to be part of a secret.
    masked: usize,
}

impl Window {
    /// Takes `text`; gives back what can no longer be the start of a secret.
    fn push(&mut self, needles: &Needles, text: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(text);
        self.release(needles, false)
    }

    /// The end: what is still held gives no longer secret than it shows.
    fn finish(&mut self, needles: &Needles) -> Vec<u8> {
        self.release(needles, true)
    }

    fn release(&mut self, needles: &Needles, ended: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.held.len());
        while let Some((first, rest)) = self.held.get(out.len()..).and_then(|held| Some((held.first()?, held))) {
            let (found, open) = needles.look(rest);
            self.masked = self.masked.max(found);
            if open && !ended {
                break;
            }
            out.push(if self.masked > 0 { MASK } else { *first });
            self.masked = self.masked.saturating_sub(1);
        }
        self.held.drain(..out.len());
        out
    }
}

/// Masks secrets in a stream, across the borders of its chunks.
pub(super) struct Scrubber {
    needles: Needles,
    window: Window,
}

impl Scrubber {
    /// A scrubber of `needles`.
    pub(super) fn new(needles: Needles) -> Self {
        Self { needles, window: Window::default() }
    }

    /// Takes the next chunk; gives back what may be passed on, which may be nothing yet.
    pub(super) fn push(&mut self, chunk: Bytes) -> Bytes {
        if self.needles.is_empty() { chunk } else { self.window.push(&self.needles, &chunk).into() }
    }

    /// What was held back, at the end of the stream.
    pub(super) fn finish(&mut self) -> Bytes {
        self.window.finish(&self.needles).into()
    }

    /// Masks the values of trailers.
    pub(super) fn scrub_headers(&self, headers: &mut HeaderMap) {
        self.needles.scrub_headers(headers);
    }
}

/// `%2F` as `%2f`; everything else unchanged.
fn lowercase_hex(percent: &str) -> String {
    let mut digits = 0;
    let lower = |c: char| {
        let digit = digits > 0;
        digits = if c == '%' { 2 } else { i32::max(digits - 1, 0) };
        if digit { c.to_ascii_lowercase() } else { c }
    };
    percent.chars().map(lower).collect()
}
