//! A secret's value never reaches a guest: what comes back is searched for it, in the forms that servers echo (N13). What a guest gives is
//! searched for the same forms, since it may have been sent another one and undone it (M22).

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

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

/// Shortest part of a text in base64 that is taken for a secret: a shorter one stands in other texts too.
const INSIDE_MIN_CHARS: usize = 8;

/// The secrets that were attached during one call, shared by all that has to be without them.
#[derive(Clone, Default)]
pub struct Masks(Arc<Mutex<Needles>>);

impl Masks {
    /// Masks `value` from now on.
    pub fn add(&self, value: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add_secret(value);
    }

    /// `text` without them.
    pub fn scrub(&self, text: String) -> String {
        let needles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if needles.is_empty() { text } else { needles.scrub(&text) }
    }

    /// `bytes` without them.
    pub fn scrub_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).scrub_whole(bytes)
    }

    /// Whether none was attached.
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// The texts that are masked.
#[derive(Default)]
pub struct Needles {
    forms: Vec<Zeroizing<Vec<u8>>>,
    /// The bytes that a form starts with, so that most of a response is looked at once.
    starts: HashSet<u8>,
}

impl Needles {
    /// The forms of `value`.
    pub fn of(value: &str) -> Self {
        let mut needles = Self::default();
        needles.add_secret(value);
        needles
    }

    /// Adds the forms of another one: itself, in base64 (both alphabets, and as a part of a longer text), percent-encoded, as a JSON
    /// string, in hexadecimal; and, when it is base64 of `user:password` as for Basic authentication, the forms of what it stands for.
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
        (0..3).for_each(|before| self.add_inside(value.as_bytes(), before));
        let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.add(hex.to_ascii_uppercase());
        self.add(hex);
        let json = Zeroizing::new(serde_json::Value::from(value).to_string());
        let json = json.get(1..json.len() - 1).unwrap_or_default();
        for json in [ascii_json(json), json.to_owned()] {
            self.add(json.replace('/', "\\/"));
            self.add(json);
        }
        self.add(value.to_owned());
    }

    /// What base64 makes of `value` behind `before` other bytes (of three) and before any: the characters that it alone decides.
    fn add_inside(&mut self, value: &[u8], before: usize) {
        let padded = Zeroizing::new(std::iter::repeat_n(0, before).chain(value.iter().copied()).collect::<Vec<u8>>());
        let (start, end) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let text = Zeroizing::new(engine.encode(&*padded));
            if let Some(inside) = text.get(start..end).filter(|inside| inside.len() >= INSIDE_MIN_CHARS) {
                self.add(inside.to_owned());
            }
        }
    }

    fn add(&mut self, form: String) {
        let form = Zeroizing::new(form.into_bytes());
        if let Some(first) = form.first().filter(|_| !self.forms.contains(&form)) {
            self.starts.insert(*first);
            self.forms.push(form);
        }
    }

    /// Whether there is nothing to mask.
    pub(crate) fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// Masks the values of `headers`; a header whose very name holds a secret is removed.
    pub(crate) fn scrub_headers(&self, headers: &mut HeaderMap) {
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
pub(crate) struct Scrubber {
    needles: Needles,
    window: Window,
}

impl Scrubber {
    /// A scrubber of `needles`.
    pub(crate) fn new(needles: Needles) -> Self {
        Self { needles, window: Window::default() }
    }

    /// Takes the next chunk; gives back what may be passed on, which may be nothing yet.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Bytes {
        if self.needles.is_empty() { chunk } else { self.window.push(&self.needles, &chunk).into() }
    }

    /// What was held back, at the end of the stream.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.window.finish(&self.needles).into()
    }

    /// Masks the values of trailers.
    pub(crate) fn scrub_headers(&self, headers: &mut HeaderMap) {
        self.needles.scrub_headers(headers);
    }
}

/// What stands in a JSON string, in ASCII alone.
fn ascii_json(json: &str) -> String {
    let mut units = [0; 2];
    let escaped = |unit: &u16| format!("\\u{unit:04x}");
    json.chars().map(|c| if c.is_ascii() { c.to_string() } else { c.encode_utf16(&mut units).iter().map(escaped).collect() }).collect()
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
