//! Plain calls of tools that belong to a session: what is promised of a call of an agent is promised of them.
//!
//! The session has no agent. The host itself is what makes its calls, and its journal says the same of them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use remit_core::{
    Error, Kind, Result,
    grant::Denial,
    id::SessionId,
    identity::Context,
    journal::{Answer, Body, Outcome as Recorded, PendingCall, Record, ToolCall, Wait},
    label::{Label, Labels},
    limit::{KEY_MAX_BYTES, SERIES_WAITS_MAX, SESSION_ARGUMENTS_MAX_BYTES},
    plugin::{Digest, Effect, NO_AGENT, text::visible},
    store::{NewSession, WaitKind, WaitRow, WaitState},
};
use tokio::sync::{MappedMutexGuard, Notify};

use super::{
    absent,
    journal::{Journal, Standing},
    series::{Open, Pass, Series},
    stop::Stop,
    turn::{Grace, Turn, is_for, refused},
};
use crate::{
    capability::{Denials, Events},
    host::{Host, Inner, Outcome, Request},
};

/// Records that are read at once.
const PAGE: u32 = 1000;

/// What became of a call in a session.
#[derive(Debug)]
pub enum CallEnd {
    /// It ended so, now or when it was made.
    Ended(Box<Outcome>),
    /// It waits for this approval. The same call goes on once that is given.
    Waiting(Box<WaitRow>),
}

impl Host {
    /// The session that `handle` names, for plain calls: by its id, or by a name of the principal's, which makes it where there is none.
    /// Without a handle it is a new one.
    ///
    /// # Errors
    /// `not-found`, also for another principal's session; `invalid` (it is a session of an agent, the handle, or the host keeps no
    /// sessions); `conflict` when the name is that of a session of an agent; those of the store.
    pub async fn session_for_calls(&self, context: &Context, project: &str, handle: Option<&str>) -> Result<SessionId> {
        let (inner, name) = (self.inner(), handle.map(|name| format!("name {name}")));
        if let Some(handle) = handle {
            bounded("name", handle)?;
            if handle.starts_with(SessionId::PREFIX) {
                return Ok(inner.series_of(context, project, handle.parse()?).await?.session);
            }
        }
        let at = inner.services().clock.now();
        let new = NewSession {
            id: SessionId::new(at, inner.random()?),
            project: project.to_owned(),
            agent: NO_AGENT.to_owned(),
            principal: context.principal.clone(),
            key: name,
            at,
            parent: None,
            caller: None,
        };
        Ok(inner.session_store()?.session_create(new).await?.id)
    }

    /// Calls a tool in a session without an agent. The same `key` with the same call gives the recorded result.
    ///
    /// Any number of calls run in one session at the same time. Dropping the future ends the guest; the call is then recorded as in doubt, or
    /// as failed where it only read. What is returned of a call that may change something is durable; a call that only reads is
    /// recorded within [`SERIES_LAG_MS`](remit_core::limit::SERIES_LAG_MS).
    ///
    /// # Errors
    /// Those of [`Host::session_for_calls`]; `conflict` (the session was killed, another process has it, or the key came with another
    /// call); `diverged` when it is quarantined; `limit` (the arguments do not fit into a record, or the key); those of the store. How the
    /// call itself ended is in the [`Outcome`].
    pub async fn call_in(&self, context: &Context, request: &Request<'_>, session: SessionId, key: Option<&str>) -> Result<CallEnd> {
        let host = self.inner();
        // The end of the call is recorded before the host has shut down.
        let _in_flight = host.enter()?;
        key.map_or(Ok(()), |key| bounded("key", key))?;
        if request.arguments.len() > SESSION_ARGUMENTS_MAX_BYTES {
            let (size, most) = (request.arguments.len(), SESSION_ARGUMENTS_MAX_BYTES);
            let error = Error::limit(format!("arguments of {size} bytes are too large for the journal of a session; at most {most}"));
            return Err(error.hint("send less at once, or call outside of a session"));
        }
        let series = host.series_of(context, request.project, session).await?;
        let tool = format!("{}/{}", request.plugin, request.tool);
        Asked { host, series, context, request, key, tool }.call().await
    }

