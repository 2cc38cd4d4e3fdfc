//! `remit call --session`: a plain call in a session, and what goes on with such a session.

use std::collections::BTreeSet;

use remit_core::{
    Error,
    id::SessionId,
    identity::{Context, Role},
    plugin::text::visible,
};
use remit_runtime::{CallEnd, Host, Request, Verdict, project::OpenProject};
use serde_json::json;

use super::{call, run::print_wait};
use crate::{
    Exit,
    error::exit_of_call,
    output::{self, DIM, HEAD},
};

/// A call, and the session that it is made in.
pub struct InSession<'a> {
    pub host: &'a Host,
    pub context: &'a Context,
    pub request: &'a Request<'a>,
    /// The session's id or name.
    pub session: &'a str,
    pub key: Option<&'a str>,
}

impl InSession<'_> {
    async fn call(&self, session: SessionId, yes: bool) -> anyhow::Result<CallEnd> {
        let Self { host, context, request, key, .. } = *self;
        match host.call_in(context, request, session, key).await? {
            CallEnd::Waiting(wait) if yes => {
                host.decide(context, request.project, wait.id, Verdict::Approve(None)).await?;
                Ok(host.call_in(context, request, session, key).await?)
            }
            end => Ok(end),
        }
    }
}

impl super::Run {
    /// Makes the call; `yes` approves it where a person has to.
    pub(super) fn call_in(&self, asked: &InSession<'_>, yes: bool, promised: bool, revoked: &BTreeSet<String>) -> anyhow::Result<Exit> {
        let (session, end) = self.block_on(async {
            let session = asked.host.session_for_calls(asked.context, asked.request.project, Some(asked.session)).await?;
            let end = asked.call(session, yes).await;
            asked.host.rest().await;
            Ok((session, end?))
        })?;
        match end {
            CallEnd::Ended(outcome) if self.global.json => call::print_json(*outcome, promised, Some(session)),
            CallEnd::Ended(outcome) => {
                output::note(&format!("{DIM}in {session}{DIM:#}"));
                Ok(call::print(&outcome, revoked))
            }
            CallEnd::Waiting(wait) => {
                match self.global.json {
                    true => output::json(&json!({ "session": session, "status": "waiting", "waits": [wait] })),
                    false => {
                        print_wait(&wait);
                        output::note("  or make the same call again, once it is approved");
                    }
                }
                Ok(Exit::Waiting)
            }
        }
    }

    /// Goes on with a session without an agent: settles what was cut off, and makes the calls that were approved.
    pub(super) fn calls_resume(&self, project: &OpenProject, id: SessionId, component: Option<&str>) -> anyhow::Result<Exit> {
        if component.is_some() {
            return Err(Error::invalid(format!("`{id}` has no agent, and so no component of one")).hint("leave --component out").into());
        }
        let host = self.tools_host(project)?;
        let mut context = host.context(self.environment.principal.clone(), Role::Owner)?;
        context.time_zone.clone_from(&self.environment.time_zone);
        let made = self.block_on(async {
            let made = host.take_up(&context, &project.project.name, id).await;
            host.rest().await;
            Ok(made?)
        })?;
        let mut exit = Exit::Done;
        let mut shown = Vec::new();
        for (made, end) in made {
            let ended = match end {
                CallEnd::Ended(outcome) => outcome,
                CallEnd::Waiting(wait) => {
                    print_wait(&wait);
                    exit = Exit::Waiting;
                    continue;
                }
            };
            if let Err(error) = &ended.result {
                exit = exit_of_call(error, !ended.denials.is_empty());
            }
            match self.global.json {
                true => shown.push(json!({ "tool": made.tool, "failed": ended.result.is_err() })),
                false => {
                    output::note(&format!("{HEAD}{}{HEAD:#} {}", made.tool, visible(&made.arguments, 160)));
                    call::print(&ended, &BTreeSet::new());
                }
            }
        }
        match self.global.json {
            true => output::json(&json!({ "session": id, "calls": shown })),
            false => output::note(&format!("{id} is between calls; to see what they came to: remit session show {id}")),
        }
        Ok(exit)
    }
}
