//! Turns without code of their own: calls that the host makes for whoever asks, side by side.

use super::{Machine, ToolCall};
use crate::{
    journal::{Body, Outcome},
    limit::{SERIES_CALLS_MAX, SERIES_MAX_BYTES},
};

impl Machine {
    /// Comes to the end of what the journal has: there is no code that would do it again. Returns the calls that have not ended.
    pub fn take_up(&mut self) -> Vec<(u32, ToolCall)> {
        let (ahead, ends) = (std::mem::take(&mut self.ahead), &self.ends);
        self.next_op = self.begun;
        let calls = ahead.into_iter().filter_map(|record| match record.body {
            Body::Call { op, call } if !ends.contains_key(&op) => Some((op, call)),
            _ => None,
        });
        calls.collect()
    }

    /// How an operation ended, if it has.
    pub fn outcome(&self, op: u32) -> Option<&Outcome> {
        self.ends.get(&op).map(|end| &end.outcome)
    }

    /// Whether the next calls belong into a turn of their own.
    pub fn is_long(&self) -> bool {
        self.begun >= SERIES_CALLS_MAX || self.bytes >= SERIES_MAX_BYTES
    }
}
