//! The world that an agent's language runtime sees: the journal's clock, the turn's randomness, and nothing else.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use remit_core::{clock::Timestamp, journal::Machine, limit::RANDOM_MAX_BYTES};
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::{
    HostWallClock, WasiCtx,
    p2::{
        DynPollable, Pollable,
        bindings::{
            clocks::monotonic_clock,
            random::{insecure, insecure_seed, random},
        },
        subscribe,
    },
};

use super::AgentState;
use crate::capability::stdio::Ring;

type Shared = Arc<Mutex<Machine>>;

/// The machine's time, for `wasi:clocks/wall-clock`.
struct Clock(Shared);

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.lock().unwrap_or_else(PoisonError::into_inner).now().0)
    }
}

/// No environment, no arguments, no folders, no network; what it prints is kept as `output`.
pub(super) fn context(machine: &Shared, output: &Ring) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder.wall_clock(Clock(machine.clone())).stdout(output.clone()).stderr(output.clone());
    builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    builder.build()
}

/// Links WASI, with clock and randomness of the turn in place of the machine's.
///
/// # Errors
/// When something is linked already.
pub(super) fn link(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<AgentState, HasSelf<AgentState>>(linker, |state| state)?;
    random::add_to_linker::<AgentState, HasSelf<AgentState>>(linker, |state| state)?;
    insecure::add_to_linker::<AgentState, HasSelf<AgentState>>(linker, |state| state)?;
    insecure_seed::add_to_linker::<AgentState, HasSelf<AgentState>>(linker, |state| state)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// A wait that is over: waiting for the clock moves the clock.
struct Over;

#[async_trait::async_trait]
impl Pollable for Over {
    async fn ready(&mut self) {}
}

impl AgentState {
    /// Nanoseconds since the turn began, in its own time.
    fn elapsed_ns(&self) -> u64 {
        let machine = self.machine();
        machine.now().0.saturating_sub(machine.began().0).saturating_mul(1_000_000)
    }

    fn pass(&mut self, nanoseconds: u64) -> wasmtime::Result<Resource<DynPollable>> {
        {
            let mut machine = self.machine();
            let to = machine.now().0.saturating_add(nanoseconds.div_ceil(1_000_000));
            machine.advance(Timestamp(to));
        }
        let over = self.table.push(Over)?;
        subscribe(&mut self.table, over)
    }

    fn bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        if length > RANDOM_MAX_BYTES {
            return Err(remit_core::Error::limit(format!("{length} random bytes at once are too many; at most {RANDOM_MAX_BYTES}")).into());
        }
        let mut bytes = vec![0; usize::try_from(length)?];
        self.machine().random().fill(&mut bytes);
        Ok(bytes)
    }
}

impl monotonic_clock::Host for AgentState {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.elapsed_ns())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1_000_000)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let left = when.saturating_sub(self.elapsed_ns());
        self.pass(left)
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.pass(duration)
    }
}

impl random::Host for AgentState {
    fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.bytes(length)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.machine().random().next_u64())
    }
}

impl insecure::Host for AgentState {
    fn get_insecure_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.bytes(length)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.machine().random().next_u64())
    }
}

impl insecure_seed::Host for AgentState {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        let mut machine = self.machine();
        Ok((machine.random().next_u64(), machine.random().next_u64()))
    }
}
