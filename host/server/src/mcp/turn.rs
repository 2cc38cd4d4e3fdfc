//! Turns of agents behind the door: they run beside the calls that began them, and go on when those have been answered.

use std::{
    collections::HashMap,
    convert::Infallible,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use remit_core::{
    Error, Kind, Result,
    id::SessionId,
    identity::Context,
    journal::Progress,
    limit::{MCP_LOOK_MS, MCP_TURN_TIMER_MS, MCP_TURNS_MAX},
    store::{SessionRow, Status},
};
use remit_runtime::{
    Patience, Ran, RunRequest, Seen, TurnEnd,
    capability::{Event, Events},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch},
    task::AbortHandle,
    time::{Instant, sleep, timeout_at},
};

use super::{
    Door, Who,
    agent::{Told, is_under_way},
};

/// The turns that run here.
pub(super) struct Turns {
    room: Arc<Semaphore>,
    running: Mutex<HashMap<SessionId, Vec<Running>>>,
    closing: watch::Sender<bool>,
}

/// What runs a turn, and the key of the input that it began with.
struct Running {
    task: AbortHandle,
    key: Option<String>,
}

impl Turns {
    pub fn new() -> Self {
        Self { room: Arc::new(Semaphore::new(MCP_TURNS_MAX)), running: Mutex::default(), closing: watch::Sender::new(false) }
    }

    /// Stops every turn where it is; each goes on from its journal when somebody runs it.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Stops what runs of a session here.
    pub fn stop(&self, session: SessionId) {
        self.of(session, |running| running.iter().for_each(|running| running.task.abort()));
    }

    fn room(&self) -> Result<OwnedSemaphorePermit> {
        let room = self.room.clone().try_acquire_owned();
        room.map_err(|_full| Error::limit("too many turns run: call again when some have ended"))
    }

    /// Whether something of a session runs here.
    fn runs(&self, session: SessionId) -> bool {
        self.of(session, |running| !running.is_empty())
    }

    /// Whether an input with this key was taken up here; without one, any input.
    fn has_taken(&self, session: SessionId, key: Option<&str>) -> bool {
        self.of(session, |running| running.iter().any(|running| key.is_none() || running.key.as_deref() == key))
    }

    fn of<T>(&self, session: SessionId, look: impl FnOnce(&[&Running]) -> T) -> T {
        let all = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let of: Vec<&Running> = all.get(&session).into_iter().flatten().filter(|running| !running.task.is_finished()).collect();
        look(&of)
    }

    fn add(&self, session: SessionId, running: Running) {
        let mut all = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, of| {
            of.retain(|running| !running.task.is_finished());
            !of.is_empty()
        });
        all.entry(session).or_default().push(running);
    }
}

/// What the calls of a visitor are made with, as long as it is let in.
#[derive(Clone)]
pub(super) struct Acting {
    pub context: Context,
    pub who: Arc<Who>,
}

impl Deref for Acting {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

/// A turn that somebody waits for: as whom, of which agent, in which session, and the key of its input; without one, the last turn.
#[derive(Clone)]
pub(super) struct Following {
    pub acting: Acting,
    pub agent: String,
    pub session: SessionId,
    pub key: Option<String>,
}

/// Stops the turn that a request began, if it is dropped before the request is answered.
struct Begun(Option<AbortHandle>);

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

impl Door {
    /// A session of the principal's own. Another one's is not there.
    pub(super) async fn own_session(&self, acting: &Context, id: SessionId) -> Result<SessionRow> {
        let absent = || Error::not_found(format!("there is no session `{id}`"));
        if !self.0.setup.host.keeps_sessions() {
            return Err(absent());
        }
        match self.0.setup.host.session(acting, &self.0.setup.project, id).await {
            Ok(row) if row.principal == acting.principal => Ok(row),
            Ok(_) => Err(absent()),
            Err(error) if error.kind == Kind::NotFound => Err(absent()),
            Err(error) => Err(error),
        }
    }

