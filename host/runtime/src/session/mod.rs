//! Sessions: agents that work in turns, whose journal survives whatever happens to the process.
//!
//! [`Host::run`] takes an input to where the turn ends or waits. What the turn did is in its journal before anybody sees it; after a
//! crash, and after a wait, the agent's code runs again from the start of the turn and is answered from there.

mod agents;
mod called;
mod content;
mod decided;
mod drive;
mod durable;
mod ending;
mod group;
mod history;
mod journal;
mod look;
mod model;
mod outputs;
mod owned;
mod plain;
mod queue;
mod series;
mod stop;
mod turn;
mod wasi;

use std::{sync::Arc, time::Duration};

use remit_core::{
    Error, Kind, Result,
    audit::Decision as Decided,
    grant::Denial,
    halt::Refusal,
    id::{SessionId, WaitId},
    identity::{Context, Role},
    journal::{Body, Outcome, Past, PendingCall, Record},
    label::Labels,
    limit::{INPUT_MAX_BYTES, KEY_MAX_BYTES, QUESTION_MAX_BYTES, TURN_INPUT_MAX_BYTES},
    plugin::{AGENTS, Effect, Kind as PluginKind, text::visible},
    store::{Decision, NewSession, SessionFilter, SessionRow, SessionStore, Status, WaitKind, WaitRow},
};

pub use agents::AgentState;
pub(crate) use agents::{Agents, Linked as LinkedAgent};
use called::Calls;
pub use content::{Content, Named};
use decided::About;
use drive::records;
pub use look::Seen;
pub use plain::CallEnd;
use queue::Asked;
pub(crate) use series::AllSeries;
pub(crate) use turn::too_deep;

use crate::{
    capability::{Event, Events},
    host::{Host, Inner},
    plugin::{Loaded, Plugin},
};

/// How often the store is asked whether somebody decided something, or took a session away.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// An input for an agent, or the wish that a turn goes on.
#[derive(Clone)]
pub struct RunRequest<'a> {
    /// The project.
    pub project: &'a str,
    /// The agent.
    pub agent: &'a str,
    /// The session; none makes a new one.
    pub session: Option<SessionId>,
    /// A name for the session, in place of its id: the first run of the principal that uses it makes the session, later ones go on with it.
    pub name: Option<&'a str>,
    /// The input, a JSON text. It begins a turn, or answers the turn that waits for an input; where the session is busy, it waits behind
    /// those that came before. None goes on with the turn that was cut off or waits, or else runs the input that waits first.
    pub input: Option<&'a str>,
    /// Names the input: the same key with the same input gives the recorded result. Without a session or a name it names a new
    /// session, too.
    pub key: Option<&'a str>,
    /// How long to wait for what the turn waits for, before its end is [`TurnEnd::Waiting`] or [`TurnEnd::Queued`].
    pub patience: Patience,
    /// Takes progress and log lines.
    pub events: Option<Events>,
}

/// How long a caller waits with a turn that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Patience {
    /// For a person, and for the turns that come before, without end.
    pub people: bool,
    /// For a point in time that is this far away at most.
    pub time: Duration,
}

/// What became of a turn.
#[derive(Debug)]
pub struct Ran {
    /// Its session.
    pub session: SessionId,
    /// Its number in the session, from 0; of an input that waits, the number that it is going to have.
    pub turn: u32,
    /// How it ended.
    pub end: TurnEnd,
    /// What was refused on the way.
    pub denials: Vec<Denial>,
    /// What the session has seen.
    pub labels: Labels,
    /// After a trap: the agent's functions, innermost first, safe to show.
    pub backtrace: Vec<String>,
    /// The last bytes that the agent printed, safe to show.
    pub output: String,
}

/// How a turn ended.
#[derive(Debug)]
pub enum TurnEnd {
    /// With this output, a JSON text.
    Done(String),
    /// It failed, and is not tried again. What it changed of its state is forgotten.
    Failed(Error),
    /// Not yet: it waits for these.
    Waiting(Vec<WaitRow>),
    /// Not yet: the input has this place among those that wait until the turn of their session has ended. It is 0 where it has begun its
    /// turn or answered it, and another process runs that.
    Queued(u32),
}

