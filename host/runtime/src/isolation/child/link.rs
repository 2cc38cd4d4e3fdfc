//! The process's end of the socket: questions go out under a number and wait for their answers.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use remit_core::{Error, Result};
use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    sync::{mpsc, oneshot},
};

use super::super::wire::{Frames, News, Question, Run, ToHost, ToProcess, frame, message};

/// Largest message of the host, which is believed.
const FROM_HOST_MAX_BYTES: usize = u32::MAX as usize;

/// The way to the host, for everything that runs here.
pub(super) struct Link {
    out: mpsc::UnboundedSender<Vec<u8>>,
    waiting: Mutex<HashMap<u32, oneshot::Sender<Bytes>>>,
    next: AtomicU32,
    most: AtomicUsize,
}

impl Link {
    /// A link, and what is to be written to the socket. Nobody floods it: what a guest says waits for an answer, or is bounded as it is
    /// gathered.
    pub(super) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<Vec<u8>>) {
        let (out, written) = mpsc::unbounded_channel();
        let (waiting, next, most) = (Mutex::default(), AtomicU32::new(0), AtomicUsize::new(usize::MAX));
        (Arc::new(Self { out, waiting, next, most }), written)
    }

    /// A number that nothing else of this process has.
    pub(super) fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Lets no message have more bytes.
    pub(super) fn bound(&self, max_bytes: usize) {
        self.most.store(max_bytes, Ordering::Relaxed);
    }

    /// Says something.
    ///
    /// # Errors
    /// `limit` when it is too much; `host` when nobody is there any more.
    pub(super) fn say(&self, said: &ToHost) -> Result<()> {
        let frame = frame(said, self.most.load(Ordering::Relaxed))?;
        self.out.send(frame).map_err(|closed| Error::host("the host is gone", closed))
    }

    /// Tells something that nobody answers. The host is gone when it cannot be told, and this process ends with it.
    pub(super) fn tell(&self, news: News) {
        if let Err(error) = self.say(&ToHost::Tell(news)) {
            tracing::debug!(%error, "untold");
        }
    }

    /// Asks at once; the answer comes in what is returned.
    ///
    /// # Errors
    /// Those of [`Link::say`]; when the host ends this process, none.
    pub(super) fn ask<T: DeserializeOwned>(
        self: &Arc<Self>,
        question: Question,
    ) -> Result<impl Future<Output = wasmtime::Result<T>> + Send + use<T>> {
        let (number, (sender, answer)) = (self.number(), oneshot::channel());
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(number, sender);
        self.say(&ToHost::Ask(number, question))?;
        Ok(async move { Ok(message(&answer.await?)?) })
    }

    /// Gives an answer to whoever waits for it.
    fn answered(&self, number: u32, answer: Bytes) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        if let Some(waiting) = waiting {
            // Whoever asked may have been let go of.
            drop(waiting.send(answer));
        }
    }

    /// Takes what the host says, until it says nothing more.
    pub(super) async fn listen<R: AsyncRead + Unpin>(
        &self,
        mut frames: Frames<R>,
        runs: mpsc::UnboundedSender<Run>,
    ) -> std::io::Result<()> {
        while let Some(bytes) = frames.next(FROM_HOST_MAX_BYTES).await? {
            match message(&bytes)? {
                ToProcess::Answer(number, answer) => self.answered(number, answer),
                ToProcess::Run(run) => runs.send(*run).map_err(std::io::Error::other)?,
            }
        }
        Ok(())
    }
}

/// Writes what is to be written, until the host is gone.
pub(super) async fn write(mut to: impl AsyncWrite + Unpin, mut written: mpsc::UnboundedReceiver<Vec<u8>>) -> std::io::Result<()> {
    while let Some(frame) = written.recv().await {
        to.write_all(&frame).await?;
    }
    Ok(())
}
