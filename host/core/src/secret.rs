//! Secrets: named by grants, bound to destinations when they are set, read by the host, never seen by a guest.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Url;

use crate::{
    Error, Result,
    grant::HttpPattern,
    identity::Principal,
    limit::{DESTINATION_MAX_BYTES, SECRET_NAME_MAX_BYTES},
    plugin::{PluginName, text::visible},
};

/// A secret's value: prints nothing of itself and overwrites its memory when dropped.
pub use secrecy::{ExposeSecret, SecretString};

#[cfg(test)]
mod tests;

/// Where a host finds secrets. Asked once for each request that needs one, and once for each call of an outside server that is given one;
/// must not block for long.
pub trait SecretSource: Send + Sync {
    /// The value of the secret that is wanted: the acting principal's own, else the project's.
    ///
    /// # Errors
    /// When the source itself failed. The secret is then not given.
    fn secret(&self, wanted: &Wanted<'_>) -> Result<Found>;
}

/// A secret that a call needs.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its name.
    pub name: &'a str,
    /// The project, by its name.
    pub project: &'a str,
    /// Who acts.
    pub principal: &'a Principal,
    /// Where the value would go.
    pub place: Place<'a>,
}

/// Where the value of a secret would go.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// Into a request to this URL.
    Url(&'a Url),
    /// Into the process of the outside server of this plugin.
    Process(&'a PluginName),
}

/// What a source found.
#[derive(Debug)]
pub enum Found {
    /// The value.
    Value(SecretString),
    /// It is set, to go to other destinations.
    Elsewhere,
    /// It is not set.
    Unset,
}

/// Whether `name` can be that of a secret: letters, digits, `-` and `_`, at most [`SECRET_NAME_MAX_BYTES`].
pub fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !name.is_empty() && name.len() <= SECRET_NAME_MAX_BYTES && name.bytes().all(fits)
}

/// What a secret is bound to: where its value may go.
///
/// - `https://api.example.com` is everything at this scheme, host and port; a host may have `*` labels, as in a grant.
/// - `https://api.example.com/team/**` is what that path pattern matches, in the grammar of grants. Method and query do not matter.
/// - `plugin:NAME` is the process of the outside server of that plugin; it gets the value as an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// Requests to these URLs.
    Url(HttpPattern),
    /// A process.
    Process(PluginName),
}

/// Refuses what cannot be the name of a secret, as [`is_name`] has it.
///
/// # Errors
/// `invalid`, with what to write instead.
pub fn check_name(name: &str) -> Result<()> {
    if is_name(name) {
        return Ok(());
    }
    Err(Error::invalid(format!("`{}` is not the name of a secret", visible(name, 64)))
        .hint(format!("use letters, digits, `-` and `_`, at most {SECRET_NAME_MAX_BYTES}")))
}

impl Destination {
    /// Where the requests of a grant's `pattern` go.
    pub fn of(pattern: &HttpPattern) -> Self {
        Self::Url(pattern.any_request())
    }

    /// Where a request to `url` goes; `None` for a URL that no grant can name.
    pub fn of_url(url: &Url) -> Option<Self> {
        HttpPattern::only("GET", url).as_ref().map(Self::of)
    }

    /// All of the same scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> Self {
        match self {
            Self::Url(pattern) => Self::Url(pattern.origin()),
            Self::Process(plugin) => Self::Process(plugin.clone()),
        }
    }

    /// Whether a secret that is bound to this may go there.
    pub fn admits(&self, place: Place<'_>) -> bool {
        match (self, place) {
            (Self::Url(pattern), Place::Url(url)) => pattern.matches("", url),
            (Self::Process(own), Place::Process(plugin)) => own == plugin,
            _ => false,
        }
    }

    /// Whether everything that `other` admits is admitted by this. Says no where that cannot be seen from how they are written.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Url(own), Self::Url(other)) => own.covers(other),
            (Self::Process(own), Self::Process(other)) => own == other,
            _ => false,
        }
    }
}

impl FromStr for Destination {
    type Err = Error;

    /// # Errors
    /// `invalid`, with what to write instead.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: &str, hint: &str| Error::invalid(format!("`{}` {why}", visible(text, 160))).hint(hint);
        if text.len() > DESTINATION_MAX_BYTES {
            return Err(refuse("is too long", &format!("a destination has at most {DESTINATION_MAX_BYTES} bytes")));
        }
        if let Some(plugin) = text.strip_prefix("plugin:") {
            return Ok(Self::Process(plugin.parse()?));
        }
        let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
            let hint = "write a URL such as `https://api.example.com`, or `plugin:NAME` for the process of an outside server";
            return Err(refuse("is no destination of a secret", hint));
        };
        if rest.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '{' | '\\')) {
            return Err(refuse("holds more than a destination", "write scheme, host and, where it matters, the path, without a query"));
        }
        let whole = rest.find('/').is_none_or(|slash| slash + 1 == rest.len());
        let url =
            if whole { format!("{}/**", text.strip_suffix('/').filter(|_| !rest.is_empty()).unwrap_or(text)) } else { text.to_owned() };
        Ok(Self::Url(format!("* {url}?**").parse()?))
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(plugin) => write!(f, "plugin:{plugin}"),
            Self::Url(pattern) => {
                let text = pattern.to_string();
                let text = text.strip_prefix("* ").unwrap_or(&text);
                let text = text.strip_suffix("?**").unwrap_or(text);
                f.write_str(if pattern.is_origin() { text.strip_suffix("/**").unwrap_or(text) } else { text })
            }
        }
    }
}

impl Serialize for Destination {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Destination {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