/// What a person decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes, perhaps with a note.
    Approve(Option<String>),
    /// Yes, and to each further call of the tool in this session: of its component as it is, and not to what labels ask about.
    ApproveForSession(Option<String>),
    /// No, perhaps with a reason.
    Deny(Option<String>),
    /// A text, for a session that waits for one.
    Input(String),
}

impl Host {
    /// Gives an agent an input, or goes on with its turn.
    ///
    /// Dropping the future stops the turn where it is; it goes on from its journal. What is returned is durable. An input that waits stays
    /// so. Whoever ran a turn goes on with a session whose row says that inputs are queued: by this, without an input.
    ///
    /// # Errors
    /// `not-found` (project, agent, session, another principal's session), `denied` (the role), `invalid` (the input, or the host keeps
    /// no sessions), `limit` (the input, or too many wait), `conflict` (the session was killed, there is nothing to go on with, it is run
    /// elsewhere, or the key came with another input), `diverged` (it is quarantined), and those of the store. A turn that failed is no
    /// error: see [`TurnEnd::Failed`].
    pub async fn run(&self, context: &Context, request: &RunRequest<'_>) -> Result<Ran> {
        let inner = self.inner();
        let (_in_flight, mut killed) = inner.enter()?;
        tokio::select! {
            biased;
            ran = inner.run_turn(context, request, None) => ran,
            _ = killed.wait_for(|killed| *killed) => Err(Error::unavailable("the host shut down during the turn, which can be gone on with")),
        }
    }

    /// Sessions of a project, newest first: the principal's own, or all of them for an owner.
    ///
    /// # Errors
    /// `invalid` when the host keeps no sessions; those of the store.
    pub async fn sessions(&self, context: &Context, mut filter: SessionFilter) -> Result<Vec<SessionRow>> {
        if context.role != Role::Owner {
            filter.principal = Some(context.principal.clone());
        }
        self.inner().session_store()?.session_list(filter).await
    }

    /// A session that the principal may see.
    ///
    /// # Errors
    /// `not-found`, also for another principal's session; `invalid` when the host keeps no sessions; those of the store.
    pub async fn session(&self, context: &Context, project: &str, id: SessionId) -> Result<SessionRow> {
        self.inner().visible_session(context, project, id).await
    }

    /// The journal of a session from record `from` on.
    ///
    /// # Errors
    /// Those of [`Host::session`]; `host` when the journal is damaged.
    pub async fn journal(&self, context: &Context, project: &str, id: SessionId, from: u64) -> Result<Vec<Record>> {
        self.session(context, project, id).await?;
        let lines = records(self.inner().session_store()?, id, from).await?;
        lines.iter().map(Record::decode).collect()
    }

    /// What sessions wait for that the principal may see; with `all`, also what is decided and over.
    ///
    /// # Errors
    /// Those of [`Host::session`].
    pub async fn waits(&self, context: &Context, project: &str, session: Option<SessionId>, all: bool) -> Result<Vec<WaitRow>> {
        let waits = self.inner().session_store()?.wait_list(project.to_owned(), session, all).await?;
        Ok(waits.into_iter().filter(|wait| may_see(context, &wait.principal)).collect())
    }

    /// A wait that the principal may see.
    ///
    /// # Errors
    /// `not-found`; those of the store.
    pub async fn wait(&self, context: &Context, project: &str, id: WaitId) -> Result<WaitRow> {
        let wait = self.inner().session_store()?.wait_get(id).await?;
        let wait = wait.filter(|wait| wait.project == project && may_see(context, &wait.principal));
        wait.ok_or_else(|| Error::not_found(format!("there is no `{id}`")).hint("see what waits: remit approval list"))
    }

