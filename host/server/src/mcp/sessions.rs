//! Sessions of the transport over HTTP, for clients that open one by a handshake: bounded in number and in idle time (M14).

use std::time::Duration;

use futures::Stream;
use remit_core::limit::{MCP_SESSION_IDLE_MS, MCP_SESSIONS_MAX};
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::session::{
        ServerSseMessage, SessionId, SessionManager,
        local::{LocalSessionManager, LocalSessionManagerError},
    },
};
use tokio::sync::Mutex;

/// The library's sessions, which have no bound of their own.
pub struct Sessions {
    inner: LocalSessionManager,
    opening: Mutex<()>,
}

/// Why a session does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There are too many.
    #[error("{MCP_SESSIONS_MAX} sessions are open already")]
    Full,
    /// The library refused.
    #[error(transparent)]
    Session(#[from] LocalSessionManagerError),
}

impl Sessions {
    pub fn new() -> Self {
        let mut inner = LocalSessionManager::default();
        inner.session_config.keep_alive = Some(Duration::from_millis(MCP_SESSION_IDLE_MS));
        Self { inner, opening: Mutex::default() }
    }
}

type Stopped<T> = std::result::Result<T, Refused>;

impl SessionManager for Sessions {
    type Error = Refused;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Stopped<(SessionId, Self::Transport)> {
        let _one_at_a_time = self.opening.lock().await;
        if self.inner.sessions.read().await.len() >= MCP_SESSIONS_MAX {
            return Err(Refused::Full);
        }
        Ok(self.inner.create_session().await?)
    }

    async fn initialize_session(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Stopped<ServerJsonRpcMessage> {
        Ok(self.inner.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Stopped<bool> {
        Ok(self.inner.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Stopped<()> {
        Ok(self.inner.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Stopped<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        Ok(self.inner.create_stream(id, message).await?)
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Stopped<()> {
        Ok(self.inner.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(&self, id: &SessionId) -> Stopped<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        Ok(self.inner.create_standalone_stream(id).await?)
    }

    async fn resume(&self, id: &SessionId, last_event_id: String) -> Stopped<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        Ok(self.inner.resume(id, last_event_id).await?)
    }
}
