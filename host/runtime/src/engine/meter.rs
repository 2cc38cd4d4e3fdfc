//! CPU time of a call.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use rustix::time::{ClockId, clock_gettime};

/// A future that adds up the CPU time of its polls, on whichever threads they run. Work that a poll hands to other threads (blocking
/// file operations) is not counted. Cancel-safe as the inner future is: what was spent until it is dropped has been counted.
#[derive(Debug)]
pub struct CpuMeter<'a, F> {
    future: Pin<Box<F>>,
    spent_ns: u64,
    spent_us: &'a mut u64,
}

impl<'a, F: Future> CpuMeter<'a, F> {
    /// Meters `future`; `spent_us` is its CPU time after each poll, in microseconds.
    pub fn new(future: F, spent_us: &'a mut u64) -> Self {
        Self { future: Box::pin(future), spent_ns: 0, spent_us }
    }
}

impl<F: Future> Future for CpuMeter<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let before = thread_cpu_ns();
        let polled = self.future.as_mut().poll(context);
        self.spent_ns = self.spent_ns.saturating_add(thread_cpu_ns().saturating_sub(before));
        *self.spent_us = self.spent_ns / 1000;
        polled
    }
}

fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}
