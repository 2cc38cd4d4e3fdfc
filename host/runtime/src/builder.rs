//! Building a host, and linking an application's own interfaces into it.

use std::{
    any::Any,
    path::PathBuf,
    sync::{Arc, Weak},
};

use remit_core::{
    Error, Result,
    audit::AuditSink,
    clock::Clock,
    halt::HaltSource,
    secret::SecretSource,
    store::{KvStore, SessionStore},
};
use wasmtime::component::Linker;

use crate::{
    capability::{self, Call, CallState, Components, Services, http},
    engine::{Engine, Guests, PoolSettings, Progress, Settings},
    host::{Host, Inner},
    outside::Outside,
    quota::{Quota, Quotas},
    secrets::NoSecrets,
    services::{MemoryKv, NoAudit, SystemClock},
    workspace::Workspaces,
};

/// A capability that an application adds: its own WIT interface, under grants like Remit's own.
///
/// Its grants stand in `remit.toml` under its name (`"acme:billing" = ["invoices/*"]`), are declared in `plugin.toml` in the same
/// way, and are asked for with [`Call::allows`], which records what it refuses.
pub trait Capability: Send + Sync + 'static {
    /// What one call of a guest carries.
    type State: Send + 'static;

    /// The name in grants: `package:name`.
    fn name(&self) -> &'static str;

    /// The WIT interfaces it serves, with their versions: `acme:billing/invoices@1.0.0`.
    fn interfaces(&self) -> &'static [&'static str];

    /// Adds the host functions; they find their state with [`CallState::custom`].
    ///
    /// # Errors
    /// When an interface is linked already.
    fn link(&self, linker: &mut Linker<CallState>) -> wasmtime::Result<()>;

    /// The state for one call.
    fn state(&self, call: &Arc<Call>) -> Self::State;
}

/// [`Capability`] without its type.
pub(crate) trait AnyCapability: Send + Sync {
    fn interfaces(&self) -> &'static [&'static str];
    fn link(&self, linker: &mut Linker<CallState>) -> wasmtime::Result<()>;
    fn state(&self, call: &Arc<Call>) -> Box<dyn Any + Send>;
}

impl<C: Capability> AnyCapability for C {
    fn interfaces(&self) -> &'static [&'static str] {
        Capability::interfaces(self)
    }

    fn link(&self, linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
        Capability::link(self, linker)
    }

    fn state(&self, call: &Arc<Call>) -> Box<dyn Any + Send> {
        Box::new(Capability::state(self, call))
    }
}

/// What a host is built from. Everything has a default: no audit log, no secrets, key-value storage in memory, no
/// sessions, no compile cache.
#[derive(Default)]
pub struct Builder {
    settings: Settings,
    audit: Option<Arc<dyn AuditSink>>,
    secrets: Option<Arc<dyn SecretSource>>,
    kv: Option<Arc<dyn KvStore>>,
    sessions: Option<Arc<dyn SessionStore>>,
    components: Option<Components>,
    workspaces: Option<PathBuf>,
    halts: Option<Arc<dyn HaltSource>>,
    clock: Option<Arc<dyn Clock>>,
    gateway: Option<http::Gateway>,
    outside: Option<Arc<dyn Outside>>,
    custom: Vec<Arc<dyn AnyCapability>>,
    per_principal: Quota,
    per_project: Quota,
}