    /// Decides a wait. Only a person may: not an agent, and nobody on whose behalf a tool or an agent acts.
    ///
    /// # Errors
    /// `denied` for an agent; `not-found`; `invalid` for a decision that does not fit what is waited for, or would hold for more than this
    /// call where only that can be approved; `conflict` when it was decided already, or its time has passed.
    pub async fn decide(&self, context: &Context, project: &str, id: WaitId, verdict: Verdict) -> Result<()> {
        if context.principal.kind() == remit_core::identity::PrincipalKind::Agent || !context.delegation.is_empty() {
            return Err(Error::denied("an agent decides nothing: a person has to"));
        }
        let wait = self.wait(context, project, id).await?;
        let by = context.principal.clone();
        let note = |note: Option<String>| match note {
            Some(note) if note.len() > QUESTION_MAX_BYTES => Err(Error::limit(format!("a note may have {QUESTION_MAX_BYTES} bytes"))),
            note => Ok(note),
        };
        let outcome = match (verdict, wait.kind) {
            (Verdict::Approve(text), WaitKind::Approval) => Outcome::Approved { by, note: note(text)?, session: None },
            (Verdict::ApproveForSession(text), WaitKind::Approval) => {
                for_the_rest(&wait)?;
                Outcome::Approved { by, note: note(text)?, session: Some(wait.session) }
            }
            (Verdict::Deny(text), WaitKind::Approval) => Outcome::Denied { by, note: note(text)? },
            (Verdict::Input(text), WaitKind::Input) if text.len() > INPUT_MAX_BYTES => {
                return Err(Error::limit(format!("an input of {} bytes is too large; at most {INPUT_MAX_BYTES}", text.len())));
            }
            (Verdict::Input(text), WaitKind::Input) => Outcome::Input { by, text },
            (_, WaitKind::Approval) => return Err(Error::invalid(format!("`{id}` waits for an approval: approve or deny it"))),
            (_, WaitKind::Input) => {
                return Err(Error::invalid(format!("`{id}` waits for an input"))
                    .hint(format!("remit run {} INPUT --session {}", wait.agent, wait.session)));
            }
            (_, WaitKind::Timer) => return Err(Error::invalid(format!("`{id}` waits for a point in time, not for a person"))),
        };
        let decided = match &outcome {
            Outcome::Approved { session: Some(_), .. } => Decided::ApproveForSession,
            Outcome::Approved { .. } => Decided::Approve,
            Outcome::Denied { .. } => Decided::Deny,
            _ => Decided::Input,
        };
        let inner = self.inner();
        let decision = Decision { wait: id, outcome, at: inner.services().clock.now() };
        let store = inner.session_store()?;
        inner.decided(context, project, decided, About::Wait(wait.session, id), || store.wait_decide(decision)).await
    }
}

/// Refuses a yes for the rest of the session where each call has to be looked at.
fn for_the_rest(wait: &WaitRow) -> Result<()> {
    let why = match &wait.call {
        None => "it is a question of the agent's own, not a call".to_owned(),
        Some(call) if !call.labels.is_empty() => format!("the session holds {}, so that each call is looked at", call.labels),
        Some(PendingCall { effect: Some(Effect::Read | Effect::Idempotent), .. }) => return Ok(()),
        Some(call) => {
            format!("`{}` is a tool of the effect class `once`: each of its calls has an effect of its own", visible(&call.tool, 128))
        }
    };
    let error = Error::invalid(format!("`{}` cannot be approved for the rest of the session: {why}", wait.id));
    Err(error.hint(format!("approve this call alone: remit approval approve {}", wait.id)))
}

/// Whether what belongs to `principal` is there at all for whoever asks.
fn may_see(context: &Context, principal: &remit_core::identity::Principal) -> bool {
    context.role == Role::Owner || context.principal == *principal
}

/// Refuses another principal's session: who may see it may not act in its principal's name.
fn own(row: &SessionRow, context: &Context) -> Result<()> {
    if row.principal == context.principal {
        return Ok(());
    }
    Err(Error::denied(format!("`{}` works for `{}`, and `{}` may not go on with it", row.id, row.principal, context.principal)))
}

/// What a turn does that has not ended.
enum Stands {
    Runs,
    Waits,
    /// It waits for what nobody can decide any more, as after a backup was put back.
    Cancelled,
}

/// The ways out for a turn that cannot go on, which began with the component `pinned`: with that one, with the one of now, not at all.
fn ways_out(row: &SessionRow, pinned: &str) -> [String; 3] {
    let id = row.id;
    let with_its_own = match row.parent {
        Some((parent, _)) => {
            format!("go on with the component of before, in the session that it was forked from: remit session resume {parent}")
        }
        None => format!("try it once more with the component that it began with: remit session resume {id} --component {pinned}"),
    };
    let with_that_of_now = match row.turn_seq.checked_sub(1) {
        Some(last) => format!("begin again before the turn, with the component of now: remit session fork {id} --at {last}"),
        None => format!("begin again with the component of now: remit run {} INPUT", row.agent),
    };
    [with_its_own, with_that_of_now, format!("end the turn as failed: remit session abandon {id}")]
}

