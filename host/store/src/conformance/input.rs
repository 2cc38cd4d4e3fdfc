use remit_core::{
    Kind,
    clock::Timestamp,
    limit::INPUTS_QUEUED_MAX,
    store::{Component, QueuedInput, SessionStore, TurnClose},
};

use super::*;

fn input(key: &str) -> QueuedInput {
    QueuedInput {
        key: key.to_owned(),
        principal: user("ada"),
        time_zone: "Europe/Berlin".to_owned(),
        at: Timestamp(7),
        input: format!("{{\"of\":\"{key}\"}}"),
    }
}

fn queue(store: &dyn SessionStore, key: &str) -> Option<u32> {
    now(store.input_queue(session(1), input(key)))
}

fn keys(store: &dyn SessionStore, number: u64) -> Vec<String> {
    now(store.input_list(session(number))).into_iter().map(|input| input.key).collect()
}

pub(super) fn waits_in_order_until_its_turn_starts(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    now(store.session_append(start(&claim.row, 0, 1, None)));
    assert_eq!((queue(store, "one"), queue(store, "two"), queue(store, "three")), (Some(1), Some(2), Some(3)));
    now(store.session_create(new(2)));
    now(store.input_queue(session(2), input("one")));
    assert_eq!(now(store.input_list(session(1))), ["one", "two", "three"].map(input));
    assert_eq!(row(store, 1).queued, 3);
    now(store.session_append(end(&claim.row, 1, 1, &[])));
    assert_eq!(keys(store, 1), ["one", "two", "three"], "the end of a turn takes none");
    now(store.session_append(start(&claim.row, 2, 1, Some("one"))));
    assert_eq!((keys(store, 1), row(store, 1).queued), (vec!["two".to_owned(), "three".to_owned()], 2));
    assert_eq!(keys(store, 2), ["one"], "another session's");
    assert_eq!(queue(store, "two"), Some(1));
    refused(store.input_queue(session(3), input("one")), Kind::NotFound);
}

pub(super) fn waits_once_under_its_key(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    assert_eq!((queue(store, "one"), queue(store, "two"), queue(store, "two"), queue(store, "one")), (Some(1), Some(2), Some(2), Some(1)));
    refused(store.input_queue(session(1), QueuedInput { input: "{}".to_owned(), ..input("one") }), Kind::Conflict);
    assert_eq!(keys(store, 1), ["one", "two"]);
    now(store.session_append(start(&claim.row, 0, 1, Some("one"))));
    assert_eq!((queue(store, "one"), keys(store, 1)), (None, vec!["two".to_owned()]), "it has its turn");
}

pub(super) fn stays_when_the_start_of_its_turn_is_refused(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    queue(store, "one");
    refused(store.session_append(start(&claim.row, 5, 1, Some("one"))), Kind::Conflict);
    let older = remit_core::store::Append { epoch: claim.row.epoch - 1, ..start(&claim.row, 0, 1, Some("one")) };
    refused(store.session_append(older), Kind::Conflict);
    assert_eq!(keys(store, 1), ["one"]);
}

pub(super) fn is_bounded(store: &dyn SessionStore) {
    claimed(store, 1);
    for number in 1..=INPUTS_QUEUED_MAX {
        assert_eq!(queue(store, &number.to_string()), Some(number));
    }
    let error = refused(store.input_queue(session(1), input("more")), Kind::Limit);
    assert_eq!(error.hints, [format!("let it go on first: remit session resume {}", session(1))]);
    assert_eq!((queue(store, "3"), row(store, 1).queued), (Some(3), INPUTS_QUEUED_MAX), "one that waits is not another one");
}

pub(super) fn is_dropped_with_its_session(store: &dyn SessionStore) {
    for number in [1, 2] {
        now(store.session_create(new(number)));
        now(store.input_queue(session(number), input("one")));
    }
    now(store.session_kill(session(1), String::new(), Timestamp(9)));
    assert_eq!((keys(store, 1), keys(store, 2).len()), (Vec::new(), 1));
    refused(store.input_queue(session(1), input("two")), Kind::Conflict);
    now(store.session_erase(session(2)));
    now(store.session_create(new(2)));
    assert_eq!(keys(store, 2), Vec::<String>::new(), "nothing of before comes with its id");
}

pub(super) fn of_a_turn_that_ended_well_tells_whose_the_state_is(store: &dyn SessionStore) {
    let claim = claimed(store, 1);
    let by = |version: Option<&str>| Some(Component { digest: "sha256:a".to_owned(), version: version.map(str::to_owned) });
    let leaving = |from, left_by| {
        let ending = end(&claim.row, from, 1, &[]);
        remit_core::store::Append { close: Some(TurnClose { left_by, ..TurnClose::default() }), ..ending }
    };
    assert_eq!(row(store, 1).left_by, None);
    now(store.session_append(start(&claim.row, 0, 1, None)));
    now(store.session_append(leaving(1, by(Some("1.0")))));
    assert_eq!(row(store, 1).left_by, by(Some("1.0")));
    now(store.session_append(start(&claim.row, 2, 1, None)));
    now(store.session_append(leaving(3, None)));
    assert_eq!(row(store, 1).left_by, by(Some("1.0")), "one that failed leaves nothing");
    now(store.session_append(start(&claim.row, 4, 1, None)));
    now(store.session_append(leaving(5, by(None))));
    assert_eq!(row(store, 1).left_by, by(None));
}
