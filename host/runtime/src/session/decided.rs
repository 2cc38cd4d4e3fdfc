//! Decisions about sessions, in the audit log.

use remit_core::{
    Result,
    audit::{AuditRecord, Decision, DecisionRecord, Keep},
    id::{SessionId, WaitId},
    identity::{Context, Principal},
};

use crate::host::Inner;

/// What a decision is about.
#[derive(Clone, Copy)]
pub(super) enum About<'a> {
    Session(SessionId),
    Wait(SessionId, WaitId),
    Everything(&'a Principal),
    /// What the project keeps no longer.
    Old,
}

impl Inner {
    /// Records a decision, and has it take effect then: one that cannot be recorded is not made. Where it is refused, that is recorded too.
    ///
    /// # Errors
    /// `host` when it cannot be recorded; those of `act`.
    pub(super) async fn decided<T, F>(
        &self,
        context: &Context,
        project: &str,
        decision: Decision,
        about: About<'_>,
        act: impl FnOnce() -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let (session, wait, of) = match about {
            About::Session(session) => (Some(session), None, None),
            About::Wait(session, wait) => (Some(session), Some(wait), None),
            About::Everything(of) => (None, None, Some(of)),
            About::Old => (None, None, None),
        };
        let record = |refused| {
            let (at, principal, delegation) = (self.services().clock.now(), &context.principal, context.delegation.as_slice());
            let record = DecisionRecord { at, decision, principal, delegation, project, session, wait, of, plugin: None, refused };
            self.services().audit.record(&AuditRecord::Decision(record), Keep::Now)
        };
        let recorded = record(None).await;
        let done = match recorded {
            Ok(()) => act().await,
            Err(error) => Err(error),
        };
        if let Err(error) = &done {
            record(Some(error.kind)).await?;
        }
        done
    }
}
