//! The start and the end of a turn, and journals that are none.

use super::*;
use crate::limit::{GUEST_TEXT_MAX_CHARS, RECORD_MAX_BYTES};

#[test]
fn a_turn_begins_with_its_start_at_its_number() {
    let mut machine = Machine::start(turn(), 40, at(1000), BTreeMap::new()).unwrap();
    assert_eq!((machine.next_seq(), machine.now(), machine.turn()), (41, at(1000), &turn()));
    let lines = machine.take_pending();
    assert_eq!((lines[0].seq, lines[0].at), (40, at(1000)));
    let machine = again(&lines);
    assert_eq!((machine.next_seq(), machine.now(), machine.turn()), (41, at(1000), &turn()));
}

#[test]
fn an_input_that_is_too_large_begins_no_turn() {
    let start = TurnStart { input: "x".repeat(RECORD_MAX_BYTES), ..turn() };
    assert_eq!(Machine::start(start, 0, at(1000), BTreeMap::new()).unwrap_err().kind, Kind::Limit);
}

#[test]
fn an_end_is_recorded_and_found_again() {
    for result in [Ok("done".to_owned()), Err((Kind::Guest, "no".to_owned()))] {
        let mut live = begin();
        let finished = live.finish(result.clone(), at(1001)).unwrap();
        let mut machine = again(&live.take_pending());
        assert_eq!(machine.finish(result, at(9999)).unwrap(), finished);
        assert_eq!(machine.take_pending(), []);
    }
}

#[test]
fn a_turn_that_ends_before_its_journal_diverges() {
    let lines = calling("a/b", "{}");
    let message = divergence(again(&lines).finish(Ok("early".to_owned()), at(1002)));
    let expected =
        "the agent did not do again what it did: record 1 has a call of `a/b` with {}, and it now came to the end of the turn with early";
    assert_eq!(message, expected);
}

#[test]
fn another_end_diverges() {
    let lines = journal(|machine| drop(machine.finish(Ok("done".to_owned()), at(1001)).unwrap()));
    for other in [Ok("other".to_owned()), Err((Kind::Guest, "done".to_owned()))] {
        divergence(again(&lines).finish(other, at(1002)));
    }
}

/// The journal holds the failure, so a replay of the same code comes to the same failure.
#[test]
fn an_output_that_is_too_large_fails_the_turn_the_same_on_every_replay() {
    let output = "x".repeat(RECORD_MAX_BYTES);
    let mut live = begin();
    live.state_set("k", Some(vec![1]), at(1001)).unwrap();
    let error = live.finish(Ok(output.clone()), at(1002)).unwrap_err();
    assert_eq!(error.kind, Kind::Limit);
    let lines = live.take_pending();
    let Body::TurnFailed { kind: Kind::Limit, message, .. } = Record::decode(lines.last().unwrap()).unwrap().body else {
        panic!("{lines:?}")
    };
    assert_eq!(message, error.message);

    let mut machine = again(&lines);
    machine.state_set("k", Some(vec![1]), at(0)).unwrap();
    assert_eq!(machine.finish(Ok(output), at(1003)).unwrap_err(), error);
    assert_eq!(machine.take_pending(), []);
}

#[test]
fn the_message_of_a_failure_is_cut_so_that_every_turn_can_fail() {
    let long = "\u{1}".repeat(RECORD_MAX_BYTES);
    let cut = |lines: &[Line]| match Record::decode(lines.last().unwrap()).unwrap().body {
        Body::TurnFailed { message, .. } => message.chars().count(),
        body => panic!("{body:?}"),
    };
    assert_eq!(cut(&journal(|machine| drop(machine.finish(Err((Kind::Guest, long.clone())), at(1)).unwrap()))), GUEST_TEXT_MAX_CHARS);
    let lines = journal(|machine| machine.abandon(Kind::Limit, long.clone(), at(1)).unwrap());
    assert_eq!(cut(&lines), GUEST_TEXT_MAX_CHARS);
    again(&lines).finish(Err((Kind::Limit, long)), at(2)).unwrap();
}

