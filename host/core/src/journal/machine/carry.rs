//! What the operations of a turn leave for those that come after them.

use super::Machine;
use crate::{
    journal::{Body, Carried, Outcome, Wait},
    label::Labels,
};

impl Machine {
    /// What the session goes on with, with all that the turn's operations brought so far.
    pub fn carried(&self) -> &Carried {
        &self.carried
    }

    /// Remembers a call that a person is asked about.
    pub(super) fn note_asked(&mut self, body: &Body) {
        if let Body::Wait { op, wait: Wait::Approval { call: Some(call), .. } } = body {
            self.asked.insert(*op, call.clone());
        }
    }

    /// Takes on what the end of `op`, which is record `seq`, brought.
    pub(super) fn carry(&mut self, op: u32, seq: u64, outcome: &Outcome, labels: Labels) {
        self.carried.take_on(self.asked.get(&op), seq, outcome, labels);
    }
}
