//! A turn that runs: each thing that the agent does, answered from the journal or done and recorded.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use remit_core::{
    Error, Kind, Result,
    clock::Timestamp,
    halt::Refusal,
    id::{KeyId, WaitId},
    identity::{Context, Principal, Role},
    journal::{Answer, CallStep, Outcome, PendingCall, ToolCall, Wait, WaitStep},
    label::{Flow, Labels},
    limit::{APPROVAL_DEFAULT_MS, APPROVAL_MAX_MS, APPROVALS_OPEN_MAX, DELEGATION_MAX_DEPTH, QUESTION_MAX_BYTES, SETTLE_TRIES_MAX},
    plugin::{AGENTS, Digest, Effect, MODELS, text::visible_lines},
    store::Caller,
};
use tokio::sync::{MutexGuard, Notify};

use super::{
    called::agent_of,
    journal::{Journal, Standing},
    stop::Stop,
};
use crate::{
    capability::{Denials, Event, Events, call::now},
    host::{Inner, Outcome as Ended, Request, labelled},
    plugin::Fate,
};

/// How long a plugin is left alone after it failed to tell what became of a call, for each time.
const SETTLE_PAUSE: Duration = Duration::from_millis(200);

/// What the host functions of one turn share, also with the calls of its groups.
pub(crate) struct Turn {
    pub(super) host: Arc<Inner>,
    pub(super) journal: Arc<Journal>,
    pub(super) project: String,
    /// Whose turn it is; none where the host itself makes the calls that it is asked for.
    pub(super) agent: Option<String>,
    pub(super) principal: Principal,
    pub(super) role: Role,
    /// The key that let in who runs the turn.
    pub(super) key: Option<KeyId>,
    pub(super) delegation: Vec<String>,
    /// The call that this turn's session was made for.
    pub(super) caller: Option<Caller>,
    /// Whether somebody waits with the turn for as long as it takes.
    pub(super) patient: bool,
    /// Held by the one turn among those it calls that runs in this turn's own place.
    pub(super) place_of_called: Arc<tokio::sync::Mutex<()>>,
    /// What a turn that it called waits for, in words.
    pub(super) called_waits: Mutex<Option<String>>,
    pub(super) denials: Denials,
    pub(super) events: Option<Events>,
    /// Decisions that were made while the turn did not run.
    pub(super) decided: Mutex<HashMap<WaitId, Outcome>>,
    pub(super) grace: Grace,
    pub(super) group_call_ended: Notify,
    pub(super) groups: Mutex<super::group::Groups>,
}

/// How long the agent's own code may run without doing anything: the bound begins anew with each step.
pub(super) struct Grace {
    start: Instant,
    most: Duration,
    /// Milliseconds from `start` to the deadline.
    until_ms: AtomicU64,
}

impl Grace {
    pub(super) fn new(most: Duration) -> Self {
        let grace = Self { start: now(), most, until_ms: AtomicU64::new(0) };
        grace.renew();
        grace
    }

