//! A bound on what a server says in one line.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

/// Passes on what it reads until a line is longer than its bound; then it fails, and says so.
pub(super) struct Lines<R> {
    from: R,
    most: usize,
    line: usize,
    exceeded: Arc<AtomicBool>,
}

impl<R> Lines<R> {
    /// The lines of `from`; `exceeded` becomes true with the first one of more than `most` bytes.
    pub(super) fn new(from: R, most: usize, exceeded: Arc<AtomicBool>) -> Self {
        Self { from, most, line: 0, exceeded }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Lines<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.from).poll_read(cx, buf))?;
        for part in buf.filled().get(before..).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
            self.line += part.len();
            if self.line > self.most {
                self.exceeded.store(true, Ordering::Release);
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long")));
            }
            if part.ends_with(b"\n") {
                self.line = 0;
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