fn absent(id: SessionId) -> Error {
    Error::not_found(format!("there is no session `{id}`")).hint("see which there are: remit session list")
}

impl Inner {
    async fn visible_session(&self, context: &Context, project: &str, id: SessionId) -> Result<SessionRow> {
        let row = self.session_store()?.session_get(id).await?;
        row.filter(|row| row.project == project && may_see(context, &row.principal)).ok_or_else(|| absent(id))
    }

    async fn run_turn(self: &Arc<Self>, context: &Context, request: &RunRequest<'_>, calls: Option<&Calls>) -> Result<Ran> {
        let store = self.session_store()?;
        let (agent, row) = self.session_of(context, request, store, calls).await?;
        if let (Some(key), Some(input)) = (request.key, request.input)
            && let Some(seq) = store.session_turn(row.id, key.to_owned()).await?
            && let Some(ran) = self.repeated(store, &row, seq, Some(input)).await?
        {
            return Ok(ran);
        }
        Asked { host: self, context, request, calls, store, agent, id: row.id }.run().await
    }

    /// The agent and the session of a request, which is checked.
    async fn session_of(
        &self,
        context: &Context,
        request: &RunRequest<'_>,
        store: &Arc<dyn SessionStore>,
        calls: Option<&Calls>,
    ) -> Result<(Arc<Loaded>, SessionRow)> {
        let agent = self.find_agent(context, request)?;
        for (what, text) in [("key", request.key), ("name", request.name)] {
            if let Some(text) = text.filter(|text| text.is_empty() || text.len() > KEY_MAX_BYTES) {
                return Err(Error::invalid(format!("a {what} of {} bytes is not accepted: from 1 to {KEY_MAX_BYTES}", text.len())));
            }
        }
        match (request.session, request.input) {
            (None, None) if request.name.is_none() => return Err(Error::invalid("a new session needs an input")),
            (_, Some(input)) if input.len() > TURN_INPUT_MAX_BYTES => {
                let message = format!("an input of {} bytes is too large; at most {TURN_INPUT_MAX_BYTES}", input.len());
                return Err(Error::limit(message));
            }
            (None, Some(input)) if request.name.is_none() => agent.turn_input(input)?,
            _ => {}
        }
        Ok((agent, self.session_for(context, request, store, calls).await?))
    }

    /// The agent, which the principal may run.
    fn find_agent(&self, context: &Context, request: &RunRequest<'_>) -> Result<Arc<Loaded>> {
        let agent = self.agent(request.project, request.agent)?;
        if !context.role.allows(AGENTS, request.agent) {
            let denial = Denial::role(request.agent, request.agent, &context.principal.to_string());
            return Err(Error::denied(denial.to_string()).hint("give the principal a role with this agent in `[roles]` of `remit.toml`"));
        }
        if let Some(Refusal { reason, hint }) = self.halted(&context.principal, request.agent)? {
            return Err(Error::denied(format!("`{}` may not run ({reason})", agent.spec.name)).hint(hint).code("E-HALTED"));
        }
        Ok(agent)
    }

    /// The agent `name` of a project.
    fn agent(&self, project: &str, name: &str) -> Result<Arc<Loaded>> {
        let (_, agent) = self.find_plugin(&crate::host::Request::new(project, name, "", "{}"))?;
        if agent.spec.kind != PluginKind::Agent {
            let error = Error::invalid(format!("`{}` is no agent", visible(name, 64)));
            return Err(error.hint(format!("call one of its tools: remit call {} TOOL", agent.spec.name)));
        }
        Ok(agent)
    }

    async fn session_for(
        &self,
        context: &Context,
        request: &RunRequest<'_>,
        store: &Arc<dyn SessionStore>,
        calls: Option<&Calls>,
    ) -> Result<SessionRow> {
        if let Some(id) = request.session {
            let row = self.visible_session(context, request.project, id).await?;
            own(&row, context)?;
            if row.agent != request.agent {
                return Err(Error::invalid(format!("`{id}` is a session of `{}`", row.agent)));
            }
            return Ok(row);
        }
        let at = self.services().clock.now();
        let new = NewSession {
            id: SessionId::new(at, self.random()?),
            project: request.project.to_owned(),
            agent: request.agent.to_owned(),
            principal: context.principal.clone(),
            // A name, a key and a call are different words for a session, so that none is taken for another.
            key: match (calls, request.name) {
                (Some(calls), _) => Some(format!("call {}", calls.caller.key)),
                (None, Some(name)) => Some(format!("name {name}")),
                (None, None) => request.key.map(|key| format!("key {key}")),
            },
            at,
            parent: None,
            caller: calls.map(|calls| calls.caller.clone()),
        };
        store.session_create(new).await
    }

