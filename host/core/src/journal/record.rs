//! What a journal holds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Carried;
use crate::{
    Error, Kind, Result,
    clock::Timestamp,
    content::{Blob, Kept},
    grant::Chain,
    id::{SessionId, WaitId},
    identity::Principal,
    label::{Label, Labels},
    limit::RECORD_MAX_BYTES,
    plugin::{Effect, text::visible},
};

/// Stands for the requests of a call that its record has no room for.
pub const MORE_USES: &str = "more";

/// One entry of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number in the journal, from 0.
    pub seq: u64,
    /// When it was made.
    pub at: Timestamp,
    /// What it says.
    pub body: Body,
}

/// A record as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number in the journal, from 0.
    pub seq: u64,
    /// When it was made.
    pub at: Timestamp,
    /// Its body, as JSON.
    pub text: String,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Body {
    /// A turn began.
    TurnStart(Box<TurnStart>),
    /// The agent called a tool. For `once` and `idempotent` it is durable before the tool runs.
    Call {
        /// The operation.
        op: u32,
        /// What was called.
        call: ToolCall,
    },
    /// The agent waits.
    Wait {
        /// The operation.
        op: u32,
        /// For what.
        wait: Wait,
    },
    /// An operation ended.
    End {
        /// The operation.
        op: u32,
        /// How.
        outcome: Outcome,
        /// What the session had not seen before it.
        #[serde(skip_serializing_if = "Labels::is_empty", default)]
        labels: Labels,
        /// Of a call: the requests that it was allowed, each once and in words, `fetch http GET https://example.com/`; [`MORE_USES`] is
        /// last where they are not all. A journal of before this was recorded has none. A replay passes them by.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        used: Vec<String>,
    },
    /// The agent took the result of an operation of a group.
    Take {
        /// The operation.
        op: u32,
    },
    /// The agent let go of a group before it took the result of this operation.
    Cancel {
        /// The operation.
        op: u32,
    },
    /// The agent set a key of its state, or removed it.
    State {
        /// The key.
        key: String,
        /// The value; none removes it.
        #[serde(with = "base64_text")]
        value: Option<Vec<u8>>,
    },
    /// The agent asked whether later code may run.
    Patch {
        /// The name of the change.
        name: String,
    },
    /// What the turn left in workspaces of the session: written just before its end. A replay passes it by.
    Workspaces {
        /// The plugin whose workspace was written → its tree.
        trees: BTreeMap<String, Blob>,
    },
    /// The turn ended with this output, a JSON text.
    TurnEnd {
        /// The output.
        output: String,
        /// What the next turn goes on with.
        #[serde(skip_serializing_if = "Carried::is_empty", default)]
        carried: Carried,
    },
    /// The turn failed. It is not tried again.
    TurnFailed {
        /// What sort of failure.
        kind: Kind,
        /// In one line.
        message: String,
        /// What the next turn goes on with.
        #[serde(skip_serializing_if = "Carried::is_empty", default)]
        carried: Carried,
    },
}

/// All that a turn can observe besides what it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TurnStart {
    /// The turn's number, from 0.
    pub turn: u32,
    /// The input, a JSON text.
    pub input: String,
    /// The key that the input came with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// The agent's component, `sha256:…`: the turn goes on with this one and no other.
    pub digest: String,
    /// The version that the component says it has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<String>,
    /// The version of the component that left the state, when it was another component: the agent may bring the state to its own form
    /// first. Empty where that one said none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub migrates_from: Option<String>,
    /// Remit's version.
    pub remit: String,
    /// The seed of its randomness.
    pub seed: u64,
    /// All its memories and tables together, in MiB.
    pub memory_mib: u32,
    /// How long its own code may run between two steps, in milliseconds.
    pub grace_ms: u64,
    /// The user's time zone.
    pub time_zone: String,
    /// Who called on the way here, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub delegation: Vec<String>,
    /// What the principal, each agent that called on the way here and this agent could call when the turn began. A journal that was
    /// made before this was recorded has none, and then only the rights of now count.
    #[serde(skip_serializing_if = "Chain::is_empty", default)]
    pub held: Chain,
    /// What the turns before left, and what the caller has seen.
    #[serde(skip_serializing_if = "Carried::is_empty", default)]
    pub carried: Carried,
}

