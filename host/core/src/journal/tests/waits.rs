//! Waits for people and for time.

use super::*;

fn every_wait() -> [(Wait, Outcome); 3] {
    [
        (question("may I?"), Outcome::Denied { by: ada(), note: Some("no".to_owned()) }),
        (Wait::Input { id: wait_id(3), prompt: "which?".to_owned() }, Outcome::Input { by: ada(), text: "that".to_owned() }),
        (Wait::Timer { id: wait_id(4), due: at(5_000) }, Outcome::Woken),
    ]
}

#[test]
fn a_wait_past_the_end_of_the_journal_is_new() {
    for (wait, outcome) in every_wait() {
        let mut machine = begin();
        assert_eq!(machine.wait(&wait).unwrap(), WaitStep::New);
        assert_eq!(machine.begin_wait(wait.clone(), at(1001)).unwrap(), 0);
        assert_eq!(machine.settle(0, outcome.clone(), at(1002)).unwrap(), outcome);
        assert_eq!(pending(&mut machine)[1..], [Body::Wait { op: 0, wait }, Body::end(0, outcome)]);
    }
}

#[test]
fn a_wait_that_is_over_is_answered_from_the_journal() {
    for (wait, outcome) in every_wait() {
        let lines = journal(|machine| {
            machine.begin_wait(wait.clone(), at(1001)).unwrap();
            machine.end(0, outcome.clone(), at(1002)).unwrap();
        });
        let mut machine = again(&lines);
        assert_eq!(machine.wait(&wait).unwrap(), WaitStep::Ended(outcome));
        assert_eq!(machine.take_pending(), []);
    }
}

#[test]
fn a_wait_that_is_open_is_the_one_that_was_opened() {
    for (wait, _) in every_wait() {
        let lines = waiting(wait.clone());
        let asked_again = match wait.clone() {
            Wait::Approval { title, details, call, .. } => Wait::Approval { id: wait_id(9), title, details, due: at(77), call },
            Wait::Input { prompt, .. } => Wait::Input { id: wait_id(9), prompt },
            Wait::Timer { due, .. } => Wait::Timer { id: wait_id(9), due },
        };
        let step = again(&lines).wait(&asked_again).unwrap();
        assert_eq!(step, WaitStep::Waiting { op: 0, wait }, "its id is the recorded one, not that of the replay");
    }
}

/// A decision may be recorded before the agent runs again.
#[test]
fn a_decision_that_came_while_the_turn_slept_is_found() {
    let mut lines = waiting(question("may I?"));
    let mut machine = again(&lines);
    machine.end(0, approved(), at(2000)).unwrap();
    assert_eq!(machine.wait(&question("may I?")).unwrap(), WaitStep::Ended(approved()));
    lines.extend(machine.take_pending());
    assert_eq!(again(&lines).wait(&question("may I?")).unwrap(), WaitStep::Ended(approved()));
}

#[test]
fn a_wait_tells_when_it_ends_by_itself() {
    let due = |wait: &Wait| wait.due();
    let [(approval, _), (input, _), (timer, _)] = every_wait();
    assert_eq!([due(&approval), due(&input), due(&timer)], [Some(at(9_000)), None, Some(at(5_000))]);
    assert_eq!([approval.id(), input.id(), timer.id()], [wait_id(2), wait_id(3), wait_id(4)]);
}
