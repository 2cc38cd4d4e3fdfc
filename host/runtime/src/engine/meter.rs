//! CPU time of a call.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::time::{ClockId, clock_gettime};

/// Adds up the CPU time that a future's polls took, on whichever threads they ran. Clones share one sum, so that it can be read
/// also when the future was dropped half-way. Work that a poll hands to other threads (blocking file operations) is not counted.
#[derive(Debug, Clone, Default)]
pub struct CpuMeter(Arc<AtomicU64>);

impl CpuMeter {
    /// Runs `future`, counting. Cancel-safe: what was used until then stays counted.
    pub async fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            let before = thread_cpu_ns();
            let polled = future.as_mut().poll(context);
            self.0.fetch_add(thread_cpu_ns().saturating_sub(before), Ordering::Relaxed);
            polled
        })
        .await
    }

    /// CPU time so far, in microseconds.
    pub fn cpu_us(&self) -> u64 {
        self.0.load(Ordering::Relaxed) / 1000
    }
}

fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}