    /// Takes up a session without an agent: settles the calls that were cut off, and makes those that were approved. Returns these.
    ///
    /// # Errors
    /// Those of [`Host::call_in`].
    pub async fn take_up(&self, context: &Context, project: &str, session: SessionId) -> Result<Vec<(PendingCall, CallEnd)>> {
        let series = self.inner().series_of(context, project, session).await?;
        series.settled(self.inner(), context).await?;
        let mut made = Vec::new();
        for wait in self.inner().session_store()?.wait_list(project.to_owned(), Some(session), false).await? {
            let (Some(call), WaitState::Decided) = (wait.call, wait.state) else { continue };
            let Some((plugin, tool)) = call.tool.split_once('/') else { continue };
            let request = Request::new(project, plugin, tool, &call.arguments);
            let end = self.call_in(context, &request, session, None).await?;
            made.push((call, end));
        }
        Ok(made)
    }

    /// Whether there is a place for sessions.
    pub fn keeps_sessions(&self) -> bool {
        self.inner().session_store().is_ok()
    }

    /// Writes the records of plain calls that lag, and gives their sessions back. To be called before the process ends.
    pub async fn rest(&self) {
        for series in self.inner().series().all() {
            series.release(self.inner(), true).await;
        }
    }
}

fn bounded(what: &str, text: &str) -> Result<()> {
    if text.is_empty() || text.len() > KEY_MAX_BYTES {
        return Err(Error::invalid(format!("a {what} of {} bytes is not accepted: from 1 to {KEY_MAX_BYTES}", text.len())));
    }
    Ok(())
}

impl Inner {
    /// The plain calls of a session of the principal's own. Another principal's is not there.
    async fn series_of(&self, context: &Context, project: &str, id: SessionId) -> Result<Arc<Series>> {
        let own = |series: &Arc<Series>| series.project == project && series.principal == context.principal;
        if let Some(series) = self.series().get(id).filter(own) {
            return Ok(series);
        }
        let store = self.session_store()?;
        let row = store.session_get(id).await?.filter(|row| row.project == project && row.principal == context.principal);
        let row = row.ok_or_else(|| absent(id))?;
        if row.agent != NO_AGENT {
            let error = Error::invalid(format!("`{id}` is a session of the agent `{}`, and takes no plain calls", visible(&row.agent, 64)));
            return Err(error.hint(format!("give the agent an input: remit run {} INPUT --session {id}", row.agent)));
        }
        Ok(self.series().get_or(Series::new(id, project, &row.principal, store)))
    }
}

/// A turn as one of its calls sees it.
pub(super) fn turn_of(host: &Arc<Inner>, context: &Context, project: &str, journal: &Arc<Journal>, events: Option<Events>) -> Turn {
    Turn {
        host: host.clone(),
        journal: journal.clone(),
        project: project.to_owned(),
        agent: None,
        principal: context.principal.clone(),
        role: context.role.clone(),
        key: context.key,
        delegation: context.delegation.clone(),
        caller: None,
        patient: false,
        place_of_called: Arc::default(),
        called_waits: Mutex::default(),
        denials: Denials::default(),
        events,
        decided: Mutex::new(HashMap::new()),
        grace: Grace::new(Duration::ZERO),
        group_call_ended: Notify::new(),
        groups: Mutex::default(),
    }
}

/// One call, on its way.
struct Asked<'a> {
    host: &'a Arc<Inner>,
    series: Arc<Series>,
    context: &'a Context,
    request: &'a Request<'a>,
    key: Option<&'a str>,
    /// `plugin/tool`.
    tool: String,
}

/// What a call has to do once it was looked at.
enum Begun {
    Runs(Box<(Turn, ToolCall, Pass)>),
    /// The call with this key runs already, as this operation.
    Same(Arc<Journal>, u32),
    Ended(CallEnd),
}

