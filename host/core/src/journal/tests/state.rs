//! The state of a session within a turn.

use super::*;
use crate::limit::{STATE_KEY_MAX_BYTES, STATE_MAX_BYTES, STATE_VALUE_MAX_BYTES};

fn with(values: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    values.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
}

fn from(values: &[(&str, &str)]) -> Machine {
    let mut machine = Machine::start(turn(), 0, at(1000), with(values)).unwrap();
    machine.take_pending();
    machine
}

fn set(machine: &mut Machine, key: &str, value: &str) {
    machine.state_set(key, Some(value.as_bytes().to_vec()), at(1001)).unwrap();
}

fn finish(machine: &mut Machine, result: Result<&str, &str>) -> Vec<(String, Option<String>)> {
    let result = result.map(str::to_owned).map_err(|message| (Kind::Guest, message.to_owned()));
    let text = |value: Vec<u8>| String::from_utf8(value).unwrap();
    machine.finish(result, at(2000)).unwrap().state.into_iter().map(|(key, value)| (key, value.map(text))).collect()
}

#[test]
fn reads_see_the_start_of_the_turn_and_its_own_writes() {
    let mut machine = from(&[("a", "1"), ("b", "2")]);
    assert_eq!(machine.state_get("a"), Some(b"1".as_slice()));
    set(&mut machine, "a", "one");
    machine.state_set("b", None, at(1001)).unwrap();
    set(&mut machine, "c", "");
    assert_eq!(machine.state_get("a"), Some(b"one".as_slice()));
    assert_eq!(machine.state_get("b"), None);
    assert_eq!(machine.state_get("c"), Some(b"".as_slice()), "an empty value is a value");
    assert_eq!(machine.state_get("d"), None);
}

#[test]
fn keys_are_listed_by_their_prefix_in_the_order_of_bytes() {
    let mut machine = from(&[("a/1", "x"), ("a/2", "x"), ("a", "x"), ("b", "x"), ("\u{10ffff}", "x")]);
    machine.state_set("a/1", None, at(1001)).unwrap();
    set(&mut machine, "a/0", "x");
    assert_eq!(machine.state_keys("a/"), ["a/0", "a/2"]);
    assert_eq!(machine.state_keys(""), ["a", "a/0", "a/2", "b", "\u{10ffff}"]);
    assert_eq!(machine.state_keys("c"), [""; 0]);
}

#[test]
fn a_change_is_recorded_and_what_changes_nothing_is_not() {
    let mut machine = from(&[("a", "1")]);
    set(&mut machine, "a", "1");
    machine.state_set("gone", None, at(1001)).unwrap();
    assert_eq!(machine.take_pending(), []);
    set(&mut machine, "a", "2");
    set(&mut machine, "a", "2");
    machine.state_set("a", None, at(1001)).unwrap();
    machine.state_set("a", None, at(1001)).unwrap();
    let state = |value: Option<&[u8]>| Body::State { key: "a".to_owned(), value: value.map(<[u8]>::to_vec) };
    assert_eq!(pending(&mut machine), [state(Some(b"2")), state(None)]);
}

#[test]
fn a_replay_sees_the_writes_as_they_come() {
    let mut live = Machine::start(turn(), 0, at(1000), with(&[("a", "1")])).unwrap();
    set(&mut live, "a", "2");
    set(&mut live, "a", "3");
    let mut machine = Machine::replay(&live.take_pending(), with(&[("a", "1")])).unwrap();
    assert_eq!(machine.state_get("a"), Some(b"1".as_slice()), "not what the code has not written again yet");
    set(&mut machine, "a", "2");
    assert_eq!(machine.state_get("a"), Some(b"2".as_slice()));
    set(&mut machine, "a", "3");
    assert!(!machine.replaying());
    assert_eq!(machine.take_pending(), []);
    assert_eq!(finish(&mut machine, Ok("")), [("a".to_owned(), Some("3".to_owned()))]);
}

#[test]
fn changes_are_kept_when_the_turn_succeeds_and_only_then() {
    let change = |machine: &mut Machine| {
        set(machine, "a", "2");
        set(machine, "b", "x");
        machine.state_set("b", None, at(1001)).unwrap();
    };
    let mut machine = from(&[("a", "1")]);
    change(&mut machine);
    assert_eq!(finish(&mut machine, Ok("")), [("a".to_owned(), Some("2".to_owned())), ("b".to_owned(), None)]);
    let mut machine = from(&[("a", "1")]);
    change(&mut machine);
    assert_eq!(finish(&mut machine, Err("no")), []);
}

fn refused(machine: &mut Machine, key: &str, bytes: usize) -> String {
    let error = machine.state_set(key, Some(vec![0; bytes]), at(1001)).unwrap_err();
    assert_eq!(error.kind, Kind::Invalid, "the code is told, and may go on");
    error.message
}

#[test]
fn keys_and_values_have_bounds() {
    let mut machine = from(&[]);
    let longest = "k".repeat(STATE_KEY_MAX_BYTES);
    machine.state_set(&longest, Some(vec![0; STATE_VALUE_MAX_BYTES]), at(1001)).unwrap();
    machine.take_pending();
    assert_eq!(refused(&mut machine, &format!("{longest}k"), 1), "a key of 513 bytes is not accepted: from 1 to 512");
    assert_eq!(refused(&mut machine, "", 1), "a key of 0 bytes is not accepted: from 1 to 512");
    assert_eq!(refused(&mut machine, "k", STATE_VALUE_MAX_BYTES + 1), "a value of 262145 bytes is not accepted: at most 262144");
    assert_eq!(machine.take_pending(), [], "what was refused makes no record");
    assert_eq!(machine.state_get("k"), None);
}

#[test]
fn the_whole_state_has_a_bound_that_counts_what_is_replaced_and_removed() {
    let mut values = BTreeMap::new();
    let pieces = STATE_MAX_BYTES / STATE_VALUE_MAX_BYTES;
    for piece in 0..pieces {
        let key = format!("{piece:04}");
        let bytes = STATE_VALUE_MAX_BYTES - key.len();
        values.insert(key, vec![0; bytes]);
    }
    let mut machine = Machine::start(turn(), 0, at(1000), values).unwrap();
    assert_eq!(
        refused(&mut machine, "x", 0),
        format!("the session's state would have {} bytes; at most {STATE_MAX_BYTES}", STATE_MAX_BYTES + 1)
    );
    assert_eq!(machine.state_keys("x"), [""; 0]);
    machine.state_set("0000", Some(vec![1; STATE_VALUE_MAX_BYTES - 4]), at(1001)).unwrap();
    machine.state_set("0001", Some(vec![1; 9]), at(1001)).unwrap();
    machine.state_set("x", Some(vec![1; STATE_VALUE_MAX_BYTES - 4 - 9 - 1]), at(1001)).unwrap();
    refused(&mut machine, "y", 0);
    machine.state_set("x", None, at(1001)).unwrap();
    machine.state_set("y", Some(vec![1]), at(1001)).unwrap();
}
