use std::time::Duration;

use serde::Serialize;

use super::{BODY_MAX_BYTES, Response};
use crate::Result;

/// A request, to be sent with [`Request::send`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    timeout: Option<Duration>,
    max_bytes: usize,
}

/// Starts a GET.
pub fn get(url: impl Into<String>) -> Request {
    Request::new("GET", url)
}

/// Starts a HEAD.
pub fn head(url: impl Into<String>) -> Request {
    Request::new("HEAD", url)
}

/// Starts a POST.
pub fn post(url: impl Into<String>) -> Request {
    Request::new("POST", url)
}

/// Starts a PUT.
pub fn put(url: impl Into<String>) -> Request {
    Request::new("PUT", url)
}

/// Starts a DELETE.
pub fn delete(url: impl Into<String>) -> Request {
    Request::new("DELETE", url)
}

impl Request {
    /// Starts a request of any method.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self { method: method.into(), url: url.into(), headers: Vec::new(), body: Vec::new(), timeout: None, max_bytes: BODY_MAX_BYTES }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body and its content type.
    ///
    /// # Errors
    ///
    /// `Failed` where the value cannot be written as JSON.
    pub fn json(self, value: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(value)?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// Bounds the time until the connection stands, until the first byte, and between bytes; the call's deadline bounds the whole anyway.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Bounds how much of the body is read; what follows is left out and [`Response::truncated`] is set. Default [`BODY_MAX_BYTES`].
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sends the request and reads the response. A status such as 404 is a response, not an error.
    ///
    /// # Errors
    ///
    /// `InvalidArguments` where the URL or a header is malformed, `Denied` where the right is missing or the address is not a public
    /// one, `Unavailable` where the other side cannot be reached or takes too long, else `Failed`.
    pub fn send(self) -> Result<Response> {
        crate::host::send(&self)
    }

    /// Returns the method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Returns the URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    #[cfg(target_family = "wasm")]
    pub(super) fn parts(&self) -> Parts<'_> {
        Parts { headers: &self.headers, body: &self.body, timeout: self.timeout, max_bytes: self.max_bytes }
    }
}

/// What only the wire looks at.
#[cfg(target_family = "wasm")]
pub(super) struct Parts<'a> {
    pub headers: &'a [(String, Vec<u8>)],
    pub body: &'a [u8],
    pub timeout: Option<Duration>,
    pub max_bytes: usize,
}
