//! `post`: JSON or text to a URL.

use std::collections::BTreeMap;

use remit::Error;
use remit::http::{Request, Response};
use remit::serde_json::Value;

use crate::get::{Format, read};
use crate::{address, part};

/// Most bytes of an answer; what follows is left out.
const BODY_MAX_BYTES: usize = 4 << 20;

/// What to post: `json` or `text`.
#[remit::data]
#[derive(Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct Post {
    /// Where to, such as `https://example.com/items`.
    pub url: String,
    /// Any JSON value; sent as `application/json`.
    pub json: Option<Value>,
    /// Text; sent as `text/plain` unless a header `content-type` says otherwise.
    pub text: Option<String>,
    /// Headers to send.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Most characters of the answer to show; 20,000 unless told, at most 100,000.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_chars: Option<usize>,
}

/// What came back. A status of 400 and above is no error here, since the request did arrive.
#[remit::data]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Where the answer points to: a redirect, which is not followed, or what was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// What kind of thing it is, such as `application/json`.
    pub media_type: String,
    /// The answer as text, HTML as Markdown.
    pub content: String,
    /// What is missing, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Posts JSON or text to a URL and gives the answer with its status. Follows no redirect.
#[remit::tool(once, title = "Post to a URL")]
pub fn post(args: Post) -> Result<Answer, Error> {
    exchange(&args, Request::send)
}

/// Posts by `send`.
///
/// # Errors
/// `invalid-arguments` unless just one of `json` and `text` is given; else what `send` answers.
pub fn exchange(args: &Post, send: impl FnOnce(Request) -> Result<Response, Error>) -> Result<Answer, Error> {
    let url = address::parse(&args.url)?;
    let (body, media_type) = match (&args.json, &args.text) {
        (Some(json), None) => (json.to_string(), "application/json"),
        (None, Some(text)) => (text.clone(), "text/plain; charset=utf-8"),
        _ => return Err(Error::invalid_arguments("give either `json` or `text`")),
    };
    let mut headers = address::headers(&args.headers)?;
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), media_type.to_owned()));
    }
    let request = headers.iter().fold(remit::http::post(url.as_str()), |request, (name, value)| request.header(name, value));
    let response = send(request.body(body).max_bytes(BODY_MAX_BYTES))?;
    let mut text = read(&url, &response, Format::Markdown, true)?;
    let part = part::take(&text.content, 0, args.max_chars.unwrap_or(part::CHARS_DEFAULT).clamp(1, part::CHARS_MAX));
    if part.next.is_some() {
        text.notes.push(format!("the answer has {} characters; what does not fit `max_chars` was left out", part.total));
    }
    let location = response.header("location").map(|location| url.join(location).map_or_else(|_| location.to_owned(), String::from));
    Ok(Answer { status: response.status, location, media_type: text.media_type, content: part.text, notes: text.notes })
}
