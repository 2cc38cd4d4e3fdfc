//! Plugins with `isolation = "process"`: their calls run in a process of their own, so that a mistake of the engine is not one of the
//! host.
//!
//! The process is one of the host's worker. It has the compiled code, and nothing else: no files, no network, no secrets, no
//! environment, and no system call but those of computing and of one socket. Every decision stays here: what the guest asks, the
//! process passes on, and the host answers by the functions that guests in its own process call, with the rights of that very call.
//!
//! `wire` is what both say; `process` starts and ends one; `apart` runs a call in one; `answer` and `exchange` answer; `child` is what
//! the process does.

mod answer;
mod apart;
mod child;
mod exchange;
mod fault;
mod process;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use remit_core::{
    Error, Result,
    id::SessionId,
    identity::Principal,
    limit::{ISOLATED_CPU_S, ISOLATED_IDLE_MAX, ISOLATED_OVERHEAD_BYTES},
    plugin::{Effect, Isolation, Kind},
};

pub(crate) use self::apart::Apart;
pub use self::child::isolation_worker_main;
use self::{
    process::{Process, Starter},
    wire::{Bounds, Function, Start},
};
use crate::plugin::Plugin;

/// The compiled code of an isolated plugin, and what of it can be called.
pub(crate) struct Code {
    plugin: String,
    kind: Kind,
    bytes: Vec<u8>,
    /// Of a component of plain functions: where each is.
    functions: HashMap<String, Function>,
}

impl Code {
    /// The code of `plugin`; `functions` are its tools with interface and name, where it has plain functions.
    pub fn new(plugin: &Plugin, bytes: Vec<u8>, functions: impl Iterator<Item = (String, Option<String>, String)>) -> Self {
        let functions = functions.map(|(tool, interface, function)| (tool, Function { interface, function })).collect();
        Self { plugin: plugin.name.to_string(), kind: plugin.kind, bytes, functions }
    }
}

/// For whom a process was started, and with which rights: nobody else ever gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Whose {
    pub principal: Principal,
    pub session: Option<SessionId>,
    pub effect: Effect,
}

/// The processes of one host.
pub(crate) struct Isolated {
    worker: Option<PathBuf>,
    starter: OnceLock<Result<Starter>>,
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    code: Arc<Code>,
    whose: Whose,
    process: Process,
}

impl Isolated {
    /// None yet; `worker` is the program that they run.
    pub fn new(worker: Option<PathBuf>) -> Self {
        Self { worker, starter: OnceLock::new(), idle: Mutex::default() }
    }

    /// Checks that the calls of `plugin` can run where they have to.
    ///
    /// # Errors
    /// `invalid`, saying what is missing.
    pub fn accepts(&self, plugin: &Plugin) -> Result<()> {
        plugin.isolation.carries(plugin.name.as_str(), &plugin.granted)?;
        let refused = |why: &str, hint: &str| {
            Err(Error::invalid(format!("`{}` cannot be isolated: {why}", plugin.name)).hint(format!("{hint}, or leave `isolation` out")))
        };
        match plugin.isolation {
            Isolation::None => Ok(()),
            Isolation::Process if !cfg!(target_os = "linux") => refused("this system has no `seccomp`", "run it on Linux"),
            Isolation::Process if plugin.kind == Kind::Agent => refused("it is an agent", "make it a tool"),
            Isolation::Process if plugin.source.is_outside() => refused("it is an outside server", "run a component"),
            Isolation::Process if self.worker.is_none() => {
                refused("this host names no worker", "name one when building the host (`worker(path)`)")
            }
            Isolation::Process => Ok(()),
        }
    }

    /// A process for `code` that belongs to `whose`: one that waits, or a new one. `memory_bytes` is what its guests may have.
    ///
    /// # Errors
    /// `host` when it cannot be started.
    async fn take(&self, code: &Arc<Code>, whose: &Whose, memory_bytes: usize) -> Result<Process> {
        if let Some(process) = self.waiting(code, whose) {
            return Ok(process);
        }
        let worker = self.worker.as_deref().ok_or_else(|| Error::host("this host names no worker", &code.plugin))?;
        let starter = self.starter.get_or_init(Starter::new).as_ref().map_err(Clone::clone)?;
        let code_bytes = code.bytes.len() as u64;
        let data_bytes = (memory_bytes as u64).saturating_add(code_bytes.saturating_mul(2)).saturating_add(ISOLATED_OVERHEAD_BYTES);
        let bounds = Bounds { data_bytes, cpu_s: ISOLATED_CPU_S.saturating_mul(2) };
        Process::start(starter, worker, &Start { kind: code.kind, code_bytes, bounds }, &code.bytes).await
    }

    fn waiting(&self, code: &Arc<Code>, whose: &Whose) -> Option<Process> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // What nobody serves any more is let go of.
        idle.retain(|idle| Arc::strong_count(&idle.code) > 1 || Arc::ptr_eq(&idle.code, code));
        while let Some(at) = idle.iter().position(|idle| Arc::ptr_eq(&idle.code, code) && idle.whose == *whose) {
            let process = idle.remove(at)?.process;
            if process.is_quiet() {
                return Some(process);
            }
        }
        None
    }

    /// Keeps a process for the next call of the same, unless it grew old. The one that waits longest makes room.
    fn keep(&self, code: &Arc<Code>, whose: &Whose, process: Process) {
        if process.spent_us / 1_000_000 >= ISOLATED_CPU_S {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push_back(Idle { code: Arc::clone(code), whose: whose.clone(), process });
        if idle.len() > ISOLATED_IDLE_MAX {
            idle.pop_front();
        }
    }
}
