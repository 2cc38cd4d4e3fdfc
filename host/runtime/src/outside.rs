//! The port to plugins that are no components: outside MCP servers, which run beside the sandbox and not in it.

use async_trait::async_trait;
use remit_core::{Result, secret::SecretSource};
use serde_json::Value;

use crate::{
    Output, Plugin,
    capability::{http, stdio::Ring},
};

/// One call of a tool of an outside server. What a host decides about a call was decided.
pub struct OutsideCall<'a> {
    /// The project.
    pub project: &'a str,
    /// The plugin, with the definitions that were approved; its source says what it is started from, or where it is.
    pub plugin: &'a Plugin,
    /// The tool.
    pub tool: &'a str,
    /// Its arguments, checked against the approved schema.
    pub arguments: &'a Value,
    /// Where the secrets come from that it gets.
    pub secrets: &'a dyn SecretSource,
    /// Name lookup and TLS, for servers behind a URL.
    pub http: &'a http::Gateway,
    /// Takes what its process said on its standard error, where the call fails.
    pub stderr: &'a Ring,
}

/// Runs outside servers. Every text that it gives back is safe to show and holds no secret of the server.
#[async_trait]
pub trait Outside: Send + Sync {
    /// Calls a tool; starts the server where it does not run. Cancel-safe: dropping the future tells the server to stop working on it.
    ///
    /// # Errors
    /// `denied` when the tool is no longer the approved one; `unavailable` when the server cannot be started or reached, is not the
    /// approved one, or has no such tool; `in-doubt` when it ended, or did not answer, during a `once` call; `limit` when it says too much; `invalid` and `guest` as the server says.
    async fn call(&self, call: OutsideCall<'_>) -> Result<Output>;
}