/// A call of a tool, as it is made known before it happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ToolCall {
    /// `plugin/tool`.
    pub tool: String,
    /// The arguments, as the agent wrote them.
    pub arguments: String,
    /// What may be repeated.
    pub effect: Effect,
    /// The tool's component, `sha256:…`.
    pub digest: String,
    /// Names the effect: the same for every repetition.
    pub key: String,
    /// Labels that a person saw and let go with this call.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub cleared: BTreeSet<Label>,
}

/// The exact call that an approval is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingCall {
    /// `plugin/tool`.
    pub tool: String,
    /// The arguments, as the agent wrote them.
    pub arguments: String,
    /// The tool's component, `sha256:…`.
    pub digest: String,
    /// What may be repeated. A journal that was made before this was recorded has none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub effect: Option<Effect>,
    /// What the session has seen, which the call may send: an approval is for these, and no more.
    #[serde(skip_serializing_if = "Labels::is_empty", default)]
    pub labels: Labels,
}

/// What a turn waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Wait {
    /// A person's yes or no.
    Approval {
        /// Its id.
        id: WaitId,
        /// In one line.
        title: String,
        /// In full.
        details: String,
        /// When it expires.
        due: Timestamp,
        /// The call that the project wants approved, rather than a question of the agent's own.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        call: Option<PendingCall>,
    },
    /// A text.
    Input {
        /// Its id.
        id: WaitId,
        /// What is asked for.
        prompt: String,
    },
    /// A point in time.
    Timer {
        /// Its id.
        id: WaitId,
        /// When it is over.
        due: Timestamp,
    },
}

impl Wait {
    /// Its id.
    pub fn id(&self) -> WaitId {
        match self {
            Self::Approval { id, .. } | Self::Input { id, .. } | Self::Timer { id, .. } => *id,
        }
    }

    /// When it ends by itself.
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Approval { due, .. } | Self::Timer { due, .. } => Some(*due),
            Self::Input { .. } => None,
        }
    }

    /// Whether the agent asks for the same: what a replay compares. Ids and times are the host's.
    pub(super) fn same(&self, asked: &Self) -> bool {
        match (self, asked) {
            (
                Self::Approval { title, details, call, .. },
                Self::Approval { title: asked_title, details: asked_details, call: asked_call, .. },
            ) => match (call, asked_call) {
                (Some(call), Some(asked)) => call.tool == asked.tool && call.arguments == asked.arguments,
                (None, None) => title == asked_title && details == asked_details,
                _ => false,
            },
            (Self::Input { prompt, .. }, Self::Input { prompt: asked, .. }) => prompt == asked,
            (Self::Timer { due, .. }, Self::Timer { due: asked, .. }) => due == asked,
            _ => false,
        }
    }
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outcome {
    /// The tool answered, in the shape of MCP's `CallToolResult`.
    Output {
        /// `content` and `structuredContent`, a JSON text: what was recorded is what a replay gives back, to the last digit and however
        /// deep it is.
        output: String,
        /// The result itself, where it was too large: `output` then shows its beginning.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        kept: Option<Kept>,
    },
    /// It did not.
    Failed {
        /// What sort of failure; `in-doubt` when nobody can tell what became of it.
        kind: Kind,
        /// In one line.
        message: String,
    },
    /// A person said yes.
    Approved {
        /// Who.
        by: Principal,
        /// What they said with it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        note: Option<String>,
        /// The session for whose rest they said it; for this very call alone where there is none.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        session: Option<SessionId>,
    },
    /// A person said no.
    Denied {
        /// Who.
        by: Principal,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        note: Option<String>,
    },
    /// Nobody decided in time, or what was to be approved is no longer what it was.
    Expired {
        /// Which of them, in words.
        reason: String,
    },
    /// A person gave a text.
    Input {
        /// Who.
        by: Principal,
        /// The text.
        text: String,
    },
    /// The time came.
    Woken,
}

