use std::collections::BTreeMap;

use remit_core::{
    Kind,
    store::{Append, SessionStore, TurnOpen},
};

use super::*;

pub(super) fn is_counted_and_placed(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    let at = |turn_seq, next_seq, turns| {
        let row = row(store, 1);
        assert_eq!((row.turn_seq, row.next_seq, row.turns), (turn_seq, next_seq, turns));
    };
    now(store.session_append(start(&claim.row, 0, 2, None)));
    at(0, 2, 1);
    now(store.session_append(append(&claim.row, 2, 2)));
    at(0, 4, 1);
    now(store.session_append(end(&claim.row, 4, 1, &[])));
    at(5, 5, 1);
    now(store.session_append(append(&claim.row, 5, 1)));
    at(6, 6, 1);
    now(store.session_append(start(&claim.row, 6, 1, None)));
    at(6, 7, 2);
    now(store.session_append(end(&claim.row, 7, 1, &[])));
    now(store.session_append(Append { open: Some(TurnOpen { seq: 8, key: None }), ..end(&claim.row, 8, 2, &[]) }));
    at(10, 10, 3);
}

pub(super) fn is_found_by_its_key(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    now(store.session_append(start(&claim.row, 0, 2, Some("one"))));
    now(store.session_append(end(&claim.row, 2, 1, &[])));
    now(store.session_append(start(&claim.row, 3, 1, Some("two"))));
    let found = |number, key: &str| now(store.session_turn(session(number), key.to_owned()));
    assert_eq!((found(1, "one"), found(1, "two"), found(1, "three")), (Some(0), Some(3), None));
    now(store.session_create(new(2)));
    assert_eq!((found(2, "one"), found(3, "one")), (None, None));
}

pub(super) fn is_started_once_for_a_key(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    now(store.session_append(start(&claim.row, 0, 1, Some("one"))));
    now(store.session_append(end(&claim.row, 1, 1, &[])));
    refused(store.session_append(start(&claim.row, 2, 1, Some("one"))), Kind::Conflict);
    assert_eq!((row(store, 1).next_seq, row(store, 1).turns), (2, 1));
    let other = claimed(store, 2);
    now(store.session_append(start(&other.row, 0, 1, Some("one"))));
}

pub(super) fn does_not_start_within_another_one(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    now(store.session_append(start(&claim.row, 0, 2, None)));
    refused(store.session_append(start(&claim.row, 2, 1, None)), Kind::Conflict);
    now(store.session_append(end(&claim.row, 2, 1, &[])));
    let elsewhere = Append { open: Some(TurnOpen { seq: 1, key: None }), ..append(&claim.row, 3, 1) };
    refused(store.session_append(elsewhere), Kind::Conflict);
    refused(store.session_append(start(&claim.row, 3, 0, None)), Kind::Conflict);
    assert_eq!((row(store, 1).next_seq, row(store, 1).turns), (3, 1));
}

pub(super) fn that_does_not_run_cannot_end(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    refused(store.session_append(end(&claim.row, 0, 1, &[("k", Some("v"))])), Kind::Conflict);
    assert_eq!(row(store, 1).next_seq, 0);
    assert!(now(store.session_state(session(1))).is_empty());
}

pub(super) fn changes_the_state_when_it_ends(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    let state = || now(store.session_state(session(1)));
    let expected = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect::<BTreeMap<_, _>>()
    };
    now(store.session_append(start(&claim.row, 0, 2, None)));
    assert_eq!(state(), expected(&[]));
    now(store.session_append(end(&claim.row, 2, 1, &[("a", Some("1")), ("b", Some("")), ("c", Some("3")), ("gone", None)])));
    assert_eq!(state(), expected(&[("a", "1"), ("b", ""), ("c", "3")]));
    now(store.session_append(start(&claim.row, 3, 1, None)));
    assert_eq!(state(), expected(&[("a", "1"), ("b", ""), ("c", "3")]), "as at the start of the turn");
    now(store.session_append(end(&claim.row, 4, 1, &[("a", Some("2")), ("c", None)])));
    assert_eq!(state(), expected(&[("a", "2"), ("b", "")]));
    let other = claimed(store, 2);
    now(store.session_append(start(&other.row, 0, 1, None)));
    now(store.session_append(end(&other.row, 1, 1, &[("a", None)])));
    assert_eq!(state(), expected(&[("a", "2"), ("b", "")]), "another session's");
}
