//! The way of an input to its turn: at once, as an answer to the turn that waits, or behind the inputs that came before.

use std::sync::Arc;

use remit_core::{
    Error, Kind, Result,
    audit::Decision as Decided,
    id::SessionId,
    identity::Context,
    journal::Outcome,
    limit::INPUT_MAX_BYTES,
    store::{Decision, QueuedInput, SessionRow, SessionStore, Status, WaitKind, WaitState},
};

use super::{
    LOOK_EVERY, Ran, RunRequest, Stands, TurnEnd, absent,
    called::Calls,
    decided::About,
    drive::{Begin, Drive, killed},
    owned::Owned,
    ways_out,
};
use crate::{host::Inner, plugin::Loaded};

/// How many looks at the store go by before a session is claimed although nothing changed: its owner may have died.
const CLAIM_EVERY: u32 = 10;

/// A request to a session that is there.
pub(super) struct Asked<'a> {
    pub(super) host: &'a Arc<Inner>,
    pub(super) context: &'a Context,
    pub(super) request: &'a RunRequest<'a>,
    pub(super) store: &'a Arc<dyn SessionStore>,
    /// Where the input comes from, when an agent calls.
    pub(super) calls: Option<&'a Calls>,
    pub(super) agent: Arc<Loaded>,
    pub(super) id: SessionId,
}

/// What a caller wants to see the end of.
enum Wanted {
    /// The turn that began with this record.
    Turn(u64),
    /// The turn of the input with this key.
    Input(String),
}

/// What its owner does with a session.
enum Next {
    Begin(Begin),
    GoOn,
    /// The input has its turn later, or is another turn's.
    Behind(Wanted),
}

/// What a step of somebody who waits came to.
enum Step {
    Ran(Ran),
    Behind(Wanted),
}

