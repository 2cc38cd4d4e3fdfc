//! What one call carries through every capability.

use std::{any::Any, sync::Arc, time::Instant};

use remit_core::{audit::AuditSink, clock::Clock, grant::Resolved, identity::Context, secret::SecretSource, store::KvStore};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;

use super::{Denials, fs, http};
use crate::engine::Limiter;

/// What a host was built with; the same for every call.
pub struct Services {
    /// Where audit records go.
    pub audit: Arc<dyn AuditSink>,
    /// Where secrets come from.
    pub secrets: Arc<dyn SecretSource>,
    /// Key-value storage.
    pub kv: Arc<dyn KvStore>,
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

/// What the capabilities of one call share.
pub struct Call {
    /// Who calls, for whom.
    pub context: Context,
    /// The project's name.
    pub project: String,
    /// What it may do.
    pub rights: Arc<Rights>,
    /// What was refused so far.
    pub denials: Denials,
    /// When the call ends at the latest.
    pub deadline: Instant,
    /// What the host was built with.
    pub services: Arc<Services>,
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
    /// State of the application's own capabilities.
    pub custom: Vec<Box<dyn Any + Send>>,
}
