//! What one call may add to one mount, what a workspace may hold, and a stream that counts what it writes (F15).

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use remit_core::grant::Mount;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::{failure::Failure, refuse::Recorder};

/// What one call has added to one mount so far; or what is in a workspace, and what calls add to that while they run.
#[derive(Debug)]
pub(crate) struct Usage {
    bytes: AtomicU64,
    max_bytes: u64,
    files: AtomicU64,
    max_files: u64,
    /// Whether all that is there counts, as in a workspace, and what is removed counts no more.
    whole: bool,
}

impl Usage {
    /// Nothing yet.
    pub(super) fn new(max_bytes: u64, max_files: u64) -> Self {
        Self { bytes: AtomicU64::new(0), max_bytes, files: AtomicU64::new(0), max_files, whole: false }
    }

    /// Of a workspace with so much in it.
    pub(crate) fn whole(bytes: u64, files: u64, mount: &Mount) -> Self {
        let (max_bytes, max_files) = (mount.max_bytes, mount.max_files);
        Self { bytes: AtomicU64::new(bytes), max_bytes, files: AtomicU64::new(files), max_files, whole: true }
    }

    /// Whether it is a workspace's.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Takes back what was removed from a workspace.
    pub(super) fn removed(&self, bytes: u64, files: u64) {
        if self.whole {
            take(&self.bytes, bytes);
            take(&self.files, files);
        }
    }

    /// Counts `bytes` that are about to be written. But in a workspace, what is counted stays counted, even if the file is removed again:
    /// the bound is on work as well as on space.
    ///
    /// # Errors
    /// `quota`; nothing is counted then.
    pub(super) fn write(&self, bytes: u64) -> Result<(), Failure> {
        let max = self.max_bytes;
        add(&self.bytes, bytes, max).ok_or_else(|| {
            Failure::quota(match self.whole {
                true => format!("the workspace may hold {max} bytes"),
                false => format!("one call may write {max} bytes to this mount"),
            })
        })
    }

    /// Takes back what was counted and then not written.
    pub(super) fn unwrite(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Relaxed);
    }

    /// Counts a file, folder or link that is about to be made.
    ///
    /// # Errors
    /// `quota`; nothing is counted then.
    pub(super) fn create(&self) -> Result<(), Failure> {
        let max = self.max_files;
        add(&self.files, 1, max).ok_or_else(|| {
            Failure::quota(match self.whole {
                true => format!("the workspace may hold {max} files and folders"),
                false => format!("one call may create {max} files and folders in this mount"),
            })
        })
    }

    /// Takes back a file that was counted and then not made.
    pub(super) fn uncreate(&self) {
        self.files.fetch_sub(1, Relaxed);
    }
}

/// Takes `delta` from `counter`, down to 0; returns what it was.
fn take(counter: &AtomicU64, delta: u64) -> u64 {
    counter.fetch_update(Relaxed, Relaxed, |now| Some(now.saturating_sub(delta))).unwrap_or_else(|now| now)
}

/// Adds `delta` to `counter` unless the sum exceeds `max`.
fn add(counter: &AtomicU64, delta: u64, max: u64) -> Option<()> {
    let sum = |now: u64| now.checked_add(delta).filter(|sum| *sum <= max);
    counter.fetch_update(Relaxed, Relaxed, sum).ok().map(drop)
}

/// A stream into a file that counts what goes through it.
pub(super) struct Counted {
    inner: DynOutputStream,
    usage: Arc<Usage>,
    recorder: Recorder,
    /// Bytes between the file's end and the place of the first write: a hole that the first write makes.
    hole: u64,
}

impl Counted {
    /// `hole` is counted with the first write.
    pub fn new(inner: DynOutputStream, usage: Arc<Usage>, recorder: Recorder, hole: u64) -> Self {
        Self { inner, usage, recorder, hole }
    }

    fn count(&mut self, len: usize) -> StreamResult<()> {
        let bytes = (len as u64).saturating_add(if len > 0 { self.hole } else { 0 });
        match self.usage.write(bytes) {
            Ok(()) => {
                if len > 0 {
                    self.hole = 0;
                }
                Ok(())
            }
            Err(failure) => {
                self.recorder.failure(failure);
                Err(StreamError::LastOperationFailed(std::io::Error::from(std::io::ErrorKind::QuotaExceeded).into()))
            }
        }
    }
}

#[async_trait::async_trait]
impl OutputStream for Counted {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.count(bytes.len())?;
        self.inner.write(bytes)
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.count(bytes.len())?;
        self.inner.blocking_write_and_flush(bytes).await
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

#[async_trait::async_trait]
impl Pollable for Counted {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}
