use remit_core::{
    Kind,
    clock::Timestamp,
    store::{NewSession, SessionStore, Status},
};

use super::*;

fn keyed(number: u64, key: &str) -> NewSession {
    NewSession { key: Some(key.to_owned()), ..new(number) }
}

pub(super) fn makes_what_was_asked_for(store: &dyn SessionStore) {
    let asked = NewSession { parent: Some((session(9), 12)), ..keyed(1, "first") };
    let made = now(store.session_create(asked.clone()));
    assert_eq!((made.id, &made.project, &made.agent), (asked.id, &asked.project, &asked.agent));
    assert_eq!((&made.principal, made.parent), (&asked.principal, asked.parent));
    assert_eq!((made.created, made.updated, made.status, made.detail.as_str()), (asked.at, asked.at, Status::Idle, ""));
    assert_eq!((made.epoch, made.branch, made.next_seq, made.turn_seq, made.turns), (0, 0, 0, 0, 0));
    assert_eq!(now(store.session_get(session(1))), Some(made));
    assert_eq!(now(store.session_get(session(2))), None);
}

pub(super) fn gives_the_same_session_for_the_same_key(store: &dyn SessionStore) {
    now(store.session_create(keyed(1, "order 7")));
    let claim = now(store.session_claim(session(1)));
    now(store.session_append(start(&claim.row, 0, 3, None)));
    let again = now(store.session_create(NewSession { at: Timestamp(5), ..keyed(2, "order 7") }));
    assert_eq!(again, row(store, 1));
    assert_eq!(again.next_seq, 3, "as it is, not as it was made");
    assert_eq!(now(store.session_get(session(2))), None);
}

pub(super) fn keeps_keys_of_principals_and_projects_apart(store: &dyn SessionStore) {
    let others = [
        keyed(1, "k"),
        NewSession { principal: user("bob"), ..keyed(2, "k") },
        NewSession { project: "other".to_owned(), ..keyed(3, "k") },
        keyed(4, "l"),
        new(5),
        new(6),
    ];
    for new in others {
        assert_eq!(now(store.session_create(new.clone())).id, new.id);
    }
}

pub(super) fn refuses_a_key_of_another_agent(store: &dyn SessionStore) {
    now(store.session_create(keyed(1, "k")));
    let other = NewSession { agent: "reader".to_owned(), ..keyed(2, "k") };
    let error = refused(store.session_create(other), Kind::Conflict);
    assert!(error.message.contains("`writer`"), "{error:?}");
    assert_eq!(now(store.session_get(session(2))), None);
}

pub(super) fn refuses_an_id_that_is_taken(store: &dyn SessionStore) {
    let made = now(store.session_create(new(1)));
    refused(store.session_create(NewSession { agent: "reader".to_owned(), ..new(1) }), Kind::Conflict);
    assert_eq!(row(store, 1), made);
}