/// Whoever replays it comes to its failure, and begins nothing that was cut off by it once more.
#[test]
fn a_turn_that_was_abandoned_has_a_journal_of_a_turn_that_failed() {
    let lines = journal(|machine| {
        machine.begin_call(tool("a/b", "0"), at(1001)).unwrap();
        machine.end(0, output("x"), at(1002)).unwrap();
        machine.begin_call(tool("a/b", "1"), at(1003)).unwrap();
        machine.abandon(Kind::Limit, "out of memory".to_owned(), at(1004)).unwrap();
    });
    let mut machine = again(&lines);
    assert_eq!(machine.call("a/b", "0").unwrap(), CallStep::Ended(output("x")));
    let message = divergence(machine.call("a/b", "1"));
    assert!(
        message.ends_with("record 4 has the failure of the turn: out of memory, and it now came to waiting for the end of operation 1")
    );
    let failed = machine.finish(Err((Kind::Limit, "out of memory".to_owned())), at(9)).unwrap();
    assert_eq!((failed.state, machine.take_pending()), (BTreeMap::new(), vec![]));

    let waiting = journal(|machine| {
        machine.begin_wait(question("q"), at(1001)).unwrap();
        machine.abandon(Kind::Limit, "out of time".to_owned(), at(1002)).unwrap();
    });
    divergence(again(&waiting).wait(&question("q")));
}

#[test]
fn a_turn_that_is_abandoned_in_a_replay_keeps_what_it_did() {
    let mut lines = journal(|machine| {
        for op in 0..2 {
            machine.begin_call(tool("a/b", "{}"), at(1001)).unwrap();
            machine.end(op, output("x"), at(1002)).unwrap();
        }
    });
    let mut machine = again(&lines);
    machine.call("a/b", "{}").unwrap();
    machine.abandon(Kind::Limit, "out of time".to_owned(), at(1004)).unwrap();
    assert!(!machine.replaying());
    lines.extend(machine.take_pending());
    assert_eq!(lines.len(), 6);
    let mut machine = again(&lines);
    for _ in 0..2 {
        assert_eq!(machine.call("a/b", "{}").unwrap(), CallStep::Ended(output("x")));
    }
    assert!(machine.replaying(), "its failure");
}

/// A result of a call that still runs may come at any moment, also just after the end.
#[test]
fn nothing_is_recorded_behind_the_end_of_a_turn() {
    let ends: [fn(&mut Machine); 2] = [
        |machine| drop(machine.finish(Ok("done".to_owned()), at(1002)).unwrap()),
        |machine| machine.abandon(Kind::Limit, "out of time".to_owned(), at(1002)).unwrap(),
    ];
    for end in ends {
        let mut live = begin();
        live.begin_call(tool("a/b", "{}"), at(1001)).unwrap();
        end(&mut live);
        let lines = live.take_pending();
        let mut replayed = again(&lines);
        replayed.start_call("a/b", "{}").unwrap();
        for machine in [&mut live, &mut replayed] {
            assert!(machine.ended(0), "it is not made again");
            machine.end(0, output("late"), at(1003)).unwrap();
            assert_eq!(machine.settle(0, output("late"), at(1003)).unwrap_err().kind, Kind::Host);
            machine.abandon(Kind::Guest, "again".to_owned(), at(1004)).unwrap();
            let refused = [
                machine.begin_call(tool("a/b", "{}"), at(1005)).unwrap_err(),
                machine.begin_wait(question("q"), at(1005)).unwrap_err(),
                machine.state_set("k", Some(vec![1]), at(1005)).unwrap_err(),
                machine.patch("p", at(1005)).unwrap_err(),
                machine.cancel(0, at(1005)).unwrap_err(),
                machine.finish(Ok("again".to_owned()), at(1005)).unwrap_err(),
            ];
            assert!(refused.iter().all(|error| error.kind == Kind::Host), "{refused:?}");
            assert_eq!(machine.take_pending(), []);
            assert_eq!(machine.next_seq(), 3);
        }
    }
}

