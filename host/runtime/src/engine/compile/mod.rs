//! Compilation, bounded in time and memory (A20): in a child process that can be killed, or in this process under a smaller size.

mod child;
#[cfg(test)]
mod tests;
mod wire;
mod worker;

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use remit_core::{
    Error, Result,
    limit::{COMPILE_IN_PROCESS_MAX_BYTES, COMPONENT_MAX_BYTES},
};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

pub use self::worker::compile_worker_main;
use super::{
    artefact::{Artefact, Configuration},
    config::Settings,
    error::does_not_compile,
};

/// Compilations at once: each may take the whole memory bound.
const AT_ONCE: usize = 2;

/// Told when a compilation starts and ends. wasmtime says nothing in between: show something that turns, not a bar.
pub trait Progress: Send + Sync {
    /// The component `name` of `bytes` bytes is being compiled.
    fn started(&self, name: &str, bytes: u64);
    /// The compilation of `name` ended, one way or another.
    fn finished(&self, name: &str);
}

/// Compiles components for one engine configuration.
pub(super) struct Compiler {
    engine: wasmtime::Engine,
    configuration: Configuration,
    worker: Option<PathBuf>,
    deadline: Duration,
    memory_max_bytes: u64,
    progress: Option<Arc<dyn Progress>>,
    slots: Arc<Semaphore>,
}

impl Compiler {
    pub(super) fn new(engine: &wasmtime::Engine, configuration: Configuration, settings: &Settings) -> Self {
        Self {
            engine: engine.clone(),
            configuration,
            worker: settings.worker.clone(),
            deadline: settings.compile_deadline,
            memory_max_bytes: settings.compile_memory_max_bytes,
            progress: settings.progress.clone(),
            slots: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Compiles the component `name`. Cancel-safe: a worker is killed when the future is dropped.
    ///
    /// Without a worker the deadline ends the *waiting* only: the thread goes on until the compiler is done, and keeps one of two
    /// places until then. That is why such a component may be 8 MiB at most.
    ///
    /// # Errors
    /// `limit` for size, time or memory; `invalid` when it is no valid component; `host` when the worker cannot be run.
    pub(super) async fn compile(&self, name: &str, bytes: Bytes) -> Result<Artefact> {
        self.check_size(name, bytes.len() as u64)?;
        let waited = timeout(self.deadline, Arc::clone(&self.slots).acquire_owned()).await;
        let slot = waited.map_err(|_elapsed| self.too_long(name))?.map_err(|closed| Error::host("compilations have ended", closed))?;
        let _running = Running::start(self.progress.as_deref(), name, bytes.len() as u64);
        let Some(worker) = &self.worker else {
            let engine = self.engine.clone();
            let compiling = spawn_blocking(move || {
                let _slot = slot;
                engine.precompile_component(&bytes).map(Artefact::compiled).map_err(|error| does_not_compile(&format!("{error:#}")))
            });
            let joined = timeout(self.deadline, compiling).await.map_err(|_elapsed| self.too_long(name))?;
            return joined.map_err(|panicked| Error::host(format!("compiling `{name}` failed inside the compiler"), panicked))?;
        };
        let order = wire::Order { configuration: self.configuration, memory_max_bytes: self.memory_max_bytes, cpu_max_s: self.cpu_max_s() };
        let compiled = timeout(self.deadline, child::run(worker, &order, &bytes)).await.map_err(|_elapsed| self.too_long(name))?;
        drop(slot);
        compiled
    }

    fn check_size(&self, name: &str, size: u64) -> Result<()> {
        if size > COMPONENT_MAX_BYTES {
            return Err(Error::limit(format!("`{name}` has {size} bytes; a component may have {COMPONENT_MAX_BYTES}")));
        }
        if self.worker.is_none() && size > COMPILE_IN_PROCESS_MAX_BYTES {
            return Err(Error::limit(format!(
                "`{name}` has {size} bytes; without a compile worker a component may have {COMPILE_IN_PROCESS_MAX_BYTES}"
            ))
            .hint("name a compile worker when building the host (`worker(path)`); the `remit` binary is one"));
        }
        Ok(())
    }

    fn too_long(&self, name: &str) -> Error {
        Error::limit(format!("compiling `{name}` took longer than {} s", self.deadline.as_secs_f32()))
    }

    /// CPU time after which the kernel ends a worker whose parent is gone.
    fn cpu_max_s(&self) -> u64 {
        self.deadline.as_secs().saturating_add(1).saturating_mul(worker::threads() as u64)
    }
}

/// Tells the end of a compilation also when it is cancelled.
struct Running<'a> {
    progress: Option<&'a dyn Progress>,
    name: &'a str,
}

impl<'a> Running<'a> {
    fn start(progress: Option<&'a dyn Progress>, name: &'a str, bytes: u64) -> Self {
        tracing::info!(component = name, bytes, "compiling");
        if let Some(progress) = progress {
            progress.started(name, bytes);
        }
        Self { progress, name }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(progress) = self.progress {
            progress.finished(self.name);
        }
    }
}
