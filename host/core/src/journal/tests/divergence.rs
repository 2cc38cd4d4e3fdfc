//! Code that does something else than the journal says.

use super::*;

/// A journal of which each record is met by something else.
fn every_step() -> Vec<Line> {
    journal(|machine| {
        machine.begin_call(tool("a/b", "{}"), at(1)).unwrap();
        machine.end(0, output("x"), at(2)).unwrap();
        machine.begin_wait(question("may I?"), at(3)).unwrap();
        machine.end(1, approved(), at(4)).unwrap();
        machine.begin_wait(Wait::Input { id: wait_id(3), prompt: "which?".to_owned() }, at(5)).unwrap();
        machine.end(2, Outcome::Input { by: ada(), text: "that".to_owned() }, at(6)).unwrap();
        machine.begin_wait(Wait::Timer { id: wait_id(4), due: at(0) }, at(7)).unwrap();
        machine.end(3, Outcome::Woken, at(8)).unwrap();
        machine.begin_call(tool("a/b", "2"), at(9)).unwrap();
        machine.begin_call(tool("a/b", "3"), at(9)).unwrap();
        machine.end(4, output("y"), at(10)).unwrap();
        machine.took(4, at(11)).unwrap();
        machine.cancel(5, at(12)).unwrap();
        machine.state_set("k", Some(vec![1]), at(13)).unwrap();
        machine.state_set("k", None, at(14)).unwrap();
        machine.patch("p", at(15)).unwrap();
        machine.finish(Ok("done".to_owned()), at(16)).unwrap();
    })
}

type Step = fn(&mut Machine);

/// What the code did, in order.
const STEPS: [Step; 12] = [
    |machine| assert!(matches!(machine.call("a/b", "{}").unwrap(), CallStep::Ended(_))),
    |machine| assert!(matches!(machine.wait(&question("may I?")).unwrap(), WaitStep::Ended(_))),
    |machine| assert!(matches!(machine.wait(&Wait::Input { id: wait_id(8), prompt: "which?".to_owned() }).unwrap(), WaitStep::Ended(_))),
    |machine| assert!(matches!(machine.wait(&Wait::Timer { id: wait_id(8), due: at(0) }).unwrap(), WaitStep::Ended(_))),
    |machine| assert!(machine.start_call("a/b", "2").unwrap().is_some()),
    |machine| assert!(machine.start_call("a/b", "3").unwrap().is_some()),
    |machine| assert!(matches!(machine.take(&[4, 5]).unwrap(), TakeStep::Taken { op: 4, .. })),
    |machine| machine.cancel(5, at(0)).unwrap(),
    |machine| machine.state_set("k", Some(vec![1]), at(0)).unwrap(),
    |machine| machine.state_set("k", None, at(0)).unwrap(),
    |machine| assert!(machine.patch("p", at(0)).unwrap()),
    |machine| drop(machine.finish(Ok("done".to_owned()), at(0)).unwrap()),
];

/// The words for what the journal has at each of them.
const EXPECTED: [&str; 12] = [
    "record 1 has a call of `a/b` with {}",
    "record 3 has waiting for the approval `may I?`",
    "record 5 has waiting for the input `which?`",
    "record 7 has waiting until 1970-01-01T00:00:00.000Z",
    "record 9 has a call of `a/b` with 2",
    "record 10 has a call of `a/b` with 3",
    "record 12 has taking the result of operation 4",
    "record 13 has letting go of operation 5",
    "record 14 has setting the state `k`",
    "record 15 has removing the state `k`",
    "record 16 has the patch `p`",
    "record 17 has the end of the turn with done",
];

#[test]
fn the_same_again_does_not_diverge() {
    let mut machine = again(&every_step());
    STEPS.iter().for_each(|step| step(&mut machine));
    assert!(!machine.replaying());
    assert_eq!(machine.take_pending(), []);
}

/// The same, up to the step of that number.
fn up_to(step: usize) -> Machine {
    let mut machine = again(&every_step());
    STEPS[..step].iter().for_each(|step| step(&mut machine));
    machine
}

#[test]
fn every_sort_of_record_diverges_from_another_call_in_words() {
    for (step, expected) in EXPECTED.iter().enumerate() {
        let message = divergence(up_to(step).call("c/d", "[1]"));
        assert_eq!(message, format!("the agent did not do again what it did: {expected}, and it now came to a call of `c/d` with [1]"));
    }
}

