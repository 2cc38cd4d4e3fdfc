//! What a store is asked while something goes wrong, and what has to be true of it afterwards.

use futures::executor::block_on;
use remit_core::{
    Error, Kind,
    journal::Line,
    store::{Append, SessionRow, SessionStore, Status},
};
use rusqlite::Connection;

use super::disk::{Disk, Moment};
use crate::{
    Sqlite,
    conformance::{append, claimed, end, line, new, now, row, session, start},
};

/// The sessions of a script.
pub(super) const SESSIONS: [u64; 2] = [1, 2];

/// Records for the `number`th append: sometimes many, sometimes one that takes several pages.
pub(super) fn records(from: u64, number: u64) -> Vec<Line> {
    let count = 1 + number % 3 * 2;
    let long = if number % 4 == 3 { "x".repeat(9000) } else { String::new() };
    (from..from + count).map(|seq| Line { text: format!("{number}.{seq}{long}"), ..line(seq) }).collect()
}

/// The `number`th append to a session that stands at `row`: turns of three.
pub(super) fn step(row: &SessionRow, number: u64) -> Append {
    let from = row.next_seq;
    let base = match number % 3 {
        0 => start(row, from, 1, Some(&number.to_string())),
        1 => append(row, from, 1),
        _ => end(row, from, 1, &[("number", Some(&number.to_string()))]),
    };
    Append { records: records(from, number), ..base }
}

/// Makes and claims the sessions.
pub(super) fn begin(disk: &Disk, store: &Sqlite) -> Vec<SessionRow> {
    SESSIONS
        .map(|number| {
            let row = claimed(store, number).row;
            disk.acknowledge(number, 0);
            row
        })
        .into()
}

/// A session that nobody owns in the end, so that its turns that ended are packed.
pub(super) const RELEASED: u64 = 3;

/// Makes it, with its records.
pub(super) fn release(disk: &Disk, store: &Sqlite) {
    let mut row = claimed(store, RELEASED).row;
    for round in 0..9 {
        assert_eq!(try_step(disk, store, RELEASED, &mut row, round), None);
    }
    now(store.session_release(row.id, row.epoch));
}

/// Adds to all sessions at once, `rounds` times.
pub(super) fn run(disk: &Disk, store: &Sqlite, rows: &mut [SessionRow], rounds: std::ops::Range<u64>) {
    for round in rounds {
        let asked: Vec<_> = rows
            .iter()
            .map(|row| {
                let append = step(row, round);
                let next = row.next_seq + append.records.len() as u64;
                (next, store.session_append(append))
            })
            .collect();
        for ((number, row), (next, later)) in SESSIONS.into_iter().zip(&mut *rows).zip(asked) {
            now(later);
            row.next_seq = next;
            disk.acknowledge(number, next);
        }
    }
}

/// Adds to one session, which may fail. What is then in doubt is read again. Returns the error.
pub(super) fn try_step(disk: &Disk, store: &Sqlite, number: u64, at: &mut SessionRow, round: u64) -> Option<Error> {
    let append = step(at, round);
    let next = at.next_seq + append.records.len() as u64;
    let error = block_on(store.session_append(append)).err();
    match &error {
        None => at.next_seq = next,
        Some(error) if error.kind == Kind::InDoubt => {
            let found = row(store, number).next_seq;
            assert!(found == at.next_seq || found == next, "all or nothing");
            at.next_seq = found;
        }
        Some(_) => assert_eq!(row(store, number).next_seq, at.next_seq, "an error leaves everything as it was"),
    }
    disk.acknowledge(number, at.next_seq);
    error
}

/// What is on `disk` has to hold everything that was acknowledged before `moment`, and be whole; and it can be gone on with.
pub(super) fn check(disk: &Disk, moment: &Moment, what: &dyn std::fmt::Debug) {
    let store = disk.open().unwrap_or_else(|error| panic!("{what:?}: {error:?}"));
    for (number, acknowledged) in &moment.acknowledged {
        let found = now(store.session_get(session(*number))).unwrap_or_else(|| panic!("{what:?}: session {number} is lost"));
        let records = block_on(store.session_records(session(*number), 0, u32::MAX)).unwrap_or_else(|error| panic!("{what:?}: {error:?}"));
        assert_eq!(records.len() as u64, found.next_seq, "{what:?}");
        assert!(found.next_seq >= *acknowledged, "{what:?}: session {number} has {} of {acknowledged} records", found.next_seq);
        assert!(!moment.at_rest || found.next_seq == *acknowledged, "{what:?}: session {number} has records that were refused");
        let state = now(store.session_state(session(*number)));
        assert_eq!(state.contains_key("number"), found.turns > 1 || (found.turns == 1 && found.status == Status::Idle), "{what:?}");
        let claim = now(store.session_claim(session(*number)));
        assert!(claim.taken_over || *number == RELEASED, "{what:?}");
        now(store.session_append(Append { records: vec![line(claim.row.next_seq)], ..append(&claim.row, 0, 0) }));
    }
    now(store.session_create(new(77)));
    drop(store);
    let raw = Connection::open(disk.place().join(crate::folder::DATABASE)).expect("a database");
    let verdict: String = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a verdict");
    assert_eq!(verdict, "ok", "{what:?}");
}
