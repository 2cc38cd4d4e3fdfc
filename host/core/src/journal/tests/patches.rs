//! Changes of an agent's code under turns that run.

use super::*;

#[test]
fn a_patch_runs_in_a_turn_that_comes_to_it_for_the_first_time() {
    let mut machine = begin();
    assert!(machine.patch("p", at(1001)).unwrap());
    assert!(machine.patch("p", at(1002)).unwrap());
    assert_eq!(pending(&mut machine)[1..], [Body::Patch { name: "p".to_owned() }], "it is recorded once");
}

#[test]
fn a_patch_that_ran_runs_again() {
    let lines = journal(|machine| {
        machine.patch("p", at(1001)).unwrap();
        machine.begin_call(tool("a/b", "{}"), at(1002)).unwrap();
    });
    let mut machine = again(&lines);
    assert!(machine.patch("p", at(5)).unwrap());
    assert!(matches!(machine.call("a/b", "{}").unwrap(), CallStep::InFlight { .. }));
    assert!(machine.patch("p", at(5)).unwrap());
    assert_eq!(machine.take_pending(), []);
}

#[test]
fn a_patch_does_not_run_where_the_turn_passed_before() {
    let mut lines = calling("a/b", "{}");
    for round in 0..2 {
        let mut machine = again(&lines);
        assert!(!machine.patch("p", at(5)).unwrap());
        machine.call("a/b", "{}").unwrap();
        assert!(!machine.patch("p", at(5)).unwrap(), "not later in the same turn either, round {round}");
        if round == 0 {
            machine.settle(0, output("x"), at(6)).unwrap();
            machine.begin_call(tool("a/b", "{}"), at(7)).unwrap();
        }
        lines.extend(machine.take_pending());
    }
    assert_eq!(lines.len(), 4, "and it makes no record");
}

#[test]
fn a_patch_may_run_behind_another_one_that_does_not() {
    let lines = calling("a/b", "{}");
    let mut machine = again(&lines);
    assert!(!machine.patch("early", at(5)).unwrap());
    machine.call("a/b", "{}").unwrap();
    assert!(machine.patch("late", at(5)).unwrap());
}

/// What came back does not say where the code is.
#[test]
fn an_end_behind_the_last_thing_that_the_code_did_does_not_hide_a_patch() {
    let lines = journal(|machine| {
        machine.begin_call(tool("a/b", "{}"), at(1002)).unwrap();
        machine.end(0, output("x"), at(1003)).unwrap();
    });
    let mut machine = again(&lines);
    machine.start_call("a/b", "{}").unwrap();
    assert!(machine.patch("p", at(5)).unwrap());
}

#[test]
fn a_patch_that_is_no_longer_asked_for_diverges_at_what_follows() {
    let lines = journal(|machine| {
        machine.patch("p", at(1001)).unwrap();
        machine.begin_call(tool("a/b", "{}"), at(1002)).unwrap();
    });
    let mut machine = again(&lines);
    assert!(!machine.patch("q", at(5)).unwrap());
    let message = divergence(machine.call("a/b", "{}"));
    assert_eq!(message, "the agent did not do again what it did: record 1 has the patch `p`, and it now came to a call of `a/b` with {}");
}
