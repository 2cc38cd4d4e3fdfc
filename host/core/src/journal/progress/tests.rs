use super::*;
use crate::{
    clock::Timestamp,
    id::WaitId,
    journal::{Outcome, ToolCall, Wait},
    plugin::Effect,
};

fn record(body: Body) -> Record {
    Record { seq: 0, at: Timestamp(0), body }
}

fn call(op: u32, tool: &str) -> Record {
    let (tool, key) = (tool.to_owned(), format!("k{op}"));
    let (arguments, cleared) = ("{}".to_owned(), Default::default());
    record(Body::Call { op, call: ToolCall { tool, arguments, effect: Effect::Once, digest: String::new(), key, cleared } })
}

fn end(op: u32) -> Record {
    record(Body::end(op, Outcome::Woken))
}

fn timer(op: u32) -> Record {
    record(Body::Wait { op, wait: Wait::Timer { id: WaitId::new(Timestamp(0), 1), due: Timestamp(9) } })
}

#[test]
fn a_turn_is_as_far_as_what_began_last() {
    let state = || record(Body::State { key: "k".to_owned(), value: None });
    let said = |records: &[Record]| Progress::of(records).to_string();
    assert_eq!(said(&[]), "no step yet");
    assert_eq!(said(&[state()]), "no step yet");
    assert_eq!(said(&[call(0, "a/b")]), "step 1: calls `a/b`");
    assert_eq!(said(&[call(0, "a/b"), end(0), state()]), "1 step done");
    assert_eq!(said(&[call(0, "a/b"), end(0), timer(1)]), "step 2: waits");
    assert_eq!(said(&[timer(1), end(1)]), "2 steps done");
    assert_eq!(said(&[call(0, "a/b\u{202e}")]), "step 1: calls `a/b\\u{202e}`", "no name of a tool plays tricks on who reads it");
}

/// Calls of a group end in any order, and the newest records need not hold the ones that began first.
#[test]
fn of_calls_at_once_those_are_told_that_have_not_ended() {
    let records = [end(3), call(6, "a/six"), call(7, "a/seven"), call(8, "a/eight"), end(7), record(Body::Cancel { op: 8 }), end(2)];
    let progress = Progress::of(&records);
    assert_eq!(progress, Progress { steps: 9, calls: vec!["a/six".to_owned()], waits: false });
}