    /// Gives the agent an input, and waits until `deadline` for what comes of it; returns the turn that it came to. Dropping the future stops
    /// the turn where it is; a turn that is still running at the deadline goes on.
    pub(super) async fn begin(&self, of: Following, input: String, events: Option<Events>, deadline: Instant) -> Result<(Following, Told)> {
        let (task, told) = self.go(&of, Some(input), events)?;
        let mut begun = Begun(Some(task));
        let ran = timeout_at(deadline, told).await;
        begun.0 = None;
        match ran {
            Ok(Ok(Ok(ran @ Ran { end: TurnEnd::Done(_) | TurnEnd::Failed(_), .. }))) => Ok((of, Told::ran(ran))),
            Ok(Ok(Ok(Ran { end: TurnEnd::Queued(_), .. }))) => self.follow(&of, deadline).await.map(|told| (of, told)),
            Ok(Ok(Ok(ran))) => Ok((self.came_to(of).await?, Told::ran(ran))),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(_)) | Err(_) => {
                let of = self.came_to(of).await?;
                let told = self.look(&of).await?;
                Ok((of, told))
            }
        }
    }

    /// The turn that an input came to: its own, or, where it was an answer, the one that goes on with it.
    async fn came_to(&self, of: Following) -> Result<Following> {
        let setup = &self.0.setup;
        match setup.host.turn(&of.acting, &setup.project, of.session, of.key.as_deref()).await {
            Err(error) if error.kind == Kind::NotFound => {
                let between_turns = self.own_session(&of.acting, of.session).await?.status == Status::Idle;
                Ok(Following { key: of.key.filter(|_| between_turns), ..of })
            }
            Err(error) => Err(error),
            Ok(_) => Ok(of),
        }
    }

    /// Waits until `deadline` for the turn to end or to wait, and takes it further where nobody does: what a crash cut off, what has been
    /// decided, and inputs that are queued. Dropping the future ends the waiting alone.
    pub(super) async fn follow(&self, of: &Following, deadline: Instant) -> Result<Told> {
        let closing = self.0.turns.closing.subscribe();
        loop {
            let seen = self.glance(of).await?;
            // Whoever runs it stays with a timer that is close, and leaves one that is not.
            let settled = seen.end.is_some() && !seen.goes_on && !is_under_way(seen.end.as_ref());
            if settled || Instant::now() >= deadline || *closing.borrow() {
                return self.told(of, seen).await;
            }
            if self.0.turns.runs(of.session) {
                sleep(Duration::from_millis(MCP_LOOK_MS)).await;
                continue;
            }
            let (_task, ran) = self.go(of, None, None)?;
            match timeout_at(deadline, ran).await {
                Ok(Ok(Ok(Ran { end: TurnEnd::Done(_) | TurnEnd::Failed(_), .. }))) => {}
                Ok(Ok(Err(error))) if matches!(error.code, Some("E-IN-USE" | "E-IDLE")) => sleep(Duration::from_millis(MCP_LOOK_MS)).await,
                Ok(Ok(Err(error))) => return Err(error),
                Ok(Ok(Ok(_waits))) => return self.look(of).await,
                Ok(Err(_)) | Err(_) => return self.look(of).await,
            }
        }
    }

    /// What `work` gives, which waits for the turn. Meanwhile `steps`, if anybody, hears how far that is whenever it changes.
    pub(super) async fn telling<T>(&self, of: &Following, steps: Option<&Events>, work: impl Future<Output = T>) -> T {
        let Some(steps) = steps else { return work.await };
        tokio::select! {
            biased;
            done = work => done,
            never = self.tell_steps(of, steps) => match never {},
        }
    }

    async fn tell_steps(&self, of: &Following, steps: &Events) -> Infallible {
        let (mut last, mut said) = (None, Progress::default());
        loop {
            sleep(Duration::from_millis(MCP_LOOK_MS)).await;
            match self.news(of, &mut last).await {
                Ok(Some(progress)) if progress != said => {
                    steps(Event::Progress { fraction: None, message: progress.to_string() });
                    said = progress;
                }
                Ok(_) => {}
                // Whoever waits for the turn is told.
                Err(error) => tracing::debug!(session = %of.session, %error, "how far a turn is could not be seen"),
            }
        }
    }

    /// How far the turn is, when records came to it since there were `last`.
    async fn news(&self, of: &Following, last: &mut Option<u64>) -> Result<Option<Progress>> {
        let seen = self.glance(of).await?;
        if seen.records == *last {
            return Ok(None);
        }
        *last = seen.records;
        self.progress(of, &seen).await
    }

