//! A message a line, as clients speak with a server that they start: bounded, and answered whatever comes.

use std::{
    collections::HashSet,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use remit_core::limit::{MCP_MESSAGE_MAX_BYTES, MCP_UNREAD_MAX, MCP_UNREAD_MAX_BYTES};
use rmcp::{
    ErrorData, RoleServer,
    model::{ClientJsonRpcMessage, ClientNotification, RequestId, ServerJsonRpcMessage},
    transport::Transport,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    sync::{Mutex, Notify},
};

/// Lines to and from one client.
pub struct Lines<R, W> {
    read: BufReader<R>,
    /// What was read of a line that has not ended.
    line: Vec<u8>,
    /// The line is too long, and what is left of it is not kept.
    skipping: bool,
    /// A request has come: until then the client may say nothing else.
    opened: bool,
    /// Requests that have no answer yet, and were not taken back.
    asked: HashSet<RequestId>,
    write: Arc<Mutex<W>>,
    unread: Arc<Unread>,
}

/// Answers that the client has not read.
#[derive(Default)]
struct Unread {
    messages: AtomicUsize,
    bytes: AtomicUsize,
    /// Nothing can be written any more.
    closed: AtomicBool,
    fewer: Notify,
}

/// One answer that the client has not read.
struct Waiting {
    unread: Arc<Unread>,
    bytes: usize,
}

impl Unread {
    fn one(self: &Arc<Self>, bytes: usize) -> Waiting {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Waiting { unread: self.clone(), bytes }
    }

    fn is_full(&self) -> bool {
        self.messages.load(Ordering::Relaxed) >= MCP_UNREAD_MAX || self.bytes.load(Ordering::Relaxed) >= MCP_UNREAD_MAX_BYTES
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Waits while it is full.
    async fn room(&self) {
        loop {
            let fewer = self.fewer.notified();
            if !self.is_full() || self.is_closed() {
                return;
            }
            fewer.await;
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.unread.messages.fetch_sub(1, Ordering::Relaxed);
        self.unread.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.unread.fewer.notify_one();
    }
}

/// Two requests with one id in flight could not be told apart: the second one is refused.
pub(super) fn in_use() -> ErrorData {
    ErrorData::invalid_request("the id of this request is that of another one which has no answer yet", None)
}

/// What came of a line.
enum Line {
    /// It is there, whole.
    Whole,
    /// It was too long.
    TooLong,
    /// There are no more.
    End,
}

impl<R: AsyncRead + Send + Unpin, W: AsyncWrite + Send + Unpin + 'static> Lines<R, W> {
    /// Lines from `read` and to `write`.
    pub fn new(read: R, write: W) -> Self {
        let (read, write) = (BufReader::new(read), Arc::new(Mutex::new(write)));
        Self { read, line: Vec::new(), skipping: false, opened: false, asked: HashSet::new(), write, unread: Arc::default() }
    }

    /// Reads on until a line has ended. Cancel-safe: what was read of a line is kept.
    async fn next(&mut self) -> Line {
        loop {
            let read = match self.read.fill_buf().await {
                Ok(read) if !read.is_empty() => read,
                Ok(_) => return Line::End,
                Err(error) => {
                    tracing::warn!(%error, "the client cannot be read");
                    return Line::End;
                }
            };
            let ended = read.iter().position(|byte| *byte == b'\n');
            let taken = ended.map_or(read.len(), |at| at + 1);
            let fits = self.line.len() + taken <= MCP_MESSAGE_MAX_BYTES;
            if fits && !self.skipping {
                self.line.extend_from_slice(read.get(..taken).unwrap_or_default());
            }
            self.read.consume(taken);
            let skipped = self.skipping || !fits;
            self.skipping = skipped && ended.is_none();
            match (ended, skipped) {
                (Some(_), false) => return Line::Whole,
                (Some(_), true) => {
                    self.line = Vec::new();
                    return Line::TooLong;
                }
                (None, _) => {}
            }
        }
    }

    /// The message in the line, if there is one.
    fn message(&mut self) -> Result<Option<ClientJsonRpcMessage>, (ErrorData, Option<RequestId>)> {
        let line = std::mem::take(&mut self.line);
        if line.trim_ascii().is_empty() {
            return Ok(None);
        }
        // Nesting is bounded by the parser. What is no message is taken apart to say why.
        if let Ok(message) = serde_json::from_slice(&line) {
            return Ok(Some(message));
        }
        let value: Value =
            serde_json::from_slice(&line).map_err(|error| (ErrorData::parse_error(format!("this is not JSON: {error}"), None), None))?;
        let [id, method] = ["id", "method"].map(|name| value.get(name).cloned());
        match serde_json::from_value(value) {
            Ok(message) => Ok(Some(message)),
            // A notification is never answered.
            Err(_ignored) if id.is_none() && method.is_some() => Ok(None),
            Err(error) => {
                tracing::debug!(%error, "a line is no message of the protocol");
                let id = id.and_then(|id| serde_json::from_value(id).ok());
                Err((ErrorData::invalid_request("this is no message of the protocol", None), id))
            }
        }
    }

    /// Answers what is no message, or not to be asked, beside whatever else is written.
    fn refuse(&self, error: ErrorData, id: Option<RequestId>) {
        drop(tokio::spawn(self.written(ServerJsonRpcMessage::error(error, id))));
    }

    /// Whether the message may pass. A request whose id is in use is refused.
    fn admits(&mut self, message: &ClientJsonRpcMessage) -> bool {
        match message {
            ClientJsonRpcMessage::Request(request) => {
                self.opened = true;
                if self.asked.insert(request.id.clone()) {
                    return true;
                }
                self.refuse(in_use(), Some(request.id.clone()));
                false
            }
            ClientJsonRpcMessage::Notification(said) => {
                // What was taken back is not answered any more.
                if let ClientNotification::CancelledNotification(cancelled) = &said.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.asked.remove(id);
                }
                self.opened
            }
            _ => self.opened,
        }
    }

    /// Writes a message as a line of its own.
    fn written(&self, message: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let (write, unread) = (self.write.clone(), self.unread.clone());
        let line = serde_json::to_vec(&message).map(|mut line| {
            line.push(b'\n');
            line
        });
        let waiting = unread.one(line.as_ref().map_or(0, Vec::len));
        async move {
            let line = line?;
            let mut write = write.lock().await;
            let written = async {
                write.write_all(&line).await?;
                write.flush().await
            };
            let written = written.await;
            if written.is_err() {
                unread.closed.store(true, Ordering::Relaxed);
            }
            drop(waiting);
            written
        }
    }
}

impl<R: AsyncRead + Send + Unpin, W: AsyncWrite + Send + Unpin + 'static> Transport<RoleServer> for Lines<R, W> {
    type Error = io::Error;

    fn send(&mut self, message: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let answered = match &message {
            ServerJsonRpcMessage::Response(response) => Some(&response.id),
            ServerJsonRpcMessage::Error(error) => error.id.as_ref(),
            _ => None,
        };
        answered.map(|id| self.asked.remove(id));
        self.written(message)
    }

    /// The next message; `None` at the end, also when the client does not read any more.
    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            // Requests that came before are answered first, or a client could fill the memory with more of them before one answer counts.
            tokio::task::yield_now().await;
            self.unread.room().await;
            if self.unread.is_closed() {
                return None;
            }
            match self.next().await {
                Line::End => return None,
                Line::TooLong => {
                    let text = format!("a message has at most {MCP_MESSAGE_MAX_BYTES} bytes");
                    self.refuse(ErrorData::invalid_request(text, None), None);
                }
                Line::Whole => match self.message() {
                    Ok(Some(message)) if self.admits(&message) => return Some(message),
                    Ok(_) => {}
                    Err((error, id)) => self.refuse(error, id),
                },
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.write.lock().await.shutdown().await
    }
}

#[cfg(test)]
mod tests;
