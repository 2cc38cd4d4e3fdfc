//! R4, R5: syncs, writes and reads that fail.

use std::ffi::c_int;

use futures::executor::block_on;
use remit_core::{
    Error, Kind,
    journal::Line,
    store::{Append, SessionStore},
};
use rusqlite::ffi;

use super::{
    disk::{Disk, Doing, Fault},
    image::Crash,
    script::{SESSIONS, begin, check, run, try_step},
};
use crate::{
    Sqlite,
    conformance::{append, line, now, refused, row, session},
    sqlite::Database,
};

const ROUNDS: std::ops::Range<u64> = 4..10;
const FOREVER: usize = usize::MAX;

fn open(disk: &Disk) -> Sqlite {
    Sqlite::open_database(Database { wal_max_pages: 25, ..disk.database() }).expect("a store")
}

/// Has something fail while a script runs: `times` times, after the first `after` of them. Tells what the script was told; `None` when
/// it does less than that.
fn fail(doing: Doing, after: usize, times: usize, code: c_int) -> Option<Vec<Error>> {
    let disk = Disk::new();
    let store = open(&disk);
    let mut rows = begin(&disk, &store);
    run(&disk, &store, &mut rows, 0..ROUNDS.start);
    disk.fail(Fault { doing, after, times, code });
    let what = (doing, after, times, code);
    let mut errors = Vec::new();
    for round in ROUNDS {
        for (number, row) in SESSIONS.into_iter().zip(&mut rows) {
            let from = row.next_seq;
            while row.next_seq == from {
                let Some(error) = try_step(&disk, &store, number, row, round) else { break };
                if error.kind != Kind::InDoubt {
                    let moment = disk.now();
                    for crash in [Crash::Unsynced, Crash::Process] {
                        check(&Disk::after(&moment, crash), &moment, &(what, crash, &error));
                    }
                }
                errors.push(error);
                if times == FOREVER {
                    disk.mend();
                }
            }
        }
    }
    let failed = disk.mend() > 0 || !errors.is_empty();
    let moment = disk.now();
    for crash in [Crash::Unsynced, Crash::Process, Crash::TornHalf] {
        check(&Disk::after(&moment, crash), &moment, &(what, crash));
    }
    drop(store);
    check(&disk, &moment, &what);
    failed.then_some(errors)
}

/// Has each of them fail, one after the other. Returns everything that scripts were told.
fn fail_each(doing: Doing, times: usize, code: c_int) -> Vec<Error> {
    let each: Vec<_> = (0..).map_while(|after| fail(doing, after, times, code)).collect();
    assert!(each.len() > 10, "{} of {doing:?}", each.len());
    let errors: Vec<_> = each.into_iter().flatten().collect();
    assert!(!errors.is_empty());
    errors
}

#[test]
fn r4_a_step_whose_sync_failed_is_not_acknowledged_and_never_comes_back() {
    let errors = fail_each(Doing::Sync, 1, ffi::SQLITE_IOERR_FSYNC);
    assert!(errors.iter().all(|error| error.kind == Kind::Host), "{errors:?}");
}

#[test]
fn r4_when_syncs_go_on_failing_it_is_in_doubt() {
    for times in [2, 3] {
        let errors = fail_each(Doing::Sync, times, ffi::SQLITE_IOERR_FSYNC);
        assert!(errors.iter().all(|error| matches!(error.kind, Kind::Host | Kind::InDoubt)), "{errors:?}");
        assert!(errors.iter().any(|error| error.kind == Kind::InDoubt));
    }
}

#[test]
fn r5_without_space_at_any_write_it_is_unavailable_and_nothing_changes() {
    for times in [1, FOREVER] {
        let errors = fail_each(Doing::Write, times, ffi::SQLITE_FULL);
        assert!(errors.iter().all(|error| error.kind == Kind::Unavailable && !error.hints.is_empty()), "{errors:?}");
    }
}

#[test]
fn a_write_that_fails_is_an_error_and_changes_nothing() {
    let errors = fail_each(Doing::Write, 1, ffi::SQLITE_IOERR_WRITE);
    assert!(errors.iter().all(|error| error.kind == Kind::Host), "{errors:?}");
}

