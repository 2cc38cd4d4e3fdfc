//! Calls side by side.

use super::*;

/// A turn that has started two calls.
fn two() -> Machine {
    let mut machine = begin();
    for arguments in ["0", "1"] {
        assert_eq!(machine.start_call("a/b", arguments).unwrap(), None);
        machine.begin_call(tool("a/b", arguments), at(1001)).unwrap();
    }
    machine
}

/// The same, started again from its journal.
fn two_again(lines: &[Line]) -> Machine {
    let mut machine = again(lines);
    for (op, arguments) in [(0, "0"), (1, "1")] {
        assert_eq!(machine.start_call("a/b", arguments).unwrap(), Some((op, tool("a/b", arguments))));
    }
    machine
}

#[test]
fn results_are_taken_in_the_order_of_their_ends() {
    let mut machine = two();
    assert_eq!(machine.take(&[0, 1]).unwrap(), TakeStep::New { ended: None });
    machine.end(1, output("one"), at(1010)).unwrap();
    machine.end(0, output("nought"), at(1005)).unwrap();
    assert_eq!(machine.take(&[0, 1]).unwrap(), TakeStep::New { ended: Some(1) }, "by the record, not by the time");
    assert_eq!(machine.took(1, at(1011)).unwrap(), output("one"));
    assert_eq!(machine.take(&[0]).unwrap(), TakeStep::New { ended: Some(0) });
}

/// Which result was taken depended on when it came: the record decides, whatever has come since.
#[test]
fn results_are_taken_again_in_the_order_that_was_recorded() {
    let mut live = two();
    live.end(0, output("nought"), at(1010)).unwrap();
    live.took(0, at(1011)).unwrap();
    live.end(1, output("one"), at(1012)).unwrap();
    live.took(1, at(1013)).unwrap();
    let mut lines = live.take_pending();
    assert_eq!(lines.len(), 7);
    let mut machine = two_again(&lines);
    assert_eq!(machine.take(&[0, 1]).unwrap(), TakeStep::Taken { op: 0, outcome: output("nought") });
    assert_eq!(machine.take(&[1]).unwrap(), TakeStep::Taken { op: 1, outcome: output("one") });
    assert_eq!(machine.take_pending(), []);

    lines.truncate(5);
    let mut machine = two_again(&lines);
    assert_eq!(machine.take(&[0, 1]).unwrap(), TakeStep::Taken { op: 0, outcome: output("nought") });
    assert_eq!(machine.take(&[1]).unwrap(), TakeStep::New { ended: None });
    assert!(machine.ended(0) && !machine.ended(1), "what is in flight is begun again by its effect");
    machine.end(1, output("another one"), at(1050)).unwrap();
    assert_eq!(machine.took(1, at(1051)).unwrap(), output("another one"));
}

/// A crash between the ends and the taking of them changes nothing: which one was first is in the journal.
#[test]
fn results_that_were_not_taken_yet_keep_the_order_of_their_ends() {
    let mut live = two();
    live.end(1, output("one"), at(1010)).unwrap();
    live.end(0, output("nought"), at(1005)).unwrap();
    let mut machine = two_again(&live.take_pending());
    assert_eq!(machine.take(&[0, 1]).unwrap(), TakeStep::New { ended: Some(1) });
}

#[test]
fn a_result_is_not_taken_before_it_comes() {
    let mut machine = two();
    machine.take_pending();
    assert_eq!(machine.took(0, at(1002)).unwrap_err().kind, Kind::Host);
    assert_eq!(machine.take_pending(), [], "and no record says so");
}

#[test]
fn an_end_between_other_records_waits_for_its_taking() {
    let mut live = two();
    live.begin_wait(question("may I?"), at(1002)).unwrap();
    live.end(1, output("one"), at(1003)).unwrap();
    live.end(2, approved(), at(1004)).unwrap();
    live.state_set("k", Some(b"v".to_vec()), at(1005)).unwrap();
    live.took(1, at(1006)).unwrap();
    let mut machine = two_again(&live.take_pending());
    assert_eq!(machine.wait(&question("may I?")).unwrap(), WaitStep::Ended(approved()));
    machine.state_set("k", Some(b"v".to_vec()), at(0)).unwrap();
    assert_eq!(machine.take(&[0, 1]).unwrap(), TakeStep::Taken { op: 1, outcome: output("one") });
}

#[test]
fn letting_go_is_recorded_whether_or_not_the_call_ended() {
    let mut live = two();
    live.end(1, output("one"), at(1010)).unwrap();
    live.cancel(0, at(1011)).unwrap();
    live.cancel(1, at(1011)).unwrap();
    let lines = live.take_pending();
    let mut machine = two_again(&lines);
    assert!(machine.replaying());
    machine.cancel(0, at(0)).unwrap();
    machine.cancel(1, at(0)).unwrap();
    assert!(!machine.replaying());
    assert_eq!(machine.take_pending(), []);
}

/// A crash cut the call off, but the code is known to let go of it: repeating it would be for nothing.
#[test]
fn what_did_not_begin_is_not_let_go_of() {
    let mut machine = two();
    assert_eq!(machine.cancel(2, at(1004)).unwrap_err().kind, Kind::Host);
    assert!(pending(&mut machine).iter().all(|body| !matches!(body, Body::Cancel { .. })));
}

#[test]
fn a_call_that_the_code_let_go_of_needs_nothing_more() {
    let mut live = two();
    live.cancel(0, at(1011)).unwrap();
    let replayed = two_again(&live.take_pending());
    for machine in [&live, &replayed] {
        assert!(machine.ended(0), "it is not made again");
        assert!(!machine.ended(1));
    }
}

#[test]
fn the_end_of_a_call_that_was_let_go_of_is_still_recorded() {
    let mut machine = two();
    machine.cancel(0, at(1011)).unwrap();
    machine.take_pending();
    machine.end(0, output("late"), at(1012)).unwrap();
    assert_eq!(pending(&mut machine), [Body::end(0, output("late"))]);
}

#[test]
fn a_call_in_a_group_never_meets_an_approval() {
    let lines = waiting(asked("a/b", "0"));
    let message = divergence(again(&lines).start_call("a/b", "0"));
    assert!(
        message.ends_with("record 1 has waiting for an approval of `a/b` with 0, and it now came to a call of `a/b` with 0"),
        "{message}"
    );
}

/// The code went on while the call ran, so code that waits for it is other code. Nothing is made again on the way there.
#[test]
fn a_call_of_a_group_is_not_one_that_the_code_waits_for() {
    let mut live = two();
    live.cancel(0, at(1002)).unwrap();
    live.end(0, output("late"), at(1003)).unwrap();
    let lines = live.take_pending();
    let message = divergence(again(&lines).call("a/b", "0"));
    let expected = "record 2 has a call of `a/b` with 1, and it now came to waiting for the end of operation 0";
    assert_eq!(message, format!("the agent did not do again what it did: {expected}"));
    let mut machine = again(&lines);
    machine.start_call("a/b", "0").unwrap();
    let message = divergence(machine.call("a/b", "1"));
    assert!(
        message.ends_with("record 3 has letting go of operation 0, and it now came to waiting for the end of operation 1"),
        "{message}"
    );
}
