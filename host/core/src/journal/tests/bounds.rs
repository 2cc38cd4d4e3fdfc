//! How large a turn may become.

use super::*;
use crate::limit::{RECORD_MAX_BYTES, STATE_VALUE_MAX_BYTES, TURN_MAX_BYTES, TURN_RECORDS_MAX};

fn failed(machine: &mut Machine, op: u32, outcome: Outcome) -> String {
    match machine.settle(op, outcome, at(1003)).unwrap() {
        Outcome::Failed { kind: Kind::Limit, message } => message,
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn a_result_that_is_too_large_becomes_a_failure_once() {
    let mut machine = begin();
    machine.begin_call(tool("a/b", "{}"), at(1001)).unwrap();
    machine.take_pending();
    let large = output(&"x".repeat(RECORD_MAX_BYTES));
    let message = failed(&mut machine, 0, large.clone());
    assert!(message.starts_with("a record of 20972"), "{message}");
    assert_eq!(failed(&mut machine, 0, large), message);
    assert_eq!(pending(&mut machine), [Body::end(0, Outcome::Failed { kind: Kind::Limit, message })]);
    assert_eq!(machine.next_seq(), 3);
}

#[test]
fn arguments_that_are_too_large_are_refused_and_leave_no_record() {
    let mut machine = begin();
    machine.take_pending();
    let error = machine.begin_call(tool("a/b", &"x".repeat(RECORD_MAX_BYTES)), at(1001)).unwrap_err();
    assert_eq!(error.kind, Kind::Limit);
    assert_eq!(machine.take_pending(), []);
    assert_eq!((machine.next_op(), machine.next_seq()), (0, 1), "the turn goes on as if it had not been asked for");
    assert_eq!(machine.begin_call(tool("a/b", "{}"), at(1002)).unwrap(), 0);
}

/// Fills the turn with changes of its state up to the bound of its records.
fn fill_records(machine: &mut Machine) -> Error {
    for round in 0..=TURN_RECORDS_MAX {
        if let Err(error) = machine.state_set("k", Some(round.to_le_bytes().to_vec()), at(1001)) {
            return error;
        }
    }
    panic!("the turn has no bound")
}

#[test]
fn a_turn_has_a_most_of_records_and_can_still_fail() {
    let mut machine = begin();
    let error = fill_records(&mut machine);
    assert_eq!((error.kind, error.message.as_str()), (Kind::Limit, "the turn has 50000 records, which is its bound"));
    assert_eq!(error.hints, ["do less in one turn"]);
    let mut lines = machine.take_pending();
    assert_eq!(lines.len(), TURN_RECORDS_MAX);
    machine.abandon(error.kind, error.message, at(1002)).unwrap();
    lines.extend(machine.take_pending());
    assert_eq!(lines.len(), TURN_RECORDS_MAX + 1);
    again(&lines);
}

/// What was begun can end: a result is never lost because other records took its place.
#[test]
fn there_is_a_record_left_for_the_end_of_each_call_that_runs() {
    let mut machine = begin();
    for op in 0..3 {
        machine.begin_call(tool("a/b", "{}"), at(1001)).unwrap();
        assert!(!machine.ended(op));
    }
    fill_records(&mut machine);
    assert_eq!(machine.begin_call(tool("a/b", "{}"), at(1002)).unwrap_err().kind, Kind::Limit);
    for op in 0..3 {
        assert_eq!(machine.settle(op, output("x"), at(1003)).unwrap(), output("x"));
    }
    assert_eq!(machine.took(0, at(1004)).unwrap_err().kind, Kind::Limit);
    assert_eq!(machine.take_pending().len(), TURN_RECORDS_MAX);
}

#[test]
fn a_call_is_not_begun_without_room_for_its_end() {
    let mut machine = begin();
    for _ in 0..TURN_RECORDS_MAX - 2 {
        let value = machine.next_seq().to_le_bytes().to_vec();
        machine.state_set("k", Some(value), at(1001)).unwrap();
    }
    assert_eq!(machine.begin_call(tool("a/b", "{}"), at(1002)).unwrap_err().kind, Kind::Limit, "one record is left, and it needs two");
    machine.patch("p", at(1003)).unwrap();
}

/// Fills the turn with changes of its state up to the bound of its bytes, to the last of them.
fn fill_bytes(machine: &mut Machine) -> Error {
    let mut bytes = STATE_VALUE_MAX_BYTES;
    loop {
        let error = (0..=u8::MAX).cycle().find_map(|value| machine.state_set("k", Some(vec![value; bytes]), at(1001)).err()).unwrap();
        if bytes == 1 {
            return error;
        }
        bytes /= 2;
    }
}

#[test]
fn a_turn_has_a_most_of_bytes_and_room_for_the_failure_of_what_runs() {
    let mut machine = begin();
    for _ in 0..3 {
        machine.begin_call(tool("a/b", "{}"), at(1001)).unwrap();
    }
    let error = fill_bytes(&mut machine);
    assert_eq!((error.kind, error.message.as_str()), (Kind::Limit, "the turn's records have 67108864 bytes, which is their bound"));
    for op in 0..3 {
        let message = failed(&mut machine, op, output(&"x".repeat(10_000)));
        assert_eq!(message, error.message, "the result does not fit, and the reason does");
    }
    let mut lines = machine.take_pending();
    let bytes: usize = lines.iter().map(|line| line.text.len()).sum();
    assert!((TURN_MAX_BYTES - 2_000..=TURN_MAX_BYTES).contains(&bytes), "{bytes}");
    machine.abandon(error.kind, error.message, at(1003)).unwrap();
    lines.extend(machine.take_pending());
    again(&lines);
}

#[test]
fn a_replay_counts_what_is_there() {
    for fill in [fill_records, fill_bytes] {
        let lines = journal(|machine| drop(fill(machine)));
        let mut machine = again(&lines);
        for line in &lines[1..] {
            let Body::State { key, value } = Record::decode(line).unwrap().body else { panic!("{line:?}") };
            machine.state_set(&key, value, at(0)).unwrap();
        }
        assert!(!machine.replaying());
        assert_eq!(machine.state_set("another key", Some(vec![0; 9]), at(0)).unwrap_err().kind, Kind::Limit);
    }
}

/// The reserve is large enough for the longest failure that takes the place of a result.
#[test]
fn the_room_for_an_end_is_enough() {
    let messages = [
        "the turn's records have 67108864 bytes, which is their bound".to_owned(),
        format!("a record of {} bytes is too large for the journal; its bound is {RECORD_MAX_BYTES}", usize::MAX),
    ];
    for message in messages {
        let body = Body::end(u32::MAX, Outcome::Failed { kind: Kind::Limit, message });
        assert!(Record { seq: 0, at: at(0), body }.encode().unwrap().text.len() < 512);
    }
}

/// A patch that does not run makes no record, so a turn that asks for very many of them needs this bound.
#[test]
fn a_turn_asks_for_a_bounded_number_of_patches() {
    let lines = calling("a/b", "{}");
    let mut machine = again(&lines);
    for number in 0..TURN_RECORDS_MAX {
        assert!(!machine.patch(&number.to_string(), at(0)).unwrap());
    }
    assert_eq!(machine.patch("one more", at(0)).unwrap_err().kind, Kind::Limit);
    assert!(!machine.patch("7", at(0)).unwrap(), "what is known is still answered");
}
