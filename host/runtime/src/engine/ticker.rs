//! Epochs: one thread an engine that looks at running guests every [`EPOCH_TICK_MS`], and sleeps while there are none.
#![expect(clippy::disallowed_methods, reason = "deadlines of running calls are measured here")]

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle, Thread},
    time::{Duration, Instant},
};

use remit_core::{Error, Result, limit::EPOCH_TICK_MS};
use wasmtime::{EngineWeak, Store, UpdateDeadline};

const TICK: Duration = Duration::from_millis(EPOCH_TICK_MS);
/// Ticks without a call in flight before the thread sleeps, so that a busy host does not wake it for every call.
const LINGER_TICKS: u32 = 100;

/// Why a guest was stopped: its deadline passed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the deadline passed")]
pub struct DeadlinePassed {
    /// The epoch in which the deadline was set.
    pub armed: u64,
    /// The first epoch that saw the deadline behind it; the guest was stopped in it.
    pub stopped: u64,
}

/// The ticking thread of one engine. It ends when this is dropped and no armed store is left.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

struct Shared {
    in_flight: AtomicUsize,
    epoch: AtomicU64,
    parked: AtomicBool,
    stopping: AtomicBool,
}

/// Keeps the ticker awake; held by every armed store.
struct InFlight {
    shared: Arc<Shared>,
    thread: Thread,
}

impl Ticker {
    /// Starts the thread for `engine`. It runs when this returns, so that a process may give up what starting a thread takes.
    ///
    /// # Errors
    /// `host` when no thread can be had.
    pub(super) fn start(engine: &wasmtime::Engine) -> Result<Self> {
        let shared = Arc::new(Shared {
            in_flight: AtomicUsize::new(0),
            epoch: AtomicU64::new(0),
            parked: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        });
        let (weak, theirs) = (engine.weak(), Arc::clone(&shared));
        let runs = Arc::new(Barrier::new(2));
        let running = Arc::clone(&runs);
        let thread = thread::Builder::new()
            .name("remit-epochs".into())
            .spawn(move || {
                running.wait();
                tick_until_stopped(&weak, &theirs);
            })
            .map_err(|error| Error::host("the engine's ticker thread could not start", error))?;
        runs.wait();
        Ok(Self { shared, thread })
    }

    /// Epochs since the engine started.
    pub(super) fn epoch(&self) -> u64 {
        self.shared.epoch.load(Ordering::SeqCst)
    }

    /// Whether the thread sleeps because nothing runs.
    pub(super) fn is_parked(&self) -> bool {
        self.shared.parked.load(Ordering::SeqCst)
    }

    /// Lets `store` run until `deadline`: it yields to its neighbours every epoch and is stopped with [`DeadlinePassed`] in the first
    /// epoch after the deadline, which is asked for each time.
    pub(super) fn arm<T: 'static>(&self, store: &mut Store<T>, deadline: impl Fn() -> Instant + Send + Sync + 'static) {
        let in_flight = InFlight::enter(self);
        let armed = self.epoch();
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| {
            if Instant::now() < deadline() {
                return Ok(UpdateDeadline::Yield(1));
            }
            Err(DeadlinePassed { armed, stopped: in_flight.shared.epoch.load(Ordering::SeqCst) }.into())
        });
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.thread.thread().unpark();
    }
}

impl InFlight {
    /// Counts one more store and wakes the thread if it sleeps. Both sides write before they read (sequentially consistent), so
    /// either the thread sees the count or this sees the thread parked.
    fn enter(ticker: &Ticker) -> Self {
        let entered = Self { shared: Arc::clone(&ticker.shared), thread: ticker.thread.thread().clone() };
        entered.shared.in_flight.fetch_add(1, Ordering::SeqCst);
        if entered.shared.parked.load(Ordering::SeqCst) {
            entered.thread.unpark();
        }
        entered
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.shared.in_flight.fetch_sub(1, Ordering::SeqCst);
        if self.shared.stopping.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
    }
}

fn tick_until_stopped(engine: &EngineWeak, shared: &Shared) {
    let mut quiet = 0;
    loop {
        let busy = shared.in_flight.load(Ordering::SeqCst) > 0;
        if !busy && shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        quiet = if busy { 0 } else { quiet + 1 };
        if quiet > LINGER_TICKS {
            park_while_idle(shared);
            quiet = 0;
            continue;
        }
        sleep_one_tick(shared);
        let Some(engine) = engine.upgrade() else { return };
        shared.epoch.fetch_add(1, Ordering::SeqCst);
        engine.increment_epoch();
    }
}

/// Sleeps until a store is armed or the ticker stops.
fn park_while_idle(shared: &Shared) {
    shared.parked.store(true, Ordering::SeqCst);
    while shared.in_flight.load(Ordering::SeqCst) == 0 && !shared.stopping.load(Ordering::SeqCst) {
        thread::park();
    }
    shared.parked.store(false, Ordering::SeqCst);
}

/// Sleeps a whole tick however often the thread is woken, unless it was woken to stop; so epochs are never shorter than a tick.
fn sleep_one_tick(shared: &Shared) {
    let end = Instant::now() + TICK;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let stop = shared.stopping.load(Ordering::SeqCst) && shared.in_flight.load(Ordering::SeqCst) == 0;
        if left.is_zero() || stop {
            return;
        }
        thread::park_timeout(left);
    }
}
