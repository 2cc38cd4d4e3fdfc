//! `get`: a page as Markdown, as plain text, or as it came.

use std::collections::BTreeMap;

use remit::http::{Request, Response};
use remit::{Error, ErrorKind};
use url::Url;

use crate::charset::{self, MediaType};
use crate::follow::{Arrival, follow};
use crate::html::{self, Style};
use crate::{address, part};

/// Most bytes of a page; what follows is left out.
const BODY_MAX_BYTES: usize = 4 << 20;
/// Most characters of a page that comes with an error.
const ERROR_CHARS: usize = 1000;

/// What to get.
#[remit::data]
#[derive(Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The page, such as `https://example.com/page`.
    pub url: String,
    /// Headers to send. Those that may name the caller are not sent to another origin after a redirect.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How to show HTML: as Markdown (unless told), as plain text, or raw.
    #[serde(default)]
    pub format: Format,
    /// Shows all of a page: also navigation, asides and footers, and what stands outside of its main part.
    #[serde(default)]
    pub whole_page: bool,
    /// First character to show, counted from 0: to go on with a long page.
    #[serde(default)]
    pub start: usize,
    /// Most characters to show; 20,000 unless told, at most 100,000.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_chars: Option<usize>,
}

/// How HTML is shown.
#[remit::data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// As Markdown.
    #[default]
    Markdown,
    /// As plain text.
    Text,
    /// As it came.
    Raw,
}

/// A page, or a part of it.
#[remit::data]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Where it was found in the end.
    pub url: String,
    /// The URLs that led there by redirects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirected_from: Vec<String>,
    /// The status code.
    pub status: u16,
    /// What kind of thing it is, such as `text/html`.
    pub media_type: String,
    /// The page's title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The text, or the part that was asked for.
    pub content: String,
    /// Characters of the whole text.
    pub total_chars: usize,
    /// How to get the rest; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What is missing, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Gets a web page and gives it as Markdown (or plain text, or raw), a part at a time if it is long. Follows up to 5 redirects.
#[remit::tool(read, title = "Get a web page")]
pub fn get(args: Get) -> Result<Page, Error> {
    page(&args, Request::send)
}

/// Gets a page by `send`.
///
/// # Errors
/// As [`follow`]; statuses of 400 and above are errors that carry the start of the page.
pub fn page(args: &Get, mut send: impl FnMut(Request) -> Result<Response, Error>) -> Result<Page, Error> {
    let url = address::parse(&args.url)?;
    let mut headers = address::headers(&args.headers)?;
    for (name, value) in
        [("accept", "text/html, text/markdown, text/plain, application/json;q=0.9, */*;q=0.5"), ("user-agent", "remit-fetch/0.1")]
    {
        if !headers.iter().any(|(present, _)| present == name) {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    let arrival = follow(url, headers, |request| send(request.max_bytes(BODY_MAX_BYTES)))?;
    let text = read(&arrival.url, &arrival.response, args.format, args.whole_page)?;
    refuse_errors(&arrival, &text)?;
    let part = part::take(&text.content, args.start, args.max_chars.unwrap_or(part::CHARS_DEFAULT).clamp(1, part::CHARS_MAX));
    if args.start > part.total {
        return Err(Error::invalid_arguments(format!("`start` is {}, but the page has {} characters", args.start, part.total)));
    }
    Ok(Page {
        url: arrival.url.into(),
        redirected_from: arrival.passed,
        status: arrival.response.status,
        media_type: text.media_type,
        title: text.title,
        content: part.text,
        total_chars: part.total,
        next: part.next,
        notes: text.notes,
    })
}

/// A body as text.
#[derive(Debug, Default)]
pub struct Text {
    /// The text.
    pub content: String,
    /// The page's title, if it is HTML.
    pub title: Option<String>,
    /// What kind of thing it is.
    pub media_type: String,
    /// What is missing, and why.
    pub notes: Vec<String>,
}

/// Makes text of a body.
///
/// # Errors
/// `failed` when the body is compressed.
pub fn read(url: &Url, response: &Response, format: Format, whole_page: bool) -> Result<Text, Error> {
    if let Some(coding) = response.header("content-encoding").filter(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(Error::failed(format!("`{url}` sent its body as `{coding}` without being asked; it cannot be read")));
    }
    let media = response.header("content-type").map(MediaType::parse).filter(|media| !media.essence.is_empty());
    let media = media.unwrap_or_else(|| charset::sniff(&response.body));
    let mut text = Text { media_type: media.essence.clone(), ..Text::default() };
    if response.truncated {
        text.notes.push(format!("the body is longer than {} bytes; the rest was left out", response.body.len()));
    }
    if !media.is_text() && !media.is_html() && !response.body.is_empty() {
        text.notes.push(format!("`{}` is not text; its {} bytes are not shown", media.essence, response.body.len()));
        return Ok(text);
    }
    let (decoded, _) = charset::decode(&response.body, &media);
    text.content = match format {
        Format::Raw => decoded,
        _ if !media.is_html() => decoded,
        Format::Markdown | Format::Text => {
            let style = if format == Format::Markdown { Style::Markdown } else { Style::Plain };
            let page = html::convert(&decoded, url, style, whole_page);
            text.title = page.title;
            text.notes.extend(page.notes);
            page.text
        }
    };
    Ok(text)
}

fn refuse_errors(arrival: &Arrival, text: &Text) -> Result<(), Error> {
    let status = arrival.response.status;
    let kind = match status {
        0..=399 => return Ok(()),
        401 | 403 => ErrorKind::Denied,
        408 | 429 | 500.. => ErrorKind::Unavailable,
        _ => ErrorKind::Failed,
    };
    let start = part::take(text.content.trim(), 0, ERROR_CHARS).text;
    let colon = if start.is_empty() { "" } else { ": " };
    Err(Error::new(kind, format!("`{}` answered with status {status}{colon}{start}", arrival.url)))
}
