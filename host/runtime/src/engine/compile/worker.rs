//! The compile worker's side: a process that reads one order, bounds itself, compiles and answers.

use std::{
    io::{Read, Write},
    process::ExitCode,
};

use remit_core::limit::COMPONENT_MAX_BYTES;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::{
    super::{
        artefact::Configuration,
        config::{self, Guests},
    },
    wire::{Answer, Order},
};

/// Most threads of a worker: each costs address space.
const THREADS_MAX: usize = 8;

/// Threads that a worker compiles with.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(THREADS_MAX)
}

/// What a binary does when it is started as `<binary> __compile` by a host that names it as its compile worker: one component in, its
/// compiled code out.
///
/// Bounds the *whole process* in address space and CPU time, for good: call it from a fresh process, and end the process with what it
/// returns. Nothing else may be written to `stdout`.
pub fn compile_worker_main(mut stdin: impl Read, mut stdout: impl Write) -> ExitCode {
    let (answer, content) = match read_order(&mut stdin) {
        Ok((order, component)) => compile(order, &component),
        Err(error) => (Answer::Failed, format!("the order cannot be read: {error}").into_bytes()),
    };
    match answer.write(&mut stdout, &content) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever asked is gone.
        Err(_closed) => ExitCode::FAILURE,
    }
}

/// Reads the order, and bounds the process before it reads the component.
fn read_order(stdin: &mut impl Read) -> std::io::Result<(Order, Vec<u8>)> {
    let (order, length) = Order::read(stdin)?;
    if length > COMPONENT_MAX_BYTES {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, format!("a component of {length} bytes is too large")));
    }
    bound(Resource::As, order.memory_max_bytes)?;
    bound(Resource::Cpu, order.cpu_max_s)?;
    bound(Resource::Core, 0)?;
    let mut component = Vec::new();
    stdin.take(length).read_to_end(&mut component)?;
    if component.len() as u64 != length {
        return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the component was cut off"));
    }
    Ok((order, component))
}

fn bound(resource: Resource, most: u64) -> std::io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}

fn compile(order: Order, component: &[u8]) -> (Answer, Vec<u8>) {
    let mut engines = [Guests::Tools, Guests::Agents].into_iter().map(|guests| config::engine(guests, None));
    let wanted = engines.find(|engine| engine.as_ref().map_or(true, |engine| Configuration::of(engine) == order.configuration));
    let engine = match wanted {
        Some(Ok(engine)) => engine,
        Some(Err(error)) => return (Answer::Failed, format!("{error} ({})", error.internal.as_deref().unwrap_or_default()).into_bytes()),
        None => return (Answer::Failed, b"the compile worker is of another version than the host".to_vec()),
    };
    match engine.precompile_component(component) {
        Ok(artefact) => (Answer::Artefact, artefact),
        Err(error) => (Answer::Invalid, format!("{error:#}").into_bytes()),
    }
}
