//! Files that were changed from outside.

use futures::executor::block_on;
use remit_core::{
    Kind,
    clock::Timestamp,
    store::{Place, SessionStore},
};
use rusqlite::Connection;

use super::{
    disk::{Disk, Moment},
    image::Crash,
    script::{RELEASED, SESSIONS, begin, check, release, run, try_step},
};
use crate::{
    Sqlite,
    conformance::{now, refused, row, session},
};

const LOG: &str = "state.db-wal";

/// A store with some records, after each of `sql` changed one row of it from outside.
fn tampered(sql: &[&str]) -> (Disk, Sqlite) {
    let disk = Disk::new();
    let store = disk.open().expect("a store");
    let mut rows = begin(&disk, &store);
    run(&disk, &store, &mut rows, 0..4);
    drop(store);
    let raw = Connection::open(disk.place().join(crate::folder::DATABASE)).expect("a database");
    for sql in sql {
        assert_eq!(raw.execute(sql, []).expect("done"), 1, "{sql}");
    }
    drop(raw);
    let store = disk.open().expect("a store");
    (disk, store)
}

/// The journal of the first session is found to be damaged, at `record`, by whoever reads it; that of the second is not.
fn is_damaged(sql: &str, record: u64) {
    let (_disk, store) = tampered(&[sql]);
    for from in 0..=record {
        let error = refused(store.session_records(session(1), from, u32::MAX), Kind::Host);
        assert!(error.message.contains(&format!("record {record} ")), "{sql}: {error:?}");
        assert!(error.message.contains(&session(1).to_string()), "{sql}: {error:?}");
    }
    assert!(now(store.session_records(session(1), 0, record as u32)).len() as u64 == record, "what is before it can be read");
    assert!(!now(store.session_records(session(2), 0, u32::MAX)).is_empty());
}

#[test]
fn a_record_that_was_changed_is_named() {
    let flip = "UPDATE records SET text = 'X' || substr(text, 2) WHERE session = 1 AND seq = 3";
    is_damaged(flip, 3);
    is_damaged("UPDATE records SET at = at + 1 WHERE session = 1 AND seq = 3", 3);
    is_damaged("UPDATE records SET link = zeroblob(32) WHERE session = 1 AND seq = 3", 3);
    is_damaged("UPDATE records SET link = x'00' WHERE session = 1 AND seq = 3", 3);
}

#[test]
fn a_record_that_was_removed_or_put_elsewhere_is_named() {
    is_damaged("DELETE FROM records WHERE session = 1 AND seq = 3", 3);
    is_damaged("UPDATE records SET session = 9 WHERE session = 1 AND seq = 4", 4);
}

#[test]
fn a_journal_whose_end_was_cut_off_is_damaged() {
    let cut = "DELETE FROM records WHERE session = 1 AND seq = (SELECT max(seq) FROM records WHERE session = 1)";
    let number = "UPDATE sessions SET next_seq = next_seq - 1 WHERE session = 1";
    for sql in [[cut].as_slice(), &[number], &[cut, number]] {
        let (_disk, store) = tampered(sql);
        refused(store.session_records(session(1), 0, u32::MAX), Kind::Host);
    }
}

/// A record before the first one that is read is not read; its link is.
#[test]
fn what_is_read_fits_to_the_record_before() {
    let (_disk, store) = tampered(&["UPDATE records SET link = zeroblob(32) WHERE session = 1 AND seq = 2"]);
    refused(store.session_records(session(1), 3, 1), Kind::Host);
    assert!(block_on(store.session_records(session(1), 4, 1)).is_ok());
}

/// A revert copies records as they are: it does not make a damaged one good.
#[test]
fn what_is_damaged_stays_so_through_a_revert() {
    let (_disk, store) = tampered(&["UPDATE records SET text = 'X' || substr(text, 2) WHERE session = 1 AND seq = 3"]);
    let claim = now(store.session_claim(session(1)));
    now(store.session_revert(session(1), claim.row.epoch, 5, Place::default(), Timestamp(0)));
    let error = refused(store.session_records(session(1), 0, u32::MAX), Kind::Host);
    assert!(error.message.contains("record 3 "), "{error:?}");
    let (_disk, store) = tampered(&["DELETE FROM records WHERE session = 1 AND seq = 3"]);
    let claim = now(store.session_claim(session(1)));
    refused(store.session_revert(session(1), claim.row.epoch, 5, Place::default(), Timestamp(0)), Kind::Host);
    assert_eq!(row(&store, 1).branch, 0);
}

