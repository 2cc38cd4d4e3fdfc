//! The audit log while the disk fails: nothing that was taken is lost or written twice, and nothing is called meanwhile.

use std::{collections::BTreeSet, ffi::c_int};

use futures::executor::block_on;
use remit_core::{
    Kind,
    audit::{AuditRecord, AuditSink as _, Decision, DecisionRecord, Keep, Signer},
    clock::Timestamp,
};
use rusqlite::ffi;

use super::{
    disk::{Disk, Doing, Fault},
    image::Crash,
};
use crate::{AuditPage, Sqlite, conformance::user};

const FOREVER: usize = usize::MAX;

fn signer() -> Signer {
    Signer::from_seed(&[1; 32]).expect("a key")
}

fn open(disk: &Disk) -> Sqlite {
    disk.open().expect("a store").audited(signer(), true)
}

/// Has a decision recorded whose project is the number.
fn record(store: &Sqlite, number: u64, keep: Keep) -> remit_core::Result<()> {
    let (principal, project) = (&user("ada"), &number.to_string());
    let record = DecisionRecord {
        at: Timestamp(number),
        decision: Decision::Stop,
        principal,
        delegation: &[],
        project,
        session: None,
        wait: None,
        of: None,
        plugin: None,
        refused: None,
    };
    block_on(store.record(&AuditRecord::Decision(record), keep))
}

/// The numbers that were recorded, in the order of a log that is whole.
fn recorded(store: &Sqlite) -> Vec<u64> {
    let keys = vec![signer().public_key().clone()];
    block_on(store.audit_verify(keys, None)).expect("a store").expect("a whole log");
    let rows = block_on(store.audit_page(AuditPage::After(0), u32::MAX)).expect("records");
    let number = |record: &[u8]| -> Option<u64> {
        let record: serde_json::Value = serde_json::from_slice(record).expect("JSON");
        record["project"].as_str()?.parse().ok()
    };
    rows.iter().filter_map(|row| number(&row.record)).collect()
}

#[test]
fn r5_while_the_log_cannot_be_written_nothing_is_called_and_nothing_is_lost() {
    let disk = Disk::new();
    let store = open(&disk);
    record(&store, 1, Keep::Now).expect("recorded");
    disk.fail(Fault { doing: Doing::Write, after: 0, times: FOREVER, code: ffi::SQLITE_FULL });
    record(&store, 2, Keep::Soon).expect("it is not known yet");
    let error = record(&store, 3, Keep::Now).expect_err("it is withheld");
    assert_eq!(error.kind, Kind::Host, "{error:?}");
    assert!(error.message.contains("withheld") && error.hints.iter().any(|hint| hint.contains("free some space")), "{error:?}");
    for _ in 0..2 {
        assert_eq!(block_on(store.ready()).expect_err("nothing is called").kind, Kind::Host);
    }
    assert!(disk.mend() > 0);
    block_on(store.ready()).expect("it can be written again");
    assert_eq!(recorded(&store), [1, 2, 3]);
    record(&store, 4, Keep::Now).expect("recorded");
    drop(store);
    assert_eq!(recorded(&open(&disk)), [1, 2, 3, 4]);
}

/// Without a call in between, too: the thread tries again by itself, and when the store is closed.
#[test]
fn r5_what_waited_for_space_is_written_when_the_store_is_closed() {
    let disk = Disk::new();
    let store = open(&disk);
    disk.fail(Fault { doing: Doing::Write, after: 0, times: FOREVER, code: ffi::SQLITE_FULL });
    record(&store, 1, Keep::Now).expect_err("it is withheld");
    disk.mend();
    drop(store);
    assert_eq!(recorded(&open(&disk)), [1]);
}

/// Has something fail once at each place. What was told to be recorded is on the disk, and each record stands once, whatever was told of it.
fn fail_each(doing: Doing, times: usize, code: c_int) {
    let mut failures = 0;
    for after in 0.. {
        let disk = Disk::new();
        let store = open(&disk);
        record(&store, 1, Keep::Now).expect("recorded");
        disk.fail(Fault { doing, after, times, code });
        let mut told = BTreeSet::from([1]);
        for number in 2..8 {
            let keep = if number % 3 == 0 { Keep::Soon } else { Keep::Now };
            match record(&store, number, keep) {
                Ok(()) if keep == Keep::Now => told.extend([number]),
                Ok(()) => {}
                Err(error) => {
                    failures += 1;
                    assert_eq!(error.kind, Kind::Host, "{error:?}");
                }
            }
            let moment = disk.now();
            for crash in [Crash::Unsynced, Crash::Process] {
                let left = recorded(&open(&Disk::after(&moment, crash)));
                assert!(told.is_subset(&left.iter().copied().collect()), "{doing:?} {after} {crash:?}: {told:?} of {left:?}");
            }
        }
        let failed = disk.mend();
        block_on(store.ready()).expect("it can be written again");
        record(&store, 8, Keep::Now).expect("recorded");
        assert_eq!(recorded(&store), [1, 2, 3, 4, 5, 6, 7, 8], "{doing:?} {after}");
        if failed == 0 {
            break;
        }
    }
    assert!(failures > 3, "{failures}");
}

#[test]
fn r4_a_record_whose_sync_failed_is_withheld_and_stands_once() {
    for times in [1, 2, 3] {
        fail_each(Doing::Sync, times, ffi::SQLITE_IOERR_FSYNC);
    }
}

#[test]
fn r5_a_record_that_had_no_space_is_withheld_and_stands_once() {
    fail_each(Doing::Write, 1, ffi::SQLITE_FULL);
}
