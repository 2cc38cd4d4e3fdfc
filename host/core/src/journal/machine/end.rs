//! What the caller says of a turn's end, beside what its code returned.

use std::collections::BTreeMap;

use super::{Answer, Body, Machine, Record};
use crate::{Error, Kind, Result, clock::Timestamp, content::Blob, journal::MORE_USES, limit::GUEST_TEXT_MAX_CHARS};

impl Machine {
    /// Records an operation's end. What it used is told where there is room, and never in place of the result.
    pub(super) fn push_answer(&mut self, op: u32, answer: &Answer, at: Timestamp) -> Result<()> {
        match self.push(Body::end(op, answer.clone()), at) {
            Err(error) if error.kind == Kind::Limit && !answer.used.is_empty() => {
                let short = Answer { used: vec![MORE_USES.to_owned()], ..answer.clone() };
                self.push(Body::end(op, short), at)
            }
            pushed => pushed,
        }
    }

    /// Records what the turn leaves in workspaces, before it ends. Like the end, it is not bounded by the turn.
    ///
    /// # Errors
    /// `host` when the turn is over.
    pub fn captured(&mut self, trees: BTreeMap<String, Blob>, at: Timestamp) -> Result<()> {
        if self.over {
            return Err(Error::host("the turn is over", "a capture"));
        }
        self.pending.push(Record { seq: self.next_seq, at, body: Body::Workspaces { trees } }.encode()?);
        self.next_seq += 1;
        Ok(())
    }

    /// Ends the turn as failed, wherever it is: what the journal has ahead does not matter any more. A turn that is over stays as it is.
    pub fn abandon(&mut self, kind: Kind, message: String, at: Timestamp) -> Result<()> {
        self.ahead.clear();
        if self.over {
            return Ok(());
        }
        self.push_end(&Record { seq: self.next_seq, at, body: self.failure(kind, &message) })
    }

    /// The record of a turn that failed.
    pub(super) fn failure(&self, kind: Kind, message: &str) -> Body {
        Body::TurnFailed { kind, message: message.chars().take(GUEST_TEXT_MAX_CHARS).collect(), carried: self.carried.clone() }
    }
}
