//! Turns without code: plain calls, side by side.

use super::*;

/// A turn of two calls, of which one has ended.
fn half() -> Machine {
    let mut machine = begin();
    for arguments in ["0", "1"] {
        machine.begin_call(tool("a/b", arguments), at(1001)).unwrap();
    }
    machine.conclude(1, output("one"), at(1002)).unwrap();
    machine
}

#[test]
fn what_was_concluded_is_in_the_journal_once() {
    let mut machine = half();
    assert!(machine.ended(1) && !machine.ended(0));
    let lines = machine.take_pending();
    assert_eq!(lines.len(), 4);
    machine.conclude(1, output("another one"), at(1003)).unwrap();
    machine.end(1, output("another one"), at(1003)).unwrap();
    assert_eq!(machine.take_pending(), [], "it ended before");
    machine.conclude(0, output("nought"), at(1004)).unwrap();
    assert!(machine.conclude(2, output("two"), at(1005)).is_err(), "it did not begin");
    assert_eq!(machine.take_pending().len(), 1);
}

#[test]
fn the_outcome_of_what_was_concluded_is_not_kept() {
    assert!(half().took(1, at(1003)).is_err());
}

#[test]
fn what_has_not_ended_is_taken_up_and_the_rest_is_let_be() {
    let lines = half().take_pending();
    let mut machine = again(&lines);
    assert_eq!(machine.take_up(), [(0, tool("a/b", "0"))]);
    assert!(!machine.replaying());
    machine.conclude(0, output("nought"), at(1010)).unwrap();
    assert_eq!(machine.begin_call(tool("a/b", "2"), at(1011)).unwrap(), 2, "the next call is one more");
    machine.conclude(2, output("two"), at(1012)).unwrap();
    machine.finish(Ok("{}".to_owned()), at(1013)).unwrap();
    assert_eq!(machine.take_pending().len(), 4);
}
