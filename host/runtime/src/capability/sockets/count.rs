//! The two directions of a connection, counted as what the plugin sends and receives (N15).

use std::sync::Arc;

use bytes::Bytes;
use remit_core::grant::Denial;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult};

use crate::capability::{Call, spend::Traffic};

/// What a guest reads.
struct Received {
    inner: DynInputStream,
    count: Count,
}

/// What a guest writes.
struct Sent {
    inner: DynOutputStream,
    count: Count,
}

struct Count {
    call: Arc<Call>,
    /// The other side, as denials show it.
    peer: String,
}

/// `inner`, counted.
pub(super) fn received(inner: DynInputStream, call: &Arc<Call>, peer: &str) -> DynInputStream {
    Box::new(Received { inner, count: Count::new(call, peer) })
}

/// `inner`, counted.
pub(super) fn sent(inner: DynOutputStream, call: &Arc<Call>, peer: &str) -> DynOutputStream {
    Box::new(Sent { inner, count: Count::new(call, peer) })
}

impl Count {
    fn new(call: &Arc<Call>, peer: &str) -> Self {
        Self { call: call.clone(), peer: peer.to_owned() }
    }

    fn add(&self, traffic: Traffic, bytes: usize) -> StreamResult<()> {
        self.call.spend.spend(traffic, bytes as u64).map_err(|reason| {
            let what = format!("exchange data with {}", self.peer);
            self.call.denials.record(Denial::quota(&self.call.rights.resolved.plugin, "sockets", &what, reason.clone()));
            StreamError::LastOperationFailed(wasmtime::Error::msg(reason))
        })
    }
}

#[async_trait::async_trait]
impl Pollable for Received {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[async_trait::async_trait]
impl InputStream for Received {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let bytes = self.inner.read(size)?;
        self.count.add(Traffic::Received, bytes.len())?;
        Ok(bytes)
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

#[async_trait::async_trait]
impl Pollable for Sent {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[async_trait::async_trait]
impl OutputStream for Sent {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.count.add(Traffic::Sent, bytes.len())?;
        self.inner.write(bytes)
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