impl Asked<'_> {
    /// Takes the input to where its turn ended, waits, or has to wait for others.
    pub(super) async fn run(self) -> Result<Ran> {
        let step = match Owned::claim(self.store, self.id).await {
            Ok(owned) => {
                let work = async |owned: &Owned| match self.next(&owned.claim.row).await? {
                    Next::Begin(begin) => self.drive(owned, Some(begin), true).await.map(Step::Ran),
                    Next::GoOn => self.drive(owned, None, true).await.map(Step::Ran),
                    Next::Behind(wanted) => Ok(Step::Behind(wanted)),
                };
                owned.during(work).await?
            }
            // A call waits for its own turn by itself.
            Err(error) if error.kind == Kind::Conflict && self.request.input.is_some() && self.calls.is_none() => {
                Step::Behind(self.hand_over().await?)
            }
            Err(error) => return Err(error),
        };
        match step {
            Step::Ran(ran) => Ok(ran),
            Step::Behind(wanted) => self.follow(&wanted).await,
        }
    }

    /// What the claimed session is to do.
    async fn next(&self, row: &SessionRow) -> Result<Next> {
        self.takes_part(row).await?;
        match (row.status, self.request.input) {
            (Status::Idle, None) => self.first(row).await?.map(Next::Begin).ok_or_else(|| {
                Error::new(Kind::Conflict, format!("`{}` is in no turn: there is nothing to go on with", row.id)).code("E-IDLE")
            }),
            (Status::Idle, Some(input)) if row.queued == 0 => {
                self.takes_inputs(row)?;
                self.agent.turn_input(input)?;
                let (key, time_zone) = (self.request.key.map(str::to_owned), self.context.time_zone.clone());
                Ok(Next::Begin(Begin { input: input.to_owned(), key, time_zone, queued: false }))
            }
            (Status::Idle, Some(input)) => self.queue(row, input).await.map(Next::Behind),
            (_, None) => Ok(Next::GoOn),
            (_, Some(input)) if self.begins(row).await? || self.answers(row, input).await? => Ok(Next::GoOn),
            (_, Some(input)) => self.queue(row, input).await.map(Next::Behind),
        }
    }

    /// Leaves the input to whoever owns the session.
    async fn hand_over(&self) -> Result<Wanted> {
        let row = self.store.session_get(self.id).await?.ok_or_else(|| absent(self.id))?;
        self.takes_part(&row).await?;
        let Some(input) = self.request.input else { return Ok(Wanted::Turn(row.turn_seq)) };
        let in_turn = row.status != Status::Idle;
        if in_turn && (self.begins(&row).await? || self.answers(&row, input).await?) {
            return Ok(Wanted::Turn(row.turn_seq));
        }
        self.queue(&row, input).await
    }

    /// Refuses a session that takes no part in anything any more.
    async fn takes_part(&self, row: &SessionRow) -> Result<()> {
        match row.status {
            Status::Killed => Err(killed(&row.detail).hint("begin another session")),
            Status::Quarantined => {
                let mut error = Error::new(Kind::Diverged, format!("the session is quarantined: {}", row.detail))
                    .hint(format!("look at it: remit session show {}", row.id));
                let ways = ways_out(row, &self.host.pinned(self.store, row).await?);
                // What was cancelled cannot be tried once more.
                let cancelled = matches!(self.host.stands(self.store, row).await?, Stands::Cancelled);
                error.hints.extend(ways.into_iter().skip(usize::from(cancelled)));
                Err(error)
            }
            Status::Idle | Status::Running | Status::Waiting => Ok(()),
        }
    }

    /// Refuses a session that was made for a call, unless it is that call.
    fn takes_inputs(&self, row: &SessionRow) -> Result<()> {
        let (Some(caller), None) = (&row.caller, self.calls) else { return Ok(()) };
        let message = format!("`{}` was made by a call of {}: it takes no inputs of its own", row.id, caller.chain.join(" → "));
        Err(Error::new(Kind::Conflict, message).hint(format!("begin another session: remit run {} INPUT", row.agent)))
    }

    /// Whether the turn that has not ended began with this very input.
    async fn begins(&self, row: &SessionRow) -> Result<bool> {
        match self.request.key {
            Some(key) => Ok(self.store.session_turn(row.id, key.to_owned()).await? == Some(row.turn_seq)),
            None => Ok(false),
        }
    }

    /// Answers the turn with the input, where it waits for one and nobody else was first.
    async fn answers(&self, row: &SessionRow, input: &str) -> Result<bool> {
        let waits = self.store.wait_list(row.project.clone(), Some(row.id), false).await?;
        let Some(wait) = waits.iter().find(|wait| wait.kind == WaitKind::Input && wait.state == WaitState::Open) else {
            return Ok(false);
        };
        if input.len() > INPUT_MAX_BYTES {
            return Err(Error::limit(format!("an input of {} bytes is too large; at most {INPUT_MAX_BYTES}", input.len())));
        }
        let outcome = Outcome::Input { by: self.context.principal.clone(), text: input.to_owned() };
        let decision = Decision { wait: wait.id, outcome, at: self.host.services().clock.now() };
        // It may be that of a session that this one called.
        let about = About::Wait(wait.session, wait.id);
        let decided = self.host.decided(self.context, &row.project, Decided::Input, about, || self.store.wait_decide(decision));
        match decided.await {
            Ok(()) => Ok(true),
            Err(error) if error.kind == Kind::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Puts the input behind those that wait. What it has no key for is given one, by which its turn is found.
    async fn queue(&self, row: &SessionRow, input: &str) -> Result<Wanted> {
        self.takes_inputs(row)?;
        // It would have its turn under whoever runs it then, with nothing of whom it came through.
        if !self.context.delegation.is_empty() {
            let error = Error::new(Kind::Conflict, format!("`{}` is in a turn that takes no input now", self.id));
            return Err(error.hint(format!("go on with it first: remit session resume {}", self.id)));
        }
        self.agent.turn_input(input)?;
        let key = match self.request.key {
            Some(key) => key.to_owned(),
            None => format!("input-{:032x}", self.host.random()?),
        };
        let input = QueuedInput {
            key: key.clone(),
            principal: self.context.principal.clone(),
            time_zone: self.context.time_zone.clone(),
            at: self.host.services().clock.now(),
            input: input.to_owned(),
        };
        self.store.input_queue(self.id, input).await?;
        Ok(Wanted::Input(key))
    }

    /// The input that waits first.
    async fn first(&self, row: &SessionRow) -> Result<Option<Begin>> {
        if row.queued == 0 {
            return Ok(None);
        }
        let first = self.store.input_list(row.id).await?.into_iter().next();
        Ok(first.map(|QueuedInput { key, time_zone, input, .. }| Begin { input, key: Some(key), time_zone, queued: true }))
    }

    /// Waits for a turn, whoever runs it; where nobody does, this one runs what comes before it, and it. Without patience for others it
    /// says what place the input has.
    async fn follow(&self, wanted: &Wanted) -> Result<Ran> {
        loop {
            let row = self.store.session_get(self.id).await?.ok_or_else(|| absent(self.id))?;
            let place = match self.place(&row, wanted).await? {
                Ok(ran) => return Ok(ran),
                Err(place) => place,
            };
            match Owned::claim(self.store, self.id).await {
                Ok(owned) => {
                    if let Some(ran) = owned.during(async |owned: &Owned| self.further(owned, wanted, place).await).await? {
                        return Ok(ran);
                    }
                }
                Err(error) if error.kind != Kind::Conflict => return Err(error),
                Err(_in_use) if !self.request.patience.people => return Ok(queued(&row, place)),
                Err(_in_use) => self.change().await?,
            }
        }
    }

    /// How the wanted turn ended; else its place among the inputs that wait, 0 once it has begun.
    async fn place(&self, row: &SessionRow, wanted: &Wanted) -> Result<Result<Ran, u32>> {
        let (seq, input) = match wanted {
            Wanted::Turn(seq) => (*seq, None),
            Wanted::Input(key) => {
                let waits = self.store.input_list(row.id).await?;
                if let Some(place) = (1..).zip(&waits).find_map(|(place, input)| (input.key == *key).then_some(place)) {
                    return Ok(Err(place));
                }
                match self.store.session_turn(row.id, key.clone()).await? {
                    Some(seq) => (seq, self.request.input),
                    None => {
                        self.takes_part(row).await?;
                        return Err(Error::new(Kind::Conflict, "the input waits no more: its session was taken back"));
                    }
                }
            }
        };
        let ended = self.host.repeated(self.store, row, seq, input).await?;
        Ok(ended.ok_or(0))
    }

    /// One turn on, as the session's owner; the wanted one is told of.
    async fn further(&self, owned: &Owned, wanted: &Wanted, place: u32) -> Result<Option<Ran>> {
        let row = &owned.claim.row;
        self.takes_part(row).await?;
        let (begin, is_wanted) = if row.status == Status::Idle {
            let Some(begin) = self.first(row).await? else { return Ok(None) };
            let is_wanted = matches!(wanted, Wanted::Input(key) if begin.key.as_ref() == Some(key));
            (Some(begin), is_wanted)
        } else {
            let is_wanted = match wanted {
                Wanted::Turn(seq) => *seq == row.turn_seq,
                Wanted::Input(key) => self.store.session_turn(row.id, key.clone()).await? == Some(row.turn_seq),
            };
            if !is_wanted && !self.request.patience.people {
                return Ok(Some(queued(row, place)));
            }
            (None, is_wanted)
        };
        let ran = self.drive(owned, begin, is_wanted).await?;
        Ok(match ran.end {
            _ if is_wanted => Some(ran),
            TurnEnd::Waiting(_) => {
                let row = self.store.session_get(self.id).await?.ok_or_else(|| absent(self.id))?;
                let place = self.place(&row, wanted).await?;
                Some(place.unwrap_or_else(|place| queued(&row, place)))
            }
            _ => None,
        })
    }

    /// Runs a turn: the one that begins so, or the one that has not ended. Of another caller's, this one hears nothing.
    async fn drive(&self, owned: &Owned, begin: Option<Begin>, heard: bool) -> Result<Ran> {
        let (claim, store, host) = (owned.claim.clone(), self.store.clone(), self.host.clone());
        let events = self.request.events.clone().filter(|_| heard);
        let agent = match &begin {
            Some(_) => self.agent.clone(),
            None => self.host.agent_of_turn(store.clone(), &claim.row, &self.agent, events.as_ref()).await?,
        };
        let (context, patience, calls) = (self.context, self.request.patience, self.calls);
        Drive { host, agent, context, patience, events, calls, store, claim }.run(begin).await
    }

    /// Waits until something changed in the store, or for a while.
    async fn change(&self) -> Result<()> {
        let seen = self.store.version().await?;
        for _ in 0..CLAIM_EVERY {
            tokio::time::sleep(LOOK_EVERY).await;
            if self.store.version().await? != seen {
                break;
            }
        }
        Ok(())
    }
}

/// What a caller is told whose input has to wait.
fn queued(row: &SessionRow, place: u32) -> Ran {
    let turn = row.turns.saturating_sub(1).saturating_add(place);
    Ran {
        session: row.id,
        turn,
        end: TurnEnd::Queued(place),
        denials: Vec::new(),
        labels: Default::default(),
        backtrace: Vec::new(),
        output: String::new(),
    }
}
