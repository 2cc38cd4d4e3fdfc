//! Calls that a running tool makes of another one.

use std::{pin::Pin, sync::Arc};

use remit_bindings::tool::remit::tool::types as wit;
use remit_core::{
    Error, Kind,
    grant::{Holder, Resolved},
    plugin::{AGENTS, Effect, text::visible},
};

use super::{Inner, Request};
use crate::capability::{Call, call::now, tools::Dispatch};

impl Dispatch for Inner {
    fn dispatch<'a>(
        self: Arc<Self>,
        caller: &'a Call,
        plugin: &'a str,
        tool: &'a str,
        arguments: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<wit::Output, wit::Failure>> + Send + 'a>> {
        Box::pin(async move {
            let failed = |error: Error| wit::Failure::Failed(error.message);
            let mut context = self.context(caller.context.principal.clone(), caller.context.role.clone()).map_err(failed)?;
            context.delegation.clone_from(&caller.context.delegation);
            context.delegation.push(format!("{}/{}", caller.rights.resolved.plugin, caller.tool));
            let Resolved { plugin: calling, declared, granted, .. } = &caller.rights.resolved;
            context.labels = caller.seen.held();
            context.held = caller.context.held.through(Holder::plugin(calling, declared, granted));
            (context.session, context.turn, context.key) = (caller.context.session, caller.context.turn, caller.context.key);
            context.time_zone.clone_from(&caller.context.time_zone);
            context.deadline_ms = u64::try_from(caller.deadline.saturating_duration_since(now()).as_millis()).ok();
            if plugin == AGENTS {
                return Err(wit::Failure::InvalidArguments("agents are called by agents alone, not by tools".to_owned()));
            }
            let request = Request { events: caller.events.clone(), ..Request::new(&caller.project, plugin, tool, arguments) };
            if caller.rights.resolved.effect == Effect::Read && !self.reads(&request) {
                return Err(wit::Failure::Denied(format!(
                    "a tool that only reads may not call `{}/{}`",
                    visible(plugin, 64),
                    visible(tool, 64)
                )));
            }
            let outcome = self.call(&context, &request, false).await;
            caller.seen.take_on(outcome.labels);
            outcome.denials.into_iter().for_each(|denial| caller.denials.record(denial));
            caller.uses.extend(outcome.used);
            match outcome.result {
                Ok(output) => Ok(output.into_guest()),
                Err(error) => Err(match error.kind {
                    Kind::Invalid | Kind::NotFound => wit::Failure::InvalidArguments(error.message),
                    Kind::Denied => wit::Failure::Denied(error.message),
                    Kind::Unavailable => wit::Failure::Unavailable(error.message),
                    _ => wit::Failure::Failed(error.message),
                }),
            }
        })
    }
}

impl Inner {
    /// Whether the tool of `request` is known to change nothing.
    fn reads(&self, request: &Request<'_>) -> bool {
        let effect = self.find(request).and_then(|(_, plugin)| Ok(plugin.tool(request.tool)?.definition.effect));
        effect.is_ok_and(|effect| effect == Effect::Read)
    }
}
