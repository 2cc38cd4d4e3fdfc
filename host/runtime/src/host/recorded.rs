//! The record of a call in the audit log.

use std::borrow::Cow;

use remit_core::{
    Error, Result,
    audit::{AuditRecord, CallRecord, Keep, Outcome as Ending},
    grant::Denial,
    identity::Context,
    limit::NAMED_MAX_CHARS,
    plugin::{Digest, Effect, text::visible},
};

use super::{Inner, Outcome, Request, running::Running};

impl Inner {
    /// A call that was refused before it was made, with its record in the audit log.
    pub(crate) async fn refuse(&self, context: &Context, request: &Request<'_>, error: Error, denials: Vec<Denial>) -> Outcome {
        let result = self.audit(context, request, &Running::default(), &denials, Err(error)).await;
        Outcome::unrun(context.call, result, denials)
    }

    /// Records a call. What nobody may repeat, and what is refused before that is known, is durable before its result is shown; in a session
    /// that is so since the session's own records are.
    pub(super) async fn audit<T>(
        &self,
        context: &Context,
        request: &Request<'_>,
        running: &Running,
        denials: &[Denial],
        result: Result<T>,
    ) -> Result<T> {
        let digest = running.digest.map(|digest| digest.to_string()).unwrap_or_else(|| "unknown".to_owned());
        let record = AuditRecord::Call(CallRecord {
            at: self.services.clock.now(),
            call: context.call,
            principal: &context.principal,
            key: context.key,
            delegation: &context.delegation,
            project: request.project,
            plugin: &named(request.plugin),
            digest: &digest,
            tool: &named(request.tool),
            effect: running.effect,
            session: context.session,
            settles: running.settles,
            arguments_sha256: &Digest::of(request.arguments.as_bytes()).hex(),
            outcome: match &result {
                Ok(_) => Ending::Done,
                Err(error) => Ending::Failed { kind: error.kind, blame: error.blame },
            },
            denials,
            metering: running.metering,
        });
        let keep = match (running.effect, context.session) {
            (Some(Effect::Read), _) => Keep::Soon,
            (_, Some(_)) => Keep::WithSession,
            (_, None) => Keep::Now,
        };
        let recorded = self.services.audit.record(&record, keep);
        recorded.await?;
        result
    }
}

/// What was named, as long as a name may be.
fn named(name: &str) -> Cow<'_, str> {
    match name.len() > NAMED_MAX_CHARS {
        true => visible(name, NAMED_MAX_CHARS).into(),
        false => name.into(),
    }
}
