//! A component whose imports are given to it: how it is called, and what it gives.

use std::collections::HashMap;

use remit_bindings::{
    reconciler::{ReconcilerPre, exports::remit::tool::reconcile::Fate as GuestFate},
    tool::{
        ToolPre,
        remit::tool::types::{Failure, Output as WitOutput},
    },
};
use remit_core::{
    Error, Result,
    limit::GUEST_TEXT_MAX_CHARS,
    plugin::text::{visible, visible_lines},
};
use serde_json::Value;
use wasmtime::{
    Store,
    component::{Component, ComponentExportIndex, InstancePre, Val},
};

use super::{Fate, value};
use crate::{
    capability::CallState,
    engine::Failed,
    mcp::Served,
    output::{self, Output},
};

/// What a tool component exports that can tell what became of an effect.
const RECONCILE: &str = "remit:tool/reconcile@0.1.0";

/// A component whose imports are given to it.
pub(crate) enum Linked {
    /// The second part is there where the component exports [`RECONCILE`]; the third is what it exports of `remit:mcp`.
    Tool(ToolPre<CallState>, Option<ReconcilerPre<CallState>>, Box<Served>),
    Plain(InstancePre<CallState>, HashMap<String, ComponentExportIndex>),
}

impl Linked {
    /// A tool component, with what else it exports.
    ///
    /// # Errors
    /// When an export is not what its interface says.
    pub fn tool(component: &Component, pre: InstancePre<CallState>) -> wasmtime::Result<Self> {
        let reconciles = component.get_export_index(None, RECONCILE).is_some();
        let reconciler = reconciles.then(|| ReconcilerPre::new(pre.clone())).transpose()?;
        let served = Served::new(component, &pre)?;
        Ok(Self::Tool(ToolPre::new(pre)?, reconciler, Box::new(served)))
    }

    /// Calls `tool` in a fresh instance in `store`; `text` and `arguments` are the same arguments. Returns the result, of `max_bytes` at
    /// most, and its size.
    ///
    /// # Errors
    /// A failure of the guest or of the engine.
    pub async fn run(
        &self,
        store: &mut Store<CallState>,
        tool: &str,
        text: &str,
        arguments: &Value,
        max_bytes: usize,
    ) -> Result<(Output, usize), Failed> {
        match self {
            Self::Tool(..) => Ok(Output::from_guest(self.call(store, tool, text).await?.map_err(failure)?, max_bytes)?),
            Self::Plain(pre, exports) => {
                let export = exports.get(tool).ok_or_else(|| Error::not_found(format!("no function `{tool}`")))?;
                Ok(plain_output(apply(pre, export, store, arguments, max_bytes).await?, max_bytes)?)
            }
        }
    }

    /// Calls `tool` of a tool component in a fresh instance in `store`.
    ///
    /// # Errors
    /// A trap, or a bound that was reached.
    pub async fn call(&self, mut store: &mut Store<CallState>, tool: &str, text: &str) -> Result<Result<WitOutput, Failure>, Failed> {
        let Self::Tool(pre, ..) = self else { return Err(Error::host("what is no tool component was called as one", tool).into()) };
        let guest = pre.instantiate_async(&mut store).await?;
        Ok(guest.remit_tool_tools().call_call(&mut store, tool, &text.to_owned()).await?)
    }

    /// Calls the plain function `function` of `interface`, or of the component itself, in a fresh instance in `store`.
    ///
    /// # Errors
    /// A trap, or a bound that was reached; `invalid` when there is none, or the arguments are not its own.
    pub async fn apply(
        &self,
        store: &mut Store<CallState>,
        (interface, function): (Option<&str>, &str),
        arguments: &Value,
        max_bytes: usize,
    ) -> Result<value::Outcome, Failed> {
        let Self::Plain(pre, _) = self else { return Err(Error::host("what has no plain functions was called so", function).into()) };
        apply(pre, &exported(pre.component(), interface, function)?, store, arguments, max_bytes).await
    }

