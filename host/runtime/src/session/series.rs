//! The plain calls of a session without an agent, as far as this process runs them: who owns the session, and the turn that they share.
//!
//! Calls that run at the same time are operations of one turn, each with its own `call` and `end`, as the calls of a group are. So none
//! waits for another one. The turn ends with the last of them; calls that only read share one when they come within [`SERIES_LAG_MS`].

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use remit_core::{
    Error, Kind, Result,
    grant::Chain,
    id::SessionId,
    identity::{Context, Principal},
    journal::{Answer, Carried, Machine, Outcome, TurnStart},
    limit::{SERIES_CLAIM_MS, SERIES_LAG_MS, SERIES_REST_MS},
    plugin::{Digest, Effect},
    store::{SessionStore, Status, TurnClose, TurnOpen},
};
use tokio::sync::{MappedMutexGuard, Notify, watch};

use super::{
    LOOK_EVERY,
    drive::{carried, killed, records},
    journal::{Journal, Standing},
    owned::Owned,
    plain::turn_of,
    ways_out,
};
use crate::{capability::call::now, host::Inner};

const LAG: Duration = Duration::from_millis(SERIES_LAG_MS);
const REST: Duration = Duration::from_millis(SERIES_REST_MS);

/// The sessions whose plain calls this process runs.
#[derive(Default)]
pub(crate) struct AllSeries(Mutex<HashMap<SessionId, Arc<Series>>>);

impl AllSeries {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Series>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, id: SessionId) -> Option<Arc<Series>> {
        self.lock().get(&id).filter(|series| series.lost.borrow().is_none()).cloned()
    }

    /// The one that is there, or `series`.
    pub(super) fn get_or(&self, series: Series) -> Arc<Series> {
        let mut all = self.lock();
        match all.get(&series.session).filter(|series| series.lost.borrow().is_none()) {
            Some(there) => there.clone(),
            None => {
                let series = Arc::new(series);
                all.insert(series.session, series.clone());
                series
            }
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<Series>> {
        self.lock().values().cloned().collect()
    }

    /// Forgets a series that nobody but its keeper has.
    fn forget(&self, series: &Arc<Series>) {
        let mut all = self.lock();
        if all.get(&series.session).is_some_and(|there| Arc::ptr_eq(there, series)) && Arc::strong_count(series) <= 2 {
            all.remove(&series.session);
        }
    }
}

/// The plain calls of one session.
pub(super) struct Series {
    pub(super) session: SessionId,
    pub(super) project: String,
    pub(super) principal: Principal,
    pub(super) store: Arc<dyn SessionStore>,
    claimed: tokio::sync::Mutex<Option<Claimed>>,
    /// Told whenever a call or a turn ends.
    pub(super) ended: Notify,
    /// Why the session is no longer this process's to run.
    lost: watch::Sender<Option<Error>>,
}

/// What there is while this process owns the session.
struct Claimed {
    owned: Owned,
    next_seq: u64,
    turns: u32,
    /// What the turn that ended last left for the next one.
    carried: Carried,
    turn: Option<Open>,
}

/// The turn that has not ended.
pub(super) struct Open {
    pub(super) journal: Arc<Journal>,
    running: usize,
    /// Whether a call of it may change something.
    changes: bool,
    stir: Stir,
    /// The keys of its calls, each with the call that it names.
    pub(super) keys: HashMap<String, (u32, Digest)>,
}

/// When a turn without running calls was last used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stir {
    Now,
    /// Not since its records were last written.
    Before,
    /// It could not be ended, and is tried again after its next call.
    Stuck,
}

impl Open {
    fn new(journal: Journal) -> Self {
        Self { journal: Arc::new(journal), running: 0, changes: false, stir: Stir::Now, keys: HashMap::new() }
    }
}

/// A call that runs. Dropped before its end is known, it ends in doubt, or failed where it only read.
pub(super) struct Pass {
    series: Arc<Series>,
    host: Arc<Inner>,
    journal: Arc<Journal>,
    op: u32,
    effect: Effect,
    left: bool,
}

impl Pass {
    /// Counts a call of the open turn as running.
    pub(super) fn new(host: &Arc<Inner>, series: &Arc<Series>, open: &mut Open, op: u32, effect: Effect) -> Self {
        open.running += 1;
        open.changes |= effect != Effect::Read;
        Self { series: series.clone(), host: host.clone(), journal: open.journal.clone(), op, effect, left: false }
    }

