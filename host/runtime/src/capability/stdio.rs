//! Standard output and error of a guest: the last bytes are kept, a flood costs nothing.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use remit_core::{limit::STDIO_RING_BYTES, plugin::text::visible_lines};
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

/// The last [`STDIO_RING_BYTES`] that were written, shared by every stream of one call.
#[derive(Debug, Clone, Default)]
pub struct Ring(Arc<Mutex<VecDeque<u8>>>);

impl Ring {
    /// Keeps `bytes`, dropping what is older than the bound.
    pub fn push(&self, bytes: &[u8]) {
        let tail = bytes.get(bytes.len().saturating_sub(STDIO_RING_BYTES)..).unwrap_or_default();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = (kept.len() + tail.len()).saturating_sub(STDIO_RING_BYTES);
        kept.drain(..over);
        kept.extend(tail);
    }

    /// Takes what was kept.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }

    /// What was kept, safe to show.
    pub fn text(&self) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_empty() {
            return String::new();
        }
        visible_lines(&String::from_utf8_lossy(kept.make_contiguous()), STDIO_RING_BYTES)
    }
}

impl IsTerminal for Ring {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Ring {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Ring {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(STDIO_RING_BYTES)
    }
}

#[async_trait::async_trait]
impl Pollable for Ring {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Ring {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