    pub(super) fn renew(&self) {
        let until = self.start.elapsed().saturating_add(self.most);
        self.until_ms.store(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn deadline(&self) -> Instant {
        self.start + Duration::from_millis(self.until_ms.load(Ordering::Relaxed))
    }
}

/// What a new call is, once it is known to be allowed.
pub(super) struct Planned {
    pub(super) call: ToolCall,
    pub(super) asks: bool,
    /// What the session has seen, which the call may send.
    pub(super) labels: Labels,
}

impl Turn {
    /// Calls a tool and waits for what becomes of it.
    pub(super) async fn call(&self, tool: &str, arguments: &str) -> Result<Outcome, Stop> {
        let step = self.journal.machine().call(tool, arguments).map_err(Stop::Turn)?;
        match step {
            CallStep::Ended(outcome) => Ok(outcome),
            CallStep::InFlight { op, call } => {
                let outcome = self.settle(&call).await;
                self.ended(op, outcome).await
            }
            CallStep::New { approved } => self.new_call(tool, arguments, approved.as_ref()).await,
            CallStep::Waiting { op, wait } => match self.decision(&wait) {
                None => Err(self.suspend().await),
                Some(outcome) => match (self.end_wait(op, &wait, outcome).await?, wait) {
                    (Outcome::Approved { .. }, Wait::Approval { call, .. }) => self.new_call(tool, arguments, call.as_ref()).await,
                    (refused, _) => Ok(refused),
                },
            },
        }
    }

    /// A call that was not made before. What a person approved holds for one component: of another one they are asked again.
    async fn new_call(&self, tool: &str, arguments: &str, approved: Option<&PendingCall>) -> Result<Outcome, Stop> {
        let Planned { mut call, asks, labels } = match self.plan(tool, arguments) {
            Ok(planned) => planned,
            Err(refusal) => return self.refuse(tool, arguments, &refusal).await,
        };
        if asks {
            match approved.filter(|approved| is_for(approved, &call, &labels)) {
                Some(approved) => call.cleared = approved.labels.kinds(),
                None => return self.ask(call, labels).await,
            }
        }
        let op = self.begin(call.clone()).await?;
        let answer = self.execute(&call).await;
        self.ended(op, answer).await
    }

    /// Records the end of a call, unless the turn that it called waits.
    async fn ended(&self, op: u32, answer: Result<Answer, Stop>) -> Result<Outcome, Stop> {
        match answer {
            Err(Stop::Waiting) => Err(self.suspend().await),
            answer => self.end(op, answer?).await,
        }
    }

    /// Records a new call. What changes something is durable before it happens.
    pub(super) async fn begin(&self, call: ToolCall) -> Result<u32, Stop> {
        if let Some(error) = self.halted() {
            return Err(Stop::Host(error));
        }
        let effect = call.effect;
        let op = self.journal.machine().begin_call(call, self.journal.now()).map_err(Stop::Turn)?;
        if effect != Effect::Read {
            self.journal.write(Standing::running()).await.map_err(Stop::Host)?;
        }
        Ok(op)
    }

    /// A call that was begun and whose end is not known: what may be repeated is, with the same key. Of a `once` call its plugin may know
    /// what became of it.
    pub(super) async fn settle(&self, call: &ToolCall) -> Result<Answer, Stop> {
        if call.effect != Effect::Once {
            return self.execute(call).await;
        }
        let (told, labels) = self.ask_patiently(call).await?;
        let doubt = match told {
            // Its plugin gives no more than it may, so that only a record can be too small for it.
            Ok(Fate::Done(output)) => return Ok(Answer { outcome: self.outcome_of(&output, 0, 0).await?, labels, used: Vec::new() }),
            Ok(Fate::NotDone) => return self.execute(call).await,
            Ok(Fate::Unknown) => "its plugin cannot tell".to_owned(),
            Err(error) => error.message,
        };
        let message =
            format!("the host stopped while `{}` ran; whether it took effect is not known ({doubt}), and it is not repeated", call.tool);
        Ok(Outcome::Failed { kind: Kind::InDoubt, message }.into())
    }

    /// Whether this very session made a call, rather than one that it was forked or imported from.
    pub(super) fn made(&self, call: &ToolCall) -> bool {
        call.key.starts_with(&format!("{}.", self.journal.session))
    }

    /// Asks what became of a call, and again where the plugin fails in passing: the answer, and what it brings, is final for the agent.
    async fn ask_patiently(&self, call: &ToolCall) -> Result<(Result<Fate>, Labels), Stop> {
        let mut tried = 1;
        loop {
            match self.ask_fate(call).await? {
                (Err(error), _) if tried < SETTLE_TRIES_MAX && matches!(error.kind, Kind::Unavailable | Kind::Limit) => {
                    tokio::time::sleep(SETTLE_PAUSE * tried).await;
                    tried += 1;
                }
                told => return Ok(told),
            }
        }
    }

    /// Asks the plugin what became of a call. Only the component that was called knows, and only of a call of this very session it can be
    /// said that nobody else makes it.
    async fn ask_fate(&self, call: &ToolCall) -> Result<(Result<Fate>, Labels), Stop> {
        let not_asked = |why: Error| Ok((Err(why), Labels::default()));
        if !self.made(call) {
            return not_asked(Error::new(Kind::Conflict, "it is a call of another session"));
        }
        let (context, request) = self.request(call)?;
        match self.host.describe(&request) {
            Ok((digest, ..)) if digest == call.digest => {}
            Ok(_) => return not_asked(Error::new(Kind::Conflict, "its plugin is another one now")),
            Err(error) => return not_asked(error),
        }
        let mut ended = self.host.settle(&context, &request, &call.key).await;
        let labels = std::mem::take(&mut ended.labels);
        Ok((self.told(ended)?, labels))
    }

    /// Records the end of an operation that the agent waits for; returns what the agent sees of it.
    async fn end(&self, op: u32, answer: Answer) -> Result<Outcome, Stop> {
        let seen = self.journal.machine().settle(op, answer, self.journal.now()).map_err(Stop::Turn)?;
        self.journal.write(Standing::running()).await.map_err(Stop::Host)?;
        Ok(seen)
    }

    /// A call that cannot be made is recorded with the reason, so that the agent is told the same on replay.
    async fn refuse(&self, tool: &str, arguments: &str, refusal: &Error) -> Result<Outcome, Stop> {
        let op = self.begin_refused(tool, arguments)?;
        self.end(op, refused(refusal).into()).await
    }

    pub(super) fn begin_refused(&self, tool: &str, arguments: &str) -> Result<u32, Stop> {
        let key = self.key();
        let (tool, arguments) = (tool.to_owned(), arguments.to_owned());
        let call = ToolCall { tool, arguments, effect: Effect::Read, digest: String::new(), key, cleared: BTreeSet::new() };
        self.journal.machine().begin_call(call, self.journal.now()).map_err(Stop::Turn)
    }

    /// Looks at a call before anything is recorded: may it be made, and what is it.
    pub(super) fn plan(&self, id: &str, arguments: &str) -> Result<Planned> {
        let (plugin, tool) = id.split_once('/').ok_or_else(|| Error::invalid("a tool is named `plugin/tool`"))?;
        // Asked here as well as at the call, so that no person is asked about what is refused anyway.
        let refusal = match plugin {
            MODELS => self.model_refusal(tool, arguments)?,
            _ => self.held().refusal(plugin, tool),
        };
        if let Some(denial) = refusal {
            let error = Error::denied(denial.to_string());
            self.denials.record(denial);
            return Err(error);
        }
        if self.delegation.len() >= DELEGATION_MAX_DEPTH {
            return Err(too_deep());
        }
        let request = Request::new(&self.project, plugin, tool, arguments);
        let (digest, effect, asks) = self.host.describe_called(&request)?;
        let (tool, arguments) = (id.to_owned(), arguments.to_owned());
        let call = ToolCall { tool, arguments, effect, digest, key: self.key(), cleared: BTreeSet::new() };
        let (asks, labels) = self.asks(&request, &call, asks)?;
        Ok(Planned { call, asks, labels })
    }

    /// Whether a person has to be asked about a new call: the project wants it of the tool (`asked`), and nobody allowed that for the rest
    /// of the session, or because of what the session has seen, which is the second part.
    ///
    /// # Errors
    /// `denied` when what was seen closes an agent. A tool that is closed is refused by the host, which has a line for it in the audit log:
    /// nobody is asked about it.
    pub(super) fn asks(&self, request: &Request<'_>, call: &ToolCall, asked: bool) -> Result<(bool, Labels)> {
        let carried = self.journal.machine().carried().clone();
        let allowed = call.effect != Effect::Once && carried.allows(self.journal.session, &call.tool, &call.digest);
        match self.host.flow(request, &carried.labels)? {
            Flow::Allow => Ok((asked && !allowed, carried.labels)),
            Flow::Ask(_) => Ok((true, carried.labels)),
            Flow::Refuse(denial) if request.plugin == AGENTS => {
                let error = labelled(&denial, Some(self.journal.session));
                self.denials.record(denial);
                Err(error)
            }
            Flow::Refuse(_) => Ok((false, carried.labels)),
        }
    }

    /// The key of the operation that comes next.
    pub(super) fn key(&self) -> String {
        let machine = self.journal.machine();
        format!("{}.{}.{}.{}", self.journal.session, self.journal.branch, machine.began_seq(), machine.next_op())
    }

    pub(super) async fn execute(&self, call: &ToolCall) -> Result<Answer, Stop> {
        if let Some(agent) = agent_of(&call.tool) {
            return self.execute_agent(call, agent).await;
        }
        let (context, request) = self.request(call)?;
        let mut ended = self.host.call_for_agent(&context, &request).await;
        let bytes = ended.metering.bytes_out;
        let (labels, used) = (std::mem::take(&mut ended.labels), std::mem::take(&mut ended.used));
        let outcome = match self.told(ended)? {
            Ok(output) => self.outcome_of(&output, bytes, self.host.output_bytes(&request).map_err(Stop::Host)?).await?,
            Err(error) => Outcome::Failed { kind: error.kind, message: error.message },
        };
        Ok(Answer { outcome, labels, used })
    }

    /// A recorded call as the host takes it.
    pub(super) fn request<'a>(&'a self, call: &'a ToolCall) -> Result<(Context, Request<'a>), Stop> {
        let (plugin, tool) = call.tool.split_once('/').unwrap_or((&call.tool, ""));
        let mut context = self.host.context(self.principal.clone(), self.role.clone()).map_err(Stop::Host)?;
        context.delegation.clone_from(&self.delegation);
        context.delegation.extend(self.agent.clone());
        context.held = self.held();
        context.labels.clone_from(&self.journal.machine().carried().labels);
        (context.session, context.turn) = (Some(self.journal.session), Some(self.journal.place()));
        (context.key, context.idempotency_key) = (self.key, Some(call.key.clone()));
        context.time_zone.clone_from(&self.journal.machine().turn().time_zone);
        let (cleared, events) = (call.cleared.clone(), self.events.clone());
        let request = Request { approved: true, cleared, events, ..Request::new(&self.project, plugin, tool, &call.arguments) };
        Ok((context, request))
    }

    /// What the host did for a call; nothing is taken from one that it is ending.
    fn told<T>(&self, ended: Ended<T>) -> Result<Result<T>, Stop> {
        ended.denials.into_iter().for_each(|denial| self.denials.record(denial));
        match ended.result {
            // What the host refused or ended since it shuts down has no outcome. A call that ended by itself meanwhile has one.
            Err(error) if error.kind == Kind::Unavailable && self.host.is_stopping() => Err(Stop::Host(error)),
            // Nor has what is refused or ended together with the turn, which goes on when it may.
            Err(error) if matches!(error.kind, Kind::Denied | Kind::Unavailable) => match self.halted() {
                Some(error) => Err(Stop::Host(error)),
                None => Ok(Err(error)),
            },
            result => Ok(result),
        }
    }

    /// Ends when the turn may not go on for now.
    pub(super) async fn until_halted(&self) -> Error {
        match &self.agent {
            Some(agent) => self.host.until_halted(&self.principal, agent).await,
            None => std::future::pending().await,
        }
    }

    /// Why the turn itself may not go on for now.
    fn halted(&self) -> Option<Error> {
        // A plain call has no turn that could go on: it is refused itself.
        let reason = self.host.halted(&self.principal, self.agent.as_deref()?).transpose()?;
        let later = |Refusal { reason, hint }| Error::unavailable(format!("the turn goes on later: {reason}")).hint(hint).code("E-HALTED");
        Some(reason.map_or_else(|error| error, later))
    }

    /// Waits for what the agent asks for.
    pub(super) async fn wait(&self, asked: Wait) -> Result<Outcome, Stop> {
        let step = self.journal.machine().wait(&asked).map_err(Stop::Turn)?;
        match step {
            WaitStep::Ended(outcome) => Ok(outcome),
            WaitStep::Waiting { op, wait } => match self.decision(&wait) {
                None => Err(self.suspend().await),
                Some(outcome) => self.end_wait(op, &wait, outcome).await,
            },
            WaitStep::New if matches!(asked, Wait::Approval { .. }) => {
                let asking = self.host.asking().lock().await;
                match self.may_ask().await {
                    Ok(()) => self.open(asked, Some(asking)).await,
                    Err(error) if error.kind == Kind::Limit => Err(Stop::Turn(error)),
                    Err(error) => Err(Stop::Host(error)),
                }
            }
            WaitStep::New => self.open(asked, None).await,
        }
    }

    /// Asks a person about a call that the project wants approved.
    async fn ask(&self, call: ToolCall, labels: Labels) -> Result<Outcome, Stop> {
        let asking = self.host.asking().lock().await;
        if let Err(error) = self.may_ask().await {
            if error.kind == Kind::Limit {
                return self.refuse(&call.tool, &call.arguments, &error).await;
            }
            return Err(Stop::Host(error));
        }
        let wait = self.approval_of(call, labels).map_err(Stop::Host)?;
        self.open(wait, Some(asking)).await
    }

    /// Whether one more question of the principal's sessions may be put to a person. To be asked, and acted upon, by one at a time.
    ///
    /// # Errors
    /// `limit` when too many wait for an answer already; those of the store.
    pub(super) async fn may_ask(&self) -> Result<()> {
        let (project, principal) = (self.project.clone(), self.principal.clone());
        let open = self.journal.store.approvals_open(project, principal, self.journal.now()).await?;
        if open < APPROVALS_OPEN_MAX {
            return Ok(());
        }
        let error = Error::limit(format!("{APPROVALS_OPEN_MAX} approvals of `{}` wait for an answer already", self.principal));
        Err(error.hint("decide some of them: remit approval list"))
    }

    /// The approval of a call.
    pub(super) fn approval_of(&self, call: ToolCall, labels: Labels) -> Result<Wait> {
        let who = self.agent.clone().unwrap_or_else(|| self.principal.to_string());
        let title = format!("`{who}` wants to call `{}`", call.tool);
        let ToolCall { tool, arguments, digest, effect, .. } = call;
        let mut details = visible_lines(&arguments, QUESTION_MAX_BYTES);
        if arguments.chars().count() > QUESTION_MAX_BYTES {
            details += &format!("\n(cut: {} bytes in all, {})", arguments.len(), Digest::of(arguments.as_bytes()));
        }
        let call = PendingCall { tool, arguments, digest, effect: Some(effect), labels };
        self.approval(title, details, None, Some(call))
    }

    /// An approval that is asked for now.
    pub(super) fn approval(&self, title: String, details: String, expires_ms: Option<u64>, call: Option<PendingCall>) -> Result<Wait> {
        let lasts = expires_ms.unwrap_or(APPROVAL_DEFAULT_MS).min(APPROVAL_MAX_MS);
        let due = Timestamp(self.journal.now().0.saturating_add(lasts));
        Ok(Wait::Approval { id: self.wait_id()?, title, details, due, call })
    }

    pub(super) fn wait_id(&self) -> Result<WaitId> {
        Ok(WaitId::new(self.journal.now(), self.host.random()?))
    }

    async fn open(&self, wait: Wait, asking: Option<MutexGuard<'_, ()>>) -> Result<Outcome, Stop> {
        let detail = self.journal.opens(wait, None).await.map_err(Stop::Turn)?;
        self.journal.write(Standing::waiting(detail)).await.map_err(Stop::Host)?;
        // What still runs in a group may ask something itself.
        drop(asking);
        Err(self.suspend().await)
    }

    async fn end_wait(&self, op: u32, wait: &Wait, outcome: Outcome) -> Result<Outcome, Stop> {
        let seen = self.journal.machine().settle(op, outcome, self.journal.now()).map_err(Stop::Turn)?;
        self.journal.uses(wait.id()).await;
        self.journal.write(Standing::running()).await.map_err(Stop::Host)?;
        Ok(seen)
    }

    /// How a wait that was begun ended, if it did: by a person, or by its time.
    pub(super) fn decision(&self, wait: &Wait) -> Option<Outcome> {
        if let Some(outcome) = self.decided.lock().unwrap_or_else(PoisonError::into_inner).get(&wait.id()) {
            return Some(outcome.clone());
        }
        match (wait, wait.due()?) {
            (_, due) if self.journal.now() < due => None,
            (Wait::Timer { .. }, _) => Some(Outcome::Woken),
            _ => Some(Outcome::Expired { reason: "nobody decided in time".to_owned() }),
        }
    }

    /// Ends the instance; calls of groups that still run are waited for, so that their results are recorded.
    pub(super) async fn suspend(&self) -> Stop {
        if let Err(stop) = self.groups_ended().await {
            return stop;
        }
        let called = self.called_waits.lock().unwrap_or_else(PoisonError::into_inner).take();
        match called {
            None => Stop::Waiting,
            Some(detail) => self.journal.write(Standing::waiting(detail)).await.map_or_else(Stop::Host, |()| Stop::Waiting),
        }
    }

    /// Tells the caller something, but not twice.
    pub(super) fn event(&self, event: Event) {
        if let Some(events) = self.events.as_ref().filter(|_| !self.journal.machine().replaying()) {
            events(event);
        }
    }
}

/// Whether a person approved this very call of this very component, with all that the session has seen by now.
pub(super) fn is_for(approved: &PendingCall, call: &ToolCall, labels: &Labels) -> bool {
    approved.digest == call.digest && labels.clone().beyond(&approved.labels).is_empty()
}

/// A call by the last of as many callers as there may be.
pub(crate) fn too_deep() -> Error {
    Error::limit(format!("agents and tools called each other more than {DELEGATION_MAX_DEPTH} deep"))
}

/// How a call ended that could not be made.
pub(super) fn refused(refusal: &Error) -> Outcome {
    Outcome::Failed { kind: refusal.kind, message: refusal.message.clone() }
}