    /// Records how the call ended. Durable on return, unless it only read.
    ///
    /// # Errors
    /// Those of the store: the outcome is not to be told then.
    pub(super) async fn end(mut self, answer: impl Into<Answer>) -> Result<()> {
        self.left = true;
        self.journal.machine().conclude(self.op, answer, self.journal.now())?;
        self.series.leave(&self.host, &self.journal, self.effect != Effect::Read).await
    }

    /// Leaves the call without an end: whoever takes the session up settles it.
    pub(super) fn leave_open(mut self) {
        self.left = true;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        let (kind, message) = match self.effect {
            Effect::Read => (Kind::Unavailable, "the call was taken back while it ran"),
            _ => (Kind::InDoubt, "the call was taken back while it ran; whether it took effect is not known, and it is not repeated"),
        };
        let outcome = Outcome::Failed { kind, message: message.to_owned() };
        let (series, host, journal, op, effect) = (self.series.clone(), self.host.clone(), self.journal.clone(), self.op, self.effect);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let pass = Self { series, host, journal, op, effect, left: true };
                if let Err(error) = pass.end(outcome).await {
                    tracing::warn!(%error, internal = error.internal, "the end of a call that was taken back could not be recorded");
                }
            });
        }
    }
}

impl Series {
    pub(super) fn new(session: SessionId, project: &str, principal: &Principal, store: &Arc<dyn SessionStore>) -> Self {
        Self {
            session,
            project: project.to_owned(),
            principal: principal.clone(),
            store: store.clone(),
            claimed: tokio::sync::Mutex::default(),
            ended: Notify::new(),
            lost: watch::Sender::new(None),
        }
    }

