//! Which addresses a guest's sockets may have to do with.

use std::{net::SocketAddr, sync::Arc};

use remit_core::grant::{Decision, Denial, Request, address_class, decide};
use wasmtime_wasi::{WasiCtxBuilder, sockets::SocketAddrUse};

use super::Names;
use crate::capability::{Call, spend::Traffic};

/// Has every address of the guest's sockets checked. A socket may be bound to no address in particular, as a connection does first.
pub fn check(builder: &mut WasiCtxBuilder, call: &Arc<Call>, names: Arc<Names>) {
    let call = Arc::downgrade(call);
    builder.allow_tcp(true).allow_udp(true).socket_addr_check(move |address, intent| {
        let unbound = address.ip().is_unspecified() && address.port() == 0;
        let allowed = match (call.upgrade(), intent) {
            (_, SocketAddrUse::TcpBind | SocketAddrUse::UdpBind) if unbound => true,
            (None, _) => false,
            (Some(call), SocketAddrUse::TcpConnect) => connects(&call, &names, address),
            (Some(call), intent) => {
                refuse(&call, address, intent);
                false
            }
        };
        Box::pin(std::future::ready(allowed))
    });
}

/// Whether the guest may connect to `address`: a granted name led there and that port is granted of it, or the address is granted itself.
fn connects(call: &Call, names: &Names, address: SocketAddr) -> bool {
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    // What is not public is granted by its address alone, whatever name led there (N1).
    let named = if address_class(address.ip()).is_public() { names.of(address.ip()) } else { Vec::new() };
    let mut places: Vec<String> = named.into_iter().map(|name| format!("{name}:{}", address.port())).collect();
    places.push(address.to_string());
    let rights = &call.rights.resolved;
    let is_allowed = |place: &&String| matches!(decide(&Request::Socket { target: place }, rights), Decision::Allow(_));
    let Some(place) = places.iter().find(is_allowed) else {
        // Of a name that was looked up, the grant of that name is the smaller one.
        if let Some(Decision::Deny(denial)) = places.first().map(|place| decide(&Request::Socket { target: place }, rights)) {
            call.denials.record(denial);
        }
        return false;
    };
    let what = format!("open a socket to {place}");
    if let Some(held) = call.seen.closes(Default::default()) {
        call.denials.record(Denial::closed_socket(&rights.plugin, &what, &held));
        return false;
    }
    if let Err(reason) = call.spend.spend(Traffic::Requests, 1) {
        call.denials.record(Denial::quota(&rights.plugin, "sockets", &what, reason));
        return false;
    }
    call.uses(&Request::Socket { target: place });
    true
}

/// Records what no grant allows: listening, and datagrams.
fn refuse(call: &Call, address: SocketAddr, intent: SocketAddrUse) {
    let what = match intent {
        SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => format!("bind a socket to {address}"),
        SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => format!("listen at {address}"),
        _ => format!("exchange datagrams with {address}"),
    };
    let reason = "no grant lets a plugin listen or use UDP; `sockets` connect over TCP";
    call.denials.record(Denial::forbidden(&call.rights.resolved.plugin, "sockets", &what, reason));
}
