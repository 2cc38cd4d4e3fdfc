//! CPU time of a call.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use rustix::time::{ClockId, clock_gettime};

/// A future that adds up the CPU time of its polls, on whichever threads they run, and gives it in microseconds beside its output.
/// Work that a poll hands to other threads (blocking file operations) is not counted. Cancel-safe as the inner future is.
#[derive(Debug)]
pub struct CpuMeter<F> {
    future: Pin<Box<F>>,
    cpu_ns: u64,
}

impl<F: Future> CpuMeter<F> {
    /// Meters `future`.
    pub fn new(future: F) -> Self {
        Self { future: Box::pin(future), cpu_ns: 0 }
    }
}

impl<F: Future> Future for CpuMeter<F> {
    type Output = (F::Output, u64);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let before = thread_cpu_ns();
        let polled = self.future.as_mut().poll(context);
        self.cpu_ns = self.cpu_ns.saturating_add(thread_cpu_ns().saturating_sub(before));
        polled.map(|output| (output, self.cpu_ns / 1000))
    }
}

fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}
