use remit_core::{
    Kind,
    clock::Timestamp,
    journal::{Outcome, PendingCall},
    store::{Append, Decision, NewSession, OpenWait, SessionRow, SessionStore, WaitKind, WaitRow, WaitState},
};

use super::{sample::wait, *};

/// A session in a turn that opened `waits`.
fn waiting(store: &dyn SessionStore, number: u64, waits: Vec<OpenWait>) -> SessionRow {
    let claim = claimed(store, number);
    now(store.session_append(Append { opened: waits, ..start(&claim.row, 0, 1, None) }));
    claim.row
}

fn approved() -> Outcome {
    Outcome::Approved { by: user("ada"), note: Some("go on".to_owned()), session: None }
}

fn answer() -> Outcome {
    Outcome::Input { by: user("ada"), text: "blue".to_owned() }
}

fn decision(number: u64, outcome: Outcome, at: u64) -> Decision {
    Decision { wait: wait(number), outcome, at: Timestamp(at) }
}

fn found(store: &dyn SessionStore, number: u64) -> WaitRow {
    now(store.wait_get(wait(number))).expect("a wait")
}

pub(super) fn is_opened_with_its_record(store: &dyn SessionStore) {
    let call = PendingCall {
        tool: "mail/send".to_owned(),
        arguments: "{\"to\":\"bob\"}".to_owned(),
        digest: "sha256:00".to_owned(),
        effect: None,
        labels: Default::default(),
    };
    waiting(store, 1, vec![OpenWait { call: Some(call.clone()), ..open_wait(1, WaitKind::Approval, Some(u64::MAX)) }]);
    let expected = WaitRow {
        id: wait(1),
        session: session(1),
        project: "project".to_owned(),
        agent: "writer".to_owned(),
        principal: user("ada"),
        caller: None,
        op: 7,
        kind: WaitKind::Approval,
        title: "a title".to_owned(),
        details: "all about it".to_owned(),
        call: Some(call),
        asked: Timestamp(2_000_000),
        due: Some(Timestamp(u64::MAX)),
        state: WaitState::Open,
        outcome: None,
        decided: None,
    };
    assert_eq!(found(store, 1), expected);
    assert_eq!(now(store.wait_get(wait(2))), None);
}

pub(super) fn is_decided_once(store: &dyn SessionStore) {
    waiting(store, 1, vec![open_wait(1, WaitKind::Approval, Some(5000))]);
    now(store.wait_decide(decision(1, approved(), 4000)));
    let decided = found(store, 1);
    assert_eq!((decided.state, decided.outcome, decided.decided), (WaitState::Decided, Some(approved()), Some(Timestamp(4000))));
    let no = Outcome::Denied { by: user("bob"), note: None };
    refused(store.wait_decide(decision(1, no, 4001)), Kind::Conflict);
    assert_eq!(found(store, 1).outcome, Some(approved()));
    refused(store.wait_decide(decision(2, approved(), 1)), Kind::NotFound);
}

pub(super) fn takes_only_an_answer_of_its_kind(store: &dyn SessionStore) {
    let kinds = [WaitKind::Approval, WaitKind::Input, WaitKind::Timer];
    let waits = kinds.iter().zip(1..).map(|(kind, number)| open_wait(number, *kind, Some(5000)));
    waiting(store, 1, waits.collect());
    refused(store.wait_decide(decision(1, answer(), 1)), Kind::Invalid);
    refused(store.wait_decide(decision(2, approved(), 1)), Kind::Invalid);
    refused(store.wait_decide(decision(3, answer(), 1)), Kind::Invalid);
    refused(store.wait_decide(decision(3, Outcome::Woken, 1)), Kind::Invalid);
    refused(store.wait_decide(decision(1, Outcome::Expired { reason: String::new() }, 1)), Kind::Invalid);
    now(store.wait_decide(decision(1, Outcome::Denied { by: user("ada"), note: None }, 1)));
    now(store.wait_decide(decision(2, answer(), 1)));
}

pub(super) fn is_not_decided_after_its_time(store: &dyn SessionStore) {
    waiting(store, 1, vec![open_wait(1, WaitKind::Approval, Some(5000)), open_wait(2, WaitKind::Input, None)]);
    for at in [5000, 5001, u64::MAX] {
        refused(store.wait_decide(decision(1, approved(), at)), Kind::Conflict);
    }
    assert_eq!(found(store, 1).state, WaitState::Open);
    now(store.wait_decide(decision(1, approved(), 4999)));
    now(store.wait_decide(decision(2, answer(), u64::MAX)));
}

pub(super) fn is_used_once(store: &dyn SessionStore) {
    let row = waiting(store, 1, vec![open_wait(1, WaitKind::Approval, Some(5000))]);
    now(store.wait_decide(decision(1, approved(), 1)));
    now(store.session_append(Append { used: vec![wait(1)], ..append(&row, 1, 1) }));
    assert_eq!(found(store, 1).state, WaitState::Used);
    assert_eq!(found(store, 1).outcome, Some(approved()));
    refused(store.session_append(Append { used: vec![wait(1)], ..append(&row, 2, 1) }), Kind::Conflict);
    refused(store.wait_decide(decision(1, approved(), 2)), Kind::Conflict);
}

