//! What the operations of a session leave for those that come after them.

use serde::{Deserialize, Serialize};

use super::{Outcome, PendingCall};
use crate::{id::SessionId, identity::Principal, label::Labels};

/// What a session goes on with from turn to turn besides its state. It only grows; a fork or a revert to before has what was there then.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Carried {
    /// What it has seen.
    #[serde(skip_serializing_if = "Labels::is_empty", default)]
    pub labels: Labels,
    /// Tools that a person allowed for its rest.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub allowed: Vec<Allowed>,
}

/// A tool that a person allowed for the rest of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Allowed {
    /// `plugin/tool`.
    pub tool: String,
    /// The tool's component, `sha256:…`: no other one is allowed.
    pub digest: String,
    /// The session. In a fork or an import nobody allowed anything.
    pub session: SessionId,
    /// Who allowed it.
    pub by: Principal,
}

impl Carried {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.allowed.is_empty()
    }

    /// Whether somebody allowed this component's `tool` for the rest of `session`.
    pub fn allows(&self, session: SessionId, tool: &str, digest: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed.session == session && allowed.tool == tool && allowed.digest == digest)
    }

    /// Takes on what the end of an operation, which is record `seq`, brought: labels, or a yes to `asked` for the rest of the session.
    pub(super) fn take_on(&mut self, asked: Option<&PendingCall>, seq: u64, outcome: &Outcome, labels: Labels) {
        self.labels.take_on(labels.renamed(|origin| format!("{origin}, record {seq}")));
        if let (Outcome::Approved { by, session: Some(session), .. }, Some(call)) = (outcome, asked) {
            let (tool, digest) = (call.tool.clone(), call.digest.clone());
            let allowed = Allowed { tool, digest, session: *session, by: by.clone() };
            if !self.allowed.contains(&allowed) {
                self.allowed.push(allowed);
            }
        }
    }
}