fn line(seq: u64, body: Body) -> Line {
    Record { seq, at: at(seq), body }.encode().unwrap()
}

fn start(seq: u64) -> Line {
    line(seq, Body::TurnStart(Box::new(turn())))
}

fn call(seq: u64, op: u32) -> Line {
    line(seq, Body::Call { op, call: tool("a/b", "{}") })
}

fn end(seq: u64, op: u32) -> Line {
    line(seq, Body::end(op, output("x")))
}

/// A wrong journal is refused as a whole: none of its results reaches the code.
#[test]
fn a_journal_that_is_none_of_one_turn_is_damaged() {
    let done = || Body::TurnEnd { output: String::new(), carried: Default::default() };
    let failed = || Body::TurnFailed { kind: Kind::Guest, message: String::new(), carried: Default::default() };
    for (lines, what) in [
        (vec![], "a turn has no records"),
        (vec![call(0, 0)], "a turn does not begin with its start"),
        (vec![start(0), start(1)], "a turn begins within another one"),
        (vec![start(0), call(2, 0)], "record 1 is missing"),
        (vec![start(0), call(1, 0), call(1, 1)], "record 2 is missing"),
        (vec![start(0), call(1, 1)], "operation 1 stands where 0 should"),
        (vec![start(0), call(1, 0), call(2, 0)], "operation 0 stands where 1 should"),
        (vec![start(0), line(1, Body::Wait { op: 3, wait: question("q") })], "operation 3 stands where 0 should"),
        (vec![start(0), end(1, 0), call(2, 0)], "operation 0 ends before it begins"),
        (vec![start(0), line(1, Body::Cancel { op: 0 })], "operation 0 ends before it begins"),
        (vec![start(0), call(1, 0), end(2, 0), end(3, 0)], "operation 0 ends twice"),
        (vec![start(0), call(1, 0), line(2, Body::Take { op: 0 })], "a result was taken that did not come"),
        (vec![start(0), line(1, done()), call(2, 0)], "record 2 stands behind the end of its turn"),
        (vec![start(0), call(1, 0), line(2, failed()), end(3, 0)], "record 3 stands behind the end of its turn"),
        (vec![start(0), line(1, failed()), line(2, failed())], "record 2 stands behind the end of its turn"),
    ] {
        let error = Machine::replay(&lines, BTreeMap::new()).unwrap_err();
        assert_eq!((error.kind, error.message), (Kind::Host, format!("the journal is damaged: {what}")));
    }
}

#[test]
fn what_a_turn_leaves_in_workspaces_counts_with_its_end_and_no_replay_sees_it() {
    let trees = |text: &[u8]| BTreeMap::from([("files".to_owned(), crate::content::Blob::of(text))]);
    let lines = journal(|machine| {
        machine.captured(trees(b"one"), at(1001)).unwrap();
        machine.finish(Ok("1".to_owned()), at(1002)).unwrap();
        assert_eq!(machine.captured(trees(b"late"), at(1003)).unwrap_err().kind, Kind::Host);
    });
    let records: Vec<Record> = lines.iter().map(|line| Record::decode(line).unwrap()).collect();
    assert!(matches!(records[1].body, Body::Workspaces { .. }) && records.len() == 3);
    assert_eq!(Past::after(&records).place.workspaces, trees(b"one"));
    assert!(Past::after(&records[..2]).place.workspaces.is_empty(), "before its end it leaves nothing");

    let mut replayed = again(&lines[..2]);
    assert!(!replayed.replaying());
    replayed.finish(Ok("1".to_owned()), at(1002)).unwrap();
    assert!(matches!(pending(&mut replayed)[..], [Body::TurnEnd { .. }]));

    let failed = Record {
        seq: 2,
        at: at(1002),
        body: Body::TurnFailed { kind: Kind::Guest, message: "no".to_owned(), carried: Default::default() },
    };
    assert_eq!(Past::after(records[..2].iter().chain([&failed])).place.workspaces, trees(b"one"), "a turn that failed leaves it as well");
}