/// How a call ended, and what it brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How it ended.
    pub outcome: Outcome,
    /// What its caller had not seen before.
    pub labels: Labels,
    /// The requests that it was allowed, as [`Body::End`] says them.
    pub used: Vec<String>,
}

impl From<Outcome> for Answer {
    /// An end that brings nothing.
    fn from(outcome: Outcome) -> Self {
        Self { outcome, labels: Labels::default(), used: Vec::new() }
    }
}

impl Record {
    /// What a store keeps of it.
    ///
    /// # Errors
    /// `limit` over [`RECORD_MAX_BYTES`].
    pub fn encode(&self) -> Result<Line> {
        let text = serde_json::to_string(&self.body).map_err(|error| Error::host("a record cannot be written as JSON", error))?;
        if text.len() > RECORD_MAX_BYTES {
            let size = text.len();
            return Err(Error::limit(format!("a record of {size} bytes is too large for the journal; its bound is {RECORD_MAX_BYTES}")));
        }
        Ok(Line { seq: self.seq, at: self.at, text })
    }

    /// Reads a line that [`Record::encode`] made.
    ///
    /// # Errors
    /// `host` when it is none: the journal is damaged, or of a later version.
    pub fn decode(line: &Line) -> Result<Self> {
        let body = serde_json::from_str(&line.text).map_err(|error| {
            Error::host(format!("record {} of the journal cannot be read", line.seq), error)
                .hint("it may be of a later version of `remit`: use that one")
        })?;
        Ok(Self { seq: line.seq, at: line.at, body })
    }
}

impl Body {
    /// The end of an operation.
    pub fn end(op: u32, answer: impl Into<Answer>) -> Self {
        let Answer { outcome, labels, used } = answer.into();
        Self::End { op, outcome, labels, used }
    }

    /// What the agent did, in words, for reports and people.
    pub fn describe(&self) -> String {
        match self {
            Self::TurnStart(start) => format!("the start of turn {}", start.turn),
            Self::Call { call, .. } => describe_call(&call.tool, &call.arguments),
            Self::Wait { wait, .. } => describe_wait(wait),
            Self::End { op, .. } => format!("the end of operation {op}"),
            Self::Take { op } => format!("taking the result of operation {op}"),
            Self::Cancel { op } => format!("letting go of operation {op}"),
            Self::State { key, value: Some(_) } => format!("setting the state `{}`", visible(key, 64)),
            Self::State { key, value: None } => format!("removing the state `{}`", visible(key, 64)),
            Self::Patch { name } => format!("the patch `{}`", visible(name, 64)),
            Self::Workspaces { trees } => format!("what is left in {} workspaces", trees.len()),
            Self::TurnEnd { output, .. } => format!("the end of the turn with {}", visible(output, 160)),
            Self::TurnFailed { message, .. } => format!("the failure of the turn: {}", visible(message, 160)),
        }
    }
}

pub(super) fn describe_call(tool: &str, arguments: &str) -> String {
    format!("a call of `{}` with {}", visible(tool, 128), visible(arguments, 160))
}

fn describe_wait(wait: &Wait) -> String {
    match wait {
        Wait::Approval { call: Some(call), .. } => {
            format!("waiting for an approval of `{}` with {}", visible(&call.tool, 128), visible(&call.arguments, 160))
        }
        Wait::Approval { title, .. } => format!("waiting for the approval `{}`", visible(title, 160)),
        Wait::Input { prompt, .. } => format!("waiting for the input `{}`", visible(prompt, 160)),
        Wait::Timer { due, .. } => format!("waiting until {due}"),
    }
}

/// Bytes as base64, so that a record is text.
mod base64_text {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(value: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(bytes) => serializer.serialize_some(&STANDARD.encode(bytes)),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        Option::<String>::deserialize(deserializer)?.map(|text| STANDARD.decode(text).map_err(D::Error::custom)).transpose()
    }
}
