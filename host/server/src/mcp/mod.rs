//! The MCP door: a project's tools for every client that speaks the Model Context Protocol, in the revisions with a handshake
//! (2024-11-05 to 2025-11-25) and without one (2026-07-28), on the same endpoint.

mod admission;
mod agent;
mod agent_call;
mod ask;
mod call;
mod catalog;
mod guests;
mod http;
mod in_session;
mod jwks;
mod lines;
mod name;
mod pace;
mod reception;
mod resource;
mod schema;
mod seal;
mod search;
mod sessions;
pub mod shape;
mod talk;
mod task;
mod token;
mod turn;
mod visitor;
mod who;

use std::{
    sync::{Arc, OnceLock},
    task::Poll,
    thread,
    time::Duration,
};

use remit_core::{
    Error, Result,
    identity::Principal,
    limit::{MCP_CALLS_MAX, MCP_DRAIN_MS},
};
use remit_runtime::Host;
use rmcp::{
    serve_server,
    service::{QuitReason, ServerInitializeError},
    transport::stdio_pipes,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::{self, Handle},
    sync::{Semaphore, oneshot, watch},
    task::{JoinError, JoinHandle},
};

pub use admission::Admission;
pub use catalog::{Catalog, Offer};
pub use http::{Address, Listener};
pub use token::Tokens;
pub use who::{Members, Who};

use self::{ask::Asks, lines::Lines, seal::Seal, turn::Turns, visitor::Visitor};

/// What is behind the door, and as whom one enters.
pub struct Setup {
    /// Runs the tools; it serves `project`.
    pub host: Host,
    /// The project's name.
    pub project: String,
    /// Who a client is that comes over standard input: the project's owner.
    pub principal: Principal,
    /// The user's time zone, an IANA name.
    pub time_zone: String,
    /// The session that all calls are made in, by its id or name; `None` where each client has its own, or none.
    pub session: Option<String>,
    /// What is offered. A change is told to the clients.
    pub catalog: watch::Receiver<Arc<Catalog>>,
    /// Whether the project takes approvals and inputs from the person behind a client.
    pub accept_client: watch::Receiver<bool>,
    /// Seals what a client gives back: bytes that nobody else knows. The same ones after a restart let a client go on.
    pub seal: [u8; 32],
}

/// An open door. Cheap to clone; every clone is the same door.
#[derive(Clone)]
pub struct Door(Arc<Inner>);

struct Inner {
    setup: Setup,
    /// Room for calls in flight.
    calls: Semaphore,
    /// For what clients carry.
    seal: Seal,
    turns: Turns,
    asks: Asks,
    /// Where calls go on that keep a door of one thread waiting.
    workers: OnceLock<Handle>,
}

/// A call that goes on elsewhere; it ends with whoever waits for it.
struct Apart<T>(JoinHandle<T>);

impl<T> Drop for Apart<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Door {
    /// Opens it.
    pub fn new(setup: Setup) -> Self {
        Self(Arc::new(Inner {
            seal: Seal::new(setup.seal),
            setup,
            calls: Semaphore::new(MCP_CALLS_MAX),
            workers: OnceLock::new(),
            turns: Turns::new(),
            asks: Asks::default(),
        }))
    }

    /// Serves one client on standard input and output, as [`Door::serve`] does, from a thread of its own: a call that is the only one and is
    /// done at once is done on it, which spares waking others. Every other call goes on in the runtime that this is called in.
    /// Cancel-safe: dropping the future ends the calls that run.
    ///
    /// # Errors
    /// Those of [`Door::serve`]; `host` when there is no thread.
    pub async fn serve_stdio(&self) -> Result<()> {
        let lost = |error: &dyn std::fmt::Display| Error::host("serving the client failed", error);
        self.0.workers.get_or_init(Handle::current);
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(|error| lost(&error))?;
        let (door, (mut done, served)) = (self.clone(), oneshot::channel());
        let serve = move || {
            let serving = async {
                let (read, write) = stdio_pipes();
                tokio::select! {
                    served = door.serve(read, write) => Some(served),
                    () = done.closed() => None,
                }
            };
            let ended = runtime.block_on(serving);
            runtime.shutdown_background();
            drop(ended.map(|served| done.send(served)));
        };
        thread::Builder::new().name("mcp-stdio".to_owned()).spawn(serve).map_err(|error| lost(&error))?;
        served.await.map_err(|error| lost(&error))?
    }

    /// Where what outlives a request goes on.
    fn workers(&self) -> Handle {
        self.0.workers.get().cloned().unwrap_or_else(Handle::current)
    }

    /// What `call` gives, done here while nothing waits for it, and among the workers otherwise. Cancel-safe: dropping the future drops
    /// the call.
    async fn apart<T: Send + 'static>(&self, call: impl Future<Output = T> + Send + 'static) -> std::result::Result<T, JoinError> {
        let Some(workers) = self.0.workers.get() else { return Ok(call.await) };
        let mut call = Box::pin(call);
        if self.0.calls.available_permits() == MCP_CALLS_MAX
            && let Poll::Ready(done) = futures::poll!(&mut call)
        {
            return Ok(done);
        }
        let mut apart = Apart(workers.spawn(call));
        (&mut apart.0).await
    }

    /// Serves one client, a message a line, until it has no more to say: then what runs may end, for [`MCP_DRAIN_MS`] at most.
    /// Cancel-safe: dropping the future ends the calls that run.
    ///
    /// # Errors
    /// `invalid` when the client's first messages are none of the protocol; `host` when serving it failed.
    pub async fn serve(
        &self,
        read: impl AsyncRead + Send + Unpin + 'static,
        write: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<()> {
        let owner = Arc::new(Who::owner(self.0.setup.principal.clone()));
        let visitor = Visitor::new(self.clone(), Some(owner)).with_session();
        let served = match serve_server(visitor, Lines::new(read, write)).await {
            Ok(running) => match running.waiting().await {
                Ok(QuitReason::Closed | QuitReason::Cancelled) => Ok(()),
                Ok(other) => Err(Error::host("serving the client failed", format!("{other:?}"))),
                Err(error) => Err(Error::host("serving the client failed", error)),
            },
            Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
            Err(error) => Err(Error::invalid("the client did not open the protocol").internal(error)),
        };
        self.close().await;
        served
    }

    /// Takes no more calls, and ends those that still run after [`MCP_DRAIN_MS`]. Turns stop where they are, and can be gone on with.
    async fn close(&self) {
        self.0.turns.close();
        self.0.setup.host.shutdown(Duration::from_millis(MCP_DRAIN_MS)).await;
    }

    /// What is offered now.
    fn catalog(&self) -> Arc<Catalog> {
        self.0.setup.catalog.borrow().clone()
    }
}
