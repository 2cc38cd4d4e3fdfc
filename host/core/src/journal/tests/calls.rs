//! Calls that the code waits for, and approvals of them.

use super::*;

#[test]
fn a_call_past_the_end_of_the_journal_is_new() {
    let mut machine = begin();
    assert_eq!(machine.call("a/b", "{}").unwrap(), CallStep::New { approved: None });
    assert!(!machine.replaying());
    assert_eq!(machine.begin_call(tool("a/b", "{}"), at(1001)).unwrap(), 0);
    assert_eq!(machine.settle(0, output("x"), at(1002)).unwrap(), output("x"));
    let bodies = pending(&mut machine);
    assert!(matches!(bodies[0], Body::TurnStart(_)));
    assert_eq!(bodies[1..], [Body::Call { op: 0, call: tool("a/b", "{}") }, Body::end(0, output("x"))]);
    assert_eq!(machine.take_pending(), [], "what is pending is handed out once");
}

#[test]
fn a_call_that_ended_is_answered_from_the_journal() {
    let lines = journal(|machine| {
        machine.begin_call(tool("a/b", "{}"), at(1001)).unwrap();
        machine.end(0, output("x"), at(1002)).unwrap();
    });
    let mut machine = again(&lines);
    assert!(machine.replaying());
    assert_eq!(machine.call("a/b", "{}").unwrap(), CallStep::Ended(output("x")));
    assert!(!machine.replaying());
    assert_eq!(machine.take_pending(), [], "it makes no records");
    assert_eq!(machine.next_seq(), 3);
}

#[test]
fn a_call_without_an_end_is_in_flight_with_what_was_called() {
    let lines = calling("a/b", "{}");
    let mut machine = again(&lines);
    assert_eq!(machine.call("a/b", "{}").unwrap(), CallStep::InFlight { op: 0, call: tool("a/b", "{}") });
    assert_eq!(machine.settle(0, output("x"), at(1002)).unwrap(), output("x"));
    assert_eq!(pending(&mut machine), [Body::end(0, output("x"))], "the intent is not recorded again");
}

#[test]
fn operations_are_numbered_from_zero_in_the_order_of_the_code() {
    let lines = journal(|machine| {
        assert_eq!(machine.next_op(), 0);
        assert_eq!(machine.begin_call(tool("a/b", "1"), at(1)).unwrap(), 0);
        machine.end(0, output("x"), at(2)).unwrap();
        assert_eq!(machine.begin_wait(question("q"), at(3)).unwrap(), 1);
        machine.end(1, approved(), at(4)).unwrap();
        assert_eq!(machine.begin_call(tool("a/b", "2"), at(5)).unwrap(), 2);
    });
    let mut machine = again(&lines);
    assert_eq!(machine.next_op(), 0, "a replay counts from the start");
    machine.call("a/b", "1").unwrap();
    assert_eq!(machine.next_op(), 1);
    machine.wait(&question("q")).unwrap();
    machine.call("a/b", "2").unwrap();
    assert_eq!(machine.next_op(), 3);
    assert_eq!(machine.begin_call(tool("a/b", "3"), at(6)).unwrap(), 3);
}

#[test]
fn an_operation_ends_once() {
    let mut machine = begin();
    machine.begin_call(tool("a/b", "{}"), at(1)).unwrap();
    machine.end(0, output("first"), at(2)).unwrap();
    assert_eq!(machine.settle(0, output("second"), at(3)).unwrap(), output("first"));
    let ends = pending(&mut machine).into_iter().filter(|body| matches!(body, Body::End { .. })).count();
    assert_eq!(ends, 1);
}

#[test]
fn an_end_needs_an_operation() {
    let mut machine = begin();
    let error = machine.end(0, output("x"), at(2)).unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (Kind::Host, "an operation ended that did not begin"));
    assert_eq!(machine.begin_call(tool("a/b", "{}"), at(3)).unwrap(), 0);
    assert!(!machine.ended(0), "the stray end is nobody's");
}

/// A host that records something before the code has done again what it did would break the journal's order.
#[test]
fn nothing_new_is_recorded_while_the_code_does_again_what_it_did() {
    let lines = calling("a/b", "{}");
    let mut machine = again(&lines);
    let refused = [machine.begin_call(tool("c/d", "{}"), at(2)).unwrap_err(), machine.begin_wait(question("q"), at(2)).unwrap_err()];
    assert!(refused.iter().all(|error| error.kind == Kind::Host), "{refused:?}");
    assert_eq!(machine.take_pending(), []);
    machine.end(0, output("x"), at(3)).unwrap();
    assert_eq!(machine.call("a/b", "{}").unwrap(), CallStep::Ended(output("x")), "an end may come at any time");
}

/// The journal of a call that was asked about, and decided so.
fn decided(outcome: Outcome) -> Vec<Line> {
    journal(|machine| {
        machine.begin_wait(asked("a/b", "{}"), at(1001)).unwrap();
        machine.end(0, outcome, at(1002)).unwrap();
    })
}

#[test]
fn a_call_that_waits_for_an_approval_still_waits() {
    let lines = waiting(asked("a/b", "{}"));
    let mut machine = again(&lines);
    assert_eq!(machine.call("a/b", "{}").unwrap(), CallStep::Waiting { op: 0, wait: asked("a/b", "{}") });
    assert_eq!(machine.settle(0, approved(), at(1002)).unwrap(), approved());
    assert_eq!(machine.begin_call(tool("a/b", "{}"), at(1003)).unwrap(), 1, "and then it is made");
}

