//! What becomes of a thing that a turn's code does.

use std::collections::BTreeMap;

use super::{Outcome, PendingCall, ToolCall, Wait};

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallStep {
    /// It was made and ended so, or was refused by a person.
    Ended(Outcome),
    /// It was made, and how it ended is not known.
    InFlight {
        /// The operation.
        op: u32,
        /// What was called.
        call: ToolCall,
    },
    /// It waits for an approval.
    Waiting {
        /// The operation.
        op: u32,
        /// For what.
        wait: Wait,
    },
    /// It is new.
    New {
        /// What a person approved, if one did. It holds for the component of that digest alone; for another one the caller asks again.
        approved: Option<PendingCall>,
    },
}

/// What becomes of a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitStep {
    /// It is over.
    Ended(Outcome),
    /// It was begun and is not over.
    Waiting {
        /// The operation.
        op: u32,
        /// For what.
        wait: Wait,
    },
    /// It is new.
    New,
}

/// What becomes of a request for the next result of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakeStep {
    /// This one, as before.
    Taken {
        /// The operation.
        op: u32,
        /// How it ended.
        outcome: Outcome,
    },
    /// The first one to end; some may have ended already, and this one did first.
    New {
        /// The operation that ended first, if one did.
        ended: Option<u32>,
    },
}

/// What a turn that ended leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// What it changed of the state; nothing when it failed.
    pub state: BTreeMap<String, Option<Vec<u8>>>,
}
