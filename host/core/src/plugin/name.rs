//! Names of plugins.

use crate::{Error, Result, limit::PLUGIN_NAME_MAX_CHARS};

/// What agents are called under, as `agents/NAME`: no plugin and no agent has this name.
pub const AGENTS: &str = "agents";

/// What models are asked under, as `models/NAME`, in journals, audit logs and `[labels]`: no plugin and no agent has this name.
pub const MODELS: &str = "models";

/// What stands in place of an agent's name where a session has none: its turns are plain calls of tools. No plugin has this name.
pub const NO_AGENT: &str = "-";

/// A plugin's name in its project: lowercase letters, digits, `-` and single `_`, starting with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginName(String);

impl PluginName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PluginName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for PluginName {
    type Err = Error;

    /// # Errors
    /// `invalid`; `__` is refused since it divides plugin and tool in MCP names, [`AGENTS`] since agents are called under it, and [`MODELS`]
    /// since models are asked under it.
    fn from_str(text: &str) -> Result<Self> {
        if text == AGENTS {
            let error = Error::invalid(format!("`{AGENTS}` is no name for a plugin or an agent: agents are called as `{AGENTS}/NAME`"));
            return Err(error.hint("choose another name"));
        }
        if text == MODELS {
            let error = Error::invalid(format!("`{MODELS}` is no name for a plugin or an agent: models are known as `{MODELS}/NAME`"));
            return Err(error.hint("choose another name"));
        }
        let body = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let fits = text.len() <= PLUGIN_NAME_MAX_CHARS
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(body)
            && !text.contains("__")
            && !text.ends_with('_');
        if fits {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::invalid(format!("`{}` is not a plugin name", super::text::visible(text, 64))).hint(format!(
            "use lowercase letters, digits, `-` and single `_`, starting with a letter, at most {PLUGIN_NAME_MAX_CHARS} characters"
        )))
    }
}
