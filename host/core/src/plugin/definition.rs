//! What a plugin offers.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What may be repeated after a crash; a claim of the plugin that the host enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Changes nothing: its grants are attenuated to reading.
    Read,
    /// May be repeated with the same key.
    Idempotent,
    /// Must not be repeated.
    Once,
}

/// Which of the three kinds of component it is, or that it is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Exports `remit:tool/tools`.
    Tool,
    /// Exports `remit:agent`.
    Agent,
    /// Exports plain functions.
    Plain,
    /// No component: an outside MCP server, a native process outside of the sandbox.
    Native,
    /// No component: an outside MCP server elsewhere, reached by a URL.
    Remote,
}

impl Kind {
    /// Whether it is an outside MCP server, and no component.
    pub fn is_outside(self) -> bool {
        matches!(self, Self::Native | Self::Remote)
    }
}

/// One tool as it is approved, listed and called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Definition {
    /// Unique in its plugin: `[a-z0-9][a-z0-9_-]*`, at most [`crate::limit::TOOL_NAME_MAX_CHARS`].
    pub name: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it does, for the model that chooses it.
    pub description: String,
    /// JSON Schema 2020-12 of the arguments, an object.
    pub input_schema: serde_json::Value,
    /// JSON Schema 2020-12 of the structured result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<serde_json::Value>,
    /// What may be repeated.
    pub effect: Effect,
}

/// A SHA-256, shown as `sha256:` and 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The digest of all that `from` gives, and how many bytes that is.
    ///
    /// # Errors
    /// Those of reading.
    pub fn of_stream(mut from: impl std::io::Read) -> std::io::Result<(Self, u64)> {
        use sha2::Digest as _;
        let (mut hasher, mut chunk, mut total) = (sha2::Sha256::new(), [0; 16 << 10], 0);
        loop {
            match from.read(&mut chunk)? {
                0 => return Ok((Self(hasher.finalize().into()), total)),
                count => {
                    hasher.update(chunk.get(..count).unwrap_or_default());
                    total += count as u64;
                }
            }
        }
    }

    /// The 64 hex digits.
    pub fn hex(&self) -> String {
        let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
        self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl std::str::FromStr for Digest {
    type Err = Error;

    /// # Errors
    /// `invalid` unless the text is `sha256:` and 64 lowercase hex digits.
    fn from_str(text: &str) -> Result<Self> {
        let refuse =
            || Error::invalid(format!("`{}` is not a digest", super::text::visible(text, 96))).hint("write `sha256:` and 64 hex digits");
        let hex = text
            .strip_prefix("sha256:")
            .filter(|hex| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
            .ok_or_else(refuse)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            *byte = std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or_else(refuse)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
