//! Requests in words, as `remit explain` takes them and a journal keeps them: `http GET https://example.com/`, `fs read /docs/a.md`.

use url::Url;

use super::{Access, Request, WORKSPACE_MOUNT, canonical_url};
use crate::{Error, Result, plugin::text::visible};

/// A request that was read from words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    capability: String,
    text: String,
    access: Access,
    url: Option<Url>,
    tokens: u32,
}

impl Asked {
    /// Reads the request of a capability.
    ///
    /// # Errors
    /// `invalid`, with the form of that capability's requests.
    pub fn parse(capability: &str, text: &str) -> Result<Self> {
        let refuse = || wrong(capability);
        let access = |word: &str| match word {
            "read" => Ok(Access::Read),
            "write" => Ok(Access::Write),
            _ => Err(refuse()),
        };
        let mut asked = Self { capability: capability.to_owned(), text: text.to_owned(), access: Access::Read, url: None, tokens: 1 };
        match capability {
            "fs" => {
                let (word, path) = text.split_once(' ').ok_or_else(refuse)?;
                (asked.access, asked.text) = (access(word)?, path.to_owned());
            }
            "http" => {
                let (method, url) = text.split_once(' ').ok_or_else(refuse)?;
                (asked.url, asked.text) = (Some(canonical_url(url)?), method.to_owned());
            }
            "kv" => asked.access = access(text)?,
            "workspace" => (asked.access, asked.text) = (access(text)?, WORKSPACE_MOUNT.to_owned()),
            "tools" if text.contains('/') => {}
            "model" => {
                let (name, tokens) = text.split_once(' ').map_or((text, None), |(name, tokens)| (name, Some(tokens)));
                asked.tokens = tokens.map_or(Some(1), |tokens| tokens.parse().ok()).ok_or_else(refuse)?;
                asked.text = name.to_owned();
            }
            "env" | "config" | "sockets" => {}
            custom if custom.contains(':') => {}
            _ => return Err(refuse()),
        }
        Ok(asked)
    }

    /// The request.
    pub fn request(&self) -> Request<'_> {
        let text = self.text.as_str();
        match (self.capability.as_str(), &self.url) {
            ("http", Some(url)) => Request::Http { method: text, url },
            ("fs" | "workspace", _) => Request::Fs { path: text, access: self.access },
            ("env", _) => Request::Env { name: text },
            ("config", _) => Request::Config { name: text },
            ("kv", _) => Request::Kv { access: self.access },
            ("tools", _) => {
                let (plugin, tool) = text.split_once('/').unwrap_or((text, ""));
                Request::Tool { plugin, tool }
            }
            ("model", _) => Request::Model { name: text, max_tokens: self.tokens },
            ("sockets", _) => Request::Socket { target: text },
            (capability, _) => Request::Custom { capability, request: text },
        }
    }
}

impl Request<'_> {
    /// The request in words: its capability, a space, and what [`Asked::parse`] reads.
    pub fn written(&self) -> String {
        match self {
            Self::Fs { path, access } => format!("fs {access} {path}"),
            Self::Http { method, url } => format!("http {method} {url}"),
            Self::Env { name } => format!("env {name}"),
            Self::Config { name } => format!("config {name}"),
            Self::Kv { access } => format!("kv {access}"),
            Self::Tool { plugin, tool } => format!("tools {plugin}/{tool}"),
            Self::Model { name, max_tokens } => format!("model {name} {max_tokens}"),
            Self::Socket { target } => format!("sockets {target}"),
            Self::Custom { capability, request } => format!("{capability} {request}"),
        }
    }
}

/// The error of a request that is not in the form of its capability's.
pub fn wrong(capability: &str) -> Error {
    let form = match capability {
        "fs" => "fs 'read /docs/a.md'",
        "http" => "http 'GET https://example.com/'",
        "env" => "env NAME",
        "config" => "config NAME",
        "kv" => "kv read",
        "workspace" => "workspace read",
        "tools" => "tools PLUGIN/TOOL",
        "model" => "model 'default 4096'",
        "sockets" => "sockets HOST:PORT",
        _ => {
            return Error::invalid(format!("`{}` is neither a tool of this plugin nor a capability", visible(capability, 64)))
                .hint("see its tools: remit inspect PLUGIN");
        }
    };
    Error::invalid(format!("which request of `{capability}`?")).hint(format!("write it as in: {form}"))
}
