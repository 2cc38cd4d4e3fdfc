//! The audit log: what was allowed, refused and done. One record for each call and each decision, the leaves of a Merkle tree whose
//! roots are signed.

mod checkpoint;
mod event;
mod record;
mod tree;
mod verify;

pub use checkpoint::{Checkpoint, PublicKey, SignedCheckpoint, Signer};
pub use event::{ocsf, otlp};
pub use record::{
    Aside, AuditRecord, CallRecord, Decision, DecisionRecord, EpochRecord, KeyDecision, KeyRecord, Metering, Outcome, SecretDecision,
    SecretRecord,
};
pub use tree::{Hash, Tree, leaf_hash};
pub use verify::{Epoch, Fault, FaultKind, Report, Verifier};

use crate::store::Later;

/// When a record has to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Before [`AuditSink::record`] ends.
    Now,
    /// Before, or together with, what the session store commits next. A sink that is not the session store itself keeps it now.
    WithSession,
    /// Within [`AUDIT_LAG_MS`](crate::limit::AUDIT_LAG_MS).
    Soon,
}

/// Where audit records go.
///
/// A record is taken when [`AuditSink::record`] is called, and not first when its future is polled: dropping the future does not take it
/// back.
pub trait AuditSink: Send + Sync {
    /// Takes one record. Called at the end of each call and before each decision.
    ///
    /// # Errors
    /// When it could not be kept; the call's result is then withheld, and the decision is not made.
    fn record(&self, record: &AuditRecord<'_>, keep: Keep) -> Later<'static, ()>;

    /// Ends when the log can take records. Asked before each call.
    ///
    /// # Errors
    /// When a record that was taken could not be kept, and cannot be now; nothing is called then.
    fn ready(&self) -> Later<'static, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}
