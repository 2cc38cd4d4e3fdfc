//! What the gateway of one host is made of: name lookup and TLS.

use std::{
    io,
    net::{IpAddr, ToSocketAddrs as _},
    sync::Arc,
};

use async_trait::async_trait;
use remit_core::{Error, Result, project::Proxy};
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio::sync::Semaphore;

use super::proxy::Via;

/// Lookups of the system resolver that run at once; each holds a thread, which cannot be stopped.
const LOOKUPS_MAX: usize = 64;

/// How names become addresses.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// The addresses of `host`, a lowercase name without a trailing dot. Asked once for each request; the answer is not kept.
    ///
    /// # Errors
    /// Any: the guest learns only that the name did not resolve, the cause goes to the log.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the operating system.
pub struct SystemResolver {
    pub(super) lookups: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

#[async_trait]
impl Resolve for SystemResolver {
    /// A lookup that is no longer awaited runs on until the system gives it up; at most 64 do so at once, later ones wait.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let permit = Arc::clone(&self.lookups).acquire_owned().await.map_err(io::Error::other)?;
        let host = host.to_owned();
        let lookup = move || {
            let addresses = (host.as_str(), 0).to_socket_addrs();
            drop(permit);
            addresses.map(|addresses| addresses.map(|address| address.ip()).collect())
        };
        tokio::task::spawn_blocking(lookup).await.map_err(io::Error::other)?
    }
}

/// How a [`Gateway`] is built.
#[derive(Default)]
pub struct GatewayOptions {
    /// Name lookup; the system's when absent.
    pub resolver: Option<Arc<dyn Resolve>>,
    /// Root certificates that are trusted beside the public ones, each one DER or any number of PEM.
    pub extra_roots: Vec<Vec<u8>>,
    /// What requests to public addresses go through; they leave by themselves when absent.
    pub proxy: Option<Proxy>,
}

/// Name lookup and TLS of one host; cheap to clone. It keeps no connection and no TLS session, so that nothing passes from one principal to another.
#[derive(Clone)]
pub struct Gateway {
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) via: Option<Arc<Via>>,
}

impl Gateway {
    /// The addresses of `host`, a lowercase name without a trailing dot, asked once.
    ///
    /// # Errors
    /// Any; a guest learns only that the name did not resolve.
    pub async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.resolver.resolve(host).await
    }

    /// A gateway that trusts the public root certificates and those of `options`.
    ///
    /// # Errors
    /// `invalid` when a certificate or the proxy's URL cannot be read; `host` when TLS cannot be set up.
    pub fn new(options: GatewayOptions) -> Result<Self> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for bytes in &options.extra_roots {
            add(&mut roots, bytes)?;
        }
        let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::host("TLS cannot be set up", error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        tls.resumption = Resumption::disabled();
        let resolver = options.resolver.unwrap_or_else(|| Arc::new(SystemResolver::default()));
        let via = options.proxy.as_ref().map(Via::new).transpose()?.map(Arc::new);
        Ok(Self { resolver, tls: Arc::new(tls), via })
    }
}

/// Checks that `bytes`, DER or PEM, are root certificates that a [`Gateway`] can trust.
///
/// # Errors
/// `invalid` when one cannot be read, or there is none.
pub(crate) fn check_root(bytes: &[u8]) -> Result<()> {
    add(&mut RootCertStore::empty(), bytes)
}

fn add(roots: &mut RootCertStore, bytes: &[u8]) -> Result<()> {
    certificates(bytes)?.into_iter().try_for_each(|certificate| roots.add(certificate).map_err(|error| unreadable(&error)))
}

/// The certificates of `bytes`: PEM if there is a PEM header, else one in DER.
fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    if !bytes.windows(11).any(|window| window == b"-----BEGIN ") {
        return Ok(vec![CertificateDer::from(bytes.to_vec())]);
    }
    let found: Vec<_> = CertificateDer::pem_slice_iter(bytes).collect::<Result<_, _>>().map_err(|error| unreadable(&error))?;
    if found.is_empty() { Err(unreadable(&"it holds none")) } else { Ok(found) }
}

fn unreadable(cause: &dyn std::fmt::Display) -> Error {
    Error::invalid("a root certificate cannot be read")
        .hint("give each as DER, or as PEM with `-----BEGIN CERTIFICATE-----`")
        .internal(cause)
}
