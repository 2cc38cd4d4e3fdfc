//! Opening the connection: resolve once, keep the addresses that may be connected to, connect to one of those (N1, N2, N3).

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use remit_core::grant::address_class;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;
use url::Host;
use wasmtime_wasi_http::Error;

use super::{failure, gateway::Gateway, target::Target};
use crate::capability::call::now;

/// Addresses of one name that are looked at.
pub(super) const ADDRESSES_MAX: usize = 16;

/// An open connection, with TLS or without.
pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Why there is no connection.
pub(super) enum Unopened {
    /// None of the addresses may be connected to; this is the first.
    Forbidden(IpAddr),
    /// It failed.
    Failed(Error),
}

impl From<Error> for Unopened {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Connects to `target` by one of its addresses that are permitted.
pub(super) async fn open(
    gateway: &Gateway,
    target: &Target,
    by: Instant,
    permits: impl Fn(IpAddr) -> bool,
) -> Result<Box<dyn Connection>, Unopened> {
    let stream = match &gateway.via {
        Some(via) if via.is_told(&target.host) => via.tunnel(gateway, &format!("{}:{}", target.host, target.port), by).await?,
        _ => {
            let found = addresses(gateway, &target.host, by).await?;
            let first = found.first().copied().ok_or(Error::DestinationNotFound)?;
            let permitted: Vec<_> = found.into_iter().filter(|address| permits(*address)).take(ADDRESSES_MAX).collect();
            if permitted.is_empty() {
                return Err(Unopened::Forbidden(first));
            }
            each(&permitted, target.port, by, |address, by| reach(gateway, address, by)).await?
        }
    };
    Ok(secured(gateway, target, stream, by).await?)
}

/// `stream`, under TLS where `target` wants it.
pub(super) async fn secured(
    gateway: &Gateway,
    target: &Target,
    stream: Box<dyn Connection>,
    by: Instant,
) -> Result<Box<dyn Connection>, Error> {
    if !target.tls {
        return Ok(stream);
    }
    let connecting = TlsConnector::from(gateway.tls.clone()).connect(server_name(target)?, stream);
    let stream = timeout_at(by, connecting).await.map_err(|_elapsed| Error::ConnectionTimeout)?;
    Ok(Box::new(stream.map_err(|error| failure::of_io(&error))?))
}

/// What the host is called at, asked once.
pub(super) async fn addresses(gateway: &Gateway, host: &Host<String>, by: Instant) -> Result<Vec<IpAddr>, Error> {
    match host {
        Host::Ipv4(address) => Ok(vec![IpAddr::V4(*address)]),
        Host::Ipv6(address) => Ok(vec![IpAddr::V6(*address)]),
        Host::Domain(name) => {
            let found = timeout_at(by, gateway.resolver.resolve(name)).await.map_err(|_elapsed| Error::DnsTimeout)?;
            found.map_err(|error| failure::of_lookup(&error))
        }
    }
}

/// A connection to one of `addresses`, without a proxy.
pub(super) async fn direct(addresses: &[IpAddr], port: u16, by: Instant) -> Result<Box<dyn Connection>, Error> {
    each(addresses, port, by, |address, _| dial(address)).await
}

/// A connection to one address. A public one is reached through the proxy, if there is one; what else is granted is on this side of it.
async fn reach(gateway: &Gateway, address: SocketAddr, by: Instant) -> Result<Box<dyn Connection>, Error> {
    match &gateway.via {
        Some(via) if address_class(address.ip()).is_public() => via.tunnel(gateway, &address.to_string(), by).await,
        _ => dial(address).await,
    }
}

async fn dial(address: SocketAddr) -> Result<Box<dyn Connection>, Error> {
    let stream = TcpStream::connect(address).await.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
    Ok(Box::new(stream.map_err(|error: io::Error| failure::of_io(&error))?))
}

/// Tries one address after the other; each has an equal share of the time that is left.
async fn each<F>(
    addresses: &[IpAddr],
    port: u16,
    by: Instant,
    open: impl Fn(SocketAddr, Instant) -> F,
) -> Result<Box<dyn Connection>, Error>
where
    F: Future<Output = Result<Box<dyn Connection>, Error>>,
{
    let mut failed = Error::DestinationNotFound;
    for (tried, address) in addresses.iter().enumerate() {
        let now = Instant::from_std(now());
        let share = by.saturating_duration_since(now) / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        failed = match timeout_at(now + share, open(SocketAddr::new(*address, port), now + share)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => error,
            Err(_elapsed) => Error::ConnectionTimeout,
        };
    }
    Err(failed)
}

/// The name that the certificate has to be for: the canonical host.
fn server_name(target: &Target) -> Result<ServerName<'static>, Error> {
    match &target.host {
        Host::Ipv4(address) => Ok(ServerName::from(IpAddr::V4(*address))),
        Host::Ipv6(address) => Ok(ServerName::from(IpAddr::V6(*address))),
        Host::Domain(name) => ServerName::try_from(name.clone()).map_err(|error| {
            tracing::debug!(%error, "a host that no certificate can name");
            Error::HttpRequestUriInvalid
        }),
    }
}
