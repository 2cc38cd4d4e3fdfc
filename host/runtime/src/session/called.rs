//! Agents that agents call: each call is a turn in a session of its own, found again by the call's key.

use std::{pin::Pin, sync::Arc};

use remit_core::{
    Error, Kind, Result,
    grant::{Held, Holder},
    identity::Context,
    journal::{Answer, Outcome, ToolCall},
    label::Labels,
    plugin::{AGENTS, Effect, Kind as PluginKind, MODELS},
    store::{Called, Caller, SessionFilter, Status, WaitRow},
};

use super::{LOOK_EVERY, Patience, Ran, RunRequest, TurnEnd, stop::Stop, turn::Turn};
use crate::{
    host::{Inner, Request},
    output::Output,
};

/// Where a call comes from.
pub(super) struct Calls {
    /// What the session of the call is made with.
    pub(super) caller: Caller,
    /// The place of the calling turn, for one of the turns that it calls at a time.
    pub(super) place: Arc<tokio::sync::Mutex<()>>,
    /// Whether somebody waits with it for as long as it takes.
    pub(super) patient: bool,
}

/// The agent that a tool's id names, where it names one.
pub(super) fn agent_of(tool: &str) -> Option<&str> {
    tool.split_once('/').filter(|(plugin, _)| *plugin == AGENTS).map(|(_, agent)| agent)
}

impl Inner {
    /// A turn for a call. The future is boxed since a turn may call a turn.
    fn run_called<'a>(
        self: &'a Arc<Self>,
        context: &'a Context,
        request: &'a RunRequest<'a>,
        calls: &'a Calls,
    ) -> Pin<Box<dyn Future<Output = Result<Ran>> + Send + 'a>> {
        Box::pin(self.run_turn(context, request, Some(calls)))
    }

    /// What an agent may call by what is granted now; nothing when the project serves it no more.
    fn holder(&self, project: &str, agent: &str) -> Holder {
        match self.find_plugin(&Request::new(project, agent, "", "")) {
            Ok((_, found)) if found.spec.kind == PluginKind::Agent => Holder::plugin(agent, &found.spec.declared, &found.spec.granted),
            _ => Holder::nothing(agent),
        }
    }

    /// What is known of an agent without running it, as of a tool: a call may be repeated, since its key leads to the same session. So may one
    /// of a model, which changes nothing, and costs.
    pub(super) fn describe_called(&self, request: &Request<'_>) -> Result<(String, Effect, bool)> {
        match request.plugin {
            AGENTS => {}
            MODELS => return Ok((self.describe_model(request)?, Effect::Idempotent, false)),
            _ => return self.describe(request),
        }
        let agent = self.agent(request.project, request.tool)?;
        Ok((agent.spec.digest.to_string(), Effect::Idempotent, false))
    }
}

impl Turn {
    /// What the chain up to this agent may call: what it could when the turn began, and by the rights of now.
    pub(super) fn held(&self) -> Held {
        let Some(agent) = &self.agent else { return Held::default() };
        let start = self.journal.machine().turn().held.clone();
        Held::since(start, agent, &self.principal, &self.role, |agent| self.host.holder(&self.project, agent))
    }

