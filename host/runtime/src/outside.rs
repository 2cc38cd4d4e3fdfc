//! The port to plugins that are no components: outside MCP servers, which run beside the sandbox and not in it.

use async_trait::async_trait;
use remit_core::{Result, secret::SecretSource};
use serde_json::Value;

use crate::{Output, Plugin, capability::stdio::Ring, project::Native};

/// One call of a tool of an outside server. What a host decides about a call was decided.
pub struct OutsideCall<'a> {
    /// The project.
    pub project: &'a str,
    /// The plugin, with the definitions that were approved.
    pub plugin: &'a Plugin,
    /// What it is started from.
    pub native: &'a Native,
    /// The tool.
    pub tool: &'a str,
    /// Its arguments, checked against the approved schema.
    pub arguments: &'a Value,
    /// Where the secrets come from that its process gets.
    pub secrets: &'a dyn SecretSource,
    /// Takes what the process said on its standard error, where the call fails.
    pub stderr: &'a Ring,
}

/// Runs outside servers. Every text that it gives back is safe to show and holds no secret of the process.
#[async_trait]
pub trait Outside: Send + Sync {
    /// Calls a tool; starts the server where it does not run. Cancel-safe: dropping the future tells the server to stop working on it.
    ///
    /// # Errors
    /// `denied` when the tool is no longer the approved one; `unavailable` when the server cannot be started, is not the approved one, or has
    /// no such tool; `in-doubt` when it ended during a `once` call; `limit` when it says too much; `invalid` and `guest` as the server says.
    async fn call(&self, call: OutsideCall<'_>) -> Result<Output>;
}
