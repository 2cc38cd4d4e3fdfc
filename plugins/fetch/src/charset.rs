//! Bytes of a page as text.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// How far into a page its own word on its encoding is looked for, in bytes.
const META_BYTES: usize = 1024;

/// A media type with its parameter `charset`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MediaType {
    /// `type/subtype` in lower case; empty when nothing was said.
    pub essence: String,
    /// The charset as it was written.
    pub charset: Option<String>,
}

impl MediaType {
    /// Reads the value of a `content-type` header.
    pub fn parse(text: &str) -> Self {
        let mut parts = text.split(';');
        let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let charset = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']).to_owned())
        });
        Self { essence, charset }
    }

    /// Whether it is HTML.
    pub fn is_html(&self) -> bool {
        matches!(self.essence.as_str(), "text/html" | "application/xhtml+xml")
    }

    /// Whether it is text of any kind.
    pub fn is_text(&self) -> bool {
        let essence = self.essence.as_str();
        let named = [
            "application/json",
            "application/xml",
            "application/javascript",
            "application/toml",
            "application/yaml",
            "application/x-ndjson",
        ];
        essence.starts_with("text/") || essence.ends_with("+json") || essence.ends_with("+xml") || named.contains(&essence)
    }
}

/// What a body without a media type seems to be.
pub fn sniff(body: &[u8]) -> MediaType {
    let start = body.get(..body.len().min(META_BYTES)).unwrap_or(body);
    let lower = start.trim_ascii_start().to_ascii_lowercase();
    let essence = if start.contains(&0) {
        "application/octet-stream"
    } else if lower.starts_with(b"<!doctype html") || lower.starts_with(b"<html") {
        "text/html"
    } else {
        "text/plain"
    };
    MediaType { essence: essence.to_owned(), charset: None }
}

/// Decodes `body`: a byte order mark decides, then the header, then the page's own `<meta>`, then UTF-8 if it fits, else Windows-1252.
/// Also tells the name of the encoding.
pub fn decode(body: &[u8], media: &MediaType) -> (String, &'static str) {
    let named = media.charset.as_deref().and_then(|label| Encoding::for_label(label.as_bytes()));
    let meta = || if media.is_html() { meta(body) } else { None };
    let encoding = named.or_else(meta).unwrap_or_else(|| if fits_utf8(body) { UTF_8 } else { WINDOWS_1252 });
    let (text, encoding, _) = encoding.decode(body);
    (text.into_owned(), encoding.name())
}

/// Whether the body is UTF-8; a character that is cut at the end does not count against it.
fn fits_utf8(body: &[u8]) -> bool {
    std::str::from_utf8(body).map_or_else(|error| error.error_len().is_none(), |_| true)
}

/// The encoding that a page names in `<meta charset=…>` or `<meta http-equiv content="…; charset=…">`.
fn meta(body: &[u8]) -> Option<&'static Encoding> {
    let start = String::from_utf8_lossy(body.get(..body.len().min(META_BYTES)).unwrap_or(body)).to_ascii_lowercase();
    start.split("<meta").skip(1).find_map(|rest| {
        let tag = rest.split('>').next()?;
        let (_, value) = tag.split_once("charset")?;
        let value = value.trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
        let end = value.find(|c: char| !c.is_ascii_alphanumeric() && !"-_:.".contains(c)).unwrap_or(value.len());
        Encoding::for_label(value.get(..end)?.as_bytes())
    })
}