    /// Runs the turn of a called agent, or goes on with it. `Stop::Waiting` where that turn waits.
    pub(super) async fn execute_agent(&self, call: &ToolCall, agent: &str) -> Result<Answer, Stop> {
        // The session of the call belongs to the one that made it: a fork or an import neither shares it nor does its work again.
        if !self.made(call) {
            let message = format!("`{agent}` was called by another session; whether its turn ended is not known here");
            return Ok(Outcome::Failed { kind: Kind::InDoubt, message }.into());
        }
        let (context, called) = self.request(call)?;
        let request = RunRequest {
            project: &self.project,
            agent,
            session: None,
            name: None,
            input: Some(&call.arguments),
            key: Some(&call.key),
            patience: Patience::default(),
            events: self.events.clone(),
        };
        let calls = Calls { caller: self.as_caller(&call.key), place: self.place_of_called.clone(), patient: self.patient };
        let ran = loop {
            match self.host.run_called(&context, &request, &calls).await {
                // Somebody goes on with that session by itself.
                Err(error) if error.code == Some("E-IN-USE") && self.patient => tokio::time::sleep(LOOK_EVERY).await,
                ran => break ran,
            }
        };
        match ran {
            Ok(Ran { end, denials, labels, .. }) => {
                denials.into_iter().for_each(|denial| self.denials.record(denial));
                let outcome = match end {
                    TurnEnd::Done(output) => self.outcome_of(&of_turn(&output).map_err(Stop::Host)?, 0, 0).await?,
                    TurnEnd::Failed(error) => failed(agent, &error),
                    TurnEnd::Waiting(waits) => {
                        self.waits_for(agent, &waits);
                        return Err(Stop::Waiting);
                    }
                    TurnEnd::Queued(_) => {
                        return Err(Stop::Host(Error::host("the input of a call was queued", call.key.clone())));
                    }
                };
                // What the agent has seen is in what it says.
                let mut labels = labels.renamed(|_| call.tool.clone());
                labels.take_on(Labels::of(&self.host.gives(&called).map_err(Stop::Host)?, &call.tool));
                Ok(Answer { outcome, labels: labels.beyond(&context.labels), used: Vec::new() })
            }
            Err(error) => match error.kind {
                Kind::Conflict if error.code == Some("E-KILLED") => Ok(failed(agent, &error).into()),
                Kind::Conflict | Kind::Unavailable | Kind::InDoubt | Kind::Host => Err(Stop::Host(error)),
                _ => Ok(failed(agent, &error).into()),
            },
        }
    }

    fn as_caller(&self, key: &str) -> Caller {
        let session = self.journal.session;
        let (root, root_turn) = match &self.caller {
            Some(caller) => (caller.root, caller.root_turn),
            None => (session, self.journal.machine().began_seq()),
        };
        let chain = self.delegation.iter().chain(&self.agent).cloned().collect();
        Caller { session, key: key.to_owned(), root, root_turn, chain }
    }

    /// Says in the session's status what a called turn waits for.
    fn waits_for(&self, agent: &str, waits: &[WaitRow]) {
        let what = waits.first().map_or("another session", |wait| wait.title.as_str());
        let chain = waits.first().and_then(|wait| Some((wait.caller.as_ref()?, &wait.agent)));
        let who = chain.map_or_else(|| agent.to_owned(), |(caller, agent)| format!("{} → {agent}", caller.chain.join(" → ")));
        *self.called_waits.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(format!("{who}: {what}"));
    }

    /// Ends the sessions of the calls with these keys, which the agent let go of: none of them goes on by itself.
    pub(super) async fn kill_called(&self, keys: &[String]) -> Result<(), Stop> {
        if keys.is_empty() {
            return Ok(());
        }
        self.journal.write(super::journal::Standing::running()).await.map_err(Stop::Host)?;
        let filter = SessionFilter {
            project: self.project.clone(),
            status: vec![Status::Running, Status::Waiting, Status::Quarantined],
            called: Called::By(self.journal.session),
            limit: u32::MAX,
            ..SessionFilter::default()
        };
        let store = &self.journal.store;
        let rows = store.session_list(filter).await.map_err(Stop::Host)?;
        for row in rows.iter().filter(|row| row.caller.as_ref().is_some_and(|caller| keys.contains(&caller.key))) {
            let detail = "when its caller let go of it".to_owned();
            store.session_kill(row.id, detail, self.journal.now()).await.map_err(Stop::Host)?;
        }
        Ok(())
    }
}

/// What a turn put out, as the result of a call.
fn of_turn(output: &str) -> Result<Output> {
    let value = serde_json::from_str(output).map_err(|error| Error::host("a recorded output is no JSON", error))?;
    Ok(match value {
        serde_json::Value::Object(_) => Output::structured(value),
        serde_json::Value::String(text) => Output { content: vec![crate::output::Content::Text { text }], structured: None },
        other => Output { content: vec![crate::output::Content::Text { text: other.to_string() }], structured: None },
    })
}

fn failed(agent: &str, error: &Error) -> Outcome {
    Outcome::Failed { kind: error.kind, message: format!("`{agent}`: {}", error.message) }
}
