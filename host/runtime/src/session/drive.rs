//! Running a turn to where it ends or waits.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use remit_core::{
    Error, Kind, Result,
    clock::Timestamp,
    grant::{Chain, Holder},
    id::SessionId,
    identity::Context,
    journal::{Body, Carried, Line, Machine, Outcome, Record, TurnStart},
    limit::GUEST_TEXT_MAX_CHARS,
    plugin::text::visible,
    store::{Claim, Component, SessionStore, Status, TurnClose, TurnOpen, WaitKind, WaitRow, WaitState},
};
use wasmtime::Store;

use super::{
    AgentState, LOOK_EVERY, Patience, Ran, TurnEnd,
    agents::Linked,
    called::Calls,
    journal::{Journal, Standing},
    stop::Stop,
    turn::{Grace, Turn},
    ways_out,
};
use crate::{
    capability::{Denials, Events, stdio::Ring},
    engine::{Engine, Failed, Permit},
    host::Inner,
    plugin::Loaded,
    workspace::Captured,
};

/// Records that are read at once.
const PAGE: u32 = 10_000;

/// An input that begins a turn.
pub(super) struct Begin {
    pub(super) input: String,
    pub(super) key: Option<String>,
    pub(super) time_zone: String,
    /// Whether it waited: the agent may be another one since its input was checked.
    pub(super) queued: bool,
}

/// What a run of the agent's code came to.
enum Came {
    Output(String),
    Failure(Error, Vec<String>),
    Stopped(Stop),
}

impl Came {
    /// The same, saying that it happened before the turn itself.
    fn in_migration(self, start: &TurnStart) -> Self {
        let from = start.migrates_from.as_deref().filter(|from| !from.is_empty()).unwrap_or("unknown");
        let to = start.version.as_deref().unwrap_or("unknown");
        let of = |mut error: Error| {
            error.message = format!("the state could not be brought from version {from} to {to}: {}", error.message);
            error
        };
        match self {
            Self::Failure(error, frames) => Self::Failure(of(error), frames),
            Self::Stopped(Stop::Turn(error)) if error.kind != Kind::Diverged => Self::Stopped(Stop::Turn(of(error))),
            other => other,
        }
    }
}

/// Ends what runs beside the agent when the turn is no longer run, for whatever reason.
struct Running(Arc<Turn>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort_groups();
    }
}

/// What an instance runs in; held until it is gone.
enum Place {
    Own(#[expect(dead_code, reason = "held until it is dropped")] Permit),
    Callers(#[expect(dead_code, reason = "held until it is dropped")] tokio::sync::OwnedMutexGuard<()>),
}

/// A turn to be run: the agent, for whom, and where its records go.
pub(super) struct Drive<'a> {
    pub(super) host: Arc<Inner>,
    pub(super) agent: Arc<Loaded>,
    pub(super) context: &'a Context,
    pub(super) patience: Patience,
    pub(super) events: Option<Events>,
    /// Where the turn is called from, when an agent calls it.
    pub(super) calls: Option<&'a Calls>,
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) claim: Claim,
}