pub(super) fn that_is_undecided_is_used_only_if_it_ends_by_itself(store: &dyn SessionStore) {
    let row = waiting(store, 1, vec![open_wait(1, WaitKind::Input, None), open_wait(2, WaitKind::Timer, Some(5000))]);
    refused(store.session_append(Append { used: vec![wait(1)], ..append(&row, 1, 1) }), Kind::Conflict);
    now(store.session_append(Append { used: vec![wait(2)], ..append(&row, 1, 1) }));
    assert_eq!((found(store, 1).state, found(store, 2).state), (WaitState::Open, WaitState::Used));
}

pub(super) fn of_another_session_is_not_used(store: &dyn SessionStore) {
    waiting(store, 1, vec![open_wait(1, WaitKind::Approval, Some(5000))]);
    now(store.wait_decide(decision(1, approved(), 1)));
    let other = waiting(store, 2, Vec::new());
    refused(store.session_append(Append { used: vec![wait(1)], ..append(&other, 1, 1) }), Kind::Conflict);
    let taken = Append { opened: vec![open_wait(1, WaitKind::Input, None)], ..append(&other, 1, 1) };
    refused(store.session_append(taken), Kind::Conflict);
    assert_eq!((found(store, 1).state, found(store, 1).session), (WaitState::Decided, session(1)));
}

pub(super) fn is_cancelled_with_its_turn(store: &dyn SessionStore) {
    let waits = (1..=3).map(|number| open_wait(number, WaitKind::Approval, Some(5000)));
    let row = waiting(store, 1, waits.collect());
    waiting(store, 2, vec![open_wait(4, WaitKind::Approval, Some(5000))]);
    now(store.wait_decide(decision(1, approved(), 1)));
    now(store.wait_decide(decision(2, approved(), 1)));
    now(store.session_append(Append { used: vec![wait(1)], ..end(&row, 1, 1, &[]) }));
    let states: Vec<_> = (1..=4).map(|number| found(store, number).state).collect();
    assert_eq!(states, [WaitState::Used, WaitState::Cancelled, WaitState::Cancelled, WaitState::Open]);
    refused(store.wait_decide(decision(3, approved(), 1)), Kind::Conflict);
}

pub(super) fn is_listed_where_it_belongs(store: &dyn SessionStore) {
    let row = waiting(store, 1, [3, 1, 2].map(|number| open_wait(number, WaitKind::Approval, Some(5000))).into());
    waiting(store, 2, vec![open_wait(4, WaitKind::Input, None)]);
    now(store.session_create(NewSession { project: "other".to_owned(), ..new(3) }));
    let other = now(store.session_claim(session(3)));
    now(store.session_append(Append { opened: vec![open_wait(5, WaitKind::Input, None)], ..start(&other.row, 0, 1, None) }));
    now(store.wait_decide(decision(1, approved(), 1)));
    now(store.wait_decide(decision(2, approved(), 1)));
    now(store.session_append(Append { used: vec![wait(2)], ..append(&row, 1, 1) }));
    let listed = |project: &str, of: Option<u64>, all| {
        let waits = now(store.wait_list(project.to_owned(), of.map(session), all));
        waits.into_iter().map(|wait| wait.id).collect::<Vec<_>>()
    };
    assert_eq!(listed("project", None, false), [1, 3, 4].map(wait));
    assert_eq!(listed("project", None, true), [1, 2, 3, 4].map(wait));
    assert_eq!(listed("project", Some(1), false), [1, 3].map(wait));
    assert_eq!(listed("project", Some(1), true), [1, 2, 3].map(wait));
    assert_eq!(listed("other", None, true), [5].map(wait));
    assert_eq!(listed("other", Some(1), true), [0; 0].map(wait), "a session of another project");
    let many = (100..1200).map(|number| open_wait(number, WaitKind::Input, None)).collect();
    now(store.session_append(Append { opened: many, ..append(&row, 2, 1) }));
    let first = listed("project", Some(1), false);
    assert_eq!((first.len(), first.first(), first.last()), (1000, Some(&wait(1)), Some(&wait(1097))));
}

pub(super) fn approvals_that_are_open_are_counted(store: &dyn SessionStore) {
    let count = |project: &str, name: &str, at: u64| now(store.approvals_open(project.to_owned(), user(name), Timestamp(at)));
    let asks = |number: u64, due: Option<u64>| open_wait(number, WaitKind::Approval, due);
    waiting(store, 1, vec![asks(1, Some(5000)), asks(2, Some(u64::MAX)), open_wait(3, WaitKind::Input, None)]);
    waiting(store, 2, vec![asks(4, Some(5000))]);
    assert_eq!(count("project", "ada", 4000), 3);
    assert_eq!(count("project", "ada", 5000), 1, "what has expired waits no more");
    assert_eq!((count("project", "bob", 4000), count("other", "ada", 4000)), (0, 0));
    now(store.wait_decide(decision(4, approved(), 4000)));
    assert_eq!(count("project", "ada", 4000), 2);
}