/// The caller compares the digest: the approval of one component is none of another.
#[test]
fn an_approved_call_that_was_not_made_is_new_and_names_what_was_approved() {
    let mut machine = again(&decided(approved()));
    let Wait::Approval { call: Some(call), .. } = asked("a/b", "{}") else { panic!("an approval of a call") };
    assert_eq!(call.digest, "sha256:tool");
    assert_eq!(machine.call("a/b", "{}").unwrap(), CallStep::New { approved: Some(call) });
    assert_eq!(machine.begin_call(tool("a/b", "{}"), at(1003)).unwrap(), 1);
}

#[test]
fn an_approved_call_is_answered_once_it_was_made() {
    let live = |end: bool| {
        journal(|machine| {
            machine.begin_wait(asked("a/b", "{}"), at(1001)).unwrap();
            machine.end(0, approved(), at(1002)).unwrap();
            machine.begin_call(tool("a/b", "{}"), at(1003)).unwrap();
            if end {
                machine.end(1, output("x"), at(1004)).unwrap();
            }
        })
    };
    assert_eq!(again(&live(true)).call("a/b", "{}").unwrap(), CallStep::Ended(output("x")));
    assert_eq!(again(&live(false)).call("a/b", "{}").unwrap(), CallStep::InFlight { op: 1, call: tool("a/b", "{}") });
}

#[test]
fn a_call_that_a_person_refused_or_nobody_decided_ends_with_that() {
    for outcome in [Outcome::Denied { by: ada(), note: Some("no".to_owned()) }, Outcome::Expired { reason: "too late".to_owned() }] {
        let mut machine = again(&decided(outcome.clone()));
        assert_eq!(machine.call("a/b", "{}").unwrap(), CallStep::Ended(outcome));
        assert_eq!(machine.call("a/b", "{}").unwrap(), CallStep::New { approved: None }, "the next one asks anew");
    }
}

#[test]
fn an_approval_is_used_up_by_its_call() {
    let lines = journal(|machine| {
        machine.begin_wait(asked("a/b", "{}"), at(1001)).unwrap();
        machine.end(0, approved(), at(1002)).unwrap();
        machine.begin_call(tool("a/b", "{}"), at(1003)).unwrap();
        machine.end(1, output("x"), at(1004)).unwrap();
    });
    let mut machine = again(&lines);
    machine.call("a/b", "{}").unwrap();
    assert_eq!(machine.call("a/b", "{}").unwrap(), CallStep::New { approved: None });
}

#[test]
fn a_call_whose_component_changed_is_asked_about_once_more() {
    let lines = journal(|machine| {
        machine.begin_wait(asked("a/b", "{}"), at(1001)).unwrap();
        machine.end(0, approved(), at(1002)).unwrap();
        machine.begin_wait(asked("a/b", "{}"), at(1003)).unwrap();
    });
    let mut machine = again(&lines);
    assert_eq!(machine.call("a/b", "{}").unwrap(), CallStep::Waiting { op: 1, wait: asked("a/b", "{}") });
    let denied = Outcome::Denied { by: ada(), note: None };
    assert_eq!(machine.settle(1, denied.clone(), at(1004)).unwrap(), denied);
    let mut lines = lines;
    lines.extend(machine.take_pending());
    assert_eq!(again(&lines).call("a/b", "{}").unwrap(), CallStep::Ended(denied), "the last word counts");
}

#[test]
fn an_approval_is_for_these_arguments_alone() {
    let message = divergence(again(&decided(approved())).call("a/b", "{\"all\":true}"));
    assert_eq!(
        message,
        "the agent did not do again what it did: record 1 has waiting for an approval of `a/b` with {}, \
         and it now came to a call of `a/b` with {\"all\":true}"
    );
}

#[test]
fn an_agents_own_question_approves_no_call() {
    let lines = journal(|machine| {
        machine.begin_wait(question("may I call a/b?"), at(1001)).unwrap();
        machine.end(0, approved(), at(1002)).unwrap();
    });
    let message = divergence(again(&lines).call("a/b", "{}"));
    assert!(message.contains("record 1 has waiting for the approval `may I call a/b?`"), "{message}");
}

#[test]
fn what_a_call_used_is_told_with_its_end_and_passed_by_on_replay() {
    let used = vec!["a fs read /docs/a.md".to_owned()];
    let lines = journal(|machine| {
        machine.begin_call(tool("a/b", "{}"), at(1001)).unwrap();
        machine.end(0, Answer { used: used.clone(), ..output("x").into() }, at(1002)).unwrap();
    });
    let end = Record::decode(lines.last().unwrap()).unwrap().body;
    assert_eq!(end, Body::end(0, Answer { used, ..output("x").into() }));
    let mut machine = again(&lines);
    assert_eq!(machine.call("a/b", "{}").unwrap(), CallStep::Ended(output("x")));
    assert!(!machine.replaying());
}

#[test]
fn what_a_call_used_gives_way_where_only_its_result_has_room() {
    let mut machine = begin();
    machine.begin_call(tool("a/b", "{}"), at(1001)).unwrap();
    machine.take_pending();
    let large = output(&"x".repeat(crate::limit::RECORD_MAX_BYTES - 200));
    machine.end(0, Answer { used: vec!["a fs read /docs".to_owned(); 64], ..large.clone().into() }, at(1002)).unwrap();
    assert_eq!(pending(&mut machine), [Body::end(0, Answer { used: vec![crate::journal::MORE_USES.to_owned()], ..large.into() })]);
}
