//! Looking a name up for a guest: through the host, once for each call, and only where one of its ports is granted.

use std::net::IpAddr;

use remit_core::{
    grant::{Decision, Denial, Request, SocketPattern, address_class, decide, socket_host},
    label::When,
};
use tokio::time::timeout_at;
use url::Host;
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;

use super::Names;
use crate::capability::Call;

/// Addresses of one name that a guest is given.
const ADDRESSES_MAX: usize = 16;

/// The addresses of `name` that the guest may connect to: those that are public, or are granted themselves.
pub(super) async fn look_up(call: &Call, names: &Names, name: &str) -> Result<Vec<IpAddr>, ErrorCode> {
    // A bare IPv6 address is looked up as what it is.
    let host = socket_host(name).or_else(|| name.parse().ok().map(Host::Ipv6)).ok_or(ErrorCode::InvalidArgument)?;
    let name = match host {
        // An address leads to itself; whether it may be connected to is asked when it is.
        Host::Ipv4(address) => return Ok(vec![address.into()]),
        Host::Ipv6(address) => return Ok(vec![address.into()]),
        Host::Domain(name) => name,
    };
    let rights = &call.rights.resolved;
    let request = Request::Socket { target: &name };
    if let Decision::Deny(denial) = decide(&request, rights) {
        call.denials.record(denial);
        return Err(ErrorCode::AccessDenied);
    }
    // A look-up tells the name to whoever answers it.
    if let Some(held) = call.seen.closes(When::default()) {
        call.denials.record(Denial::closed_socket(&rights.plugin, &format!("look up {name}"), &held));
        return Err(ErrorCode::AccessDenied);
    }
    call.uses(&request);
    if let Some(known) = names.answer(&name) {
        return Ok(known);
    }
    let found = timeout_at(call.deadline.into(), call.services.gateway.resolve(&name)).await;
    let found = found.map_err(|_elapsed| ErrorCode::TemporaryResolverFailure)?.map_err(|error| {
        tracing::debug!(%error, "name lookup failed");
        ErrorCode::NameUnresolvable
    })?;
    let ports: Vec<u16> = rights.granted.sockets.iter().filter(|place| place.admits(&name)).map(SocketPattern::port).collect();
    let found: Vec<IpAddr> = found.into_iter().map(|address| address.to_canonical()).collect();
    let is_granted = |address: &IpAddr| {
        ports.iter().any(|port| {
            let target = std::net::SocketAddr::new(*address, *port).to_string();
            matches!(decide(&Request::Socket { target: &target }, rights), Decision::Allow(_))
        })
    };
    let permitted: Vec<IpAddr> =
        found.iter().copied().filter(|address| address_class(*address).is_public() || is_granted(address)).take(ADDRESSES_MAX).collect();
    match (found.first(), ports.first()) {
        (None, _) => Err(ErrorCode::NameUnresolvable),
        (Some(first), Some(port)) if permitted.is_empty() => {
            call.denials.record(Denial::private_socket(&rights.plugin, &name, *port, *first));
            Err(ErrorCode::AccessDenied)
        }
        _ => {
            names.keep(&name, permitted.clone());
            Ok(permitted)
        }
    }
}
