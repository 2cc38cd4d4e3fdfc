//! The same door over HTTP: MCP's streamable transport at `/mcp`, for clients on this machine.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use remit_core::{
    Error, Result,
    limit::{MCP_CONNECTIONS_MAX, MCP_FAREWELL_MS, MCP_HEAD_DEADLINE_MS, MCP_HEAD_MAX_BYTES, MCP_HEADERS_MAX, MCP_MESSAGE_MAX_BYTES},
};
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};

use super::{Door, sessions::Sessions, visitor::Visitor};

/// Where the protocol is served.
pub const PATH: &str = "/mcp";

/// A place that clients on this machine can connect to.
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens at `address`: an address of this machine with a port, 0 being any that is free; `localhost:PORT` is understood.
    ///
    /// # Errors
    /// `invalid` when it is no such address, or one that others can reach; `unavailable` when it cannot be listened at.
    pub async fn bind(address: &str) -> Result<Self> {
        let shown = remit_core::plugin::text::visible(address, 64);
        let numeric = address.strip_prefix("localhost:").map_or_else(|| address.to_owned(), |port| format!("127.0.0.1:{port}"));
        let parsed: SocketAddr = numeric.parse().map_err(|error| {
            Error::invalid(format!("`{shown}` is no address to listen at"))
                .hint("write 127.0.0.1:PORT, [::1]:PORT or localhost:PORT")
                .internal(error)
        })?;
        if !parsed.ip().is_loopback() {
            return Err(Error::invalid(format!("others than this machine could reach `{shown}`, and nothing would tell them apart"))
                .hint("listen at 127.0.0.1: keys, which clients elsewhere need, are not served yet"));
        }
        let failed = |error| {
            Error::unavailable(format!("`{shown}` cannot be listened at: {error}")).hint("name another port; 0 is any that is free")
        };
        let listener = TcpListener::bind(parsed).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where clients connect to: the URL to give them.
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }
}

type Service = StreamableHttpService<Visitor, Sessions>;
type Body = BoxBody<Bytes, Infallible>;

impl Door {
    /// Serves clients over HTTP until `stop` is ready: then no more are let in, and what runs may end, for
    /// [`remit_core::limit::MCP_DRAIN_MS`] at most.
    /// Cancel-safe: dropping the future ends the calls that run.
    pub async fn serve_http(&self, listener: Listener, stop: impl Future<Output = ()>) {
        let service = self.service(listener.address);
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
                        let connection = connection(stream, service.clone(), stopped.clone());
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
                service.config.cancellation_token.cancel();
            }
            let ended = async { while connections.join_next().await.is_some() {} };
            if tokio::time::timeout(Duration::from_millis(MCP_FAREWELL_MS), ended).await.is_ok() {
                return;
            }
        }
        tracing::warn!("some clients did not read their answers, and were cut off");
    }

    fn service(&self, address: SocketAddr) -> Service {
        let (door, port) = (self.clone(), address.port());
        let config = StreamableHttpServerConfig::default()
            .with_allowed_hosts(["localhost", "127.0.0.1", "::1"])
            .with_allowed_origins([format!("http://{address}"), format!("http://localhost:{port}")])
            .with_max_request_body_bytes(MCP_MESSAGE_MAX_BYTES);
        StreamableHttpService::new(move || Ok(Visitor::new(door.clone())), Arc::new(Sessions::new()), config)
    }
}

/// Serves one connection until it ends. When `stopped` says so, it ends with the request that it is in.
async fn connection(stream: TcpStream, service: Service, mut stopped: watch::Receiver<bool>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(MCP_HEAD_DEADLINE_MS))
        .max_headers(MCP_HEADERS_MAX)
        .max_buf_size(MCP_HEAD_MAX_BYTES);
    let answer = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(answer(&service, request).await) }
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

async fn answer(service: &Service, request: Request<Incoming>) -> Response<Body> {
    if request.uri().path() == PATH {
        return service.handle(request).await;
    }
    let mut response = Response::new(Full::new(Bytes::from_static(b"the protocol is served at /mcp\n")).boxed());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
