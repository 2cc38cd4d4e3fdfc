//! What is let through of a server's words: its answers. What it asks for is refused here, and no more of it waits to be refused than is
//! bounded, however much a server asks that does not listen (M7).

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{StreamExt as _, stream::FuturesUnordered};
use remit_core::limit::OUTSIDE_REFUSALS_MAX;
use rmcp::{
    RoleClient,
    model::{
        ClientJsonRpcMessage, ClientResult, ErrorCode, ErrorData, JsonRpcRequest, ServerJsonRpcMessage, ServerNotification, ServerRequest,
    },
    transport::Transport,
};

/// A transport that gives out answers alone. A server gets no model, no folders and no person; it may only ask whether we are there.
pub(super) struct Heard<T> {
    from: T,
    /// Becomes true when the server says that its tools changed.
    changed: Arc<AtomicBool>,
    /// Refusals that the server has not taken yet.
    refusing: FuturesUnordered<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<T: Transport<RoleClient> + 'static> Heard<T> {
    /// What is let through of `from`.
    pub(super) fn new(from: T, changed: Arc<AtomicBool>) -> Self {
        Self { from, changed, refusing: FuturesUnordered::new() }
    }

    /// Answers what the server asks; not at all while too many answers wait for it.
    fn refuse(&mut self, asked: JsonRpcRequest<ServerRequest>) {
        if self.refusing.len() >= OUTSIDE_REFUSALS_MAX {
            return tracing::debug!("an outside server asks more than it listens");
        }
        let answer = match asked.request {
            ServerRequest::PingRequest(_) => ClientJsonRpcMessage::response(ClientResult::empty(()), asked.id),
            _ => ClientJsonRpcMessage::error(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "this is refused here", None), Some(asked.id)),
        };
        let sending = self.from.send(answer);
        self.refusing.push(Box::pin(async move {
            if let Err(error) = sending.await {
                tracing::debug!(%error, "an outside server did not take a refusal");
            }
        }));
    }
}

impl<T: Transport<RoleClient> + 'static> Transport<RoleClient> for Heard<T> {
    type Error = T::Error;

    fn send(&mut self, message: ClientJsonRpcMessage) -> impl Future<Output = Result<(), T::Error>> + Send + 'static {
        self.from.send(message)
    }

    /// The next answer; `None` at the end. Cancel-safe.
    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        loop {
            let message = tokio::select! {
                Some(()) = self.refusing.next() => continue,
                message = self.from.receive() => message?,
            };
            match message {
                ServerJsonRpcMessage::Request(asked) => self.refuse(asked),
                ServerJsonRpcMessage::Notification(said) => {
                    if let ServerNotification::ToolListChangedNotification(_) = said.notification {
                        self.changed.store(true, Ordering::Release);
                    }
                }
                answer => return Some(answer),
            }
        }
    }

    async fn close(&mut self) -> Result<(), T::Error> {
        self.from.close().await
    }
}

#[cfg(test)]
mod tests;
