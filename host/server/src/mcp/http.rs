//! The same door over HTTP: MCP's streamable transport at `/mcp`, for clients on this machine and, with keys, elsewhere.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use remit_core::{
    Error, Result,
    limit::{MCP_CONNECTIONS_MAX, MCP_FAREWELL_MS, MCP_HEAD_DEADLINE_MS, MCP_HEAD_MAX_BYTES, MCP_HEADERS_MAX, MCP_MESSAGE_MAX_BYTES},
    plugin::text::visible,
};
use rmcp::transport::StreamableHttpServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};

use super::{Door, admission::Admission, reception::Reception};

/// Where the protocol is served.
pub const PATH: &str = "/mcp";

/// Where to listen, and by which names clients come there.
#[derive(Debug)]
pub struct Address {
    socket: SocketAddr,
    hosts: Vec<String>,
}

impl Address {
    /// `address` is one of this machine with a port, 0 being any that is free; `localhost:PORT` is understood. `hosts` are further names
    /// that clients know the server by, as `NAME` or `NAME:PORT`.
    ///
    /// # Errors
    /// `invalid` when it is no address, a host is no name, or no client could come: `0.0.0.0` and `[::]` are no names.
    pub fn parse(address: &str, hosts: &[String]) -> Result<Self> {
        let shown = visible(address, 64);
        let numeric = address.strip_prefix("localhost:").map_or_else(|| address.to_owned(), |port| format!("127.0.0.1:{port}"));
        let socket: SocketAddr = numeric.parse().map_err(|error| {
            Error::invalid(format!("`{shown}` is no address to listen at"))
                .hint("write 127.0.0.1:PORT, [::1]:PORT or localhost:PORT")
                .internal(error)
        })?;
        for host in hosts {
            let name =
                host.parse::<http::uri::Authority>().ok().filter(|parsed| !parsed.as_str().contains('@') && !parsed.host().is_empty());
            if name.is_none() {
                let error = Error::invalid(format!("`{}` is no name of a host", visible(host, 64)));
                return Err(error.hint("write it as clients do: tools.example.com, or tools.example.com:8443"));
            }
        }
        if socket.ip().is_unspecified() && hosts.is_empty() {
            let error = Error::invalid(format!("`{shown}` is every address of this machine, and no name that a client could come by"));
            return Err(error.hint("say by which name clients come: --host NAME"));
        }
        Ok(Self { socket, hosts: hosts.to_vec() })
    }

    /// Whether others than this machine may come: over the network, or through a proxy that knows it by another name.
    pub fn is_open(&self) -> bool {
        !self.socket.ip().is_loopback() || !self.hosts.is_empty()
    }
}

/// A place that clients can connect to.
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    hosts: Vec<String>,
}

impl Listener {
    /// Listens at `address`.
    ///
    /// # Errors
    /// `unavailable` when it cannot be listened at.
    pub async fn bind(address: Address) -> Result<Self> {
        let failed = |error| {
            let error = Error::unavailable(format!("`{}` cannot be listened at: {error}", address.socket));
            error.hint("name another port; 0 is any that is free")
        };
        let listener = TcpListener::bind(address.socket).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address: bound, hosts: address.hosts })
    }

    /// Where clients connect to: the URL to give them.
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// What `Host` may say: this machine's names, and those that were given.
    fn allowed_hosts(&self) -> Vec<String> {
        let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into_iter();
        own.chain(Some(self.address.ip()).filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string()))
            .chain(self.hosts.iter().cloned())
            .collect()
    }

    /// Pages that may call: those of the server itself, over TLS where it has a name of its own.
    fn allowed_origins(&self) -> Vec<String> {
        let has_port = |host: &str| host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let named = self.hosts.iter().map(|host| if has_port(host) { format!("https://{host}") } else { format!("https://{host}:443") });
        let own = [format!("http://{}", self.address), format!("http://localhost:{}", self.address.port())];
        own.into_iter().chain(named).collect()
    }
}

impl Door {
    /// Serves clients over HTTP, those whom `admission` lets in, until `stop` is ready: then no more are let in, and what runs may end, for
    /// [`remit_core::limit::MCP_DRAIN_MS`] at most.
    /// Cancel-safe: dropping the future ends the calls that run.
    pub async fn serve_http(&self, listener: Listener, admission: Admission, stop: impl Future<Output = ()>) {
        let reception = Arc::new(self.reception(&listener, admission));
        let room = Arc::new(Semaphore::new(MCP_CONNECTIONS_MAX));
        let (stopping, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            let accepted = async {
                // Without room, clients wait in the system's own queue.
                let place = room.clone().acquire_owned().await;
                (listener.listener.accept().await, place)
            };
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(_ended) = connections.join_next() => {}
                (accepted, place) = accepted => match accepted {
                    Ok((stream, _)) => {
                        let connection = connection(stream, reception.clone(), stopped.clone());
                        connections.spawn(async move {
                            connection.await;
                            drop(place);
                        });
                    }
                    Err(error) => {
                        // Few descriptors are left, most likely: those who are here go first.
                        tracing::warn!(%error, "a client could not be let in");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        }
        drop(listener);
        stopping.send_replace(true);
        self.close().await;
        for last in [false, true] {
            if last {
                // Streams that tell of changes end only so.
                reception.end_streams();
            }
            let ended = async { while connections.join_next().await.is_some() {} };
            if tokio::time::timeout(Duration::from_millis(MCP_FAREWELL_MS), ended).await.is_ok() {
                return;
            }
        }
        tracing::warn!("some clients did not read their answers, and were cut off");
    }

    fn reception(&self, listener: &Listener, admission: Admission) -> Reception {
        let config = StreamableHttpServerConfig::default()
            .with_allowed_hosts(listener.allowed_hosts())
            .with_allowed_origins(listener.allowed_origins())
            .with_max_request_body_bytes(MCP_MESSAGE_MAX_BYTES);
        Reception::new(self.clone(), admission, config)
    }
}

/// Serves one connection until it ends. When `stopped` says so, it ends with the request that it is in.
async fn connection(stream: TcpStream, reception: Arc<Reception>, mut stopped: watch::Receiver<bool>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(MCP_HEAD_DEADLINE_MS))
        .max_headers(MCP_HEADERS_MAX)
        .max_buf_size(MCP_HEAD_MAX_BYTES);
    let answer = service_fn(move |request| {
        let reception = reception.clone();
        async move { Ok::<_, Infallible>(reception.answer(request).await) }
    });
    let connection = http.serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    let stop = async { drop(stopped.wait_for(|stopped| *stopped).await) };
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended in an error");
    }
}
