//! Principals: `user:…`, `agent:…`, `service:…`.

use crate::{Error, Result, plugin::text::visible};

/// What a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrincipalKind {
    /// A person.
    User,
    /// An agent of a project.
    Agent,
    /// A program.
    Service,
}

/// Who acts. Always named, never defaulted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    kind: PrincipalKind,
    name: String,
}

impl Principal {
    /// Longest name, in bytes.
    pub const NAME_MAX_BYTES: usize = 128;

    /// What it is.
    pub fn kind(&self) -> PrincipalKind {
        self.kind
    }

    /// The name after the prefix; what `{user}` stands for in grants, percent-encoded there.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let prefix = match self.kind {
            PrincipalKind::User => "user",
            PrincipalKind::Agent => "agent",
            PrincipalKind::Service => "service",
        };
        write!(f, "{prefix}:{}", self.name)
    }
}

impl std::str::FromStr for Principal {
    type Err = Error;

    /// # Errors
    /// `invalid` when the prefix is none of the three, or the name is empty, longer than [`Principal::NAME_MAX_BYTES`] or holds
    /// white space or control characters.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = || {
            Error::invalid(format!("`{}` is not a principal", visible(text, 64))).hint("write `user:NAME`, `agent:NAME` or `service:NAME`")
        };
        let (prefix, name) = text.split_once(':').ok_or_else(refuse)?;
        let kind = match prefix {
            "user" => PrincipalKind::User,
            "agent" => PrincipalKind::Agent,
            "service" => PrincipalKind::Service,
            _ => return Err(refuse()),
        };
        if name.is_empty() || name.len() > Self::NAME_MAX_BYTES || visible(name, usize::MAX) != name || name.contains(char::is_whitespace) {
            return Err(refuse());
        }
        Ok(Self { kind, name: name.to_owned() })
    }
}

impl serde::Serialize for Principal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Principal {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
