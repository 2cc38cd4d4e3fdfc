//! A process of an isolated plugin, from the host's side: started, spoken to, killed.

use std::{
    io,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream as Pair, process::ExitStatusExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
};

use bytes::Bytes;
use remit_core::{Error, Result};
use rustix::process::Signal;
use serde::Serialize;
use tokio::{
    io::AsyncWriteExt as _,
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::oneshot,
};

use super::wire::{Frames, Held, Start, ToHost, frame, message};

/// Largest first message of a process.
const FIRST_MAX_BYTES: usize = 64 << 10;

/// Starts and collects processes, on one thread for all of a host: the kernel ends a process when the thread that started it ends.
pub(super) struct Starter(mpsc::Sender<Job>);

enum Job {
    Start(Box<Command>, oneshot::Sender<io::Result<Child>>),
    End(Child, Option<oneshot::Sender<io::Result<ExitStatus>>>),
}

impl Starter {
    /// Starts the thread; it ends with this, and every process with it.
    ///
    /// # Errors
    /// `host` when no thread can be had.
    pub(super) fn new() -> Result<Self> {
        let (jobs, asked) = mpsc::channel();
        let thread = std::thread::Builder::new().name("remit-isolation".into()).spawn(move || asked.into_iter().for_each(work));
        thread.map_err(|error| Error::host("the thread that starts isolated plugins could not start", error))?;
        Ok(Self(jobs))
    }
}

fn work(job: Job) {
    match job {
        Job::Start(mut command, started) => {
            if let Err(Ok(unwanted)) = started.send(command.spawn()) {
                end(unwanted).unwrap_or_else(|error| tracing::warn!(%error, "an isolated process could not be ended"));
            }
        }
        Job::End(child, wanted) => {
            let ended = end_status(child);
            if let Some(wanted) = wanted {
                // Whoever asked may have been let go of.
                drop(wanted.send(ended));
            }
        }
    }
}

fn end(child: Child) -> io::Result<()> {
    end_status(child).map(drop)
}

/// Kills and collects it. One that had ended tells how.
fn end_status(mut child: Child) -> io::Result<ExitStatus> {
    child.kill()?;
    child.wait()
}

/// A child that is killed when it is let go of.
struct Running {
    child: Option<Child>,
    jobs: mpsc::Sender<Job>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if let Err(error) = child.kill() {
            tracing::warn!(%error, "an isolated process could not be killed");
        }
        // The thread collects it; without the thread, the kernel ended it.
        drop(self.jobs.send(Job::End(child, None)));
    }
}

/// A process that waits for a call, or runs one.
pub(super) struct Process {
    running: Running,
    frames: Frames<OwnedReadHalf>,
    out: OwnedWriteHalf,
    /// CPU time of its calls so far, in microseconds, as it tells.
    pub(super) spent_us: u64,
}

impl Process {
    /// Starts `worker` for the component with `code`, and waits until it is confined. Killed when the future is dropped.
    ///
    /// # Errors
    /// `host` when it cannot be started, or does not come so far.
    pub(super) async fn start(starter: &Starter, worker: &Path, start: &Start, code: &[u8]) -> Result<Self> {
        let cannot = |error: io::Error| cannot_run(worker, error);
        let (ours, theirs) = Pair::pair().map_err(cannot)?;
        let mut command = Command::new(PathBuf::from(worker));
        command.arg("__isolate").env_clear().current_dir("/");
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
        let (started, child) = oneshot::channel();
        let gone = |error: &dyn std::fmt::Display| cannot_run(worker, error);
        starter.0.send(Job::Start(Box::new(command), started)).map_err(|error| gone(&error))?;
        let child = child.await.map_err(|error| gone(&error))?.map_err(cannot)?;
        let running = Running { child: Some(child), jobs: starter.0.clone() };
        ours.set_nonblocking(true).map_err(cannot)?;
        let (from, out) = UnixStream::from_std(ours).map_err(cannot)?.into_split();
        let mut process = Self { running, frames: Frames::new(from), out, spent_us: 0 };
        let ready = match process.begin(&frame(start, FIRST_MAX_BYTES)?, code).await {
            Ok(ready) => ready,
            Err(error) => {
                let how = process.ended().await;
                return Err(cannot_run(worker, format!("it ended ({how}; {error}); does the binary know `__isolate`?")));
            }
        };
        match ready {
            ToHost::Ready(Held { namespaces }) => {
                tracing::debug!(namespaces, "an isolated process is ready");
                Ok(process)
            }
            ToHost::Unready(reason) => Err(cannot_run(worker, remit_core::plugin::text::visible(&reason, 400))),
            _ => Err(cannot_run(worker, "it did not begin as it should")),
        }
    }

    /// Hands over the code, and hears what the process says to that. One that is not ready need not take all of it.
    async fn begin(&mut self, start: &[u8], code: &[u8]) -> io::Result<ToHost> {
        let Self { frames, out, .. } = self;
        let mut handing = std::pin::pin!(async {
            out.write_all(start).await?;
            out.write_all(code).await
        });
        let mut handed = None;
        let said = loop {
            tokio::select! {
                said = frames.next(FIRST_MAX_BYTES) => break said?.ok_or(io::ErrorKind::UnexpectedEof)?,
                ended = &mut handing, if handed.is_none() => handed = Some(ended),
            }
        };
        let said = message(&said)?;
        match (&said, handed) {
            (ToHost::Ready(_), None) => handing.await?,
            (ToHost::Ready(_), Some(handed)) => handed?,
            _ => {}
        }
        Ok(said)
    }

    /// Says something.
    ///
    /// # Errors
    /// What writing fails with.
    pub(super) async fn say<T: Serialize>(&mut self, said: &T) -> io::Result<()> {
        let frame = frame(said, u32::MAX as usize).map_err(io::Error::other)?;
        self.out.write_all(&frame).await
    }

    /// The next message, of at most `max_bytes`. Cancel-safe.
    ///
    /// # Errors
    /// What reading fails with, `UnexpectedEof` at the end.
    pub(super) async fn hear(&mut self, max_bytes: usize) -> io::Result<Bytes> {
        self.frames.next(max_bytes).await?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Whether it is there and said nothing that it was not asked.
    pub(super) fn is_quiet(&self) -> bool {
        let mut one = [0];
        let waits = self.frames.source().try_read(&mut one);
        self.frames.is_empty() && matches!(waits, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Ends it; how it ended, in words.
    pub(super) async fn ended(&mut self) -> String {
        let (wanted, status) = oneshot::channel();
        if let Some(child) = self.running.child.take() {
            // Without the thread nothing is told.
            drop(self.running.jobs.send(Job::End(child, Some(wanted))));
        }
        match status.await {
            Ok(Ok(status)) => match status.signal() {
                Some(signal) if signal == Signal::SYS.as_raw() => "it made a system call that it may not make".to_owned(),
                Some(signal) => format!("killed by signal {signal}"),
                None => status.to_string(),
            },
            Ok(Err(error)) => error.to_string(),
            Err(_unknown) => "nobody knows how".to_owned(),
        }
    }
}

fn cannot_run(worker: &Path, why: impl std::fmt::Display) -> Error {
    Error::host(format!("the worker `{}` cannot run isolated plugins", worker.display()), why)
}
