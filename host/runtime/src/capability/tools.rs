//! `tools`: calling other tools under `remit:tool/invoke`, within what the caller holds.

use std::{pin::Pin, sync::Arc};

use remit_bindings::tool::remit::tool::{
    invoke,
    types::{Failure, Output},
};
use remit_core::grant::{Decision, Request, decide};
use wasmtime::component::{HasSelf, Linker};

use super::{Call, CallState};

/// Runs a call on behalf of a running one.
pub trait Dispatch: Send + Sync {
    /// Calls `plugin/tool`. The callee gets what is left of the caller's time, and the caller's delegation chain grows by one.
    fn dispatch<'a>(
        self: Arc<Self>,
        caller: &'a Call,
        plugin: &'a str,
        tool: &'a str,
        arguments: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Output, Failure>> + Send + 'a>>;
}

/// Links `remit:tool/invoke`, and the types of tools.
///
/// # Errors
/// When the linker already has it.
pub fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    remit_bindings::tool::remit::tool::types::add_to_linker::<CallState, HasSelf<CallState>>(linker, |state| state)?;
    remit_bindings::mcp::asking::remit::mcp::types::add_to_linker::<CallState, HasSelf<CallState>>(linker, |state| state)?;
    invoke::add_to_linker::<CallState, HasSelf<CallState>>(linker, |state| state)
}

impl remit_bindings::tool::remit::tool::types::Host for CallState {}

impl remit_bindings::mcp::asking::remit::mcp::types::Host for CallState {}

impl invoke::Host for CallState {
    async fn call(&mut self, id: String, arguments: String) -> wasmtime::Result<Result<Output, Failure>> {
        let call = self.call.clone();
        let Some((plugin, tool)) = id.split_once('/') else {
            return Ok(Err(Failure::InvalidArguments("a tool is named `plugin/tool`".to_owned())));
        };
        if let Decision::Deny(denial) = decide(&Request::Tool { plugin, tool }, &call.rights.resolved) {
            let message = denial.to_string();
            call.denials.record(denial);
            return Ok(Err(Failure::Denied(message)));
        }
        call.uses(&Request::Tool { plugin, tool });
        let Some(host) = call.dispatch.upgrade() else {
            return Ok(Err(Failure::Unavailable("the host is shutting down".to_owned())));
        };
        Ok(host.dispatch(&call, plugin, tool, &arguments).await)
    }
}
