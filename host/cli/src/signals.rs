//! Ctrl-C and SIGTERM, from the start of a command to its end.

use std::{
    mem, process,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::Context as _;
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{Exit, error};

/// Which signal ended a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// Ctrl-C.
    #[error("interrupted before it was done")]
    Interrupted,
    /// SIGTERM.
    #[error("terminated before it was done")]
    Terminated,
}

impl From<Stopped> for Exit {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Interrupted => Self::Interrupted,
            Stopped::Terminated => Self::Terminated,
        }
    }
}

/// Waits for both signals on a thread of its own, since a command also reads standard input, asks people and runs cargo, where no
/// async runtime would see them.
///
/// A signal drops what is [`Working`], and with it guests and the compile worker. Where nothing is, or when a second one comes, the
/// process ends at once.
pub struct Signals {
    working: Arc<Mutex<bool>>,
    stopped: watch::Receiver<Option<Stopped>>,
}

impl Signals {
    /// Starts waiting; `json` says in which form to tell the end.
    ///
    /// # Errors
    /// When the system gives no handler or no thread.
    pub fn listen(json: bool) -> anyhow::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_io().build().context("signals cannot be waited for")?;
        let (mut interrupts, mut terminations) = {
            let _inside = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        let working = Arc::new(Mutex::new(false));
        let (ask, stopped) = watch::channel(None);
        let theirs = Arc::clone(&working);
        let wait = async move {
            loop {
                let why = tokio::select! {
                    _ = interrupts.recv() => Stopped::Interrupted,
                    _ = terminations.recv() => Stopped::Terminated,
                };
                let mut working = lock(&theirs);
                if !mem::take(&mut *working) {
                    process::exit(error::print(&why.into(), json) as i32);
                }
                ask.send_replace(Some(why));
            }
        };
        thread::Builder::new().name("remit-signals".into()).spawn(move || runtime.block_on(wait)).context("no thread for signals")?;
        Ok(Self { working, stopped })
    }

    /// From now on there is something that a signal can drop.
    pub fn work(&self) -> Working<'_> {
        *lock(&self.working) = true;
        Working { signals: self, stopped: self.stopped.clone() }
    }
}

/// While this lives, a signal is told to whoever awaits [`Working::stopped`].
pub struct Working<'a> {
    signals: &'a Signals,
    stopped: watch::Receiver<Option<Stopped>>,
}

impl Working<'_> {
    /// Returns when a signal comes, or came already.
    pub async fn stopped(&mut self) -> Stopped {
        loop {
            if let Some(stopped) = *self.stopped.borrow_and_update() {
                return stopped;
            }
            if self.stopped.changed().await.is_err() {
                // The thread that would tell of signals is gone: none comes any more.
                return std::future::pending().await;
            }
        }
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        *lock(&self.signals.working) = false;
    }
}

fn lock(working: &Mutex<bool>) -> MutexGuard<'_, bool> {
    working.lock().unwrap_or_else(PoisonError::into_inner)
}
