//! The interfaces of an agent: `remit:agent/durable`, `remit:session/state` and `context`, `wasi:logging`.

use remit_bindings::{
    CallGroup,
    agent::remit::{
        agent::{
            durable::{self, Completion, Decision, HostCallGroup, Problem, Question},
            model,
        },
        session::{outputs, state},
    },
    tool::remit::{
        session::context,
        tool::{progress, types},
    },
    wasi::wasi::logging::logging::{self, Level},
};
use remit_core::{
    Error, Kind,
    clock::Timestamp,
    id::CallId,
    journal::{Outcome, Wait},
    limit::{GUEST_TEXT_MAX_CHARS, KEY_MAX_BYTES, QUESTION_MAX_BYTES},
    plugin::text::{visible, visible_lines},
};
use wasmtime::component::{HasSelf, Linker, Resource};

use super::{
    AgentState,
    model::{is_model, no_tool},
    stop::Stop,
    turn::Turn,
};
use crate::{capability::Event, output::Output};

/// Links what an agent may import besides WASI.
///
/// # Errors
/// When something is linked already.
pub(super) fn link(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    types::add_to_linker::<AgentState, HasSelf<AgentState>>(linker, |state| state)?;
    context::add_to_linker::<AgentState, HasSelf<AgentState>>(linker, |state| state)?;
    progress::add_to_linker::<AgentState, HasSelf<AgentState>>(linker, |state| state)?;
    outputs::add_to_linker::<AgentState, HasSelf<AgentState>>(linker, |state| state)?;
    state::add_to_linker::<AgentState, HasSelf<AgentState>>(linker, |state| state)?;
    model::add_to_linker::<AgentState, HasSelf<AgentState>>(linker, |state| state)?;
    durable::add_to_linker::<AgentState, HasSelf<AgentState>>(linker, |state| state)?;
    logging::add_to_linker::<AgentState, HasSelf<AgentState>>(linker, |state| state)
}

impl AgentState {
    /// The turn, for what only a turn may do.
    fn acting(&self) -> wasmtime::Result<std::sync::Arc<Turn>> {
        if self.migrates {
            return Err(Stop::Turn(Error::guest("an agent may only change its state while it migrates")).into());
        }
        self.in_turn()
    }

    /// The turn, also before it has begun.
    fn in_turn(&self) -> wasmtime::Result<std::sync::Arc<Turn>> {
        let none = || Stop::Turn(Error::guest("an agent that describes itself may do nothing else"));
        Ok(self.turn.clone().ok_or_else(none)?)
    }

    fn now(&self) -> Timestamp {
        self.turn.as_ref().map_or_else(Timestamp::default, |turn| turn.journal.now())
    }

    fn set(&mut self, key: &str, value: Option<Vec<u8>>) -> wasmtime::Result<Result<(), Error>> {
        self.in_turn()?;
        let now = self.now();
        let result = self.machine().state_set(key, value, now);
        match result {
            Ok(()) => Ok(Ok(())),
            Err(error) if error.kind == Kind::Invalid => Ok(Err(error)),
            Err(error) => Err(Stop::Turn(error).into()),
        }
    }
}

/// The result of a step; the agent's time begins anew with it.
fn step<T>(turn: &Turn, result: Result<T, Stop>) -> wasmtime::Result<T> {
    turn.grace.renew();
    Ok(result?)
}

/// Text that an agent shows a person, bounded.
fn shown(text: &str) -> wasmtime::Result<String> {
    if text.len() > QUESTION_MAX_BYTES {
        let message = format!("a question of {} bytes is too long; at most {QUESTION_MAX_BYTES}", text.len());
        return Err(Stop::Turn(Error::limit(message)).into());
    }
    Ok(visible_lines(text, usize::MAX))
}

/// How a call ended, as its agent is told.
fn told(outcome: Outcome) -> Result<types::Output, Problem> {
    match outcome {
        Outcome::Output { output, .. } => match serde_json::from_str::<Output>(&output) {
            Ok(output) => Ok(output.into_guest()),
            Err(error) => Err(Problem::Failed(format!("the recorded result cannot be read: {error}"))),
        },
        other => Err(refusal(other)),
    }
}

/// Why a call gave nothing, as its agent is told.
pub(super) fn refusal(outcome: Outcome) -> Problem {
    match outcome {
        Outcome::Failed { kind, message } => problem(kind, message),
        Outcome::Denied { by, note } => Problem::Denied(match note {
            Some(note) => format!("`{by}` said no: {note}"),
            None => format!("`{by}` said no"),
        }),
        Outcome::Expired { reason } => Problem::Denied(reason),
        Outcome::Output { .. } | Outcome::Approved { .. } | Outcome::Input { .. } | Outcome::Woken => {
            Problem::Failed("the journal has another kind of end for this call".to_owned())
        }
    }
}

/// A failure, as its agent is told.
pub(super) fn problem(kind: Kind, message: String) -> Problem {
    match kind {
        Kind::Invalid | Kind::NotFound => Problem::InvalidArguments(message),
        Kind::Denied => Problem::Denied(message),
        Kind::Unavailable | Kind::Conflict => Problem::Unavailable(message),
        Kind::Limit => Problem::Limit(message),
        Kind::InDoubt => Problem::InDoubt(message),
        Kind::Diverged | Kind::Guest | Kind::Host => Problem::Failed(message),
    }
}

impl types::Host for AgentState {}

impl durable::Host for AgentState {
    async fn call_tool(&mut self, tool: String, arguments: String) -> wasmtime::Result<Result<types::Output, Problem>> {
        let turn = self.acting()?;
        if is_model(&tool) {
            return Ok(Err(problem(Kind::Invalid, no_tool().message)));
        }
        let ended = turn.call(&tool, &arguments).await;
        step(&turn, ended).map(told)
    }

