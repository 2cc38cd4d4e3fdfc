//! Laws that hold for every agent, every world and every crash.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;

mod agent;
mod driver;

use agent::{Agent, Step, addition, program};
use driver::{Driver, Stop};

fn state() -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([("key 0".to_owned(), vec![0]), ("key 1".to_owned(), vec![1])])
}

/// The turn of `program` in the world of `seed`, without a crash.
fn live(program: &[Step], seed: u64) -> Driver {
    let mut driver = Driver::begin_turn(seed, &state());
    Agent::run(&mut driver, program).unwrap();
    driver
}

/// `before`, cut off by a crash, and gone on with by `program` in another world; with the records that the crash left.
fn crashed<'a>(before: &'a Driver, program: &[Step], cut: Index, seed: u64) -> (&'a [Line], Driver, Result<(), Stop>) {
    let prefix = &before.journal[..before.cuts[cut.index(before.cuts.len())]];
    let mut after = Driver::go_on(seed, prefix, &state());
    let ended = Agent::run(&mut after, program);
    (prefix, after, ended)
}

/// The calls that have their intent in these records.
fn intents(lines: &[Line]) -> Vec<ToolCall> {
    let bodies = lines.iter().map(|line| Record::decode(line).unwrap().body);
    bodies.filter_map(|body| if let Body::Call { call, .. } = body { Some(call) } else { None }).collect()
}

fn extends(after: &Driver, prefix: &[Line]) {
    assert!(after.journal.starts_with(prefix), "what was durable is still there");
    assert!(after.journal.iter().enumerate().all(|(number, line)| line.seq == number as u64), "records are numbered without gaps");
}

/// What must hold of a turn that a crash cut off at `prefix` and that went on.
fn went_on(before: &Driver, prefix: &[Line], after: &Driver) {
    extends(after, prefix);
    let known = before.seen.iter().filter(|seen| seen.records <= prefix.len() as u64).map(|seen| &seen.what);
    assert!(known.clone().count() <= after.seen.len());
    known.zip(&after.seen).for_each(|(before, after)| assert_eq!(before, &after.what, "what the agent saw is seen again"));
    let intents = intents(prefix);
    for call in &after.acted {
        let intent = intents.iter().find(|intent| intent.key == call.key);
        assert!(call.effect != Effect::Once || intent.is_none(), "`{}` was made twice", call.key);
        assert!(intent.is_none_or(|intent| intent == call), "what is made again is the same call");
    }
    let times: Vec<&str> = after.seen.iter().filter_map(|seen| seen.what.strip_prefix("now ")).collect();
    assert!(times.is_sorted(), "time went backwards: {times:?}");
}

/// A turn that is over does nothing when it is replayed, and comes to the same end.
fn is_the_same_again(done: &Driver, program: &[Step], seed: u64) {
    let mut again = Driver::go_on(seed, &done.journal, &state());
    Agent::run(&mut again, program).unwrap();
    assert_eq!(again.journal, done.journal);
    assert_eq!(again.acted, []);
    assert_eq!(again.finished, done.finished);
    assert!(done.seen.iter().map(|seen| &seen.what).eq(again.seen.iter().map(|seen| &seen.what)));
}

/// `program` with one step more, less or other, or with the calls from there on side by side instead of one after another.
fn changed(program: &[Step], index: Index, how: u8, mut other: Vec<Step>) -> Vec<Step> {
    let mut program = program.to_vec();
    let place = index.index(program.len() + 1);
    match how {
        3 => program.iter_mut().skip(place).for_each(|step| match step {
            Step::Call(tool, arguments) => *step = Step::Start(*tool, *arguments),
            Step::Start(tool, arguments) => *step = Step::Call(*tool, *arguments),
            _ => {}
        }),
        0 if place < program.len() => drop(program.remove(place)),
        1 if place < program.len() => drop(program.splice(place..=place, other)),
        _ => {
            other.truncate(1);
            drop(program.splice(place..place, other));
        }
    }
    program
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_turn_goes_on_from_wherever_a_crash_left_it(
        program in program(),
        seed in any::<u64>(),
        crashes in vec((any::<Index>(), any::<u64>()), 1..4),
    ) {
        let mut before = live(&program, seed);
        is_the_same_again(&before, &program, !seed);
        for (cut, seed) in crashes {
            let (prefix, after, ended) = crashed(&before, &program, cut, seed);
            prop_assert!(ended.is_ok(), "{ended:?}");
            went_on(&before, prefix, &after);
            is_the_same_again(&after, &program, !seed);
            before = after;
        }
    }

    /// Whatever an agent that was changed does, no answer reaches a question that it was not given to: the driver looks at each.
    #[test]
    fn an_agent_that_was_changed_diverges_or_goes_on_from_what_is_there(
        program in program(),
        seeds in any::<(u64, u64)>(),
        cut in any::<Index>(),
        (place, how, other) in (any::<Index>(), 0..4u8, addition()),
    ) {
        let before = live(&program, seeds.0);
        let changed = changed(&program, place, how, other);
        let (prefix, after, ended) = crashed(&before, &changed, cut, seeds.1);
        extends(&after, prefix);
        match ended {
            Ok(()) => is_the_same_again(&after, &changed, !seeds.1),
            Err(Stop(error)) => prop_assert_eq!(error.kind, Kind::Diverged),
        }
    }

    /// Steps that are guarded by a new patch never get in the way of a turn that runs, wherever they stand.
    #[test]
    fn an_agent_may_be_changed_under_its_turns_behind_a_patch(
        program in program(),
        seeds in any::<(u64, u64)>(),
        cuts in any::<(Index, Index)>(),
        (place, other) in (any::<Index>(), addition()),
    ) {
        let before = live(&program, seeds.0);
        let mut patched = program.clone();
        patched.insert(place.index(program.len() + 1), Step::Patch(9, other));
        let (prefix, after, ended) = crashed(&before, &patched, cuts.0, seeds.1);
        prop_assert!(ended.is_ok(), "{ended:?}");
        extends(&after, prefix);
        is_the_same_again(&after, &patched, !seeds.1);
        let (prefix, last, ended) = crashed(&after, &patched, cuts.1, !seeds.0);
        prop_assert!(ended.is_ok(), "{ended:?}");
        went_on(&after, prefix, &last);
        is_the_same_again(&last, &patched, seeds.0);
    }
}
