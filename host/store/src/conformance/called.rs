use remit_core::{
    Kind,
    clock::Timestamp,
    limit::CALLED_SESSIONS_MAX,
    store::{Append, Called, Caller, NewSession, SessionFilter, SessionStore, Status, WaitKind, WaitState},
};

use super::*;

/// A session that `by` called in the turn of `root` that begins with its record 0.
fn called(number: u64, by: u64, root: u64) -> NewSession {
    let caller =
        Caller { session: session(by), key: format!("key {number}"), root: session(root), root_turn: 0, chain: vec!["writer".to_owned()] };
    NewSession { caller: Some(caller), key: Some(format!("call {number}")), ..new(number) }
}

/// Session 1 called 2, and that one 3; all are in a turn, and 3 waits. Session 4 has nothing to do with it.
fn chain(store: &dyn SessionStore) {
    for new in [new(1), called(2, 1, 1), called(3, 2, 1), new(4)] {
        let claim = now(store.session_create(new)).id;
        let claim = now(store.session_claim(claim));
        let number = (1..5).find(|number| session(*number) == claim.row.id).expect("one of them");
        let opened = vec![open_wait(number, WaitKind::Input, None)];
        now(store.session_append(Append { opened, status: Status::Waiting, ..start(&claim.row, 0, 1, None) }));
        now(store.session_release(claim.row.id, claim.row.epoch));
    }
}

fn stands(store: &dyn SessionStore) -> Vec<Status> {
    (1..5).map(|number| row(store, number).status).collect()
}

pub(super) fn sessions_are_listed_by_their_caller(store: &dyn SessionStore) {
    chain(store);
    let list = |called| {
        let filter = SessionFilter { project: "project".to_owned(), called, limit: 9, ..SessionFilter::default() };
        now(store.session_list(filter)).iter().map(|row| row.id).collect::<Vec<_>>()
    };
    let ids = |numbers: &[u64]| numbers.iter().map(|number| session(*number)).collect::<Vec<_>>();
    assert_eq!(list(Called::Any), ids(&[4, 3, 2, 1]));
    assert_eq!(list(Called::No), ids(&[4, 1]));
    assert_eq!(list(Called::By(session(1))), ids(&[2]));
    assert_eq!(list(Called::Under(session(1))), ids(&[3, 2]));
    assert_eq!(row(store, 3).caller, called(3, 2, 1).caller);
    let waits = |of: Option<u64>| now(store.wait_list("project".to_owned(), of.map(session), false));
    assert_eq!(waits(Some(1)).iter().map(|wait| wait.session).collect::<Vec<_>>(), ids(&[1, 2, 3]));
    assert_eq!(waits(Some(3)).iter().map(|wait| wait.caller.clone()).collect::<Vec<_>>(), [called(3, 2, 1).caller]);
    assert_eq!(waits(None).len(), 4);
}

pub(super) fn sessions_of_one_turn_are_bounded(store: &dyn SessionStore) {
    now(store.session_create(new(1)));
    for number in 0..CALLED_SESSIONS_MAX {
        now(store.session_create(called(2 + number, 1 + number, 1)));
    }
    let more = called(1000, 5, 1);
    let error = refused(store.session_create(more.clone()), Kind::Limit);
    assert!(error.message.contains("256"), "{error:?}");
    assert_eq!(now(store.session_create(called(2, 1, 1))).id, session(2), "what is there is found");
    let mut next = more.clone();
    next.caller.as_mut().expect("a caller").root_turn = 9;
    now(store.session_create(next));
}

pub(super) fn a_kill_ends_what_is_in_a_turn_below(store: &dyn SessionStore) {
    chain(store);
    now(store.session_kill(session(1), "by Ada".to_owned(), Timestamp(5)));
    assert_eq!(stands(store), [Status::Killed, Status::Killed, Status::Killed, Status::Waiting]);
    assert_eq!(row(store, 3).detail, "by Ada");
    let states: Vec<_> = (1..5).map(|number| now(store.wait_get(wait(number))).expect("a wait").state).collect();
    assert_eq!(states, [WaitState::Cancelled, WaitState::Cancelled, WaitState::Cancelled, WaitState::Open]);
}

pub(super) fn the_end_of_a_turn_ends_what_it_called(store: &dyn SessionStore) {
    chain(store);
    let claim = now(store.session_claim(session(2)));
    now(store.session_append(end(&claim.row, 1, 1, &[])));
    assert_eq!(stands(store), [Status::Waiting, Status::Idle, Status::Killed, Status::Waiting]);
    let claim = now(store.session_claim(session(1)));
    now(store.session_revert(session(1), claim.row.epoch, 0, remit_core::store::Place::default(), Timestamp(9)));
    assert_eq!(stands(store), [Status::Idle, Status::Idle, Status::Killed, Status::Waiting], "one between turns keeps its result");
}

pub(super) fn sessions_are_erased_with_their_caller_and_not_before(store: &dyn SessionStore) {
    chain(store);
    refused(store.session_erase(session(2)), Kind::Conflict);
    let claim = now(store.session_claim(session(3)));
    refused(store.session_erase(session(1)), Kind::Conflict);
    assert_eq!(stands(store).len(), 4, "nothing is removed while one is run");
    now(store.session_release(session(3), claim.row.epoch));
    now(store.session_erase(session(1)));
    let left: Vec<bool> = (1..5).map(|number| now(store.session_get(session(number))).is_some()).collect();
    assert_eq!(left, [false, false, false, true]);
}
