//! The host's side of a compile worker: starts it, feeds it, reads a bounded answer, says how it ended.

use std::{os::unix::process::ExitStatusExt as _, path::Path, process::Stdio};

use remit_core::{Error, Result};
use rustix::process::Signal;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{ChildStdin, Command},
};

use super::{
    super::{artefact::Artefact, error::does_not_compile},
    wire::{ANSWER_BYTES, Answer, Order},
    worker,
};

/// Largest artefact; compiled code is three to five times its component.
const ARTEFACT_MAX_BYTES: u64 = 512 << 20;
/// Bytes of a worker's stderr that are kept, for logs only.
const STDERR_MAX_BYTES: u64 = 4096;

/// Has `worker` compile `component`. The child is killed when the future is dropped.
///
/// # Errors
/// `limit` when it ran out of memory or CPU time, or answered too much; `invalid` when the component is not valid; `host` otherwise.
pub(super) async fn run(worker: &Path, order: &Order, component: &[u8]) -> Result<Artefact> {
    let mut child = Command::new(worker)
        .arg("__compile")
        .env_clear()
        .env("RAYON_NUM_THREADS", worker::threads().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| cannot_run(worker, error))?;
    let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
        return Err(cannot_run(worker, "its pipes are missing"));
    };
    let most = ARTEFACT_MAX_BYTES + ANSWER_BYTES as u64;
    let (fed, answer, complaint) =
        tokio::join!(feed(stdin, order, component), read_at_most(stdout, most + 1), read_at_most(stderr, STDERR_MAX_BYTES));
    let answer = answer.map_err(|error| cannot_run(worker, error))?;
    if answer.len() as u64 > most {
        return Err(Error::limit(format!("the compiled code is larger than {ARTEFACT_MAX_BYTES} bytes")));
    }
    let status = child.wait().await.map_err(|error| cannot_run(worker, error))?;
    let complaint = complaint.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_else(|error| error.to_string());
    if !status.success() {
        return Err(ended(status, order, &complaint));
    }
    if let Err(error) = fed {
        return Err(cannot_run(worker, error));
    }
    understood(worker, answer)
}

async fn feed(mut stdin: ChildStdin, order: &Order, component: &[u8]) -> std::io::Result<()> {
    stdin.write_all(&order.encode(component.len() as u64)).await?;
    stdin.write_all(component).await?;
    stdin.shutdown().await
}

/// Reads up to `most` bytes, then lets go: a writer that has more to say gets a closed pipe.
async fn read_at_most(from: impl AsyncRead + Unpin, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

fn understood(worker: &Path, mut answer: Vec<u8>) -> Result<Artefact> {
    match Answer::parse(&answer) {
        Some((Answer::Artefact, _)) => {
            answer.drain(..ANSWER_BYTES);
            Ok(Artefact::compiled(answer))
        }
        Some((Answer::Invalid, message)) => Err(does_not_compile(&String::from_utf8_lossy(message))),
        Some((Answer::Failed, message)) => Err(cannot_run(worker, String::from_utf8_lossy(message))),
        None => Err(cannot_run(worker, "it gave no whole answer; does the binary know `__compile`?")),
    }
}

/// Why a worker ended early. Rust's allocator and stack guard abort with a sentence on stderr; the kernel kills with a signal.
fn ended(status: std::process::ExitStatus, order: &Order, complaint: &str) -> Error {
    let signal = status.signal();
    let is = |wanted: Signal| signal == Some(wanted.as_raw());
    let internal = format!("compile worker: {status}: {complaint}");
    if is(Signal::XCPU) {
        return Error::limit("compiling the component took too much CPU time").internal(internal);
    }
    if is(Signal::ABORT) && complaint.contains("has overflowed its stack") {
        return Error::limit("the component is nested too deeply to be compiled").internal(internal);
    }
    if is(Signal::KILL) || (is(Signal::ABORT) && complaint.contains("memory allocation")) {
        return Error::limit(format!("compiling the component needs more than {} MiB of memory", order.memory_max_bytes >> 20))
            .internal(internal);
    }
    Error::host("the compile worker failed", internal)
}

fn cannot_run(worker: &Path, why: impl std::fmt::Display) -> Error {
    Error::host(format!("the compile worker `{}` cannot be used", worker.display()), why)
}
