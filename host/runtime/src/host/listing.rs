//! Asking a component for its definitions, in an instance that is granted nothing.

use std::time::Duration;

use remit_bindings::tool::{ToolPre, remit::tool::types as wit};
use remit_core::{
    Error, Result,
    limit::{CallLimits, TOOLS_MAX},
    plugin::{Definition, Digest, Effect, Kind, inspect::inspect_interface, text::visible},
};

use super::Inner;
use crate::{capability::call::now, engine::Failed};

impl Inner {
    pub(super) async fn definitions(&self, name: &str, component: &[u8]) -> Result<Vec<Definition>> {
        if inspect_interface(component, &self.interfaces)?.kind == Kind::Agent {
            return Ok(vec![self.agents()?.describe(name, component).await?]);
        }
        let limits = CallLimits::default();
        let deadline = now() + Duration::from_millis(limits.deadline_ms);
        let compiled = self.engine.component(name, component, &Digest::of(component)).await?;
        let unlinked = |error: wasmtime::Error| Error::invalid(format!("`{name}` cannot be linked")).internal(format!("{error:#}"));
        let pre = ToolPre::new(self.linker.instantiate_pre(&compiled).map_err(unlinked)?).map_err(unlinked)?;
        let mut store = self.bare(name, deadline)?;
        let list = async {
            let guest = pre.instantiate_async(&mut store).await?;
            guest.remit_tool_tools().call_list(&mut store).await
        };
        let listed = tokio::time::timeout_at(deadline.into(), list).await;
        let listed = listed.map_err(|elapsed| Error::limit(format!("`{name}` did not list its tools in time: {elapsed}")))?;
        let listed = listed.map_err(|error| Failed::from(error).explain(&store.data().limiter).error)?;
        if listed.len() > TOOLS_MAX {
            return Err(Error::limit(format!("`{name}` lists {} tools; at most {TOOLS_MAX} are served", listed.len())));
        }
        listed.into_iter().map(definition).collect()
    }
}

/// What a guest says of a tool, or of itself.
///
/// # Errors
/// `invalid` when it is not acceptable.
pub(crate) fn definition(listed: wit::Definition) -> Result<Definition> {
    let schema = |text: &str| {
        serde_json::from_str(text)
            .map_err(|error| Error::invalid(format!("a schema of the tool `{}` is not JSON: {error}", visible(&listed.name, 64))))
    };
    let definition = Definition {
        input_schema: schema(&listed.input_schema)?,
        output_schema: listed.output_schema.as_deref().map(schema).transpose()?,
        name: listed.name.clone(),
        title: listed.title.clone(),
        description: listed.description.clone(),
        effect: match listed.effect {
            wit::Effect::Read => Effect::Read,
            wit::Effect::Idempotent => Effect::Idempotent,
            wit::Effect::Once => Effect::Once,
        },
    };
    definition.check()?;
    Ok(definition)
}
