use remit_core::{Kind, store::SessionStore};

use super::*;

pub(super) fn counts_epochs(store: &dyn SessionStore) {
    let first = claimed(store, 1);
    assert_eq!((first.row.epoch, first.taken_over), (1, false));
    assert_eq!(first.row, row(store, 1));
    now(store.session_release(session(1), 1));
    let second = now(store.session_claim(session(1)));
    assert_eq!((second.row.epoch, second.taken_over), (2, false));
}

pub(super) fn refuses_a_second_one_in_the_same_store(store: &dyn SessionStore) {
    claimed(store, 1);
    let error = refused(store.session_claim(session(1)), Kind::Conflict);
    let hint = error.hints.first().expect("a hint");
    assert!(hint.contains(&format!("the process {}", std::process::id())), "{hint}");
    assert!(hint.contains(&format!("remit session kill {}", session(1))), "{hint}");
    assert_eq!(row(store, 1).epoch, 1);
}

pub(super) fn needs_a_session(store: &dyn SessionStore) {
    refused(store.session_claim(session(1)), Kind::NotFound);
    now(store.session_release(session(1), 1));
}

pub(super) fn release_of_an_older_claim_changes_nothing(store: &dyn SessionStore) {
    claimed(store, 1);
    now(store.session_release(session(1), 1));
    now(store.session_claim(session(1)));
    now(store.session_release(session(1), 1));
    refused(store.session_claim(session(1)), Kind::Conflict);
}

pub(super) fn of_a_living_owner_is_refused(store: &dyn SessionStore, other: &dyn SessionStore) {
    let claim = claimed(store, 1);
    let version = now(store.version());
    refused(other.session_claim(session(1)), Kind::Conflict);
    now(other.session_release(session(1), claim.row.epoch));
    refused(other.session_claim(session(1)), Kind::Conflict);
    assert_eq!(now(store.version()), version, "who asks again and again wakes nobody");
    now(store.session_append(start(&claim.row, 0, 1, None)));
}

pub(super) fn after_a_release_takes_nothing_over(store: &dyn SessionStore, other: &dyn SessionStore) {
    let claim = claimed(store, 1);
    now(store.session_append(start(&claim.row, 0, 2, None)));
    now(store.session_release(session(1), claim.row.epoch));
    let next = now(other.session_claim(session(1)));
    assert_eq!((next.row.epoch, next.row.next_seq, next.taken_over), (2, 2, false));
    refused(store.session_append(append(&claim.row, 2, 1)), Kind::Conflict);
    now(other.session_append(append(&next.row, 2, 1)));
}

/// `ending` is dropped in the course of it, which ends its ownership as the end of its process would.
pub(super) fn of_an_owner_that_ended_is_taken_over(ending: Box<dyn SessionStore>, other: &dyn SessionStore) {
    let claim = claimed(&*ending, 1);
    now(ending.session_append(start(&claim.row, 0, 2, None)));
    drop(ending);
    let next = now(other.session_claim(session(1)));
    assert_eq!((next.row.epoch, next.row.next_seq, next.taken_over), (2, 2, true));
    refused(other.session_append(append(&claim.row, 2, 1)), Kind::Conflict);
    now(other.session_append(append(&next.row, 2, 1)));
}
