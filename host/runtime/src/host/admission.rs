//! What is decided about a call before anything runs, and what a project says of labels.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
};

use remit_core::{
    Error, Result,
    grant::Denial,
    halt::Refusal,
    id::SessionId,
    identity::Context,
    label::{Flow, Label, Labels},
    limit::DELEGATION_MAX_DEPTH,
};

use super::{Inner, Request, Served};
use crate::{
    capability::{Denials, Seen},
    plugin::Loaded,
    session::too_deep,
};

impl Served {
    /// What a call begins with; nothing is ever seen where labels are not enforced.
    pub(super) fn seen(&self, context: &Context, request: &Request<'_>) -> Arc<Seen> {
        if !self.labels.enforce {
            return Arc::default();
        }
        let origin = format!("{}/{}", request.plugin, request.tool);
        Arc::new(Seen::new(origin, context.labels.clone(), request.cleared.clone()))
    }

    /// What the end of a call brings, whatever its grants brought while it ran. The result of a call that was cut off comes without that: it
    /// may hold whatever the grants lead to.
    pub(super) fn brings(&self, plugin: &Loaded, request: &Request<'_>, settles: bool) -> BTreeSet<Label> {
        let mut labels = self.labels.gives(request.plugin, request.tool, plugin.spec.source.is_outside());
        if settles {
            labels.extend(plugin.spec.granted.labels());
        }
        labels
    }
}

impl Inner {
    /// What is decided before anything runs: what is halted, the caller's role, the approval, the depth of the chain, labels.
    pub(super) fn admissible(
        &self,
        context: &Context,
        request: &Request<'_>,
        (served, plugin): (&Served, &Loaded),
        denials: &Denials,
    ) -> Result<()> {
        if let Some(Refusal { reason, hint }) = self.halted(&context.principal, request.plugin)? {
            let denial = Denial::halted(request.plugin, request.tool, reason);
            let error = Error::denied(denial.to_string()).hint(hint).code("E-HALTED");
            denials.record(denial);
            return Err(error);
        }
        if !context.role.allows(request.plugin, request.tool) {
            let denial = Denial::role(request.plugin, request.tool, &context.principal.to_string());
            let error = Error::denied(denial.to_string()).hint("give the principal a role with this tool in `[roles]` of `remit.toml`");
            denials.record(denial);
            return Err(error);
        }
        if let Some(denial) = context.held.refusal(request.plugin, request.tool) {
            let error = Error::denied(denial.to_string());
            denials.record(denial);
            return Err(error);
        }
        if context.delegation.len() > DELEGATION_MAX_DEPTH {
            return Err(too_deep());
        }
        if plugin.spec.asks(request.tool) && !request.approved {
            let denial = Denial::approval(request.plugin, request.tool);
            let error = Error::denied(denial.to_string()).hint("a person has to approve this very call").code("E-APPROVAL");
            denials.record(denial);
            return Err(error);
        }
        let decided =
            served.labels.decide((request.plugin, request.tool), plugin.spec.source.is_outside(), &context.labels, &request.cleared);
        if let Flow::Refuse(denial) | Flow::Ask(denial) = decided {
            let error = labelled(&denial, context.session);
            denials.record(denial);
            return Err(error);
        }
        Ok(())
    }

    /// Decides whether somebody who holds `held` may make the call of `request`, before it is made.
    ///
    /// # Errors
    /// `not-found` when no such project is loaded.
    pub(crate) fn flow(&self, request: &Request<'_>, held: &Labels) -> Result<Flow> {
        self.policy(request, |served, outside| served.labels.decide((request.plugin, request.tool), outside, held, &request.cleared))
    }

    /// What the project says that the tool of `request` brings.
    ///
    /// # Errors
    /// `not-found` when no such project is loaded.
    pub(crate) fn gives(&self, request: &Request<'_>) -> Result<BTreeSet<Label>> {
        self.policy(request, |served, outside| served.labels.gives(request.plugin, request.tool, outside))
    }

    /// Asks a project about a tool of it; the second part is whether it is an outside server's.
    fn policy<T>(&self, request: &Request<'_>, ask: impl FnOnce(&Served, bool) -> T) -> Result<T> {
        let projects = self.projects.read().unwrap_or_else(PoisonError::into_inner);
        let served = projects.get(request.project).ok_or_else(|| Error::not_found("the project is loaded no more"))?;
        let outside = served.plugins.get(request.plugin).is_some_and(|plugin| plugin.spec.source.is_outside());
        Ok(ask(served, outside))
    }
}

/// The error of a call that is refused because of labels.
pub(crate) fn labelled(denial: &Denial, session: Option<SessionId>) -> Error {
    let error = Error::denied(denial.to_string()).code("E-LABELS");
    let error = match session {
        Some(session) => error.hint(format!("go on from before that call: remit session fork {session} --at RECORD")),
        None => error,
    };
    error.hint("what the project says of the tool stands in `[labels.tools]` of `remit.toml`")
}
