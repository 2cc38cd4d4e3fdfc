//! What was allowed, refused and done: one record per call.

use serde::Serialize;

use crate::{Blame, Kind, clock::Timestamp, grant::Denial, id::CallId, identity::Principal};

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

/// One record of the audit log. It holds no arguments and no results, so no secret.
#[derive(Debug, Clone, Serialize)]
pub struct AuditRecord<'a> {
    /// When the call ended.
    pub at: Timestamp,
    /// The call.
    pub call: CallId,
    /// Who acted.
    pub principal: &'a Principal,
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

/// Where audit records go. Called once at the end of each call, on the call's task: it must be quick.
pub trait AuditSink: Send + Sync {
    /// Takes one record.
    ///
    /// # Errors
    /// `host` when the record could not be kept; the call's result is then withheld.
    fn record(&self, record: &AuditRecord<'_>) -> crate::Result<()>;
}
