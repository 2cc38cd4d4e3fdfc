//! The time that the code sees.

use super::*;

const HOUR: u64 = 3_600_000;

/// What the code sees of a turn in which the machine's clock is set back by an hour, and forward again.
fn seen(machine: &mut Machine, live: bool) -> Vec<u64> {
    let mut times = vec![machine.now().0];
    let mut look = |machine: &Machine| times.push(machine.now().0);
    let mut call = |machine: &mut Machine, arguments: &str, begin: u64, end: u64| match machine.call("a/b", arguments).unwrap() {
        CallStep::New { .. } if live => {
            let op = machine.begin_call(tool("a/b", arguments), at(begin)).unwrap();
            look(machine);
            machine.settle(op, output(arguments), at(end)).unwrap();
            look(machine);
        }
        CallStep::Ended(_) if !live => look(machine),
        step => panic!("{step:?}"),
    };
    call(machine, "0", 10 * HOUR, 10 * HOUR + 5);
    call(machine, "1", 9 * HOUR, 9 * HOUR + 5);
    call(machine, "2", 11 * HOUR, 10 * HOUR);
    times
}

#[test]
fn time_never_goes_backwards_when_the_machines_clock_does() {
    let mut machine = begin();
    let times = seen(&mut machine, true);
    let (ten, eleven) = (10 * HOUR, 11 * HOUR);
    assert_eq!(times, [1000, ten, ten + 5, ten + 5, ten + 5, eleven, eleven]);
    let lines = machine.take_pending();
    assert_eq!(lines[3].at, at(9 * HOUR), "a record has the machine's own time");
    assert_eq!(seen(&mut again(&lines), false), [1000, ten + 5, ten + 5, eleven], "a replay sees the same");
}

/// A result that comes while the code does other things is not seen yet, and neither is its time.
#[test]
fn the_end_of_a_call_of_a_group_moves_no_time_until_it_is_taken() {
    let mut live = begin();
    live.begin_call(tool("a/b", "0"), at(1001)).unwrap();
    live.end(0, output("x"), at(5000)).unwrap();
    assert_eq!(live.now(), at(1001));
    live.begin_call(tool("c/d", "1"), at(1002)).unwrap();
    live.settle(1, output("y"), at(1003)).unwrap();
    assert_eq!(live.now(), at(1003));
    live.took(0, at(4000)).unwrap();
    assert_eq!(live.now(), at(5000), "the later of the end and its taking");

    let mut machine = again(&live.take_pending());
    machine.start_call("a/b", "0").unwrap();
    assert_eq!(machine.now(), at(1001));
    machine.call("c/d", "1").unwrap();
    assert_eq!(machine.now(), at(1003));
    machine.take(&[0]).unwrap();
    assert_eq!(machine.now(), at(5000));
}

#[test]
fn taking_a_result_late_is_seen_as_late_again() {
    let mut live = begin();
    live.begin_call(tool("a/b", "0"), at(1001)).unwrap();
    live.end(0, output("x"), at(1002)).unwrap();
    live.took(0, at(7000)).unwrap();
    assert_eq!(live.now(), at(7000));
    let mut machine = again(&live.take_pending());
    machine.start_call("a/b", "0").unwrap();
    machine.take(&[0]).unwrap();
    assert_eq!(machine.now(), at(7000));
}

#[test]
fn a_call_in_flight_shows_when_it_was_begun() {
    let lines = calling("a/b", "{}");
    let mut machine = again(&lines);
    assert_eq!(machine.now(), at(1000));
    machine.call("a/b", "{}").unwrap();
    assert_eq!(machine.now(), at(1001));
}

#[test]
fn an_approval_shows_when_it_was_given() {
    let lines = journal(|machine| {
        machine.begin_wait(asked("a/b", "{}"), at(2000)).unwrap();
        machine.end(0, approved(), at(8000)).unwrap();
    });
    let mut machine = again(&lines);
    machine.call("a/b", "{}").unwrap();
    assert_eq!(machine.now(), at(8000));
}

/// These say nothing about when they happen, so that their time cannot be observed.
#[test]
fn state_patches_and_letting_go_take_no_time() {
    let mut machine = begin();
    machine.begin_call(tool("a/b", "0"), at(1001)).unwrap();
    machine.state_set("k", Some(vec![1]), at(2000)).unwrap();
    machine.patch("p", at(3000)).unwrap();
    machine.cancel(0, at(4000)).unwrap();
    assert_eq!(machine.now(), at(1001));
}

#[test]
fn the_code_may_be_moved_forward_and_never_back() {
    let mut machine = begin();
    machine.advance(at(2000));
    machine.advance(at(1500));
    assert_eq!(machine.now(), at(2000));
}