#[test]
fn a_read_that_fails_is_an_error_and_the_next_one_goes_well() {
    let disk = Disk::new();
    let store = open(&disk);
    let mut rows = begin(&disk, &store);
    run(&disk, &store, &mut rows, 0..ROUNDS.start);
    let whole = now(store.session_records(session(1), 0, u32::MAX));
    drop(store);
    let (mut not_opened, mut not_read) = (0, 0);
    for after in 0.. {
        disk.fail(Fault { doing: Doing::Read, after, times: 1, code: ffi::SQLITE_IOERR_READ });
        let store = disk.open().unwrap_or_else(|error| {
            not_opened += 1;
            assert_eq!(error.kind, Kind::Host, "{error:?}");
            disk.open().expect("a store")
        });
        match block_on(store.session_records(session(1), 0, u32::MAX)) {
            Ok(records) => assert_eq!(records, whole),
            Err(error) => {
                not_read += 1;
                assert_eq!((error.kind, error.message.contains("damaged")), (Kind::Host, false), "{error:?}");
            }
        }
        let failed = disk.mend();
        assert_eq!(now(store.session_records(session(1), 0, u32::MAX)), whole);
        if failed == 0 {
            break;
        }
    }
    assert!(not_opened > 1 && not_read > 3, "{not_opened}, {not_read}");
}

#[test]
fn r5_without_space_a_store_is_not_made_and_can_be_made_later() {
    for after in 0.. {
        let disk = Disk::new();
        disk.fail(Fault { doing: Doing::Write, after, times: FOREVER, code: ffi::SQLITE_FULL });
        let opened = disk.open();
        if disk.mend() == 0 {
            assert!(after > 10, "{after} writes");
            break;
        }
        if let Err(error) = opened {
            assert_eq!(error.kind, Kind::Unavailable, "{error:?}");
        }
        let store = disk.open().expect("a store");
        let mut rows = begin(&disk, &store);
        run(&disk, &store, &mut rows, 0..2);
    }
}

/// What fails before the commit undoes the whole transaction, whoever's part of it failed.
#[test]
fn a_read_that_fails_within_a_transaction_undoes_all_of_it() {
    let disk = Disk::new();
    let store = open(&disk);
    begin(&disk, &store);
    drop(store);
    let mut failed = 0;
    let mut epochs = vec![1, 1];
    for after in 0.. {
        let store = open(&disk);
        disk.fail(Fault { doing: Doing::Read, after, times: 1, code: ffi::SQLITE_IOERR_READ });
        let claims = SESSIONS.map(|number| store.session_claim(session(number))).map(block_on);
        let done = disk.mend() == 0;
        for ((number, epoch), claim) in SESSIONS.into_iter().zip(&mut epochs).zip(claims) {
            match claim {
                Ok(claim) => *epoch = claim.row.epoch,
                Err(error) => {
                    failed += 1;
                    assert_eq!(error.kind, Kind::Host, "{error:?}");
                    assert_eq!(row(&store, number).epoch, *epoch);
                    *epoch = now(store.session_claim(session(number))).row.epoch;
                }
            }
            assert_eq!(row(&store, number).epoch, *epoch);
        }
        if done {
            break;
        }
    }
    assert!(failed > 3, "{failed}");
}

/// A transaction that is larger than SQLite's cache is written before it is committed.
#[test]
fn r5_without_space_in_a_large_transaction_nothing_of_it_stays() {
    let disk = Disk::new();
    let store = open(&disk);
    let mut rows = begin(&disk, &store);
    run(&disk, &store, &mut rows, 0..1);
    let row = rows[0].clone();
    let large = (0..12).map(|index| Line { text: "x".repeat(1 << 20), ..line(row.next_seq + index) }).collect();
    let large = Append { records: large, ..append(&row, row.next_seq, 0) };
    for after in [0, 100, 1000] {
        disk.fail(Fault { doing: Doing::Write, after, times: FOREVER, code: ffi::SQLITE_FULL });
        refused(store.session_append(large.clone()), Kind::Unavailable);
        assert!(disk.mend() > 0);
        let moment = disk.now();
        for crash in [Crash::Unsynced, Crash::Process] {
            check(&Disk::after(&moment, crash), &moment, &(after, crash));
        }
    }
    now(store.session_append(large));
}
