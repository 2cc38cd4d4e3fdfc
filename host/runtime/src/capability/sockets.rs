//! `sockets`: raw connections and name lookup. Nothing grants them in this version, so every use is refused and recorded.

use std::sync::Arc;

use remit_core::grant::{Decision, Request, decide};
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::{
    WasiCtxBuilder,
    p2::{
        SocketError, SocketResult,
        bindings::sockets::{
            ip_name_lookup::{self, HostResolveAddressStream},
            network::{self, ErrorCode, HostNetwork, IpAddress, Network},
        },
    },
};

use super::{Call, CallState};

type Lookup = wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::ResolveAddressStream;

/// Replaces name lookup in a linker that allows shadowing.
///
/// # Errors
/// When shadowing is not allowed.
pub fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    ip_name_lookup::add_to_linker::<CallState, HasSelf<CallState>>(linker, |state| state)
}

/// Refuses every address, and records which.
pub fn refuse(builder: &mut WasiCtxBuilder, call: &Arc<Call>) {
    let call = Arc::downgrade(call);
    builder.socket_addr_check(move |address, _| {
        if let Some(call) = call.upgrade() {
            record(&call, &address.to_string());
        }
        Box::pin(std::future::ready(false))
    });
}

fn record(call: &Call, target: &str) {
    if let Decision::Deny(denial) = decide(&Request::Socket { target }, &call.rights.resolved) {
        call.denials.record(denial);
    }
}

impl network::Host for CallState {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(&mut self, _: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(None)
    }
}

impl HostNetwork for CallState {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.table.delete(network)?;
        Ok(())
    }
}

impl ip_name_lookup::Host for CallState {
    fn resolve_addresses(&mut self, _: Resource<Network>, name: String) -> SocketResult<Resource<Lookup>> {
        record(&self.call, &name);
        Err(ErrorCode::AccessDenied.into())
    }
}

/// A stream is never handed out, so these are only there because the interface has them.
impl HostResolveAddressStream for CallState {
    fn resolve_next_address(&mut self, _: Resource<Lookup>) -> SocketResult<Option<IpAddress>> {
        Err(ErrorCode::AccessDenied.into())
    }

    fn subscribe(&mut self, _: Resource<Lookup>) -> wasmtime::Result<Resource<wasmtime_wasi::p2::DynPollable>> {
        Err(wasmtime::Error::msg("name lookup is not granted"))
    }

    fn drop(&mut self, _: Resource<Lookup>) -> wasmtime::Result<()> {
        Ok(())
    }
}