    /// Asks in a fresh instance in `store` what became of the call of `tool` with `key`.
    ///
    /// # Errors
    /// `invalid` where the component cannot be asked; a trap, or a bound that was reached.
    pub async fn ask_fate(&self, mut store: &mut Store<CallState>, tool: &str, key: &str) -> Result<Result<GuestFate, Failure>, Failed> {
        let Self::Tool(_, Some(pre), _) = self else {
            return Err(Error::invalid("the component does not export `remit:tool/reconcile`").into());
        };
        let guest = pre.instantiate_async(&mut store).await?;
        Ok(guest.remit_tool_reconcile().call_settle(&mut store, tool, key).await?)
    }
}

async fn apply(
    pre: &InstancePre<CallState>,
    export: &ComponentExportIndex,
    mut store: &mut Store<CallState>,
    arguments: &Value,
    max_bytes: usize,
) -> Result<value::Outcome, Failed> {
    let instance = pre.instantiate_async(&mut store).await?;
    let function = instance.get_func(&mut store, *export);
    let function = function.ok_or_else(|| Error::host("the component lost a function", "no such export"))?;
    let ty = function.ty(&store);
    let params = value::arguments(arguments, &ty)?;
    let mut results = vec![Val::Bool(false); ty.results().len()];
    function.call_async(&mut store, &params, &mut results).await?;
    Ok(value::outcome(&results, &ty, max_bytes)?)
}

/// Where a component exports `function`.
///
/// # Errors
/// `invalid` when it does not.
pub(super) fn exported(component: &Component, interface: Option<&str>, function: &str) -> Result<ComponentExportIndex> {
    let instance = interface.and_then(|name| component.get_export_index(None, name));
    let index = component.get_export_index(instance.as_ref(), function);
    index.ok_or_else(|| Error::invalid(format!("the component does not export `{}`", visible(function, 64))))
}

/// What a guest tells of an earlier call, with the size of the result; it has at most `max_bytes`.
///
/// # Errors
/// Those of [`Output::from_guest`].
pub(crate) fn fate(told: GuestFate, max_bytes: usize) -> Result<(Fate, usize)> {
    match told {
        GuestFate::Done(output) => {
            let (output, bytes) = Output::from_guest(output, max_bytes)?;
            Ok((Fate::Done(output), bytes))
        }
        GuestFate::NotDone => Ok((Fate::NotDone, 0)),
        GuestFate::Unknown => Ok((Fate::Unknown, 0)),
    }
}

/// What a guest's own failure is to the caller.
pub(crate) fn failure(failure: Failure) -> Error {
    let text = |message: &str| visible(message, GUEST_TEXT_MAX_CHARS);
    match failure {
        Failure::InvalidArguments(message) => Error::invalid(text(&message)),
        Failure::Denied(message) => Error::denied(text(&message)).blame(remit_core::Blame::Guest),
        Failure::Unavailable(message) => Error::unavailable(text(&message)),
        Failure::Failed(message) => Error::guest(text(&message)),
    }
}

/// What a plain function gave elsewhere: its result as JSON, or the error side of its `result`; as a tool gives it.
///
/// # Errors
/// `limit` over `max_bytes`; `guest` for what is no JSON object, and for the error side.
pub(crate) fn function_output(given: Result<Option<String>, String>, max_bytes: usize) -> Result<(Output, usize)> {
    let outcome = match given {
        Ok(Some(text)) if text.len() > max_bytes => return Err(output::too_large(text.len(), max_bytes)),
        Ok(text) => value::Outcome::Output(text.as_deref().map(output::parse).transpose()?),
        Err(text) => value::Outcome::Failure(visible_lines(&text, GUEST_TEXT_MAX_CHARS)),
    };
    plain_output(outcome, max_bytes)
}

/// What a plain function gave, as a tool gives it.
fn plain_output(outcome: value::Outcome, max_bytes: usize) -> Result<(Output, usize)> {
    let output = match outcome {
        value::Outcome::Output(structured) => Output::structured(structured.unwrap_or_else(|| serde_json::json!({}))),
        value::Outcome::Failure(text) => return Err(Error::guest(text)),
    };
    let size = output.text().len();
    if size > max_bytes { Err(output::too_large(size, max_bytes)) } else { Ok((output, size)) }
}
