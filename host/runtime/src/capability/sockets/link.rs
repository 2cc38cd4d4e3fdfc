//! `wasi:sockets` in a linker: the library's, but for making sockets, connecting, and looking names up.

use std::mem;

use remit_core::{grant::Denial, limit::SOCKETS_MAX};
use wasmtime::{
    StoreContextMut,
    component::{Linker, Resource, ResourceType},
};
use wasmtime_wasi::{
    p2::{
        DynInputStream, DynOutputStream, DynPollable, Pollable, SocketError, TcpSocket, UdpSocket,
        bindings::sockets::{
            network::{ErrorCode, IpAddress, IpAddressFamily, Network},
            tcp::HostTcpSocket,
            tcp_create_socket::Host as _,
            udp_create_socket::Host as _,
        },
        pipe::{ClosedInputStream, ClosedOutputStream},
        subscribe,
    },
    sockets::WasiSocketsView as _,
};

use super::{count, look::look_up};
use crate::capability::CallState;

/// The version of WASI that the library links; guests of an earlier 0.2 find it, too.
const VERSION: &str = "0.2.12";

type Store<'a> = StoreContextMut<'a, CallState>;
type Answer<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;

/// The addresses of a name, one after the other.
struct Lookup(std::vec::IntoIter<std::net::IpAddr>);

#[async_trait::async_trait]
impl Pollable for Lookup {
    /// They are there since it was made.
    async fn ready(&mut self) {}
}

/// Replaces parts of `wasi:sockets` in a linker that has all of it and allows shadowing.
///
/// # Errors
/// When shadowing is not allowed.
pub fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    linker.instance(&format!("wasi:sockets/tcp-create-socket@{VERSION}"))?.func_wrap("create-tcp-socket", create_tcp)?;
    let mut udp = linker.instance(&format!("wasi:sockets/udp-create-socket@{VERSION}"))?;
    udp.func_wrap_async("create-udp-socket", |store: Store<'_>, (family,): (IpAddressFamily,)| Box::new(create_udp(store, family)))?;
    linker.instance(&format!("wasi:sockets/tcp@{VERSION}"))?.func_wrap("[method]tcp-socket.finish-connect", finish_connect)?;
    let mut names = linker.instance(&format!("wasi:sockets/ip-name-lookup@{VERSION}"))?;
    names.resource("resolve-address-stream", ResourceType::host::<Lookup>(), |mut store: Store<'_>, rep| {
        store.data_mut().table.delete(Resource::<Lookup>::new_own(rep))?;
        Ok(())
    })?;
    names.func_wrap_async("resolve-addresses", |store: Store<'_>, (network, name): (Resource<Network>, String)| {
        Box::new(resolve(store, network, name))
    })?;
    names.func_wrap("[method]resolve-address-stream.resolve-next-address", next_address)?;
    names.func_wrap("[method]resolve-address-stream.subscribe", subscribe_lookup)
}

/// A function's answer, or the trap that its error is.
fn answer<T>(result: Result<T, SocketError>) -> Answer<T> {
    Ok((match result {
        Ok(value) => Ok(value),
        Err(error) => Err(error.downcast()?),
    },))
}

impl CallState {
    /// Whether one more socket may be made; where it may not, that is recorded.
    fn has_room_for_socket(&mut self) -> bool {
        let table = &self.table;
        self.sockets.made.retain(|rep| {
            table.get(&Resource::<TcpSocket>::new_borrow(*rep)).is_ok() || table.get(&Resource::<UdpSocket>::new_borrow(*rep)).is_ok()
        });
        let has_room = self.sockets.made.len() < SOCKETS_MAX;
        if !has_room {
            let reason = format!("it has {SOCKETS_MAX} sockets open, the bound of a call");
            self.call.denials.record(Denial::quota(&self.call.rights.resolved.plugin, "sockets", "make a socket", reason));
        }
        has_room
    }
}

fn create_tcp(mut store: Store<'_>, (family,): (IpAddressFamily,)) -> Answer<Resource<TcpSocket>> {
    let state = store.data_mut();
    if !state.has_room_for_socket() {
        return Ok((Err(ErrorCode::NewSocketLimit),));
    }
    let made = state.sockets().create_tcp_socket(family);
    state.sockets.made.extend(made.as_ref().ok().map(Resource::rep));
    answer(made)
}

async fn create_udp(mut store: Store<'_>, family: IpAddressFamily) -> Answer<Resource<UdpSocket>> {
    let state = store.data_mut();
    if !state.has_room_for_socket() {
        return Ok((Err(ErrorCode::NewSocketLimit),));
    }
    let made = state.sockets().create_udp_socket(family).await;
    state.sockets.made.extend(made.as_ref().ok().map(Resource::rep));
    answer(made)
}

type Streams = (Resource<DynInputStream>, Resource<DynOutputStream>);

fn finish_connect(mut store: Store<'_>, (socket,): (Resource<TcpSocket>,)) -> Answer<Streams> {
    let state = store.data_mut();
    let own = Resource::new_borrow(socket.rep());
    let connected = state.sockets().finish_connect(socket);
    if let Ok((input, output)) = &connected {
        let peer = state.sockets().remote_address(own).map_or_else(|_closed| "a host".to_owned(), |peer| shown(peer.into()));
        let input = state.table.get_mut(input)?;
        *input = count::received(mem::replace(input, Box::new(ClosedInputStream)), &state.call, &peer);
        let output = state.table.get_mut(output)?;
        *output = count::sent(mem::replace(output, Box::new(ClosedOutputStream)), &state.call, &peer);
    }
    answer(connected)
}

fn shown(peer: std::net::SocketAddr) -> String {
    peer.to_string()
}

async fn resolve(mut store: Store<'_>, network: Resource<Network>, name: String) -> Answer<Resource<Lookup>> {
    let state = store.data_mut();
    state.table.get(&network)?;
    let (call, names) = (state.call.clone(), state.sockets.names());
    Ok((match look_up(&call, &names, &name).await {
        Ok(addresses) => Ok(state.table.push(Lookup(addresses.into_iter()))?),
        Err(code) => Err(code),
    },))
}

fn next_address(mut store: Store<'_>, (lookup,): (Resource<Lookup>,)) -> Answer<Option<IpAddress>> {
    let lookup = store.data_mut().table.get_mut(&lookup)?;
    Ok((Ok(lookup.0.next().map(Into::into)),))
}

fn subscribe_lookup(mut store: Store<'_>, (lookup,): (Resource<Lookup>,)) -> wasmtime::Result<(Resource<DynPollable>,)> {
    Ok((subscribe(&mut store.data_mut().table, lookup)?,))
}
