use serde::de::DeserializeOwned;
use std::borrow::Cow;

use crate::{Error, Result, WithContext};

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers in their order, names in lowercase.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, up to the request's `max_bytes`.
    pub body: Vec<u8>,
    /// Whether the body was longer.
    pub truncated: bool,
}

impl Response {
    /// Returns the first header of a name, in any case, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(present, _)| present.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// Returns the body as text; bytes that are not UTF-8 become `U+FFFD`.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    ///
    /// `Failed` where it is cut or does not fit.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        if self.truncated {
            return Err(Error::failed(format!("the response is longer than {} bytes, so its JSON is cut", self.body.len())));
        }
        serde_json::from_slice(&self.body).context("the response does not fit")
    }

    /// Turns a status of 400 and above into an error: 401 and 403 `Denied`, 408, 429 and 5xx `Unavailable`, the rest `Failed`.
    ///
    /// # Errors
    ///
    /// As said.
    pub fn success(self) -> Result<Self> {
        let message = || format!("the server answered with status {}", self.status);
        match self.status {
            401 | 403 => Err(Error::denied(message())),
            408 | 429 | 500..=599 => Err(Error::unavailable(message())),
            400..=499 => Err(Error::failed(message())),
            _ => Ok(self),
        }
    }
}
