//! Leaving through a proxy that the project names: a tunnel to an address that was checked, or to a name where the proxy looks names up.

use remit_core::{Error as OwnError, Result as OwnResult, project::Proxy};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, timeout_at},
};
use url::Host;
use wasmtime_wasi_http::Error;

use super::{
    connect::{self, Connection},
    failure,
    gateway::Gateway,
    target::Target,
};

/// Longest head of a proxy's answer.
const HEAD_MAX_BYTES: usize = 8 << 10;

/// The way through a proxy.
pub(super) struct Via {
    target: Target,
    resolves: bool,
}

impl Via {
    /// The way through `proxy`.
    ///
    /// # Errors
    /// `invalid` when its URL is none that can be connected to.
    pub(super) fn new(proxy: &Proxy) -> OwnResult<Self> {
        let invalid = |why: String| OwnError::invalid(format!("`{}` is not the URL of a proxy", proxy.url)).internal(why);
        let uri = proxy.url.as_str().parse().map_err(|error: http::uri::InvalidUri| invalid(error.to_string()))?;
        let target = Target::of(&uri).map_err(|refusal| invalid(refusal.reason))?;
        Ok(Self { target, resolves: proxy.resolves })
    }

    /// Whether `host` is named to the proxy rather than looked up here. An address is never, and this machine is not: the proxy's own would be
    /// meant there.
    pub(super) fn is_told(&self, host: &Host<String>) -> bool {
        let is_this_machine = |name: &str| name == "localhost" || name.ends_with(".localhost");
        self.resolves && matches!(host, Host::Domain(name) if !is_this_machine(name))
    }

    /// A connection to `to`, host and port, by way of the proxy. The project names it, so its own address is not checked.
    pub(super) async fn tunnel(&self, gateway: &Gateway, to: &str, by: Instant) -> Result<Box<dyn Connection>, Error> {
        let work = async {
            let found = connect::addresses(gateway, &self.target.host, by).await?;
            let stream = connect::direct(&found, self.target.port, by).await.inspect_err(|error| {
                tracing::warn!(proxy = %self.target.url, %error, "the proxy cannot be reached");
            })?;
            let mut stream = connect::secured(gateway, &self.target, stream, by).await?;
            self.ask(&mut stream, to).await?;
            Ok(stream)
        };
        timeout_at(by, work).await.map_err(|_elapsed| Error::ConnectionTimeout)?
    }

    async fn ask(&self, stream: &mut Box<dyn Connection>, to: &str) -> Result<(), Error> {
        let request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.map_err(|error| failure::of_io(&error))?;
        stream.flush().await.map_err(|error| failure::of_io(&error))?;
        let mut head = Vec::with_capacity(256);
        let end = loop {
            if head.len() > HEAD_MAX_BYTES {
                return Err(Error::HttpProtocolError);
            }
            if let Some(at) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut head).await.map_err(|error| failure::of_io(&error))? == 0 {
                return Err(Error::ConnectionTerminated);
            }
        };
        let status = status(&head).ok_or(Error::HttpProtocolError)?;
        if !(200..300).contains(&status) {
            tracing::warn!(proxy = %self.target.url, status, "the proxy opens no tunnel");
            return Err(if status == 407 { Error::ConfigurationError } else { Error::DestinationUnavailable });
        }
        // Nobody behind the tunnel speaks before it was spoken to.
        if end == head.len() { Ok(()) } else { Err(Error::HttpProtocolError) }
    }
}

/// The status that an answer begins with: `HTTP/1.1 200 …`.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let version = words.next()?;
    let status = words.next().filter(|word| word.len() == 3)?;
    matches!(version, "HTTP/1.0" | "HTTP/1.1").then(|| status.parse().ok())?
}
