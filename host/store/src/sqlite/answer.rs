//! How a result gets from a thread of the store to whoever waits for it: a task of any executor, or a thread.

use std::sync::mpsc;

use futures::channel::oneshot;
use remit_core::{Error, Result, store::Later};

/// Where a result goes.
pub(super) struct Answer<T>(To<T>);

enum To<T> {
    Task(oneshot::Sender<Result<T>>),
    Thread(mpsc::SyncSender<Result<T>>),
}

impl<T: Send + 'static> Answer<T> {
    /// For a task.
    pub(super) fn later() -> (Self, Later<'static, T>) {
        let (to, from) = oneshot::channel();
        (Self(To::Task(to)), Box::pin(async { from.await.unwrap_or_else(|_| Err(closed())) }))
    }
}

impl<T> Answer<T> {
    /// For a thread, which blocks when it calls the function.
    pub(super) fn now() -> (Self, impl FnOnce() -> Result<T>) {
        let (to, from) = mpsc::sync_channel(1);
        (Self(To::Thread(to)), move || from.recv().unwrap_or_else(|_| Err(closed())))
    }

    /// Gives the result. Nobody may be waiting for it any more, which is fine.
    pub(super) fn give(self, result: Result<T>) {
        let gone = match self.0 {
            To::Task(to) => to.send(result).is_err(),
            To::Thread(to) => to.send(result).is_err(),
        };
        if gone {
            tracing::debug!("nobody waits for the answer of the state database");
        }
    }
}

fn closed() -> Error {
    Error::host("the state database was closed before it answered", "its thread has ended")
}