    /// The recorded result of a turn, when it has ended; it has to have begun with `input`.
    async fn repeated(&self, store: &Arc<dyn SessionStore>, row: &SessionRow, seq: u64, input: Option<&str>) -> Result<Option<Ran>> {
        // Of a turn that has not ended, the start is all that there is to see.
        let open = row.status != Status::Idle && row.turn_seq == seq;
        let lines = if open { store.session_records(row.id, seq, 1).await? } else { records(store, row.id, seq).await? };
        let mut turn = 0;
        for line in &lines {
            let (end, labels) = match Record::decode(line)?.body {
                Body::TurnStart(start) if line.seq == seq => {
                    turn = start.turn;
                    if input.is_some_and(|input| start.input != input) {
                        return Err(Error::new(Kind::Conflict, "the key was used with another input").hint("use a new key for a new input"));
                    }
                    continue;
                }
                Body::TurnEnd { output, carried } => (TurnEnd::Done(output), carried.labels),
                Body::TurnFailed { kind, message, carried } => (TurnEnd::Failed(Error::new(kind, message)), carried.labels),
                _ => continue,
            };
            let (session, denials, backtrace) = (row.id, Vec::new(), Vec::new());
            return Ok(Some(Ran { session, turn, end, denials, labels, backtrace, output: String::new() }));
        }
        Ok(None)
    }

    /// What the turn which has not ended does, by its journal and its waits.
    async fn stands(&self, store: &Arc<dyn SessionStore>, row: &SessionRow) -> Result<Stands> {
        let lines = records(store, row.id, row.turn_seq).await?;
        let past = Past::after(&lines.iter().map(Record::decode).collect::<Result<Vec<_>>>()?);
        let asked = past.pending.iter().find_map(|record| if let Body::Wait { wait, .. } = &record.body { Some(wait.id()) } else { None });
        let Some(asked) = asked else { return Ok(Stands::Runs) };
        let waits = store.wait_list(row.project.clone(), Some(row.id), false).await?;
        Ok(if waits.iter().any(|wait| wait.id == asked) { Stands::Waits } else { Stands::Cancelled })
    }

    /// The component that the turn which has not ended began with.
    async fn pinned(&self, store: &Arc<dyn SessionStore>, row: &SessionRow) -> Result<String> {
        let first = store.session_records(row.id, row.turn_seq, 1).await?;
        match first.first().map(Record::decode).transpose()?.map(|record| record.body) {
            Some(Body::TurnStart(start)) => Ok(start.digest),
            _ => Err(Error::host("the journal is damaged: a turn does not begin with its start", row.turn_seq)),
        }
    }

    /// The agent as the turn which has not ended needs it: with the component that this one began with, and what is granted now.
    async fn agent_of_turn(
        self: &Arc<Self>,
        store: Arc<dyn SessionStore>,
        row: &SessionRow,
        served: &Arc<Loaded>,
        events: Option<&Events>,
    ) -> Result<Arc<Loaded>> {
        let pinned = self.pinned(&store, row).await?;
        if pinned == served.spec.digest.to_string() {
            return Ok(served.clone());
        }
        let digest = pinned.parse()?;
        let Some(bytes) = self.services().components.as_ref().map(|kept| kept(&digest)).transpose()?.flatten() else {
            let mut error = Error::new(Kind::Conflict, format!("the turn began with the component {pinned}, which is not kept any more"));
            error.hints.push(format!("let it go on with the component of now: remit session fork {}", row.id));
            let [_with_its_own, others @ ..] = ways_out(row, &pinned);
            error.hints.extend(others);
            return Err(error);
        };
        let kept = Host::from(self.clone()).plugin(served.spec.name.as_str(), bytes).await?;
        let Plugin { granted, limits, ask, .. } = served.spec.clone();
        if let Some(events) = events {
            let message = format!("the turn goes on with the component that it began with, {pinned}");
            events(Event::Log { level: "info", message });
        }
        Ok(Arc::new(Loaded::new(Plugin { granted, limits, ask, ..kept })?))
    }
}
