use remit_core::{
    Kind,
    clock::Timestamp,
    store::{Append, SessionStore, Status, TurnClose, WaitKind},
};

use super::*;

pub(super) fn adds_records_in_order(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    now(store.session_append(start(&claim.row, 0, 2, None)));
    let more = Append { detail: "asks Ada".to_owned(), status: Status::Waiting, at: Timestamp(77), ..append(&claim.row, 2, 3) };
    now(store.session_append(more));
    let lines = now(store.session_records(session(1), 0, 100));
    assert_eq!(lines, (0..5).map(line).collect::<Vec<_>>());
    let row = row(store, 1);
    assert_eq!((row.next_seq, row.turn_seq, row.updated), (5, 0, Timestamp(77)));
    assert_eq!((row.status, row.detail.as_str()), (Status::Waiting, "asks Ada"));
}

pub(super) fn refuses_an_epoch_that_is_not_the_newest(store: &dyn SessionStore) {
    let old = claimed(store, 1);
    now(store.session_release(session(1), old.row.epoch));
    let claim = now(store.session_claim(session(1)));
    refused(store.session_append(start(&old.row, 0, 1, None)), Kind::Conflict);
    let mut future = claim.row.clone();
    future.epoch += 1;
    refused(store.session_append(start(&future, 0, 1, None)), Kind::Conflict);
    now(store.session_append(start(&claim.row, 0, 1, None)));
}

pub(super) fn refuses_records_that_do_not_follow_on(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    now(store.session_append(start(&claim.row, 0, 3, None)));
    for from in [0, 2, 4, u64::MAX - 1] {
        refused(store.session_append(append(&claim.row, from, 1)), Kind::Conflict);
    }
    let gap = Append { records: vec![line(3), line(5)], ..append(&claim.row, 3, 1) };
    refused(store.session_append(gap), Kind::Conflict);
    assert_eq!(now(store.session_records(session(1), 0, 100)).len(), 3);
}

pub(super) fn leaves_nothing_when_refused(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    now(store.session_append(start(&claim.row, 0, 3, Some("first"))));
    let before = row(store, 1);
    let bad = Append {
        records: vec![line(3), line(4), line(9)],
        opened: vec![open_wait(1, WaitKind::Input, None)],
        close: Some(TurnClose { state: [("k".to_owned(), Some(vec![1]))].into(), ..TurnClose::default() }),
        status: Status::Idle,
        ..append(&claim.row, 3, 1)
    };
    refused(store.session_append(bad), Kind::Conflict);
    // Refused for what comes last: what came before it is undone.
    let unused = Append { opened: vec![open_wait(2, WaitKind::Input, None)], used: vec![wait(9)], ..append(&claim.row, 3, 2) };
    refused(store.session_append(unused), Kind::Conflict);
    assert_eq!(row(store, 1), before);
    assert_eq!(now(store.session_records(session(1), 0, 100)).len(), 3);
    assert_eq!(now(store.wait_list("project".to_owned(), None, true)), []);
    assert!(now(store.session_state(session(1))).is_empty());
    now(store.session_append(append(&claim.row, 3, 2)));
    assert_eq!(now(store.session_records(session(1), 0, 100)).len(), 5);
}

pub(super) fn without_records_changes_how_it_stands(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    now(store.session_append(start(&claim.row, 0, 3, None)));
    let quarantine = Append { status: Status::Quarantined, detail: "it did something else".to_owned(), ..append(&claim.row, 3, 0) };
    now(store.session_append(quarantine));
    let row = row(store, 1);
    assert_eq!((row.status, row.detail.as_str()), (Status::Quarantined, "it did something else"));
    assert_eq!((row.next_seq, row.turn_seq, row.turns), (3, 0, 1));
}

pub(super) fn needs_a_session(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    let elsewhere = Append { session: session(2), ..start(&claim.row, 0, 1, None) };
    refused(store.session_append(elsewhere), Kind::NotFound);
}