    async fn call_model(&mut self, name: String, request: model::Request) -> wasmtime::Result<Result<model::Response, Problem>> {
        let turn = self.acting()?;
        let ended = turn.ask_model(&name, request).await;
        step(&turn, ended)
    }

    async fn await_approval(&mut self, question: Question) -> wasmtime::Result<Decision> {
        let turn = self.acting()?;
        let (title, details) = (shown(&question.title)?, shown(&question.details)?);
        let wait = turn.approval(title, details, question.expires_after_ms, None).map_err(Stop::Host)?;
        let ended = turn.wait(wait).await;
        Ok(match step(&turn, ended)? {
            Outcome::Approved { note, .. } => Decision::Approved(note),
            Outcome::Denied { note, .. } => Decision::Denied(note),
            _ => Decision::Expired,
        })
    }

    async fn await_input(&mut self, prompt: String) -> wasmtime::Result<String> {
        let turn = self.acting()?;
        let wait = Wait::Input { id: turn.wait_id().map_err(Stop::Host)?, prompt: shown(&prompt)? };
        let ended = turn.wait(wait).await;
        match step(&turn, ended)? {
            Outcome::Input { text, .. } => Ok(text),
            _ => Err(Stop::Host(Error::host("an input ended without a text", "await-input")).into()),
        }
    }

    async fn sleep_until(&mut self, time: u64) -> wasmtime::Result<()> {
        let turn = self.acting()?;
        if Timestamp(time) <= self.machine().now() {
            return Ok(());
        }
        let wait = Wait::Timer { id: turn.wait_id().map_err(Stop::Host)?, due: Timestamp(time) };
        let ended = turn.wait(wait).await;
        step(&turn, ended)?;
        self.machine().advance(Timestamp(time));
        Ok(())
    }

    async fn patch(&mut self, name: String) -> wasmtime::Result<bool> {
        self.acting()?;
        if name.len() > KEY_MAX_BYTES {
            return Err(Stop::Turn(Error::limit(format!("a patch's name may have {KEY_MAX_BYTES} bytes"))).into());
        }
        let now = self.now();
        let patched = self.machine().patch(&name, now);
        Ok(patched.map_err(Stop::Turn)?)
    }
}

impl HostCallGroup for AgentState {
    async fn new(&mut self) -> wasmtime::Result<Resource<CallGroup>> {
        let number = self.acting()?.new_group();
        Ok(self.table.push(CallGroup(number))?)
    }

    async fn start(&mut self, group: Resource<CallGroup>, tool: String, arguments: String) -> wasmtime::Result<u32> {
        let turn = self.acting()?;
        let number = self.table.get(&group)?.0;
        let started = turn.start_in_group(number, &tool, &arguments).await;
        step(&turn, started)
    }

    async fn next(&mut self, group: Resource<CallGroup>) -> wasmtime::Result<Option<Completion>> {
        let turn = self.acting()?;
        let number = self.table.get(&group)?.0;
        let next = turn.next_of_group(number).await;
        Ok(step(&turn, next)?.map(|(call, outcome)| Completion { call, outcome: told(outcome) }))
    }

    async fn drop(&mut self, group: Resource<CallGroup>) -> wasmtime::Result<()> {
        let CallGroup(number) = self.table.delete(group)?;
        let turn = self.acting()?;
        let called = turn.drop_group(number)?;
        Ok(turn.kill_called(&called).await?)
    }
}

impl state::Host for AgentState {
    async fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.machine().state_get(&key).map(<[u8]>::to_vec))
    }

    async fn put(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), state::Error>> {
        Ok(self.set(&key, Some(value))?.map_err(|error| state::Error::TooLarge(error.message)))
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<()> {
        Ok(self.set(&key, None)??)
    }

    async fn list_keys(&mut self, prefix: String) -> wasmtime::Result<Vec<String>> {
        Ok(self.machine().state_keys(&prefix))
    }
}

impl outputs::Host for AgentState {
    async fn read(&mut self, uri: String, offset: u64, length: u32) -> wasmtime::Result<Result<Vec<u8>, outputs::Error>> {
        let turn = self.acting()?;
        let part = turn.read_output(&uri, offset, length).await;
        let absent = || outputs::Error::Absent(format!("this session keeps nothing under `{}`", visible(&uri, 160)));
        Ok(step(&turn, part)?.ok_or_else(absent))
    }
}

impl context::Host for AgentState {
    /// All of it is the same on every replay.
    async fn current(&mut self) -> wasmtime::Result<context::Call> {
        let turn = self.in_turn()?;
        let machine = self.machine();
        let start = machine.turn();
        Ok(context::Call {
            id: CallId::new(machine.began(), u128::from(start.seed)).to_string(),
            principal: turn.principal.to_string(),
            delegation: turn.delegation.clone(),
            project: turn.project.clone(),
            session: Some(turn.journal.session.to_string()),
            idempotency_key: start.key.clone(),
            deadline_ms: start.grace_ms,
            time_zone: start.time_zone.clone(),
        })
    }
}

impl progress::Host for AgentState {
    async fn report(&mut self, fraction: Option<f64>, message: String) -> wasmtime::Result<()> {
        if let Some(turn) = &self.turn {
            let fraction = fraction.filter(|fraction| (0.0..=1.0).contains(fraction));
            turn.event(Event::Progress { fraction, message: visible(&message, GUEST_TEXT_MAX_CHARS) });
        }
        Ok(())
    }
}

impl logging::Host for AgentState {
    async fn log(&mut self, level: Level, context: String, message: String) -> wasmtime::Result<()> {
        if let Some(turn) = &self.turn {
            turn.event(crate::capability::basics::log_event(level, &context, &message));
        }
        Ok(())
    }
}
