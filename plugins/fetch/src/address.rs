//! URLs and headers as callers give them.

use std::collections::BTreeMap;

use remit::Error;
use url::Url;

/// Most headers of a request.
const HEADERS_MAX: usize = 32;
/// Longest URL, in bytes.
const URL_MAX_BYTES: usize = 8192;

/// Reads an absolute `http` or `https` URL; its fragment is dropped.
///
/// # Errors
/// `invalid-arguments` when it is anything else, or carries a user's name or password.
pub fn parse(text: &str) -> Result<Url, Error> {
    if text.len() > URL_MAX_BYTES {
        return Err(Error::invalid_arguments(format!("the URL has {} bytes; at most {URL_MAX_BYTES} are accepted", text.len())));
    }
    let url = Url::parse(text).map_err(|error| {
        Error::invalid_arguments(format!("`{text}` is not a URL ({error}); write one such as `https://example.com/page`"))
    })?;
    accept(url)
}

/// Lets a URL pass that may be requested.
///
/// # Errors
/// As [`parse`].
pub fn accept(mut url: Url) -> Result<Url, Error> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::invalid_arguments(format!("`{}` cannot be fetched; `https` and `http` URLs can", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::invalid_arguments("the URL carries a name or a password; leave them out and let the host attach a secret"));
    }
    url.set_fragment(None);
    Ok(url)
}

/// Reads headers; names come out in lower case.
///
/// # Errors
/// `invalid-arguments` when a name or a value is malformed, or there are more than 32.
pub fn headers(given: &BTreeMap<String, String>) -> Result<Vec<(String, String)>, Error> {
    if given.len() > HEADERS_MAX {
        return Err(Error::invalid_arguments(format!("{} headers are given; at most {HEADERS_MAX} are accepted", given.len())));
    }
    given.iter().map(|(name, value)| header(name, value)).collect()
}

fn header(name: &str, value: &str) -> Result<(String, String), Error> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(Error::invalid_arguments(format!("`{name}` is not the name of a header")));
    }
    if value.bytes().any(|byte| byte != b'\t' && (byte < b' ' || byte == 0x7f)) {
        return Err(Error::invalid_arguments(format!("the value of the header `{name}` holds a control character")));
    }
    Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
}