    /// The turn for one more call, with nobody else at it. Where there is none, one begins, for `first`.
    ///
    /// # Errors
    /// `conflict` when the session was killed or another process has it; `diverged` when it is quarantined; those of the store.
    pub(super) async fn enter(self: &Arc<Self>, host: &Arc<Inner>, context: &Context, first: &str) -> Result<MappedMutexGuard<'_, Open>> {
        loop {
            let ended = self.ended.notified();
            let mut state = self.claimed.lock().await;
            self.claim_if_free(host, context, &mut state).await?;
            let Some(claimed) = state.as_mut() else { continue };
            match &claimed.turn {
                Some(open) if open.journal.machine().is_long() && open.running > 0 => {
                    drop(state);
                    ended.await;
                    continue;
                }
                Some(open) if open.journal.machine().is_long() => self.end_turn(host, claimed).await?,
                _ => {}
            }
            if claimed.turn.is_none() {
                claimed.turn = Some(self.begin_turn(host, context, claimed, first)?);
            }
            if let Ok(mut open) = tokio::sync::MutexGuard::try_map(state, |state| state.as_mut()?.turn.as_mut()) {
                open.stir = Stir::Now;
                return Ok(open);
            }
        }
    }

    /// Waits until no call runs that another process, or a crash, left without an end.
    ///
    /// # Errors
    /// As [`Series::enter`].
    pub(super) async fn settled(self: &Arc<Self>, host: &Arc<Inner>, context: &Context) -> Result<()> {
        loop {
            let ended = self.ended.notified();
            let mut state = self.claimed.lock().await;
            self.claim_if_free(host, context, &mut state).await?;
            if state.as_ref().and_then(|claimed| claimed.turn.as_ref()).is_none_or(|open| open.running == 0) {
                return Ok(());
            }
            drop(state);
            ended.await;
        }
    }

    async fn claim_if_free(self: &Arc<Self>, host: &Arc<Inner>, context: &Context, state: &mut Option<Claimed>) -> Result<()> {
        if let Some(error) = &*self.lost.borrow() {
            return Err(error.clone());
        }
        if state.is_none() {
            *state = Some(self.claim(host, context).await?);
            tokio::spawn(self.clone().keep(Arc::downgrade(host)));
        }
        Ok(())
    }

    /// Makes this process the owner. What was cut off is settled beside the calls that come.
    async fn claim(self: &Arc<Self>, host: &Arc<Inner>, context: &Context) -> Result<Claimed> {
        let until = now() + Duration::from_millis(SERIES_CLAIM_MS);
        let owned = loop {
            match Owned::claim(&self.store, self.session).await {
                Err(error) if error.code == Some("E-IN-USE") && now() < until => tokio::time::sleep(LOOK_EVERY).await,
                owned => break owned?,
            }
        };
        let row = &owned.claim.row;
        let mut claimed = Claimed { next_seq: row.next_seq, turns: row.turns, carried: Carried::default(), turn: None, owned };
        let row = &claimed.owned.claim.row;
        match row.status {
            Status::Idle => claimed.carried = carried(&self.store, row.id, row.next_seq).await?,
            Status::Killed => return Err(killed(&row.detail).hint("begin another session")),
            Status::Quarantined => {
                let error = Error::new(Kind::Diverged, format!("the session is quarantined: {}", row.detail));
                let [_, fork, abandon] = ways_out(row, "");
                return Err(error.hint(fork).hint(abandon));
            }
            Status::Running | Status::Waiting => {
                let mut machine = Machine::replay(&records(&self.store, row.id, row.turn_seq).await?, BTreeMap::new())?;
                let calls = machine.take_up();
                let clock = host.services().clock.clone();
                let mut open = Open::new(Journal::new(row, self.store.clone(), clock, machine, None));
                open.changes = true;
                for (op, call) in calls {
                    let pass = Pass::new(host, self, &mut open, op, call.effect);
                    let turn = turn_of(host, context, &self.project, &open.journal, None);
                    tokio::spawn(async move {
                        match turn.settle(&call).await {
                            Ok(answer) => drop(pass.end(answer).await),
                            Err(_host_ends) => pass.leave_open(),
                        }
                    });
                }
                claimed.turn = Some(open);
            }
        }
        Ok(claimed)
    }

    fn begin_turn(&self, host: &Inner, context: &Context, claimed: &Claimed, first: &str) -> Result<Open> {
        let clock = host.services().clock.clone();
        let row = &claimed.owned.claim.row;
        let start = TurnStart {
            turn: claimed.turns,
            input: serde_json::Value::from(first).to_string(),
            key: None,
            digest: String::new(),
            version: None,
            migrates_from: None,
            remit: env!("CARGO_PKG_VERSION").to_owned(),
            seed: 0,
            memory_mib: 0,
            grace_ms: 0,
            time_zone: context.time_zone.clone(),
            delegation: context.delegation.clone(),
            held: Chain::default(),
            carried: claimed.carried.clone(),
        };
        let machine = Machine::start(start, claimed.next_seq, clock.now().max(row.updated), BTreeMap::new())?;
        let open = TurnOpen { seq: claimed.next_seq, key: None };
        Ok(Open::new(Journal::new(row, self.store.clone(), clock, machine, Some(open))))
    }

    /// Ends the open turn, in which nothing runs. One in which nothing happened leaves no trace. A workspace that cannot be captured keeps it
    /// open, with all that happened recorded.
    async fn end_turn(&self, host: &Inner, claimed: &mut Claimed) -> Result<()> {
        let Some(open) = &mut claimed.turn else { return Ok(()) };
        let journal = open.journal.clone();
        if journal.is_blank().await {
            claimed.turn = None;
            return Ok(());
        }
        let captured = match journal.capture(host.services(), &self.project).await {
            Ok(captured) => captured,
            Err(error) => {
                tracing::warn!(session = %self.session, %error, internal = error.internal, "a workspace could not be captured");
                open.stir = Stir::Stuck;
                return self.write(&journal, Standing::running()).await;
            }
        };
        let (next_seq, carried) = {
            let mut machine = journal.machine();
            let output = format!("{{\"calls\":{}}}", machine.next_op());
            machine.finish(Ok(output), journal.now())?;
            (machine.next_seq(), machine.carried().clone())
        };
        let close = TurnClose { workspaces: captured.trees.clone(), leaves_waits: true, ..TurnClose::default() };
        self.write(&journal, Standing::idle(String::new(), close)).await?;
        captured.settle().await;
        (claimed.next_seq, claimed.carried, claimed.turn) = (next_seq, carried, None);
        claimed.turns += 1;
        Ok(())
    }

    /// Writes what has to be added. Durable on return.
    ///
    /// # Errors
    /// Those of the store: what was to be written is not, and the session is given up.
    pub(super) async fn write(&self, journal: &Journal, standing: Standing) -> Result<()> {
        let written = journal.write(standing).await;
        written.inspect_err(|error| drop(self.lost.send_replace(Some(error.clone()))))
    }

    async fn leave(&self, host: &Inner, journal: &Arc<Journal>, durable: bool) -> Result<()> {
        let mut state = self.claimed.lock().await;
        let claimed = state.as_mut().filter(|claimed| claimed.turn.as_ref().is_some_and(|open| Arc::ptr_eq(&open.journal, journal)));
        let left = match claimed {
            Some(claimed) => {
                let last = claimed.turn.as_mut().is_some_and(|open| {
                    open.running = open.running.saturating_sub(1);
                    open.running == 0 && open.changes
                });
                match last {
                    true => self.end_turn(host, claimed).await,
                    false => Ok(()),
                }
            }
            None => Err(self.lost.borrow().clone().unwrap_or_else(|| Error::new(Kind::Conflict, "the session was given up"))),
        };
        drop(state);
        let left = match left {
            Ok(()) if durable => self.write(journal, Standing::running()).await,
            left => left,
        };
        self.ended.notify_waiters();
        left
    }

    /// Ends when the session is no longer this process's to run.
    pub(super) async fn lost(&self) -> Error {
        let mut lost = self.lost.subscribe();
        let found = lost.wait_for(Option::is_some).await.ok().and_then(|error| error.clone());
        found.unwrap_or_else(|| Error::new(Kind::Conflict, "the session was given up"))
    }

    /// Writes records that lag, ends turns that rest, sees when the session is taken away, and gives it back after a while.
    async fn keep(self: Arc<Self>, host: Weak<Inner>) {
        let (mut rested, mut seen) = (Duration::ZERO, None);
        loop {
            tokio::time::sleep(LAG).await;
            let Some(host) = host.upgrade() else { return };
            match self.flush(&host).await {
                Ok(true) => rested = Duration::ZERO,
                Ok(false) => rested += LAG,
                Err(error) => tracing::warn!(session = %self.session, %error, internal = error.internal, "records could not be written"),
            }
            let over = self.lost.borrow().is_some();
            if (over || rested >= REST) && self.release(&host, over).await {
                return;
            }
            if let Some(error) = self.taken_away(&mut seen).await {
                self.lost.send_replace(Some(error));
            }
        }
    }

    /// Writes what lags; whether there is a turn.
    async fn flush(&self, host: &Inner) -> Result<bool> {
        let mut state = self.claimed.lock().await;
        let Some(claimed) = state.as_mut() else { return Ok(false) };
        let Some(open) = &mut claimed.turn else { return Ok(false) };
        match (open.running, open.stir) {
            (0, Stir::Before) => self.end_turn(host, claimed).await?,
            (0, Stir::Stuck) => {}
            (0, Stir::Now) if open.journal.is_blank().await => self.end_turn(host, claimed).await?,
            _ => {
                open.stir = Stir::Before;
                let journal = open.journal.clone();
                drop(state);
                self.write(&journal, Standing::running()).await?;
            }
        }
        self.ended.notify_waiters();
        Ok(true)
    }

    /// Whether somebody killed the session or took it over since the store was last looked at.
    async fn taken_away(&self, seen: &mut Option<u64>) -> Option<Error> {
        let version = self.store.version().await.ok();
        if version.is_some() && version == *seen {
            return None;
        }
        *seen = version;
        let epoch = self.claimed.lock().await.as_ref()?.owned.claim.row.epoch;
        match self.store.session_get(self.session).await {
            Ok(Some(row)) if row.status == Status::Killed => Some(killed(&row.detail)),
            Ok(Some(row)) if row.epoch == epoch => None,
            Ok(_) => Some(Error::new(Kind::Conflict, "the session was taken over")),
            Err(error) => Some(error),
        }
    }

    /// Writes what there is and gives the session back, whether or not it is in a turn where it is `over`. A call that still runs is then
    /// left to whoever takes the session up. Returns whether it was given back.
    pub(super) async fn release(self: &Arc<Self>, host: &Inner, over: bool) -> bool {
        let mut state = self.claimed.lock().await;
        if !over && state.as_ref().is_some_and(|claimed| claimed.turn.is_some()) {
            return false;
        }
        if let Some(mut claimed) = state.take() {
            let written = match &claimed.turn {
                _ if self.lost.borrow().is_some() => Ok(()),
                Some(open) if open.running > 0 => self.write(&open.journal.clone(), Standing::running()).await,
                Some(_) => self.end_turn(host, &mut claimed).await,
                None => Ok(()),
            };
            if let Err(error) = written.and(claimed.owned.release().await) {
                tracing::warn!(session = %self.session, %error, internal = error.internal, "a session could not be given back");
            }
        }
        drop(state);
        host.series().forget(self);
        self.ended.notify_waiters();
        true
    }
}
