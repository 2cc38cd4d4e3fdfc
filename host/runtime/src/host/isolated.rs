//! Calls in this process, and in processes of their own: what each begins with.

use std::{path::Path, sync::Arc, time::Instant};

use remit_core::{
    Result,
    grant::{Declared, Grants, Resolved},
    identity::{Principal, Role},
    plugin::{Effect, Isolation},
};
use wasmtime::component::Linker;

use super::{Inner, Request, running::Running};
use crate::{
    capability::{Call, CallState, Rights},
    engine::{Engine, Room},
    isolation::{Apart, Whose},
    plugin::Loaded,
};

impl Inner {
    /// Makes the code of `plugin` ready, wherever it runs.
    ///
    /// # Errors
    /// Those of reading, compiling and linking.
    pub(super) async fn ready(&self, plugin: &Loaded) -> Result<()> {
        match plugin.spec.isolation {
            Isolation::None => plugin.link(&self.engine, &self.linker, &self.interfaces).await,
            Isolation::Process => plugin.code(&self.engine).await.map(drop),
        }
    }

    /// A place for the instance of `call`, which has the rights of `effect`.
    ///
    /// # Errors
    /// Those of [`Inner::ready`].
    pub(super) async fn room(&self, plugin: &Loaded, call: &Arc<Call>, running: &Running, effect: Effect) -> Result<Room> {
        let (state, fuel) = (self.state(call, plugin.spec.limits.memory_bytes(), running), plugin.hostcall_fuel());
        match plugin.spec.isolation {
            Isolation::None => Ok(Room::Here(Box::new(self.engine.store(state, call.deadline, fuel)))),
            Isolation::Process => {
                let whose = Whose { principal: call.context.principal.clone(), session: call.context.session, effect };
                let stdio = [running.stdout.clone(), running.stderr.clone()];
                let code = plugin.code(&self.engine).await?;
                Ok(Room::Apart(Box::new(Apart::new(&self.isolated, (code, whose), state, stdio, fuel, call.deadline))))
            }
        }
    }

    /// What runs tools.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What a tool's imports are linked to.
    pub(crate) fn linker(&self) -> &Linker<CallState> {
        &self.linker
    }

    /// The state of a call whose rights are not here, or that has none.
    ///
    /// # Errors
    /// None that is known.
    pub(crate) fn bare_state(
        &self,
        plugin: &str,
        (declared, granted): (Declared, Grants),
        deadline: Instant,
        memory_bytes: usize,
        running: &Running,
    ) -> Result<CallState> {
        let principal: Principal = "service:review".parse()?;
        let resolved = Resolved::new(plugin, Effect::Read, declared, granted, &principal, Path::new("/"));
        let rights = Arc::new(Rights { resolved, mounts: Vec::new() });
        let context = self.context(principal, Role::Tools(Vec::new()))?;
        let call = self.prepare(&context, &Request::new("", plugin, "", ""), rights, running, deadline);
        Ok(self.state(&call, memory_bytes, running))
    }
}
