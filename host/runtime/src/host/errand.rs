//! What an instance of a plugin is made for: to call a tool, or to tell what became of an earlier call. What MCP clients ask for besides is
//! in `mcp.rs`.

use std::sync::Arc;

use remit_core::{Error, Result, plugin::Effect};
use serde_json::Value;

use super::masked::Masked;
use crate::{
    engine::{Failed, Room},
    output::{self, Output},
    outside::{Outside, OutsideCall},
    plugin::{Fate, Loaded, Tool},
};

/// One of them. What does not stand here is the same for all: admission, limits, deadline, audit.
pub(super) trait Errand: Sync {
    /// What the plugin gives.
    type Answer: Send + Masked;

    /// Whether it asks about an earlier call, as the audit log says.
    const SETTLES: bool;

    /// What is called, or asked about.
    ///
    /// # Errors
    /// `not-found` when the plugin has no such thing.
    fn tool(&self, plugin: &Loaded, name: &str) -> Result<Arc<Tool>> {
        plugin.tool(name).cloned()
    }

    /// The effect class whose rights the instance has.
    fn effect(&self, tool: &Tool) -> Effect;

    /// The arguments, checked before anything runs.
    fn arguments(&self, tool: &Tool, text: &str) -> Result<Value>;

    /// Runs it in a fresh instance; returns the checked answer and the size of its result.
    fn run(
        &self,
        plugin: &Loaded,
        tool: &Tool,
        text: &str,
        arguments: &Value,
        room: &mut Room,
    ) -> impl Future<Output = Result<(Self::Answer, usize), Failed>> + Send;

    /// The same for an outside server, which has no instance.
    fn ask(
        &self,
        outside: &dyn Outside,
        tool: &Tool,
        call: OutsideCall<'_>,
    ) -> impl Future<Output = Result<(Self::Answer, usize), Failed>> + Send;
}

/// A call of a tool.
pub(super) struct Calling {
    /// How large its result may be, where that is more than its plugin may give.
    pub(super) most_bytes: usize,
}

impl Errand for Calling {
    type Answer = Output;

    const SETTLES: bool = false;

    fn effect(&self, tool: &Tool) -> Effect {
        tool.definition.effect
    }

    fn arguments(&self, tool: &Tool, text: &str) -> Result<Value> {
        tool.arguments(text)
    }

    async fn run(&self, plugin: &Loaded, tool: &Tool, text: &str, arguments: &Value, room: &mut Room) -> Result<(Output, usize), Failed> {
        let most_bytes = self.most_bytes.max(plugin.spec.limits.output_bytes());
        let (output, bytes) = plugin.run(room, &tool.definition.name, text, arguments, most_bytes).await?;
        tool.check_output(&output)?;
        Ok((output, bytes))
    }

    async fn ask(&self, outside: &dyn Outside, tool: &Tool, call: OutsideCall<'_>) -> Result<(Output, usize), Failed> {
        let max_bytes = call.plugin.limits.output_bytes();
        let output = outside.call(call).await?;
        let text = serde_json::to_vec(&output).map_err(|error| Error::host("a result cannot be written as JSON", error))?;
        if text.len() > max_bytes {
            return Err(output::too_large(text.len(), max_bytes).into());
        }
        tool.check_output(&output)?;
        Ok((output, text.len()))
    }
}

/// The question what became of the call with `key`. Asking changes nothing: the instance has the rights of a `read` tool.
pub(super) struct Settling<'a> {
    pub(super) key: &'a str,
}

impl Errand for Settling<'_> {
    type Answer = Fate;

    const SETTLES: bool = true;

    fn effect(&self, _: &Tool) -> Effect {
        Effect::Read
    }

    fn arguments(&self, _: &Tool, _: &str) -> Result<Value> {
        Ok(Value::Null)
    }

    async fn run(&self, plugin: &Loaded, tool: &Tool, _: &str, _: &Value, room: &mut Room) -> Result<(Fate, usize), Failed> {
        let (fate, bytes) = plugin.settle(room, &tool.definition.name, self.key).await?;
        if let Fate::Done(output) = &fate {
            tool.check_output(output)?;
        }
        Ok((fate, bytes))
    }

    async fn ask(&self, _: &dyn Outside, _: &Tool, call: OutsideCall<'_>) -> Result<(Fate, usize), Failed> {
        Err(Error::invalid(format!("`{}` is an outside server and cannot be asked", call.plugin.name)).into())
    }
}
