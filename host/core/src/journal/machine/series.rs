//! Turns without code of their own: calls that the host makes for whoever asks, side by side.

use super::{Machine, ToolCall};
use crate::{
    Result,
    clock::Timestamp,
    journal::{Answer, Body},
    limit::{SERIES_CALLS_MAX, SERIES_MAX_BYTES},
};

impl Machine {
    /// Comes to the end of what the journal has: there is no code that would do it again. Returns the calls that have not ended.
    pub fn take_up(&mut self) -> Vec<(u32, ToolCall)> {
        let ahead = std::mem::take(&mut self.ahead);
        self.next_op = self.begun;
        self.ends.values_mut().for_each(|end| end.outcome = None);
        let calls = ahead.into_iter().filter_map(|record| match record.body {
            Body::Call { op, call } if !self.ends.contains_key(&op) => Some((op, call)),
            _ => None,
        });
        calls.collect()
    }

    /// [`Machine::end`], for an operation whose outcome no code will see: it is not kept here, so that a turn of many calls stays small.
    ///
    /// # Errors
    /// Those of [`Machine::end`].
    pub fn conclude(&mut self, op: u32, answer: impl Into<Answer>, at: Timestamp) -> Result<()> {
        self.end(op, answer, at)?;
        if let Some(end) = self.ends.get_mut(&op) {
            end.outcome = None;
        }
        self.asked.remove(&op);
        Ok(())
    }

    /// Whether the next calls belong into a turn of their own.
    pub fn is_long(&self) -> bool {
        self.begun >= SERIES_CALLS_MAX || self.bytes >= SERIES_MAX_BYTES
    }
}
