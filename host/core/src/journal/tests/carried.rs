//! What a session goes on with from turn to turn.

use super::*;
use crate::{
    id::SessionId,
    label::{Label, Labels},
};

fn brings(text: &str, labels: &[Label]) -> Answer {
    Answer { labels: Labels::of(&labels.iter().copied().collect(), "a/b"), ..output(text).into() }
}

fn called(machine: &mut Machine, labels: &[Label]) {
    let op = machine.begin_call(tool("a/b", "{}"), at(1001)).unwrap();
    machine.settle(op, brings("x", labels), at(1002)).unwrap();
}

#[test]
fn what_a_call_brought_is_in_its_end_and_stays() {
    let lines = journal(|machine| {
        called(machine, &[Label::Private]);
        called(machine, &[]);
        called(machine, &[Label::Untrusted]);
    });
    let machine = again(&lines);
    let held = &machine.carried().labels;
    assert_eq!(held.iter().collect::<Vec<_>>(), [(Label::Private, "a/b, record 2"), (Label::Untrusted, "a/b, record 6")]);
    let mut before = again(&lines[..5]);
    assert_eq!(before.carried().labels.kinds(), [Label::Private].into(), "before the other one came");
    assert_eq!(before.call("a/b", "{}").unwrap(), CallStep::Ended(output("x")));
    assert_eq!(pending(&mut before), [], "it is recorded once");
}

#[test]
fn the_end_of_a_turn_says_what_the_next_one_begins_with_however_it_ends() {
    for result in [Ok("{}".to_owned()), Err((Kind::Guest, "no".to_owned()))] {
        let mut machine = begin();
        called(&mut machine, &[Label::Private]);
        machine.finish(result, at(1003)).unwrap();
        let carried = machine.carried().clone();
        match pending(&mut machine).pop().unwrap() {
            Body::TurnEnd { carried: left, .. } | Body::TurnFailed { carried: left, .. } => assert_eq!(left, carried),
            other => panic!("{other:?}"),
        }
        let start = TurnStart { carried, ..turn() };
        let next = Machine::start(start, 9, at(2000), BTreeMap::new()).unwrap();
        assert!(next.carried().labels.has(Label::Private));
    }
}

fn session(random: u128) -> SessionId {
    SessionId::new(at(1), random)
}

/// The journal of a turn that asked about a call, and was told this.
fn answered(said: Outcome) -> Vec<Line> {
    journal(|machine| {
        machine.begin_wait(asked("a/b", "{}"), at(1001)).unwrap();
        machine.end(0, said, at(1002)).unwrap();
    })
}

#[test]
fn a_yes_for_the_rest_of_the_session_is_for_this_tool_of_this_component_in_this_session() {
    let lines = answered(Outcome::Approved { by: ada(), note: None, session: Some(session(1)) });
    let machine = again(&lines);
    let carried = machine.carried();
    assert!(carried.allows(session(1), "a/b", "sha256:tool"));
    assert!(!carried.allows(session(2), "a/b", "sha256:tool"), "not in a fork");
    assert!(!carried.allows(session(1), "a/c", "sha256:tool"));
    assert!(!carried.allows(session(1), "a/b", "sha256:other"));
    let past = Past::after(&lines.iter().map(|line| Record::decode(line).unwrap()).collect::<Vec<_>>());
    assert_eq!(past.carried, *carried, "the past tells the same");
}

#[test]
fn a_yes_to_one_call_allows_no_other_one() {
    for said in [approved(), Outcome::Denied { by: ada(), note: None }] {
        assert!(again(&answered(said)).carried().is_empty());
    }
}
