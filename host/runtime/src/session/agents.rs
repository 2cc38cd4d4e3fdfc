//! Agents as components: their engine, their linker, their instances.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use remit_bindings::{agent::AgentPre, migrator::MigratorPre};
use remit_core::{
    Error, Result,
    clock::Timestamp,
    journal::{Machine, TurnStart},
    limit::{CallLimits, RESOURCE_TABLE_MAX},
    plugin::{Definition, Digest, section},
};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::{durable, turn::Turn, wasi};
use crate::{
    capability::{call::now, stdio::Ring},
    engine::{Engine, Failed, Limiter, Settings},
    host::definition,
};

/// The store's data of one turn.
pub struct AgentState {
    pub(super) table: ResourceTable,
    wasi: WasiCtx,
    pub(crate) limiter: Limiter,
    machine: Arc<Mutex<Machine>>,
    /// None while an agent only describes itself.
    pub(super) turn: Option<Arc<Turn>>,
    /// Whether it brings the state to its own form, and may do nothing else.
    pub(super) migrates: bool,
}

impl AgentState {
    /// A state whose time and randomness are those of `machine`.
    pub(super) fn new(machine: Arc<Mutex<Machine>>, memory_bytes: usize, output: &Ring, turn: Option<Arc<Turn>>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCE_TABLE_MAX);
        Self { table, wasi: wasi::context(&machine, output), limiter: Limiter::new(memory_bytes), machine, turn, migrates: false }
    }

    pub(super) fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WasiView for AgentState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// What an agent exports that can bring the state of another version to its own form.
const MIGRATE: &str = "remit:agent/migrate@0.1.0";

/// The component of an agent, ready to be instantiated.
pub(crate) struct Linked {
    pub(super) turn: AgentPre<AgentState>,
    /// There where the component exports [`MIGRATE`].
    pub(super) migrate: Option<MigratorPre<AgentState>>,
    /// The version that it says it has.
    pub(super) version: Option<String>,
}

/// What runs agents: an engine of their own, whose numbers are the same everywhere.
pub(crate) struct Agents {
    pub(super) engine: Arc<Engine>,
    linker: Linker<AgentState>,
}

impl Agents {
    /// # Errors
    /// Those of starting an engine.
    pub(crate) fn new(settings: Settings) -> Result<Self> {
        let engine = Engine::new(settings)?;
        let mut linker = Linker::new(engine.wasmtime());
        let linked = wasi::link(&mut linker).and_then(|()| durable::link(&mut linker));
        linked.map_err(|error| Error::host("the interfaces of agents cannot be linked", format!("{error:#}")))?;
        Ok(Self { engine, linker })
    }

    /// The component of an agent, compiled.
    ///
    /// # Errors
    /// Those of compiling it.
    pub(crate) async fn component(&self, name: &str, bytes: &[u8], digest: &Digest) -> Result<Component> {
        self.engine.component(name, bytes, digest).await
    }

    /// Links the component of an agent, which was compiled of `bytes`.
    ///
    /// # Errors
    /// `invalid` when it imports something that agents do not have, or what it says of itself cannot be read.
    pub(crate) fn prepare(&self, name: &str, bytes: &[u8], component: &Component) -> Result<Linked> {
        let refused = |error: wasmtime::Error| {
            let refused = Error::invalid(format!("`{name}` cannot be linked as an agent"));
            refused.hint("an agent reaches the world through its tools alone").internal(format!("{error:#}"))
        };
        let pre = self.linker.instantiate_pre(component).map_err(refused)?;
        let migrates = component.get_export_index(None, MIGRATE).is_some();
        Ok(Linked {
            migrate: migrates.then(|| MigratorPre::new(pre.clone())).transpose().map_err(refused)?,
            turn: AgentPre::new(pre).map_err(refused)?,
            version: section::find(bytes)?.map(|section| section.version),
        })
    }

    /// Asks an agent what it is for, in an instance that may do nothing.
    ///
    /// # Errors
    /// Those of compiling and running it; `invalid` when what it says is not acceptable.
    pub(crate) async fn describe(&self, name: &str, bytes: &[u8]) -> Result<Definition> {
        let limits = CallLimits::default();
        let deadline = now() + Duration::from_millis(limits.deadline_ms);
        let component = self.component(name, bytes, &Digest::of(bytes)).await?;
        let pre = self.prepare(name, bytes, &component)?.turn;
        let start = TurnStart {
            turn: 0,
            input: "{}".to_owned(),
            key: None,
            digest: String::new(),
            version: None,
            migrates_from: None,
            remit: String::new(),
            seed: 0,
            memory_mib: limits.memory_mib,
            grace_ms: limits.deadline_ms,
            time_zone: "UTC".to_owned(),
            delegation: Vec::new(),
            held: Default::default(),
            carried: Default::default(),
        };
        let machine = Machine::start(start, 0, Timestamp(0), std::collections::BTreeMap::new())?;
        let state = AgentState::new(Arc::new(Mutex::new(machine)), limits.memory_bytes(), &Ring::default(), None);
        let mut store = self.engine.agent_store(state, move || deadline);
        let ask = async {
            let guest = pre.instantiate_async(&mut store).await?;
            guest.remit_agent_handler().call_describe(&mut store).await
        };
        let told = tokio::time::timeout_at(deadline.into(), ask).await;
        let told = told.map_err(|elapsed| Error::limit(format!("`{name}` did not describe itself in time: {elapsed}")))?;
        definition(told.map_err(|error| Failed::from(error).explain(&store.data().limiter).error)?)
    }
}
