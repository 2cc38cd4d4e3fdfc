use std::collections::{BTreeMap, BTreeSet};

use remit_core::{
    Kind,
    clock::Timestamp,
    store::{Append, Component, Import, NewSession, Place, SessionRow, SessionStore, Status, WaitKind, WaitState},
};

use super::*;

fn state(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
}

/// Ten records, in the third turn.
fn import(number: u64) -> Import {
    Import {
        new: NewSession { parent: Some((session(9), 9)), ..new(number) },
        records: (0..10).map(line).collect(),
        place: Place { turns: 3, open_turn: Some(7), state: state(&[("k", "v")]), left_by: Some(component()), ..Place::default() },
        content: Vec::new(),
        uses: BTreeSet::new(),
        outputs: BTreeMap::new(),
    }
}

fn component() -> Component {
    Component { digest: "sha256:a".to_owned(), version: Some("1.0".to_owned()) }
}

/// A session with two turns of three records each that ended, and one that waits.
fn three_turns(store: &dyn SessionStore) -> SessionRow {
    let claim = claimed(store, 1);
    for (from, name) in [(0, "one"), (3, "two")] {
        now(store.session_append(start(&claim.row, from, 1, Some(name))));
        now(store.session_append(end(&claim.row, from + 1, 2, &[(name, Some(name)), ("last", Some(name))])));
    }
    let opening = Append { opened: vec![open_wait(1, WaitKind::Input, None)], ..start(&claim.row, 6, 2, Some("three")) };
    now(store.session_append(opening));
    claim.row
}

fn after_first() -> Place {
    let state = state(&[("one", "one"), ("last", "one")]);
    Place { turns: 1, open_turn: None, state, left_by: Some(component()), ..Place::default() }
}

pub(super) fn an_import_makes_a_session_that_goes_on(store: &dyn SessionStore) {
    let made = now(store.session_import(import(1)));
    assert_eq!(made, row(store, 1));
    assert_eq!((made.parent, made.status, made.epoch), (Some((session(9), 9)), Status::Running, 0));
    assert_eq!((made.next_seq, made.turn_seq, made.turns), (10, 7, 3));
    assert_eq!(made.left_by, Some(component()));
    assert_eq!(now(store.session_records(session(1), 0, 100)), (0..10).map(line).collect::<Vec<_>>());
    assert_eq!(now(store.session_state(session(1))), state(&[("k", "v")]));
    let claim = now(store.session_claim(session(1)));
    now(store.session_append(end(&claim.row, 10, 1, &[])));
    assert_eq!(now(store.session_records(session(1), 9, 100)), [line(9), line(10)]);
    let between = Import { place: Place { turns: 3, ..Place::default() }, ..import(2) };
    let made = now(store.session_import(between));
    assert_eq!((made.status, made.turn_seq), (Status::Idle, 10));
}

pub(super) fn an_import_is_refused_where_something_is(store: &dyn SessionStore) {
    let keyed = |number| NewSession { key: Some("k".to_owned()), ..new(number) };
    now(store.session_create(keyed(1)));
    refused(store.session_import(import(1)), Kind::Conflict);
    refused(store.session_import(Import { new: keyed(1), ..import(1) }), Kind::Conflict);
    refused(store.session_import(Import { new: keyed(2), ..import(2) }), Kind::Conflict);
    refused(store.session_import(Import { records: vec![line(0), line(2)], ..import(2) }), Kind::Conflict);
    refused(store.session_import(Import { records: vec![line(1)], ..import(2) }), Kind::Conflict);
    assert_eq!(now(store.session_get(session(2))), None);
    assert_eq!(row(store, 1).next_seq, 0);
}

pub(super) fn a_revert_begins_a_branch(store: &dyn SessionStore) {
    let claimed = three_turns(store);
    now(store.session_revert(session(1), claimed.epoch, 3, after_first(), Timestamp(88)));
    let reverted = row(store, 1);
    assert_eq!((reverted.branch, reverted.status, reverted.updated), (1, Status::Idle, Timestamp(88)));
    assert_eq!((reverted.next_seq, reverted.turn_seq, reverted.turns), (3, 3, 1));
    assert_eq!(reverted.left_by, Some(component()));
    assert_eq!(now(store.session_records(session(1), 0, 100)), (0..3).map(line).collect::<Vec<_>>());
    assert_eq!(now(store.session_state(session(1))), after_first().state);
    let turn = |key: &str| now(store.session_turn(session(1), key.to_owned()));
    assert_eq!((turn("one"), turn("two"), turn("three")), (Some(0), None, None));
    assert_eq!(now(store.wait_get(wait(1))).expect("a wait").state, WaitState::Cancelled);
    now(store.session_append(start(&claimed, 3, 1, Some("two"))));
    now(store.session_append(append(&claimed, 4, 1)));
    assert_eq!(now(store.session_records(session(1), 2, 100)), [line(2), line(3), line(4)]);
    now(store.session_revert(session(1), claimed.epoch, 0, Place::default(), Timestamp(89)));
    assert_eq!((row(store, 1).branch, row(store, 1).next_seq, row(store, 1).left_by), (2, 0, None));
    assert_eq!(now(store.session_records(session(1), 0, 100)), []);
    now(store.session_revert(session(1), claimed.epoch, 0, Place::default(), Timestamp(90)));
    now(store.session_append(start(&claimed, 0, 2, Some("one"))));
    assert_eq!((row(store, 1).branch, row(store, 1).next_seq), (3, 2));
}

pub(super) fn a_revert_is_its_owners(store: &dyn SessionStore) {
    let claimed = three_turns(store);
    let revert = |epoch, seq| store.session_revert(session(1), epoch, seq, after_first(), Timestamp(1));
    let before = row(store, 1);
    refused(revert(claimed.epoch - 1, 3), Kind::Conflict);
    refused(revert(claimed.epoch, 9), Kind::Invalid);
    assert_eq!(row(store, 1), before);
    now(store.session_kill(session(1), String::new(), Timestamp(1)));
    refused(revert(claimed.epoch, 3), Kind::Conflict);
    assert_eq!(now(store.session_records(session(1), 0, 100)).len(), 8);
    refused(store.session_revert(session(2), 1, 0, Place::default(), Timestamp(1)), Kind::NotFound);
}
