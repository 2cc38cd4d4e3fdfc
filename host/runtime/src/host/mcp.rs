//! What MCP clients ask of a plugin: calls of tools that may ask back, prompts, resources.

use std::{sync::Arc, time::Duration};

use remit_core::{
    Error, Result,
    grant::{Declared, Grants},
    identity::Context,
    limit::{CallLimits, HOSTCALL_FUEL},
    plugin::{Effect, PluginName},
};
use serde_json::Value;
use wasmtime::Store;

use super::{Host, Inner, Outcome, Request, errand::Errand, running::Running};
use crate::{
    capability::{CallState, call::now},
    engine::{Failed, Room},
    mcp::{Ask, Given, Prompt, ResourceEntry, Step},
    outside::{Outside, OutsideCall},
    plugin::{Listed, Loaded, Tool},
};

/// One [`Ask`].
struct Asking<'a> {
    ask: Ask<'a>,
}

impl Errand for Asking<'_> {
    type Answer = Given;

    const SETTLES: bool = false;

    fn tool(&self, plugin: &Loaded, name: &str) -> Result<Arc<Tool>> {
        match self.ask {
            Ask::Tool { .. } => plugin.tool(name).cloned(),
            _ => Tool::of_mcp(self.ask.name()).map(Arc::new),
        }
    }

    fn effect(&self, tool: &Tool) -> Effect {
        tool.definition.effect
    }

    fn arguments(&self, tool: &Tool, text: &str) -> Result<Value> {
        if let Ask::Tool { round } | Ask::Prompt { round, .. } = self.ask {
            round.check()?;
        }
        tool.arguments(text)
    }

    async fn run(&self, plugin: &Loaded, tool: &Tool, text: &str, arguments: &Value, room: &mut Room) -> Result<(Given, usize), Failed> {
        let max_bytes = plugin.spec.limits.output_bytes();
        let store = match room {
            Room::Here(store) => store,
            Room::Apart(_) => return isolated(self.ask, plugin, (tool, text, arguments), room).await,
        };
        let served = || plugin.mcp().ok_or_else(|| Error::invalid(format!("`{}` has tools alone", plugin.spec.name)));
        match self.ask {
            Ask::Tool { round } => {
                let name = tool.definition.name.as_str();
                let stepped = match plugin.mcp() {
                    Some(served) => served.tool(store, (name, text), round, max_bytes).await?,
                    None => None,
                };
                let (step, bytes) = match stepped {
                    Some(stepped) => stepped,
                    None => plugin.run(room, name, text, arguments, max_bytes).await.map(|(output, bytes)| (Step::Done(output), bytes))?,
                };
                if let Step::Done(output) = &step {
                    tool.check_output(output)?;
                }
                Ok((Given::Tool(step), bytes))
            }
            Ask::Prompt { name, round } => {
                let (step, bytes) = served()?.prompt(store, (name, text), round, max_bytes).await?;
                Ok((Given::Prompt(step), bytes))
            }
            Ask::Complete { name, argument, start } => {
                let (values, bytes) = served()?.complete(store, (name, argument, start), max_bytes).await?;
                Ok((Given::Values(values), bytes))
            }
            Ask::Read { uri } => {
                let (contents, bytes) = served()?.read(store, uri, max_bytes).await?;
                Ok((Given::Contents(contents), bytes))
            }
        }
    }

    async fn ask(&self, outside: &dyn Outside, tool: &Tool, call: OutsideCall<'_>) -> Result<(Given, usize), Failed> {
        let (output, bytes) = super::errand::Calling { most_bytes: 0 }.ask(outside, tool, call).await?;
        Ok((Given::Tool(Step::Done(output)), bytes))
    }
}

/// Of what a client may ask, a process of its own carries calls that ask nothing back.
async fn isolated(
    ask: Ask<'_>,
    plugin: &Loaded,
    (tool, text, arguments): (&Tool, &str, &Value),
    room: &mut Room,
) -> Result<(Given, usize), Failed> {
    let Ask::Tool { .. } = ask else {
        return Err(Error::invalid(format!("`{}` is isolated, and `isolation = \"process\"` carries tools alone", plugin.spec.name)).into());
    };
    let max_bytes = plugin.spec.limits.output_bytes();
    let (output, bytes) = plugin.run(room, &tool.definition.name, text, arguments, max_bytes).await?;
    tool.check_output(&output)?;
    Ok((Given::Tool(Step::Done(output)), bytes))
}

impl Host {
    /// Does what an MCP client asks of the plugin of `request`; the tool of the request counts for [`Ask::Tool`] alone, and its
    /// arguments for that and [`Ask::Prompt`]. Each round is a call of its own, with its own record.
    /// Cancel-safe: dropping the future ends the guest.
    ///
    /// Every ending is an [`Outcome`], as with [`Host::call`]; `denied` also for what of `remit:mcp` is not granted.
    pub async fn ask(&self, context: &Context, request: &Request<'_>, ask: Ask<'_>) -> Outcome<Given> {
        self.0.perform(context, request, &Asking { ask }, true).await
    }

    /// The prompts and resources of a plugin, as its component lists them in an instance that is granted nothing: asked once, and known
    /// from then on, while the plugin is loaded as it is.
    ///
    /// # Errors
    /// `not-found` (project, plugin); those of reading, compiling, linking and running; `limit` for too many, `invalid` for one that is
    /// not acceptable.
    pub async fn listed(&self, project: &str, plugin: &PluginName) -> Result<Arc<Listed>> {
        let (_, plugin) = self.0.find(&Request::new(project, plugin.as_str(), "", ""))?;
        plugin.listed(self.0.list_of(&plugin)).await
    }
}

impl Inner {
    async fn list_of(&self, plugin: &Loaded) -> Result<Listed> {
        // None of its code runs in this process.
        if !plugin.spec.isolation.is_none() {
            return Ok((Vec::new(), Vec::new()));
        }
        plugin.link(&self.engine, &self.linker, &self.interfaces).await?;
        let Some(served) = plugin.mcp() else { return Ok((Vec::new(), Vec::new())) };
        let limits = CallLimits::default();
        let deadline = now() + Duration::from_millis(limits.deadline_ms);
        let _permit = self.engine.admit(deadline).await?;
        let mut stores = [self.bare(plugin.spec.name.as_str(), deadline)?, self.bare(plugin.spec.name.as_str(), deadline)?];
        let [first, second] = &mut stores;
        let list =
            async { Ok::<(Vec<Prompt>, Vec<ResourceEntry>), Failed>((served.prompts(first).await?, served.resources(second).await?)) };
        let listed = tokio::time::timeout_at(deadline.into(), list).await;
        let late = |_elapsed| Error::limit(format!("`{}` did not list its prompts and resources in time", plugin.spec.name));
        listed.map_err(late)?.map_err(|failed| failed.error)
    }

    /// A store for an instance that is granted nothing.
    pub(super) fn bare(&self, plugin: &str, deadline: std::time::Instant) -> Result<Store<CallState>> {
        let (memory, running) = (CallLimits::default().memory_bytes(), Running::default());
        let state = self.bare_state(plugin, (Declared::default(), Grants::default()), deadline, memory, &running)?;
        Ok(self.engine.store(state, deadline, HOSTCALL_FUEL))
    }
}
