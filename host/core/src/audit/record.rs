//! What one record says.

use serde::Serialize;

use super::tree::Tree;
use crate::{
    Blame, Kind,
    clock::Timestamp,
    grant::{Denial, ToolPattern},
    id::{CallId, EpochId, KeyId, SessionId, WaitId},
    identity::Principal,
    plugin::Effect,
    secret::Destination,
};

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// The tool answered.
    Done,
    /// It did not; `kind` says how.
    Failed {
        /// What sort of failure.
        kind: Kind,
        /// Whose fault.
        blame: Blame,
    },
}

/// What one call used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Metering {
    /// CPU time of the guest and of host calls on its thread, in microseconds.
    pub cpu_us: u64,
    /// Time from admission to the result, in microseconds.
    pub wall_us: u64,
    /// Most bytes of memories and tables at once.
    pub memory_peak_bytes: u64,
    /// Arguments, as JSON text.
    pub bytes_in: u64,
    /// Result, as JSON text.
    pub bytes_out: u64,
}

/// One record of the audit log. It holds no arguments, no results and no texts, so no secret.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum AuditRecord<'a> {
    /// A call.
    Call(CallRecord<'a>),
    /// A decision.
    Decision(DecisionRecord<'a>),
    /// A key that was made or taken back.
    Key(KeyRecord<'a>),
    /// A secret that was set or removed.
    Secret(SecretRecord<'a>),
    /// Where an epoch of the log begins; the log itself writes it.
    Epoch(EpochRecord<'a>),
}

impl AuditRecord<'_> {
    /// When it was made.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Call(record) => record.at,
            Self::Decision(record) => record.at,
            Self::Key(record) => record.at,
            Self::Secret(record) => record.at,
            Self::Epoch(record) => record.at,
        }
    }
}

/// What somebody did with a secret of the project. It is recorded before it takes effect; it tells nothing of the value.
#[derive(Debug, Clone, Serialize)]
pub struct SecretRecord<'a> {
    /// When.
    pub at: Timestamp,
    /// What was done.
    pub decision: SecretDecision,
    /// Who did it.
    pub principal: &'a Principal,
    /// The project's name.
    pub project: &'a str,
    /// The secret's name.
    pub secret: &'a str,
    /// The principal whose own it is; none for the project's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<&'a Principal>,
    /// Where it may go from now on.
    #[serde(skip_serializing_if = "<[Destination]>::is_empty")]
    pub destinations: &'a [Destination],
}

/// What can be done with a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretDecision {
    /// It was given a value.
    SetSecret,
    /// It was removed.
    RemoveSecret,
}

/// The first record of a log, or the first one after a backup took the place of the log.
#[derive(Debug, Clone, Serialize)]
pub struct EpochRecord<'a> {
    /// When.
    pub at: Timestamp,
    /// Names the epoch; drawn at random, so that no other log has it.
    pub epoch: EpochId,
    /// Who put the backup back; none for the first epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<&'a Principal>,
    /// The log that the backup took the place of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aside: Option<Aside>,
}

/// A log that a backup took the place of.
#[derive(Debug, Clone, Serialize)]
pub struct Aside {
    /// Its epoch.
    pub epoch: EpochId,
    /// Its records.
    pub size: u64,
    /// The root of its tree, in hex.
    pub root: String,
}

impl Aside {
    /// What is kept of the log with this epoch and tree.
    pub fn new(epoch: EpochId, tree: &Tree) -> Self {
        let root = tree.root().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { epoch, size: tree.size(), root }
    }
}

/// What somebody did with a key of the project. It is recorded before it takes effect.
#[derive(Debug, Clone, Serialize)]
pub struct KeyRecord<'a> {
    /// When.
    pub at: Timestamp,
    /// What was done.
    pub decision: KeyDecision,
    /// Who did it.
    pub principal: &'a Principal,
    /// The project's name.
    pub project: &'a str,
    /// The key.
    pub key: KeyId,
    /// The principal that it is for; none when what was kept of it is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<&'a Principal>,
    /// What it is narrowed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<&'a [ToolPattern]>,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// What can be done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyDecision {
    /// It was made.
    CreateKey,
    /// It was taken back.
    RevokeKey,
}

/// What somebody decided about a session, or about all that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Yes to what waits for an approval.
    Approve,
    /// Yes to it, and to each further call of the tool in the session.
    ApproveForSession,
    /// No to it.
    Deny,
    /// A text for what waits for one.
    Input,
    /// The end of the session.
    Kill,
    /// The removal of the session, or of all that is a principal's.
    Erase,
    /// The removal of sessions that ended long ago.
    Prune,
    /// Back to before one of its turns.
    Revert,
    /// A session that begins as this one was.
    Fork,
    /// The end of its turn as failed.
    Abandon,
    /// Another try of its turn that is quarantined.
    Retry,
    /// That a plugin or a principal runs nothing for now.
    Disable,
    /// That it runs again.
    Enable,
    /// That nothing runs for now.
    Stop,
    /// That what is not disabled runs again.
    Start,
}

/// A decision. It is recorded before it takes effect; where it is refused then, a second record says so.
#[derive(Debug, Clone, Serialize)]
pub struct DecisionRecord<'a> {
    /// When.
    pub at: Timestamp,
    /// What was decided.
    pub decision: Decision,
    /// Who decided.
    pub principal: &'a Principal,
    /// On whose way here.
    pub delegation: &'a [String],
    /// The project's name.
    pub project: &'a str,
    /// The session that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// What the session waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<WaitId>,
    /// The principal whose everything it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<&'a Principal>,
    /// The plugin that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<&'a str>,
    /// Why it did not take effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Kind>,
}

/// A call.
#[derive(Debug, Clone, Serialize)]
pub struct CallRecord<'a> {
    /// When the call ended.
    pub at: Timestamp,
    /// The call.
    pub call: CallId,
    /// Who acted.
    pub principal: &'a Principal,
    /// The key that let the principal in, when it came over HTTP with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// Tools on the way here.
    pub delegation: &'a [String],
    /// The project's name.
    pub project: &'a str,
    /// The plugin's name.
    pub plugin: &'a str,
    /// Its component, `sha256:…`.
    pub digest: &'a str,
    /// The tool.
    pub tool: &'a str,
    /// The tool's effect class; none when there is no such tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// The session that the call belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Whether the tool was not called: its plugin was asked what became of an earlier call that was cut off.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub settles: bool,
    /// SHA-256 of the arguments' JSON text, in hex.
    pub arguments_sha256: &'a str,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What was refused on the way.
    pub denials: &'a [Denial],
    /// What it used.
    #[serde(flatten)]
    pub metering: Metering,
}
