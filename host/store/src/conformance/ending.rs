use remit_core::{
    Kind,
    clock::Timestamp,
    store::{Append, KvSpace, KvStore, NewSession, SessionFilter, SessionStore, Status, WaitKind, WaitState},
};

use super::*;

fn kill(store: &dyn SessionStore, number: u64, detail: &str, at: u64) {
    now(store.session_kill(session(number), detail.to_owned(), Timestamp(at)));
}

pub(super) fn a_kill_refuses_the_owners_next_append(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    now(store.session_append(start(&claim.row, 0, 2, None)));
    kill(store, 1, "Ada ended it", 99);
    refused(store.session_append(append(&claim.row, 2, 1)), Kind::Conflict);
    let killed = row(store, 1);
    assert_eq!((killed.status, killed.detail.as_str(), killed.updated), (Status::Killed, "Ada ended it", Timestamp(99)));
    assert_eq!(killed.next_seq, 2);
    assert_eq!(now(store.session_records(session(1), 0, 9)).len(), 2);
    refused(store.session_kill(session(2), String::new(), Timestamp(0)), Kind::NotFound);
}

pub(super) fn a_kill_cancels_waits(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    now(store.session_append(Append { opened: vec![open_wait(1, WaitKind::Input, None)], ..start(&claim.row, 0, 1, None) }));
    kill(store, 1, "", 1);
    assert_eq!(now(store.wait_get(wait(1))).expect("a wait").state, WaitState::Cancelled);
    assert_eq!(now(store.wait_list("project".to_owned(), None, false)), []);
}

pub(super) fn a_second_kill_changes_nothing(store: &dyn SessionStore) {
    now(store.session_create(new(1)));
    kill(store, 1, "first", 1);
    kill(store, 1, "second", 2);
    assert_eq!((row(store, 1).detail.as_str(), row(store, 1).updated), ("first", Timestamp(1)));
}

pub(super) fn erasing_a_principal_removes_all_that_is_theirs<S: SessionStore + KvStore>(store: &S) {
    let space = |scope: &str| KvSpace { project: "project".to_owned(), plugin: "notes".to_owned(), scope: scope.to_owned() };
    for scope in ["user/user:ada", "user/user:ben", "project"] {
        store.kv_set(&space(scope), "k", b"v".to_vec(), 100).expect("kept");
    }
    now(store.session_create(new(1)));
    now(store.session_create(NewSession { principal: user("ben"), ..new(2) }));
    now(store.session_create(NewSession { project: "other".to_owned(), ..new(3) }));
    let running = claimed(store, 4);
    refused(store.principal_erase("project".to_owned(), user("ada")), Kind::Conflict);
    assert!(now(store.session_get(session(1))).is_some(), "nothing is removed while one is run");
    now(store.session_release(session(4), running.row.epoch));
    assert_eq!(now(store.principal_erase("project".to_owned(), user("ada"))), 2);
    let left: Vec<bool> = (1..=4).map(|number| now(store.session_get(session(number))).is_some()).collect();
    assert_eq!(left, [false, true, true, false]);
    let kept = |scope: &str| store.kv_get(&space(scope), "k").expect("an answer").is_some();
    assert_eq!(["user/user:ada", "user/user:ben", "project"].map(kept), [false, true, true]);
}

pub(super) fn pruning_removes_what_is_named_and_not_run(store: &dyn SessionStore) {
    let left = |number| now(store.session_get(session(number))).is_some();
    // Idle, killed, quarantined, running, waiting; idle and owned; idle and newer; of another project.
    for (number, status) in [(1, Status::Idle), (3, Status::Quarantined), (4, Status::Running), (5, Status::Waiting)] {
        let claim = claimed(store, number);
        now(store.session_append(Append { status, ..start(&claim.row, 0, 2, None) }));
        now(store.session_release(session(number), claim.row.epoch));
    }
    now(store.session_create(new(2)));
    kill(store, 2, "", 2_000_000);
    claimed(store, 6);
    now(store.session_create(NewSession { at: Timestamp(2_000_001), ..new(7) }));
    now(store.session_create(NewSession { project: "other".to_owned(), ..new(8) }));
    let of = |status: &[Status], limit| SessionFilter {
        project: "project".to_owned(),
        status: status.to_vec(),
        until: Some(Timestamp(2_000_000)),
        limit,
        ..SessionFilter::default()
    };
    let all = [Status::Idle, Status::Killed, Status::Quarantined, Status::Running, Status::Waiting];
    for status in [&all, &all[3..4], &all[4..], &[]] {
        refused(store.session_prune(of(status, 9)), Kind::Invalid);
    }
    assert!((1..=8).all(left));
    let pruned = |status, limit| now(store.session_prune(of(status, limit))).iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(pruned(&all[..2], 1), [session(2)], "the owned one is passed over");
    assert_eq!(pruned(&all[..2], 9), [session(1)]);
    assert_eq!(pruned(&all[..2], 9), []);
    assert_eq!(pruned(&all[..3], 9), [session(3)]);
    assert_eq!((1..=8).map(left).collect::<Vec<_>>(), [false, false, false, true, true, true, true, true]);
    refused(store.session_records(session(1), 0, 9), Kind::NotFound);
}

pub(super) fn erasing_leaves_nothing(store: &dyn SessionStore) {
    let made = NewSession { key: Some("made".to_owned()), ..new(1) };
    now(store.session_create(made.clone()));
    let claim = now(store.session_claim(session(1)));
    now(store.session_append(start(&claim.row, 0, 1, Some("turn"))));
    now(store.session_append(end(&claim.row, 1, 1, &[("k", Some("v"))])));
    now(store.session_append(Append { opened: vec![open_wait(1, WaitKind::Input, None)], ..start(&claim.row, 2, 1, None) }));
    let other = claimed(store, 2);
    now(store.session_append(start(&other.row, 0, 3, None)));
    now(store.session_release(session(1), claim.row.epoch));
    now(store.session_erase(session(1)));
    assert_eq!(now(store.session_get(session(1))), None);
    assert_eq!(now(store.wait_get(wait(1))), None);
    assert_eq!(now(store.wait_list("project".to_owned(), None, true)), []);
    assert_eq!(now(store.session_turn(session(1), "turn".to_owned())), None);
    refused(store.session_records(session(1), 0, 9), Kind::NotFound);
    refused(store.session_erase(session(1)), Kind::NotFound);
    let filter = SessionFilter { project: "project".to_owned(), limit: 9, ..SessionFilter::default() };
    assert_eq!(now(store.session_list(filter)), [row(store, 2)]);
    assert_eq!(now(store.session_records(session(2), 0, 9)).len(), 3);
    // Its id and its key are free again, and nothing of before comes with them.
    assert_eq!(now(store.session_create(made)).next_seq, 0);
    assert!(now(store.session_state(session(1))).is_empty());
    assert_eq!(now(store.session_records(session(1), 0, 9)), []);
}

pub(super) fn erasing_is_refused_while_it_is_owned(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    now(store.session_append(start(&claim.row, 0, 1, None)));
    refused(store.session_erase(session(1)), Kind::Conflict);
    kill(store, 1, "", 1);
    refused(store.session_erase(session(1)), Kind::Conflict);
    assert_eq!(now(store.session_records(session(1), 0, 9)).len(), 1);
    now(store.session_release(session(1), claim.row.epoch));
    now(store.session_erase(session(1)));
}