#[test]
fn every_sort_of_step_diverges_in_words() {
    let timer = Wait::Timer { id: wait_id(8), due: at(1_700_000_000_000) };
    let got = |step: usize, other: &dyn Fn(&mut Machine) -> String| {
        let message = other(&mut up_to(step));
        message.split(", and it now came to ").nth(1).unwrap().to_owned()
    };
    assert_eq!(got(1, &|machine| divergence(machine.call("a/b", "{}"))), "a call of `a/b` with {}");
    assert_eq!(got(1, &|machine| divergence(machine.start_call("a/b", "{}"))), "a call of `a/b` with {}");
    assert_eq!(got(0, &|machine| divergence(machine.wait(&question("may I?")))), "waiting for the approval `may I?`");
    assert_eq!(got(0, &|machine| divergence(machine.wait(&timer))), "waiting until 2023-11-14T22:13:20.000Z");
    assert_eq!(got(3, &|machine| divergence(machine.wait(&timer))), "waiting until 2023-11-14T22:13:20.000Z");
    let input = Wait::Input { id: wait_id(8), prompt: "who?".to_owned() };
    assert_eq!(got(2, &|machine| divergence(machine.wait(&input))), "waiting for the input `who?`");
    assert_eq!(got(0, &|machine| divergence(machine.take(&[0]))), "taking the next result of a group");
    assert_eq!(got(0, &|machine| divergence(machine.cancel(3, at(0)))), "letting go of operation 3");
    assert_eq!(got(0, &|machine| divergence(machine.state_set("x", Some(vec![1]), at(0)))), "setting the state `x`");
    assert_eq!(got(9, &|machine| divergence(machine.state_set("k", Some(vec![2]), at(0)))), "setting the state `k`");
    assert_eq!(got(0, &|machine| divergence(machine.finish(Ok("early".to_owned()), at(0)))), "the end of the turn with early");
    let failed = |machine: &mut Machine| divergence(machine.finish(Err((Kind::Guest, "no".to_owned())), at(0)));
    assert_eq!(got(11, &failed), "the failure of the turn: no");
}

#[test]
fn another_tool_or_other_arguments_diverge() {
    for (name, arguments) in [("a/c", "{}"), ("a/b", "{ }"), ("a/b", "")] {
        divergence(up_to(0).call(name, arguments));
        divergence(up_to(0).start_call(name, arguments));
    }
}

#[test]
fn a_result_of_another_group_diverges() {
    divergence(up_to(6).take(&[5]));
    divergence(up_to(6).take(&[]));
    divergence(up_to(7).cancel(4, at(0)));
}

/// Both sides have the same words here, and the message says that they are not the same.
#[test]
fn what_differs_further_on_is_said_to_differ() {
    let other =
        "the agent did not do again what it did: record 14 has setting the state `k`, and it now came to the same with other content";
    assert_eq!(divergence(up_to(8).state_set("k", Some(vec![2]), at(0))), other);
    let mut approval = question("may I?");
    if let Wait::Approval { details, .. } = &mut approval {
        *details = "more of it".to_owned();
    }
    let message = divergence(up_to(1).wait(&approval));
    assert!(message.ends_with("waiting for the approval `may I?`, and it now came to the same with other content"), "{message}");
    let long = "x".repeat(500);
    let lines = calling("a/b", &format!("{long}1"));
    let message = divergence(again(&lines).call("a/b", &format!("{long}2")));
    assert!(message.ends_with("…, and it now came to the same with other content"), "{message}");
    assert!(message.len() < 500, "{message}");
}

#[test]
fn the_words_show_no_text_that_fools_a_terminal() {
    let lines = calling("a/\u{1b}[2J", "\u{202e}");
    let message = divergence(again(&lines).call("\u{1b}]0;", "\u{7}"));
    assert_eq!(
        message,
        "the agent did not do again what it did: record 1 has a call of `a/\\u{1b}[2J` with \\u{202e}, \
         and it now came to a call of `\\u{1b}]0;` with \\u{7}"
    );
}

#[test]
fn a_divergence_says_what_to_do() {
    let error = up_to(0).call("c/d", "{}").unwrap_err();
    assert_eq!(
        error.hints,
        [
            "an agent has to do the same whenever it gets the same answers",
            "guard a change of its code by `patch`, or let running turns end with the component that they began with",
        ]
    );
}

/// Whoever goes on after a divergence meets the same record again: nothing was used up.
#[test]
fn a_divergence_uses_nothing_up() {
    let mut machine = up_to(0);
    divergence(machine.call("c/d", "{}"));
    STEPS.iter().for_each(|step| step(&mut machine));
}
