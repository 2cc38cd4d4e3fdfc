//! What the caller says of a turn's end, beside what its code returned.

use std::collections::BTreeMap;

use super::{Body, Machine, Record};
use crate::{Error, Kind, Result, clock::Timestamp, content::Blob, limit::GUEST_TEXT_MAX_CHARS};

impl Machine {
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