    /// How it stands, without waiting.
    async fn look(&self, of: &Following) -> Result<Told> {
        let seen = self.glance(of).await?;
        self.told(of, seen).await
    }

    async fn told(&self, of: &Following, seen: Seen) -> Result<Told> {
        let progress = self.progress(of, &seen).await?;
        Ok(Told { progress, ..Told::seen(of.session, seen) })
    }

    /// How far the turn is, while it has not ended.
    async fn progress(&self, of: &Following, seen: &Seen) -> Result<Option<Progress>> {
        match seen.records {
            Some(_) => self.0.setup.host.progress(&of.acting, &self.0.setup.project, of.session, seen.turn).await,
            None => Ok(None),
        }
    }

    /// How it stands, and whether somebody has to run it.
    async fn glance(&self, of: &Following) -> Result<Seen> {
        let setup = &self.0.setup;
        match setup.host.turn(&of.acting, &setup.project, of.session, of.key.as_deref()).await {
            Ok(Some(seen)) => Ok(seen),
            // It has not come to its first record.
            Ok(None) | Err(Error { kind: Kind::NotFound, .. }) if self.0.turns.has_taken(of.session, of.key.as_deref()) => {
                let turn = self.own_session(&of.acting, of.session).await?.turns;
                Ok(Seen { turn, end: None, goes_on: true, records: None })
            }
            Ok(None) => Err(Error::invalid(format!("`{}` has had no turn: give it an `input`", of.session))),
            Err(error) => Err(error),
        }
    }

    /// Runs a turn beside everything else, and then what is queued behind it; what became of the first is told.
    fn go(&self, of: &Following, input: Option<String>, events: Option<Events>) -> Result<(AbortHandle, oneshot::Receiver<Result<Ran>>)> {
        let place = self.0.turns.room()?;
        let (tell, told) = oneshot::channel();
        let (door, of, who, mut closing) = (self.clone(), of.clone(), of.acting.who.clone(), self.0.turns.closing.subscribe());
        let (session, key) = (of.session, of.key.clone().filter(|_| input.is_some()));
        let work = async move {
            let _place = place;
            let ran = door.run(&of, input.as_deref(), of.key.as_deref(), events).await;
            let over = matches!(&ran, Ok(Ran { end: TurnEnd::Done(_) | TurnEnd::Failed(_), .. }));
            drop(tell.send(ran));
            if over && let Err(error) = door.go_on(&of).await {
                tracing::warn!(session = %of.session, %error, internal = error.internal, "inputs that wait could not be run");
            }
        };
        let task = self.workers().spawn(async move {
            tokio::select! {
                biased;
                _ = closing.wait_for(|closing| *closing) => {}
                // It goes on when its principal is let in again and asks after it.
                () = who.withdrawn() => {}
                () = work => {}
            }
        });
        let task = task.abort_handle();
        self.0.turns.add(session, Running { task: task.clone(), key });
        Ok((task, told))
    }

    /// Runs the inputs that wait for the session, as long as each turn ends.
    async fn go_on(&self, of: &Following) -> Result<()> {
        loop {
            let row = self.own_session(&of.acting, of.session).await?;
            if row.queued == 0 || row.status != Status::Idle {
                return Ok(());
            }
            match self.run(of, None, None, None).await {
                Ok(Ran { end: TurnEnd::Done(_) | TurnEnd::Failed(_), .. }) => {}
                Ok(_waits) => return Ok(()),
                // Somebody else runs it.
                Err(error) if error.kind == Kind::Conflict => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    async fn run(&self, of: &Following, input: Option<&str>, key: Option<&str>, events: Option<Events>) -> Result<Ran> {
        let setup = &self.0.setup;
        let request = RunRequest {
            project: &setup.project,
            agent: &of.agent,
            session: Some(of.session),
            name: None,
            input,
            key: key.filter(|_| input.is_some()),
            patience: Patience { people: false, time: Duration::from_millis(MCP_TURN_TIMER_MS) },
            events,
        };
        setup.host.run(&of.acting, &request).await
    }
}