/// As [`tampered`], for a session whose records are packed.
fn packed_and_tampered(sql: &str) -> remit_core::Error {
    let disk = Disk::new();
    let store = disk.open().expect("a store");
    release(&disk, &store);
    drop(store);
    let raw = Connection::open(disk.place().join(crate::folder::DATABASE)).expect("a database");
    assert_eq!(raw.execute(sql, []).expect("done"), 1, "{sql}");
    drop(raw);
    let store = disk.open().expect("a store");
    let error = refused(store.session_records(session(RELEASED), 0, u32::MAX), Kind::Host);
    // Record 2 alone lies in the chunk, too, and so does what a revert to it takes along.
    refused(store.session_records(session(RELEASED), 2, 1), Kind::Host);
    let claim = now(store.session_claim(session(RELEASED)));
    refused(store.session_revert(session(RELEASED), claim.row.epoch, 3, Place::default(), Timestamp(0)), Kind::Host);
    error
}

#[test]
fn what_is_packed_is_damaged_as_soon_as_anything_of_it_changed() {
    for sql in [
        "DELETE FROM chunks",
        "UPDATE chunks SET data = CAST(substr(data, 1, 40) || x'7f' || substr(data, 42) AS BLOB)",
        "UPDATE chunks SET data = substr(data, 1, length(data) - 1)",
        "UPDATE chunks SET data = x''",
        "UPDATE chunks SET data = zeroblob(1 << 20)",
        "UPDATE chunks SET link = zeroblob(32)",
        "UPDATE chunks SET link = x'00'",
        "UPDATE chunks SET seq = seq + 1",
        "UPDATE chunks SET count = count - 1",
        "UPDATE chunks SET raw = raw + 1",
        "UPDATE chunks SET raw = raw - 1",
        // Room for so much is not made.
        "UPDATE chunks SET raw = 1 << 50",
        "UPDATE chunks SET raw = -1",
    ] {
        let error = packed_and_tampered(sql);
        assert!(error.message.contains("record 0 "), "{sql}: {error:?}");
    }
}

#[test]
fn what_is_damaged_is_not_packed() {
    let (disk, store) = tampered(&["UPDATE records SET text = 'X' || substr(text, 2) WHERE session = 1 AND seq = 3"]);
    for number in SESSIONS {
        let mut row = now(store.session_claim(session(number))).row;
        for round in 4..9 {
            assert_eq!(try_step(&disk, &store, number, &mut row, round), None);
        }
        now(store.session_release(row.id, row.epoch));
    }
    drop(store);
    let raw = Connection::open(disk.place().join(crate::folder::DATABASE)).expect("a database");
    let packed: Vec<i64> =
        raw.prepare("SELECT session FROM chunks").and_then(|mut rows| rows.query_map([], |row| row.get(0))?.collect()).expect("rows");
    assert_eq!(packed, [2]);
    drop(raw);
    let error = refused(disk.open().expect("a store").session_records(session(1), 0, u32::MAX), Kind::Host);
    assert!(error.message.contains("record 3 "), "{error:?}");
}

#[test]
fn a_log_that_was_cut_anywhere_gives_what_was_acknowledged_before() {
    let disk = Disk::new();
    let store = disk.open().expect("a store");
    let mut rows = begin(&disk, &store);
    let mut acknowledged: Vec<(usize, Moment)> = Vec::new();
    for round in 0..7 {
        run(&disk, &store, &mut rows, round..round + 1);
        acknowledged.push((disk.length(LOG), Moment { at_rest: false, ..disk.now() }));
    }
    let (before, _) = acknowledged[3];
    let (length, last) = acknowledged.pop().expect("a moment");
    let files = last.left(Crash::Process);
    let frame = 4096 + 24;
    let near = |cut: usize| (cut - 32) % frame;
    for cut in (before..length).filter(|cut| near(*cut) < 26 || near(*cut) > frame - 3 || cut % 211 == 0) {
        let mut files = files.clone();
        files.get_mut(LOG).expect("a log").truncate(cut);
        let (_, moment) = acknowledged.iter().rfind(|(length, _)| *length <= cut).expect("a moment");
        check(&Disk::with(files), moment, &cut);
    }
    drop(store);
    assert_eq!(SESSIONS.len(), last.acknowledged.len());
}
