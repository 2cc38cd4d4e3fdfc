//! What sessions wait for.

use serde::{Deserialize, Serialize};

use super::Caller;
use crate::{
    clock::Timestamp,
    id::{SessionId, WaitId},
    identity::Principal,
    journal::{Outcome, PendingCall},
};

/// What a person is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitKind {
    /// A yes or no.
    Approval,
    /// Some text.
    Input,
    /// A point in time.
    Timer,
}

/// How it stands with a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitState {
    /// Undecided.
    Open,
    /// Decided, and not yet taken by the session.
    Decided,
    /// Taken by the session: it cannot be used again.
    Used,
    /// Its turn ended without it.
    Cancelled,
}

/// A wait that an append opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenWait {
    /// Its id.
    pub id: WaitId,
    /// Its operation in the turn.
    pub op: u32,
    /// What is waited for.
    pub kind: WaitKind,
    /// In one line.
    pub title: String,
    /// In full.
    pub details: String,
    /// The exact call that an approval is for.
    pub call: Option<PendingCall>,
    /// When it ends by itself: an approval expires, a timer rings.
    pub due: Option<Timestamp>,
}

/// A wait as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaitRow {
    /// Its id.
    pub id: WaitId,
    /// Its session.
    pub session: SessionId,
    /// The project's name.
    pub project: String,
    /// The agent's name.
    pub agent: String,
    /// For whom the session works.
    pub principal: Principal,
    /// The call that the session was made for.
    pub caller: Option<Caller>,
    /// Its operation in the turn.
    pub op: u32,
    /// What is waited for.
    pub kind: WaitKind,
    /// In one line.
    pub title: String,
    /// In full.
    pub details: String,
    /// The exact call that an approval is for.
    pub call: Option<PendingCall>,
    /// When it was opened.
    pub asked: Timestamp,
    /// When it ends by itself.
    pub due: Option<Timestamp>,
    /// How it stands.
    pub state: WaitState,
    /// The decision, once there is one.
    pub outcome: Option<Outcome>,
    /// When it was decided.
    pub decided: Option<Timestamp>,
}

/// A person's decision on a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The wait.
    pub wait: WaitId,
    /// `Approved`, `Denied` or `Input`.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
}