impl Drive<'_> {
    /// Runs the turn until it ends, waits for longer than the caller has patience, or cannot go on here.
    ///
    /// # Errors
    /// `diverged`, after which the session is quarantined; `conflict` when it was killed or taken over; those of the store.
    pub(super) async fn run(&self, mut begin: Option<Begin>) -> Result<Ran> {
        let queued = begin.as_ref().filter(|begin| begin.queued);
        let mut unfit = queued.and_then(|begin| self.agent.turn_input(&begin.input).err());
        let denials = Denials::default();
        loop {
            let turn = Arc::new(self.turn(begin.take(), &denials).await?);
            let _running = Running(turn.clone());
            let output = Ring::default();
            let came = match unfit.take() {
                Some(error) => Came::Failure(error, Vec::new()),
                None => tokio::select! {
                    came = self.instance(&turn, &output) => came,
                    error = self.taken_away() => Came::Stopped(Stop::Host(error)),
                    error = turn.until_halted() => Came::Stopped(Stop::Host(error)),
                },
            };
            let number = turn.journal.machine().turn().turn;
            let backtrace = if let Came::Failure(_, frames) = &came { frames.clone() } else { Vec::new() };
            let ran = |end| {
                let labels = turn.journal.machine().carried().labels.clone();
                Ran { session: self.claim.row.id, turn: number, end, denials: denials.take(), labels, backtrace, output: output.text() }
            };
            match self.conclude(&turn, came).await? {
                Some(end) => return Ok(ran(end)),
                None => {
                    let waits = self.open_waits().await?;
                    if !self.woken(&waits).await? {
                        return Ok(ran(TurnEnd::Waiting(waits)));
                    }
                }
            }
        }
    }

    /// The turn that begins so, or the one that the session is in.
    async fn turn(&self, begin: Option<Begin>, denials: &Denials) -> Result<Turn> {
        let row = &self.claim.row;
        let state = self.store.session_state(row.id).await?;
        let clock = self.host.services().clock.clone();
        let (machine, open) = match begin {
            Some(begin) => {
                let key = begin.key.clone();
                let start = self.start(begin).await?;
                (Machine::start(start, row.next_seq, clock.now().max(row.updated), state)?, Some(TurnOpen { seq: row.next_seq, key }))
            }
            None => {
                let seq = self.store.session_get(row.id).await?.map_or(row.turn_seq, |row| row.turn_seq);
                (Machine::replay(&records(&self.store, row.id, seq).await?, state)?, None)
            }
        };
        let spec = &self.agent.spec;
        if row.caller.is_some() && machine.turn().held.is_empty() {
            return Err(Error::host("a turn that an agent called does not say what its callers could call", row.id));
        }
        let delegation = machine.turn().delegation.clone();
        Ok(Turn {
            grace: Grace::new(Duration::from_millis(machine.turn().grace_ms)),
            host: self.host.clone(),
            journal: Arc::new(Journal::new(row, self.store.clone(), clock, machine, open)),
            project: row.project.clone(),
            agent: Some(spec.name.to_string()),
            principal: row.principal.clone(),
            role: self.context.role.clone(),
            key: self.context.key,
            delegation,
            caller: row.caller.clone(),
            patient: self.patience.people || self.calls.is_some_and(|calls| calls.patient),
            place_of_called: Arc::default(),
            called_waits: Mutex::default(),
            denials: denials.clone(),
            events: self.events.clone(),
            decided: Mutex::new(self.decisions().await?),
            group_call_ended: tokio::sync::Notify::new(),
            groups: Mutex::default(),
        })
    }

    async fn start(&self, begin: Begin) -> Result<TurnStart> {
        let (spec, row) = (&self.agent.spec, &self.claim.row);
        let Linked { migrate, version, .. } = self.agent.link_agent(self.host.agents()?).await?;
        let digest = spec.digest.to_string();
        let left_by = row.left_by.as_ref().filter(|left_by| migrate.is_some() && left_by.digest != digest);
        // Half of what was drawn.
        let seed = self.host.random()? as u64;
        let mut carried = carried(&self.store, row.id, row.next_seq).await?;
        carried.labels.take_on(self.context.labels.clone().renamed(|origin| format!("{origin} of the caller")));
        Ok(TurnStart {
            turn: row.turns,
            input: begin.input,
            key: begin.key,
            digest,
            version: version.clone(),
            migrates_from: left_by.map(|left_by| left_by.version.clone().unwrap_or_default()),
            remit: env!("CARGO_PKG_VERSION").to_owned(),
            seed,
            memory_mib: spec.limits.memory_mib,
            grace_ms: spec.limits.deadline_ms,
            time_zone: begin.time_zone,
            delegation: self.context.delegation.clone(),
            held: Chain::start(
                &self.context.held,
                &self.claim.row.principal,
                &self.context.role,
                Holder::plugin(spec.name.as_str(), &spec.declared, &spec.granted),
            ),
            carried,
        })
    }

    async fn decisions(&self) -> Result<HashMap<remit_core::id::WaitId, Outcome>> {
        let waits = self.store.wait_list(self.claim.row.project.clone(), Some(self.claim.row.id), false).await?;
        Ok(waits
            .into_iter()
            .filter(|wait| wait.state == WaitState::Decided && wait.session == self.claim.row.id)
            .filter_map(|wait| Some((wait.id, wait.outcome?)))
            .collect())
    }

    async fn open_waits(&self) -> Result<Vec<WaitRow>> {
        self.store.wait_list(self.claim.row.project.clone(), Some(self.claim.row.id), false).await
    }

    /// Runs the agent's code in a fresh instance.
    async fn instance(&self, turn: &Arc<Turn>, output: &Ring) -> Came {
        let start = turn.journal.machine().turn().clone();
        let digest = &start.digest;
        if *digest != self.agent.spec.digest.to_string() {
            let message = format!("the turn began with the component {digest}, and goes on with no other");
            let error = Error::new(Kind::Conflict, message)
                .hint(format!("let it end with that component: remit session resume {}", self.claim.row.id));
            return Came::Stopped(Stop::Host(error));
        }
        let mut store = None;
        let migrated = self.migrate(turn, &start, output, &mut store).await;
        if let Err(came) = self.came(turn, migrated, store.as_ref()) {
            return came.in_migration(&start);
        }
        let ended = self.call(turn, &start, output, &mut store).await;
        self.came(turn, ended, store.as_ref()).map_or_else(|came| came, Came::Output)
    }

    /// What the end of a run of the agent's code says.
    fn came<T>(&self, turn: &Turn, ended: wasmtime::Result<Result<T, String>>, store: Option<&Store<AgentState>>) -> Result<T, Came> {
        let stopped = turn.groups_broken();
        match ended {
            Ok(Ok(output)) => stopped.map_or(Ok(output), |stop| Err(Came::Stopped(stop))),
            Ok(Err(message)) => {
                let failure = Error::guest(visible(&message, GUEST_TEXT_MAX_CHARS));
                Err(stopped.map_or(Came::Failure(failure, Vec::new()), Came::Stopped))
            }
            Err(error) => Err(match error.downcast_ref::<Stop>() {
                Some(stop) => Came::Stopped(stop.clone()),
                None => {
                    let failed = Failed::from(error);
                    let failed = match store {
                        Some(store) => failed.explain(&store.data().limiter),
                        None => failed,
                    };
                    Came::Failure(failed.error, failed.backtrace)
                }
            }),
        }
    }

    /// Has the agent bring the state to its own form, where another component left it. What it changes is part of the turn.
    async fn migrate(
        &self,
        turn: &Arc<Turn>,
        start: &TurnStart,
        output: &Ring,
        kept: &mut Option<Store<AgentState>>,
    ) -> wasmtime::Result<Result<(), String>> {
        // The start of a turn is durable before any of its code runs.
        turn.journal.write(Standing::running()).await.map_err(Stop::Host)?;
        let Some(from) = &start.migrates_from else { return Ok(Ok(())) };
        let (linked, _place) = self.admit(turn).await.map_err(Stop::Host)?;
        let Some(migrate) = &linked.migrate else { return Ok(Ok(())) };
        let store = kept.insert(self.store(turn, start, output, true)?);
        let guest = migrate.instantiate_async(&mut *store).await?;
        guest.remit_agent_migrate().call_migrate_state(&mut *store, from).await
    }

    async fn call(
        &self,
        turn: &Arc<Turn>,
        start: &TurnStart,
        output: &Ring,
        kept: &mut Option<Store<AgentState>>,
    ) -> wasmtime::Result<Result<String, String>> {
        let (linked, _place) = self.admit(turn).await.map_err(Stop::Host)?;
        let store = kept.insert(self.store(turn, start, output, false)?);
        let guest = linked.turn.instantiate_async(&mut *store).await?;
        guest.remit_agent_handler().call_turn(&mut *store, &start.input).await
    }

    /// The agent's code, and a place to run it in.
    async fn admit(&self, turn: &Turn) -> Result<(&Linked, Place)> {
        let agents = self.host.agents()?;
        let linked = self.agent.link_agent(agents).await?;
        let place = self.place(&agents.engine, turn.grace.deadline()).await?;
        turn.grace.renew();
        Ok((linked, place))
    }

    fn store(&self, turn: &Arc<Turn>, start: &TurnStart, output: &Ring, migrates: bool) -> Result<Store<AgentState>, Stop> {
        let memory_bytes = (start.memory_mib as usize) << 20;
        let mut state = AgentState::new(turn.journal.machine.clone(), memory_bytes, output, Some(turn.clone()));
        state.migrates = migrates;
        let deadline = turn.clone();
        Ok(self.host.agents().map_err(Stop::Host)?.engine.agent_store(state, move || deadline.grace.deadline()))
    }

    /// A place among the turns in flight. A turn that was called never waits for one: its caller, which waits for it, may have the last.
    /// Where none is free it runs in its caller's, one such turn at a time, so that a place has to have room for one chain.
    async fn place(&self, engine: &Engine, deadline: Instant) -> Result<Place> {
        let Some(calls) = self.calls else { return Ok(Place::Own(engine.admit(deadline).await?)) };
        match engine.try_admit() {
            Some(permit) => Ok(Place::Own(permit)),
            None => Ok(Place::Callers(calls.place.clone().lock_owned().await)),
        }
    }

    /// Records how the turn ended; `None` when it waits.
    async fn conclude(&self, turn: &Arc<Turn>, came: Came) -> Result<Option<TurnEnd>> {
        let result = match came {
            Came::Output(output) => match self.agent.check_turn(&output) {
                Ok(()) => Ok(output),
                Err(error) => Err(error),
            },
            Came::Failure(error, _) => Err(error),
            Came::Stopped(Stop::Waiting) => return Ok(None),
            Came::Stopped(Stop::Host(error)) => return Err(error),
            Came::Stopped(Stop::Turn(error)) => Err(error),
        };
        let dropped = turn.drop_groups();
        let result = match dropped {
            Err(Stop::Turn(error)) if result.is_ok() => Err(error),
            _ => result,
        };
        let captured = self.capture(turn).await?;
        let now = turn.journal.now();
        let (finished, result) = {
            let mut machine = turn.journal.machine();
            match result {
                Err(error) if error.kind == Kind::Diverged => (Err(error.clone()), Err(error)),
                Err(error) if error.kind == Kind::Limit => {
                    (machine.abandon(error.kind, error.message.clone(), now).map(|()| TurnClose::default()), Err(error))
                }
                Err(error) => {
                    let finished = machine.finish(Err((error.kind, error.message.clone())), now);
                    (finished.map(|_failed| TurnClose::default()), Err(error))
                }
                Ok(output) => match machine.finish(Ok(output.clone()), now) {
                    Err(error) if error.kind == Kind::Limit => (Ok(TurnClose::default()), Err(error)),
                    finished => {
                        let TurnStart { digest, version, .. } = machine.turn().clone();
                        let left_by = Some(Component { digest, version });
                        (finished.map(|finished| TurnClose { state: finished.state, left_by, ..TurnClose::default() }), Ok(output))
                    }
                },
            }
        };
        match finished {
            Ok(close) => {
                let detail = result.as_ref().err().map_or_else(String::new, |error| error.message.clone());
                let close = TurnClose { workspaces: captured.trees.clone(), ..close };
                turn.journal.write(Standing::idle(detail, close)).await?;
                captured.settle().await;
                Ok(Some(result.map_or_else(TurnEnd::Failed, TurnEnd::Done)))
            }
            Err(mut error) => {
                if error.kind == Kind::Diverged {
                    turn.journal.write(Standing::quarantined(error.message.clone())).await?;
                    let pinned = turn.journal.machine().turn().digest.clone();
                    error.hints.extend(ways_out(&self.claim.row, &pinned));
                }
                Err(error)
            }
        }
    }

    /// Takes what the turn left in workspaces into the content of the session. A turn that does not come to its end leaves nothing yet.
    async fn capture(&self, turn: &Arc<Turn>) -> Result<Captured> {
        if self.host.services().workspaces.is_none() || turn.journal.machine().replaying() {
            return Ok(Captured::default());
        }
        // What the agent let go of may still be writing.
        if let Err(Stop::Host(error)) = turn.groups_ended().await {
            return Err(error);
        }
        turn.journal.capture(self.host.services(), &self.claim.row.project).await
    }

    /// Ends when the session is no longer this process's to run.
    async fn taken_away(&self) -> Error {
        let (id, epoch) = (self.claim.row.id, self.claim.row.epoch);
        let mut seen = None;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let version = self.store.version().await.ok();
            if version.is_some() && version == seen {
                continue;
            }
            seen = version;
            match self.store.session_get(id).await {
                Ok(Some(row)) if row.status == Status::Killed => return killed(&row.detail),
                Ok(Some(row)) if row.epoch == epoch => {}
                Ok(_) => return Error::new(Kind::Conflict, "the session was taken over"),
                Err(error) => return error,
            }
        }
    }

    /// Whether something that the turn waits for came, within the caller's patience.
    async fn woken(&self, waits: &[WaitRow]) -> Result<bool> {
        let clock = &self.host.services().clock;
        let Patience { people, time } = self.patience;
        let due = waits.iter().filter(|wait| wait.state == WaitState::Open).filter_map(|wait| wait.due).min();
        let soon = due.is_some_and(|due| due.0.saturating_sub(clock.now().0) <= u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let timers = waits.iter().all(|wait| wait.kind == WaitKind::Timer);
        if waits.iter().any(|wait| wait.state == WaitState::Decided) {
            return Ok(true);
        }
        if !(people || timers && soon) {
            return Ok(false);
        }
        tokio::select! {
            woken = self.watch(waits, due) => woken.map(|()| true),
            error = self.taken_away() => Err(error),
            error = self.host.until_halted(&self.claim.row.principal, &self.claim.row.agent) => Err(error),
        }
    }

    /// Waits until one of `waits` is open no more, also in a session that the turn called, or for `due`.
    async fn watch(&self, waits: &[WaitRow], due: Option<Timestamp>) -> Result<()> {
        let mut seen = None;
        loop {
            if due.is_some_and(|due| self.host.services().clock.now() >= due) {
                return Ok(());
            }
            let version = self.store.version().await?;
            if seen != Some(version) {
                seen = Some(version);
                let now = self.open_waits().await?;
                let is_open = |wait: &WaitRow| now.iter().any(|now| now.id == wait.id && now.state == WaitState::Open);
                if !waits.iter().all(is_open) {
                    return Ok(());
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// What the last turn of a session left for the next one, which begins with record `next_seq`.
///
/// # Errors
/// Those of the store; `host` when the journal is damaged.
pub(super) async fn carried(store: &Arc<dyn SessionStore>, id: SessionId, next_seq: u64) -> Result<Carried> {
    let Some(last) = next_seq.checked_sub(1) else { return Ok(Carried::default()) };
    match store.session_records(id, last, 1).await?.first().map(Record::decode).transpose()?.map(|record| record.body) {
        Some(Body::TurnEnd { carried, .. } | Body::TurnFailed { carried, .. }) => Ok(carried),
        _ => Err(Error::host("the journal is damaged: no turn ends before the next one", last)),
    }
}

pub(super) fn killed(detail: &str) -> Error {
    Error::new(Kind::Conflict, format!("the session was killed {detail}").trim_end()).code("E-KILLED")
}

/// All records of a session from `from` on.
///
/// # Errors
/// Those of the store.
pub(super) async fn records(store: &Arc<dyn SessionStore>, id: SessionId, from: u64) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    let mut next = from;
    loop {
        let page = store.session_records(id, next, PAGE).await?;
        let full = page.len() == PAGE as usize;
        next += page.len() as u64;
        lines.extend(page);
        if !full {
            return Ok(lines);
        }
    }
}
