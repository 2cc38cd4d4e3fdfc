//! What one call carries through every capability.

use std::{
    any::Any,
    sync::{Arc, Weak},
    time::Instant,
};

use remit_core::{
    Result,
    audit::AuditSink,
    clock::Clock,
    grant::{Decision, Request, Resolved, decide},
    halt::HaltSource,
    identity::Context,
    plugin::Digest,
    secret::SecretSource,
    store::{KvStore, SessionStore},
};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::{Denials, Seen, Uses, basics::Event, fs, http, scrub::Masks, sockets, spend::Spend, tools::Dispatch};
use crate::{engine::Limiter, outside::Outside, workspace::Workspaces};

/// What a host was built with; the same for every call.
pub struct Services {
    /// Where audit records go.
    pub audit: Arc<dyn AuditSink>,
    /// Where secrets come from.
    pub secrets: Arc<dyn SecretSource>,
    /// Key-value storage.
    pub kv: Arc<dyn KvStore>,
    /// Where sessions are kept, where they are.
    pub sessions: Option<Arc<dyn SessionStore>>,
    /// Components that are kept by their digests.
    pub components: Option<Components>,
    /// What runs outside servers, where any may be run.
    pub outside: Option<Arc<dyn Outside>>,
    /// Where workspaces are kept, where they are.
    pub workspaces: Option<Workspaces>,
    /// What is halted, where anything can be.
    pub halts: Option<Arc<dyn HaltSource>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Name lookup and TLS of the HTTP gateway.
    pub gateway: http::Gateway,
}

/// The rights of one principal at one plugin, with its folders held open since they were granted.
pub struct Rights {
    /// What may be done.
    pub resolved: Resolved,
    /// The granted folders and files, opened.
    pub mounts: Vec<fs::OpenMount>,
}

/// Finds the component with a digest, if it is kept.
pub type Components = Arc<dyn Fn(&Digest) -> Result<Option<Vec<u8>>> + Send + Sync>;

/// Takes what running guests tell.
pub type Events = Arc<dyn Fn(Event) + Send + Sync>;

/// What the capabilities of one call share.
pub struct Call {
    /// Who calls, for whom.
    pub context: Context,
    /// The project's name.
    pub project: String,
    /// The tool that runs.
    pub tool: String,
    /// What it may do.
    pub rights: Arc<Rights>,
    /// What was refused so far.
    pub denials: Denials,
    /// What was seen so far.
    pub seen: Arc<Seen>,
    /// The secrets that were attached so far: nothing that the guest gives holds one.
    pub masks: Masks,
    /// What it was allowed so far, where a journal tells of it.
    pub uses: Uses,
    /// What it may still send and receive.
    pub spend: Arc<Spend>,
    /// When the call ends at the latest.
    pub deadline: Instant,
    /// What the host was built with.
    pub services: Arc<Services>,
    /// Takes progress and log lines.
    pub events: Option<Events>,
    /// Runs calls of other tools.
    pub dispatch: Weak<dyn Dispatch>,
}

impl Call {
    /// Tells the caller something.
    pub fn event(&self, event: Event) {
        if let Some(events) = &self.events {
            events(event);
        }
    }

    /// Keeps that the call was allowed `request`.
    pub fn uses(&self, request: &Request<'_>) {
        self.uses.record(&self.rights.resolved.plugin, request);
    }

    /// Whether a capability of the application may do `request`; a refusal is recorded.
    pub fn allows(&self, capability: &str, request: &str) -> bool {
        let request = Request::Custom { capability, request };
        match decide(&request, &self.rights.resolved) {
            Decision::Allow(_) => {
                self.uses(&request);
                true
            }
            Decision::Deny(denial) => {
                self.denials.record(denial);
                false
            }
        }
    }
}

/// The store's data: state of each capability, for one call.
pub struct CallState {
    /// The call.
    pub call: Arc<Call>,
    /// Host resources of the guest.
    pub table: ResourceTable,
    /// Clock, random, environment, stdio.
    pub wasi: WasiCtx,
    /// Bounds of memories, tables and instances.
    pub limiter: Limiter,
    /// Mounted folders.
    pub fs: fs::State,
    /// The HTTP gateway.
    pub http: http::State,
    /// What was looked up and opened of `sockets`.
    pub sockets: sockets::State,
    /// State of the application's own capabilities.
    pub custom: Vec<Box<dyn Any + Send>>,
}

impl CallState {
    /// The state of an application's capability, by its type.
    pub fn custom<S: 'static>(&mut self) -> Option<&mut S> {
        self.custom.iter_mut().find_map(|state| state.downcast_mut())
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Now, for deadlines.
#[allow(clippy::disallowed_methods, reason = "deadlines are measured here, and only here")]
pub fn now() -> Instant {
    Instant::now()
}
