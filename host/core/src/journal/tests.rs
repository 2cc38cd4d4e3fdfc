//! The journal of a turn, and its replay.

use std::collections::BTreeMap;

use super::*;
use crate::{Error, Kind, clock::Timestamp, id::WaitId, identity::Principal, plugin::Effect};

mod bounds;
mod calls;
mod carried;
mod chain;
mod clock;
mod divergence;
mod groups;
mod patches;
mod programs;
mod random;
mod records;
mod series;
mod speed;
mod state;
mod turns;
mod waits;

fn at(ms: u64) -> Timestamp {
    Timestamp(ms)
}

fn ada() -> Principal {
    "user:ada".parse().unwrap()
}

fn turn() -> TurnStart {
    TurnStart {
        turn: 0,
        input: "{}".to_owned(),
        key: None,
        digest: "sha256:agent".to_owned(),
        version: None,
        migrates_from: None,
        remit: "0.1.0".to_owned(),
        seed: 7,
        memory_mib: 64,
        grace_ms: 1000,
        time_zone: "UTC".to_owned(),
        delegation: Vec::new(),
        held: Default::default(),
        carried: Default::default(),
    }
}

/// A turn that begins at 1,000, as the first of its session.
fn begin() -> Machine {
    Machine::start(turn(), 0, at(1000), BTreeMap::new()).unwrap()
}

/// The turn whose records are `lines`, from its start.
fn again(lines: &[Line]) -> Machine {
    Machine::replay(lines, BTreeMap::new()).unwrap()
}

/// The journal that `live` makes.
fn journal(live: impl FnOnce(&mut Machine)) -> Vec<Line> {
    let mut machine = begin();
    live(&mut machine);
    machine.take_pending()
}

/// The journal of a turn whose one call is in flight, since 1,001.
fn calling(name: &str, arguments: &str) -> Vec<Line> {
    journal(|machine| assert_eq!(machine.begin_call(tool(name, arguments), at(1001)).unwrap(), 0))
}

/// The journal of a turn that waits, since 1,001.
fn waiting(wait: Wait) -> Vec<Line> {
    journal(|machine| assert_eq!(machine.begin_wait(wait, at(1001)).unwrap(), 0))
}

/// A call that must not be repeated.
fn tool(tool: &str, arguments: &str) -> ToolCall {
    ToolCall {
        tool: tool.to_owned(),
        arguments: arguments.to_owned(),
        effect: Effect::Once,
        digest: "sha256:tool".to_owned(),
        key: "k".to_owned(),
        cleared: Default::default(),
    }
}

fn output(text: &str) -> Outcome {
    Outcome::Output { output: serde_json::json!({ "content": text }).to_string(), kept: None }
}

/// The wait for an approval of a call of `name`.
fn asked(name: &str, arguments: &str) -> Wait {
    let ToolCall { tool, arguments, digest, .. } = tool(name, arguments);
    let call = Some(PendingCall { tool, arguments, digest, effect: None, labels: Default::default() });
    Wait::Approval { id: wait_id(1), title: "may it?".to_owned(), details: "{}".to_owned(), due: at(9_000), call }
}

/// A question of the agent's own.
fn question(title: &str) -> Wait {
    Wait::Approval { id: wait_id(2), title: title.to_owned(), details: "all of it".to_owned(), due: at(9_000), call: None }
}

fn approved() -> Outcome {
    Outcome::Approved { by: ada(), note: None, session: None }
}

fn wait_id(random: u128) -> WaitId {
    WaitId::new(at(1), random)
}

/// The bodies of what is pending.
fn pending(machine: &mut Machine) -> Vec<Body> {
    machine.take_pending().iter().map(|line| Record::decode(line).unwrap().body).collect()
}

/// The message of a divergence.
fn divergence<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    let error = result.unwrap_err();
    assert_eq!((error.kind, error.code), (Kind::Diverged, Some("E-DIVERGED")), "{error}");
    error.message
}