impl Builder {
    /// Keeps compiled components in this folder, which must belong to this user alone.
    #[must_use]
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.settings.cache_dir = Some(dir.into());
        self
    }

    /// Compiles in a child process of this program, bounded in memory and killable; see [`crate::engine::compile_worker_main`].
    /// Without one, components are compiled in this process up to a smaller size.
    #[must_use]
    pub fn worker(mut self, program: impl Into<PathBuf>) -> Self {
        self.settings.worker = Some(program.into());
        self
    }

    /// Keeps instances ready in a pool for this many calls at once; what exceeds them waits. Without it, memory is mapped at each
    /// call: slower by tens of microseconds, and nothing to set up, for a command that makes one call.
    #[must_use]
    pub fn pool(mut self, calls: u32) -> Self {
        self.settings.pool = Some(PoolSettings { calls, ..PoolSettings::default() });
        self
    }

    /// Hears of compilations.
    #[must_use]
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.settings.progress = Some(progress);
        self
    }

    /// Sends audit records there.
    #[must_use]
    pub fn audit(mut self, audit: Arc<dyn AuditSink>) -> Self {
        self.audit = Some(audit);
        self
    }

    /// Finds secrets there.
    #[must_use]
    pub fn secrets(mut self, secrets: Arc<dyn SecretSource>) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// Keeps key-value data there.
    #[must_use]
    pub fn kv(mut self, kv: Arc<dyn KvStore>) -> Self {
        self.kv = Some(kv);
        self
    }

    /// Keeps sessions there; without a store, no agent runs.
    #[must_use]
    pub fn sessions(mut self, sessions: Arc<dyn SessionStore>) -> Self {
        self.sessions = Some(sessions);
        self
    }

    /// Finds earlier components of agents there: a turn goes on with the one that it began with.
    #[must_use]
    pub fn components(mut self, components: Components) -> Self {
        self.components = Some(components);
        self
    }

    /// Keeps workspaces below this folder, which belongs to this user alone and to the sessions of one store. Without it, a plugin that
    /// is granted a workspace is not called.
    #[must_use]
    pub fn workspaces(mut self, folder: impl Into<PathBuf>) -> Self {
        self.workspaces = Some(folder.into());
        self
    }

    /// Obeys what is halted there: before each call, and within [`remit_core::limit::HALT_LOOK_MS`] while one runs.
    #[must_use]
    pub fn halts(mut self, halts: Arc<dyn HaltSource>) -> Self {
        self.halts = Some(halts);
        self
    }

    /// Takes time from there.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sends requests through this gateway.
    #[must_use]
    pub fn gateway(mut self, gateway: http::Gateway) -> Self {
        self.gateway = Some(gateway);
        self
    }

    /// Runs outside MCP servers there; without it, a plugin that is one cannot be called.
    #[must_use]
    pub fn outside(mut self, outside: Arc<dyn Outside>) -> Self {
        self.outside = Some(outside);
        self
    }

    /// Adds a capability of the application.
    #[must_use]
    pub fn capability(mut self, capability: impl Capability) -> Self {
        self.custom.push(Arc::new(capability));
        self
    }

    /// Bounds each principal.
    #[must_use]
    pub fn per_principal(mut self, quota: Quota) -> Self {
        self.per_principal = quota;
        self
    }

    /// Bounds each project.
    #[must_use]
    pub fn per_project(mut self, quota: Quota) -> Self {
        self.per_project = quota;
        self
    }

    /// Builds the host.
    ///
    /// # Errors
    /// `host` when the engine cannot be set up; `invalid` when two capabilities serve one interface.
    pub fn build(self) -> Result<Host> {
        let agent_settings = Settings { guests: Guests::Agents, ..self.settings.clone() };
        let engine = Engine::new(self.settings)?;
        let mut linker = Linker::new(engine.wasmtime());
        capability::link(&mut linker).map_err(|error| Error::host("the host's interfaces cannot be linked", error))?;
        for custom in &self.custom {
            custom.link(&mut linker).map_err(|error| Error::invalid(format!("a capability cannot be linked: {error:#}")))?;
        }
        let services = Services {
            audit: self.audit.unwrap_or_else(|| Arc::new(NoAudit)),
            secrets: self.secrets.unwrap_or_else(|| Arc::new(NoSecrets)),
            kv: self.kv.unwrap_or_else(|| Arc::new(MemoryKv::default())),
            sessions: self.sessions,
            components: self.components,
            outside: self.outside,
            workspaces: self.workspaces.map(Workspaces::new),
            halts: self.halts,
            clock: self.clock.unwrap_or_else(|| Arc::new(SystemClock)),
            gateway: match self.gateway {
                Some(gateway) => gateway,
                None => http::Gateway::new(http::GatewayOptions::default())?,
            },
        };
        let quotas = Quotas::new(self.per_principal, self.per_project);
        let services = Arc::new(services);
        Ok(Host::from(Arc::new_cyclic(|me: &Weak<Inner>| {
            Inner::new(me.clone(), engine, linker, services, self.custom, quotas, agent_settings)
        })))
    }
}
