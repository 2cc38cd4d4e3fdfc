//! Values that cases use.

use futures::executor::block_on;
use remit_core::{
    Error, Kind,
    clock::Timestamp,
    id::{SessionId, WaitId},
    identity::Principal,
    journal::Line,
    store::{Append, Claim, KvSpace, Later, NewSession, OpenWait, SessionRow, SessionStore, Status, TurnClose, TurnOpen, WaitKind},
};

/// A result of a store.
pub(crate) fn now<T>(later: Later<'_, T>) -> T {
    block_on(later).expect("the store does it")
}

/// What a store refused with.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(later: Later<'_, T>, kind: Kind) -> Error {
    let error = block_on(later).expect_err("the store refuses");
    assert_eq!(error.kind, kind, "{error:?}");
    error
}

pub(crate) fn session(number: u64) -> SessionId {
    SessionId::new(Timestamp(1_000_000 + number), u128::from(number))
}

pub(crate) fn wait(number: u64) -> WaitId {
    WaitId::new(Timestamp(1_000_000 + number), u128::from(number))
}

pub(crate) fn user(name: &str) -> Principal {
    format!("user:{name}").parse().expect("a principal")
}

/// A session of `project`'s agent `writer` for Ada, without a key.
pub(crate) fn new(number: u64) -> NewSession {
    NewSession {
        id: session(number),
        project: "project".to_owned(),
        agent: "writer".to_owned(),
        principal: user("ada"),
        key: None,
        at: Timestamp(1_000_000 + number),
        parent: None,
        caller: None,
    }
}

/// A session that was made and claimed.
pub(crate) fn claimed(store: &dyn SessionStore, number: u64) -> Claim {
    now(store.session_create(new(number)));
    now(store.session_claim(session(number)))
}

pub(crate) fn line(seq: u64) -> Line {
    Line { seq, at: Timestamp(2_000_000 + seq), text: format!("{{\"take\":{{\"op\":{seq}}}}}") }
}

/// An append of `count` records that follow on `from`, within a turn.
pub(crate) fn append(row: &SessionRow, from: u64, count: u64) -> Append {
    let records = (from..from + count).map(line).collect();
    Append { records, ..Append::new(row.id, row.epoch, Timestamp(2_000_000 + from), Status::Running) }
}

/// As [`append`], starting a turn.
pub(crate) fn start(row: &SessionRow, from: u64, count: u64, key: Option<&str>) -> Append {
    Append { open: Some(TurnOpen { seq: from, key: key.map(str::to_owned) }), ..append(row, from, count) }
}

/// As [`append`], ending a turn.
pub(crate) fn end(row: &SessionRow, from: u64, count: u64, state: &[(&str, Option<&str>)]) -> Append {
    let state = state.iter().map(|(key, value)| ((*key).to_owned(), value.map(|value| value.as_bytes().to_vec())));
    Append { close: Some(TurnClose { state: state.collect(), ..TurnClose::default() }), status: Status::Idle, ..append(row, from, count) }
}

pub(crate) fn open_wait(number: u64, kind: WaitKind, due: Option<u64>) -> OpenWait {
    OpenWait {
        id: wait(number),
        op: 7,
        kind,
        title: "a title".to_owned(),
        details: "all about it".to_owned(),
        call: None,
        due: due.map(Timestamp),
    }
}

pub(crate) fn space(scope: &str) -> KvSpace {
    KvSpace { project: "project".to_owned(), plugin: "notes".to_owned(), scope: scope.to_owned() }
}

/// How a session is now.
pub(crate) fn row(store: &dyn SessionStore, number: u64) -> SessionRow {
    now(store.session_get(session(number))).expect("a session")
}
