//! The engine: wasmtime's configuration, pool, compile cache, epochs, limits.
//!
//! [`Engine::component`] turns bytes into a component (from the cache, or compiled once for all who ask), [`Engine::admit`] waits for
//! a place, [`Engine::store`] makes the store of one call with every bound set: none exists without a place, a deadline and a limiter.

mod artefact;
mod cache;
mod compile;
mod config;
mod error;
mod limiter;
mod loads;
mod meter;
mod room;
#[cfg(test)]
mod tests;
mod ticker;

use std::{sync::Arc, time::Instant};

use remit_core::{
    Error, Kind, Result,
    limit::{COMPONENT_HANDLES_MAX, HOSTCALL_FUEL},
    plugin::Digest,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout_at,
};
use wasmtime::{Store, component::Component};

pub(crate) use self::room::Room;
use self::{cache::Cache, loads::Loads, ticker::Ticker};
pub use self::{
    compile::{Progress, compile_worker_main},
    config::{Guests, PoolSettings, Settings},
    error::Failed,
    limiter::{Limiter, Refused},
    meter::CpuMeter,
    ticker::DeadlinePassed,
};
use crate::{capability::CallState, session::AgentState};

/// One configured wasmtime engine with all that it needs to run calls. Cheap to share; its ticker ends with it.
pub struct Engine {
    wasmtime: wasmtime::Engine,
    loads: Loads,
    ticker: Ticker,
    places: Arc<Semaphore>,
    calls: u32,
}

/// A place among the calls in flight, given back when it is dropped; keep it until the call's store is gone.
#[derive(Debug)]
pub struct Permit(#[expect(dead_code, reason = "held until it is dropped")] OwnedSemaphorePermit);

impl Engine {
    /// Starts an engine. A cache folder that cannot be used is not used, which the log says; one that others could have written to
    /// is refused.
    ///
    /// # Errors
    /// `invalid` for settings out of range; `denied` for an unsafe cache folder; `host` when the pool's address space or the ticker's
    /// thread cannot be had.
    pub fn new(settings: Settings) -> Result<Arc<Self>> {
        let wasmtime = config::engine(settings.guests, settings.pool)?;
        let cache = match settings.cache_dir.as_deref().map(|path| Cache::open(path, settings.cache_max_bytes)).transpose() {
            Err(error) if error.kind == Kind::Unavailable => {
                tracing::warn!(reason = %error, "compiled code is not kept");
                None
            }
            opened => opened?,
        };
        let calls = settings.calls();
        Ok(Arc::new(Self {
            ticker: Ticker::start(&wasmtime)?,
            loads: Loads::new(&wasmtime, cache, &settings),
            wasmtime,
            places: Arc::new(Semaphore::new(calls as usize)),
            calls,
        }))
    }

    /// wasmtime's own engine, for linkers.
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }

    /// The component with these `bytes`, whose digest is `digest`; `name` is for progress and messages. What is not in the cache is
    /// compiled once for everybody who asks at the same time. Cancel-safe: a worker is killed when nobody waits for it any more.
    ///
    /// # Errors
    /// `limit` for size, compile time or memory; `invalid` when it is no valid component; `host` when the compiler cannot be run.
    pub async fn component(&self, name: &str, bytes: &[u8], digest: &Digest) -> Result<Component> {
        self.loads.component(name, bytes, digest).await
    }

    /// The component with this compiled code, which the host handed to this process of its own.
    ///
    /// # Errors
    /// `host` when it was made for another engine.
    pub(crate) fn handed(&self, code: Vec<u8>) -> Result<Component> {
        artefact::Artefact::handed(code).load(&self.wasmtime)
    }

    /// Waits for a place among the calls in flight, in the order of asking. Cancel-safe.
    ///
    /// # Errors
    /// `limit` when there is none before `deadline`.
    pub async fn admit(&self, deadline: Instant) -> Result<Permit> {
        let place = timeout_at(deadline.into(), Arc::clone(&self.places).acquire_owned());
        let place = place.await.map_err(|_elapsed| {
            Error::limit(format!("{} calls are in flight, and none ended before this call's deadline", self.calls))
                .blame(remit_core::Blame::Host)
                .hint("call again later, or let the host allow more calls in flight")
        })?;
        place.map(Permit).map_err(|closed| Error::host("the engine has shut down", closed))
    }

    /// A place among the calls in flight, when one is free now.
    pub fn try_admit(&self) -> Option<Permit> {
        Arc::clone(&self.places).try_acquire_owned().ok().map(Permit)
    }

    /// The store of one call: its limiter, deadline, handle bound and `hostcall_fuel` (bytes that may be lifted out of the guest;
    /// usually [`HOSTCALL_FUEL`]) are set.
    pub fn store(&self, state: CallState, deadline: Instant, hostcall_fuel: usize) -> Store<CallState> {
        self.bounded(state, |state| &mut state.limiter, move || deadline, hostcall_fuel)
    }

    /// The store of one turn of an agent; `deadline` is asked again at each epoch, since it moves on with each step of the turn.
    pub fn agent_store(&self, state: AgentState, deadline: impl Fn() -> Instant + Send + Sync + 'static) -> Store<AgentState> {
        self.bounded(state, |state| &mut state.limiter, deadline, HOSTCALL_FUEL)
    }

    fn bounded<T: 'static>(
        &self,
        state: T,
        limiter: fn(&mut T) -> &mut Limiter,
        deadline: impl Fn() -> Instant + Send + Sync + 'static,
        hostcall_fuel: usize,
    ) -> Store<T> {
        let mut store = Store::new(&self.wasmtime, state);
        store.limiter(move |state| limiter(state));
        store.set_hostcall_fuel(hostcall_fuel);
        store.set_max_component_handles(COMPONENT_HANDLES_MAX as usize);
        self.ticker.arm(&mut store, deadline);
        store
    }

    /// Epochs that have passed: one every [`EPOCH_TICK_MS`](remit_core::limit::EPOCH_TICK_MS) while calls are in flight.
    pub fn epoch(&self) -> u64 {
        self.ticker.epoch()
    }

    /// Whether the epochs stand still because no call is in flight.
    pub fn is_idle(&self) -> bool {
        self.ticker.is_parked()
    }
}
