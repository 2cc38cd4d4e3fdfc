//! Sessions of the transport over HTTP, for clients that open one by a handshake: bounded in number and in idle time (M14),
//! and each for who opened it alone (M10).

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt as _, future::Either, stream::once};
use remit_core::{
    id::KeyId,
    identity::Principal,
    limit::{MCP_SESSION_IDLE_MS, MCP_SESSIONS_MAX, MCP_SESSIONS_PER_PRINCIPAL_MAX},
};
use rmcp::{
    model::{ClientJsonRpcMessage, RequestId, ServerJsonRpcMessage},
    transport::streamable_http_server::session::{
        ServerSseMessage, SessionId, SessionManager,
        local::{LocalSessionManager, LocalSessionManagerError},
    },
};
use tokio::sync::Mutex;

use super::{Who, lines::in_use};

/// The library's sessions, which have no bound and no owner of their own.
pub struct AllSessions {
    inner: LocalSessionManager,
    /// Who opened each of them.
    owners: Mutex<HashMap<SessionId, Badge>>,
    asked: Asked,
}

type Badge = (Principal, Option<KeyId>);

/// The sessions of one visitor. Those of others are not there (M10).
pub struct Sessions {
    all: Arc<AllSessions>,
    badge: Badge,
    most: usize,
}

/// Requests whose answers are listened to, by session and id.
type Asked = Arc<StdMutex<HashSet<(SessionId, RequestId)>>>;

/// One of them, until nobody listens any more.
struct Listened {
    asked: Asked,
    key: (SessionId, RequestId),
}

impl Listened {
    /// The place of a request; `None` when another one with its id is listened to.
    fn new(asked: &Asked, key: (SessionId, RequestId)) -> Option<Self> {
        let free = asked.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        free.then(|| Self { asked: asked.clone(), key })
    }
}

impl Drop for Listened {
    fn drop(&mut self) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Why a session does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There are too many.
    #[error("{0} sessions of this client are open already, or {MCP_SESSIONS_MAX} of all")]
    Full(usize),
    /// The library refused.
    #[error(transparent)]
    Session(#[from] LocalSessionManagerError),
}

impl AllSessions {
    pub fn new() -> Self {
        let mut inner = LocalSessionManager::default();
        inner.session_config.keep_alive = Some(Duration::from_millis(MCP_SESSION_IDLE_MS));
        Self { inner, owners: Mutex::default(), asked: Asked::default() }
    }
}

impl Sessions {
    /// Those of `who`.
    pub fn of(all: Arc<AllSessions>, who: &Who) -> Self {
        // Where nobody is told apart, one bound is for all.
        let most = if who.is_known() { MCP_SESSIONS_PER_PRINCIPAL_MAX } else { MCP_SESSIONS_MAX };
        Self { all, badge: who.badge(), most }
    }

    async fn is_own(&self, id: &SessionId) -> bool {
        self.all.owners.lock().await.get(id) == Some(&self.badge)
    }
}

type Stopped<T> = std::result::Result<T, Refused>;

impl SessionManager for Sessions {
    type Error = Refused;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Stopped<(SessionId, Self::Transport)> {
        let mut owners = self.all.owners.lock().await;
        let own = owners.values().filter(|owner| **owner == self.badge).count();
        if owners.len() >= MCP_SESSIONS_MAX || own >= self.most {
            return Err(Refused::Full(own));
        }
        let (id, transport) = self.all.inner.create_session().await?;
        owners.insert(id.clone(), self.badge.clone());
        Ok((id, transport))
    }

    async fn initialize_session(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Stopped<ServerJsonRpcMessage> {
        Ok(self.all.inner.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Stopped<bool> {
        Ok(self.is_own(id).await && self.all.inner.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Stopped<()> {
        // What is another visitor's is answered like what is not there.
        if self.is_own(id).await {
            self.all.owners.lock().await.remove(id);
            self.all.inner.close_session(id).await?;
        }
        Ok(())
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Stopped<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        let mut place = None;
        if let ClientJsonRpcMessage::Request(request) = &message {
            place = Listened::new(&self.all.asked, (id.clone(), request.id.clone()));
            if place.is_none() {
                let refused = ServerJsonRpcMessage::error(in_use(), Some(request.id.clone()));
                return Ok(Either::Left(once(async { ServerSseMessage::from_message(refused) })));
            }
        }
        let stream = self.all.inner.create_stream(id, message).await?;
        Ok(Either::Right(stream.inspect(move |_| {
            let _held = &place;
        })))
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Stopped<()> {
        Ok(self.all.inner.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(&self, id: &SessionId) -> Stopped<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        Ok(self.all.inner.create_standalone_stream(id).await?)
    }

    async fn resume(&self, id: &SessionId, last_event_id: String) -> Stopped<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        Ok(self.all.inner.resume(id, last_event_id).await?)
    }
}
