//! `http`: a gateway of our own under `wasi:http`.
//!
//! One request takes one way, and there is no other one out of the host:
//!
//! 1. `target`: one canonical URL, for the decision and for the connection alike;
//! 2. `plan`: the decision, then the request as it will be sent (host's headers, secret), before anything is opened;
//! 3. `connect`: resolve once, keep the addresses that may be connected to, connect to one of those, TLS; through the `proxy` where the project
//!    names one;
//! 4. `exchange`: HTTP/1.1 under one deadline; `body` bounds and `scrub` cleans what comes back.
//!
//! The host's own requests, to outside servers that the project names, come in at `direct` and take steps 3 and 4 alike.
//!
//! There is no connection pool, no proxy but the project's, no redirect that is followed and no body that is decompressed.

mod asked;
mod body;
mod connect;
mod direct;
mod exchange;
mod failure;
mod gateway;
mod link;
mod plan;
mod proxy;
mod secret;
mod target;

#[cfg(test)]
mod tests;

use std::sync::{Arc, atomic::AtomicU64};

use http::{HeaderName, Request, header};
use remit_core::limit::{HTTP_CHUNK_BYTES, HTTP_EXCHANGES_MAX, HTTP_FIELDS_MAX_BYTES};
use tokio::sync::Semaphore;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

pub use direct::{Answer as DirectAnswer, Destination, Failure as DirectFailure};
pub(crate) use gateway::check_root;
pub use gateway::{Gateway, GatewayOptions, Resolve, SystemResolver};
pub use link::link;

use super::{Call, CallState};
use exchange::Answer;

/// The gateway of one call. Dropping it, with the resource table, ends every exchange of the call.
pub struct State {
    fields: WasiHttpCtx,
    hooks: Box<dyn WasiHttpHooks>,
}

impl State {
    /// The gateway of `call`: what may be sent is decided by its rights, request by request.
    pub fn new(call: Arc<Call>) -> Self {
        Self::over(Box::new(Egress::new(call)))
    }

    /// Something that stands for the gateway.
    pub(crate) fn over(hooks: Box<dyn WasiHttpHooks>) -> Self {
        let mut fields = WasiHttpCtx::new();
        fields.set_field_size_limit(HTTP_FIELDS_MAX_BYTES);
        Self { fields, hooks }
    }

    /// What sends a request.
    pub(crate) fn hooks(&mut self) -> &mut dyn WasiHttpHooks {
        &mut *self.hooks
    }
}

impl WasiHttpView for CallState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut *self.http.hooks, table: &mut self.table, ctx: &mut self.http.fields }
    }
}

/// What the exchanges of one call share.
struct Egress {
    call: Arc<Call>,
    /// One for each exchange that may be open at once.
    slots: Arc<Semaphore>,
    /// Requests that carried an idempotency key so far.
    keyed: AtomicU64,
}

impl Egress {
    fn new(call: Arc<Call>) -> Self {
        Self { call, slots: Arc::new(Semaphore::new(HTTP_EXCHANGES_MAX)), keyed: AtomicU64::new(0) }
    }

    /// Decides at once, so that a refusal is recorded even when the guest never looks at the answer; the rest waits in the future.
    fn send(&self, request: Request<WasiBody>, options: RequestOptions) -> impl Future<Output = Answer> + Send + 'static {
        let plan = plan::plan(self, request, options);
        let services = Arc::clone(&self.call.services);
        async move { exchange::run(&services.gateway, plan?).await }
    }
}

impl WasiHttpHooks for Egress {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(belongs_to_host)
    }

    /// The host writes it from the canonical URL.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        HTTP_CHUNK_BYTES
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        Box::new(self.send(request, options.unwrap_or_default()))
    }
}

/// Whether a header is about the connection or the destination, which are the host's alone.
pub(crate) fn belongs_to_host(name: &HeaderName) -> bool {
    DEFAULT_FORBIDDEN_HEADERS.contains(name) || *name == header::TE || *name == header::TRAILER || name.as_str().starts_with("proxy-")
}