/// What the journal says of the call that a key names.
enum Known {
    Ended(CallEnd),
    /// It has not ended, in the turn that has not.
    Begun(u32),
}

/// What a person said of a call.
enum Said {
    /// Yes, with these labels.
    Yes(BTreeSet<Label>),
    Ended(CallEnd),
}

impl Asked<'_> {
    async fn call(&self) -> Result<CallEnd> {
        if let Some(Known::Ended(end)) = self.recorded().await? {
            return Ok(end);
        }
        match self.begin().await? {
            Begun::Runs(begun) => {
                let (turn, call, pass) = *begun;
                self.run(&turn, &call, pass).await
            }
            Begun::Same(journal, op) => self.same(&journal, op).await,
            Begun::Ended(end) => Ok(end),
        }
    }

    /// The call, whether a person has to be asked about it, and what the session has seen. A role that may not call it asks nobody.
    fn described(&self, turn: &Turn) -> Result<(ToolCall, bool, Labels)> {
        let Request { plugin, tool, .. } = *self.request;
        if !self.context.role.allows(plugin, tool) {
            let denial = Denial::role(plugin, tool, &self.context.principal.to_string());
            let error = Error::denied(denial.to_string());
            turn.denials.record(denial);
            return Err(error);
        }
        let (digest, effect, asked) = self.host.describe(self.request)?;
        let call = self.as_call(turn, digest, effect);
        let (asks, labels) = turn.asks(self.request, &call, asked)?;
        if asks {
            self.host.find_plugin(self.request)?.1.tool(tool)?.arguments(self.request.arguments)?;
        }
        Ok((call, asks, labels))
    }

    /// Records that the call begins, durably before it runs unless it only reads.
    async fn begin(&self) -> Result<Begun> {
        let mut open = self.series.enter(self.host, self.context, &self.tool).await?;
        if let Some(key) = self.key {
            if let Some((op, named)) = open.keys.get(key) {
                return if *named == self.digest() { Ok(Begun::Same(open.journal.clone(), *op)) } else { Err(other_call()) };
            }
            match self.recorded().await? {
                Some(Known::Ended(end)) => return Ok(Begun::Ended(end)),
                Some(Known::Begun(op)) => return Ok(Begun::Same(open.journal.clone(), op)),
                None => {}
            }
        }
        let turn = turn_of(self.host, self.context, self.request.project, &open.journal, self.request.events.clone());
        let (mut call, asks, labels) = match self.described(&turn) {
            Ok(described) => described,
            Err(error) => {
                self.begin_call(&mut open, self.as_call(&turn, String::new(), Effect::Read), Some(&error)).await?;
                let refused = self.host.refuse(self.context, self.request, error, turn.denials.take()).await;
                return Ok(Begun::Ended(CallEnd::Ended(Box::new(refused))));
            }
        };
        if asks {
            match self.approval(&open, &turn, &call, labels).await? {
                Said::Yes(cleared) => call.cleared = cleared,
                Said::Ended(end) => return Ok(Begun::Ended(end)),
            }
        }
        // The operation that an approval is comes before it.
        call.key = turn.key();
        let effect = call.effect;
        let op = self.begin_call(&mut open, call.clone(), None).await?;
        let pass = Pass::new(self.host, &self.series, &mut open, op, effect);
        let journal = open.journal.clone();
        drop(open);
        if asks || effect != Effect::Read {
            self.series.write(&journal, Standing::running()).await?;
        }
        Ok(Begun::Runs(Box::new((turn, call, pass))))
    }

    fn as_call(&self, turn: &Turn, digest: String, effect: Effect) -> ToolCall {
        let (tool, arguments) = (self.tool.clone(), self.request.arguments.to_owned());
        ToolCall { tool, arguments, effect, digest, key: turn.key(), cleared: BTreeSet::new() }
    }

    async fn begin_call(&self, open: &mut MappedMutexGuard<'_, Open>, call: ToolCall, refusal: Option<&Error>) -> Result<u32> {
        let op = open.journal.begins(call, self.key).await?;
        if let Some(error) = refusal {
            open.journal.machine().conclude(op, refused(error), open.journal.now())?;
        }
        if let Some(key) = self.key {
            open.keys.insert(key.to_owned(), (op, self.digest()));
        }
        Ok(op)
    }

    /// What a person said of this very call, which is taken with the records of the call; where nobody was asked, somebody is now.
    async fn approval(&self, shared: &Open, turn: &Turn, call: &ToolCall, labels: Labels) -> Result<Said> {
        let (journal, store) = (&shared.journal, &self.series.store);
        let waits = store.wait_list(self.request.project.to_owned(), Some(self.series.session), false).await?;
        let open = waits.iter().filter(|wait| wait.state == WaitState::Open).count();
        let of_call = |asked: &PendingCall| asked.tool == call.tool && asked.arguments == call.arguments;
        let asked = waits.into_iter().find(|wait| wait.kind == WaitKind::Approval && wait.call.as_ref().is_some_and(of_call));
        if asked.is_none() && open >= SERIES_WAITS_MAX {
            let error = Error::limit(format!("{SERIES_WAITS_MAX} calls of the session wait for an approval already"));
            return Err(error.hint("decide some of them: remit approval list"));
        }
        if let Some(asked) = asked {
            let due = asked.due.unwrap_or_default();
            let wait =
                Wait::Approval { id: asked.id, title: asked.title.clone(), details: asked.details.clone(), due, call: asked.call.clone() };
            let said = match asked.outcome.clone() {
                Some(said) => Some(said),
                None => turn.decision(&wait),
            };
            let Some(said) = said else { return Ok(Said::Ended(CallEnd::Waiting(Box::new(asked)))) };
            let same = asked.call.filter(|asked| is_for(asked, call, &labels));
            let yes = matches!(said, Recorded::Approved { .. });
            journal.ends_wait(wait, said.clone(), self.key.filter(|_| !yes)).await?;
            match yes {
                true => {
                    if let Some(asked) = same {
                        return Ok(Said::Yes(asked.labels.kinds()));
                    }
                }
                false => {
                    self.series.write(journal, Standing::running()).await?;
                    return Ok(Said::Ended(self.as_recorded(said)?));
                }
            }
        }
        let _asking = self.host.asking().lock().await;
        turn.may_ask().await?;
        let wait = turn.approval_of(call.clone(), labels)?;
        let id = wait.id();
        journal.opens(wait, self.key).await?;
        self.series.write(journal, Standing::running()).await?;
        let wait = store.wait_get(id).await?;
        wait.map(|wait| Said::Ended(CallEnd::Waiting(Box::new(wait)))).ok_or_else(|| Error::host("an approval was not opened", id))
    }

    async fn run(&self, turn: &Turn, call: &ToolCall, pass: Pass) -> Result<CallEnd> {
        let (mut context, request) = turn.request(call).map_err(stopped)?;
        context.time_zone.clone_from(&self.context.time_zone);
        context.deadline_ms = self.context.deadline_ms;
        // The plugin may be gone when the call has ended.
        let most = self.host.output_bytes(&request)?;
        let mut ended = tokio::select! {
            biased;
            ended = self.host.call_for_agent(&context, &request) => ended,
            error = self.series.lost() => return Err(error),
        };
        let (labels, used) = (ended.labels.clone(), std::mem::take(&mut ended.used));
        let outcome = match &ended.result {
            Ok(output) => turn.outcome_of(output, ended.metering.bytes_out, most).await.map_err(stopped)?,
            Err(error) if error.kind == Kind::Unavailable && self.host.is_stopping() => {
                pass.leave_open();
                return Err(error.clone());
            }
            Err(error) => refused(error),
        };
        match &outcome {
            Recorded::Output { output, kept: Some(_) } => ended.result = read(output),
            Recorded::Failed { kind, message } if ended.result.is_ok() => ended.result = Err(Error::new(*kind, message.clone())),
            _ => {}
        }
        pass.end(Answer { outcome, labels, used }).await?;
        Ok(CallEnd::Ended(Box::new(ended)))
    }

    /// Waits for the call that has the same key and runs.
    async fn same(&self, journal: &Arc<Journal>, op: u32) -> Result<CallEnd> {
        loop {
            let ended = self.series.ended.notified();
            if journal.machine().ended(op) {
                self.series.write(journal, Standing::running()).await?;
                return match self.recorded().await? {
                    Some(Known::Ended(end)) => Ok(end),
                    _ => Err(Error::host("the end of a call with a key is not in its journal", op)),
                };
            }
            tokio::select! {
                () = ended => {}
                error = self.series.lost() => return Err(error),
            }
        }
    }

    /// What the journal says of the call with this key. One that waits for a person, or did, was not made yet.
    async fn recorded(&self) -> Result<Option<Known>> {
        let Some(key) = self.key else { return Ok(None) };
        let (store, session) = (&self.series.store, self.series.session);
        let Some(seq) = store.session_turn(session, key.to_owned()).await? else { return Ok(None) };
        let (mut next, mut named, mut begun) = (seq, None, None);
        loop {
            let lines = store.session_records(session, next, PAGE).await?;
            for line in &lines {
                match (Record::decode(line)?.body, named) {
                    (Body::Call { op, call }, None) if call.tool == self.tool && call.arguments == self.request.arguments => {
                        (named, begun) = (Some(op), Some(Known::Begun(op)));
                    }
                    (Body::Wait { op, wait: Wait::Approval { call: Some(call), .. } }, None)
                        if call.tool == self.tool && call.arguments == self.request.arguments =>
                    {
                        named = Some(op);
                    }
                    (_, None) => return Err(other_call()),
                    (Body::End { op, outcome, .. }, Some(named)) if op == named => {
                        return self.as_recorded(outcome).map(Known::Ended).map(Some);
                    }
                    (Body::TurnFailed { .. }, _) => {
                        let message = "the turn of this call was abandoned; whether it took effect is not known".to_owned();
                        return self.as_recorded(Recorded::Failed { kind: Kind::InDoubt, message }).map(Known::Ended).map(Some);
                    }
                    (Body::TurnEnd { .. } | Body::TurnStart(_), _) => return Ok(None),
                    _ => {}
                }
            }
            if lines.len() < PAGE as usize {
                return Ok(begun);
            }
            next += lines.len() as u64;
        }
    }

    /// What is recorded of a call, as its outcome.
    fn as_recorded(&self, outcome: Recorded) -> Result<CallEnd> {
        let note = |note: Option<String>| note.map_or_else(String::new, |note| format!(": {}", visible(&note, 400)));
        let result = match outcome {
            Recorded::Output { output, .. } => Ok(read(&output)?),
            Recorded::Failed { kind, message } => Err(Error::new(kind, message)),
            Recorded::Denied { by, note: said } => Err(Error::denied(format!("`{by}` said no{}", note(said)))),
            Recorded::Expired { reason } => Err(Error::denied(reason)),
            other => return Err(Error::host("the journal is damaged: this is no outcome of a call", format!("{other:?}"))),
        };
        Ok(CallEnd::Ended(Box::new(Outcome::unrun(self.context.call, result, Vec::new()))))
    }

    /// Tells one call from another.
    fn digest(&self) -> Digest {
        Digest::of(format!("{}\n{}", self.tool, self.request.arguments).as_bytes())
    }
}

fn other_call() -> Error {
    Error::new(Kind::Conflict, "the key was used for another call").hint("use a new key for a new call")
}

fn read(output: &str) -> Result<crate::output::Output> {
    serde_json::from_str(output).map_err(|error| Error::host("a recorded output cannot be read", error))
}

/// Why a call could not be made or recorded; nothing here waits.
fn stopped(stop: Stop) -> Error {
    match stop {
        Stop::Turn(error) | Stop::Host(error) => error,
        Stop::Waiting => Error::host("a plain call waits for what it cannot wait for", "series"),
    }
}
