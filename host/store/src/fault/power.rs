//! R1, R2, R3: a crash at every write and every sync.

use rusqlite::Connection;

use super::{
    disk::Disk,
    image::Crash,
    script::{begin, check, release, run},
};
use crate::Sqlite;

/// Runs a script, and looks at what a crash would leave at each moment of it: with `room` bytes of zeros behind the log.
fn crash_everywhere(room: usize, crashes: impl Fn(u64) -> Vec<Crash>) {
    let disk = Disk::new();
    disk.record();
    let store = Sqlite::open_database(crate::sqlite::Database { wal_max_pages: 25, ..disk.database() }).expect("a store");
    let mut rows = begin(&disk, &store);
    run(&disk, &store, &mut rows, 0..9);
    release(&disk, &store);
    drop(store);
    let raw = Connection::open(disk.place().join(crate::folder::DATABASE)).expect("a database");
    let packed: u32 = raw.query_row("SELECT count(*) FROM chunks", [], |row| row.get(0)).expect("a number");
    assert_eq!(packed, 1);
    let moments = disk.moments();
    assert!(moments.len() > 150, "{} moments", moments.len());
    for (index, moment) in moments.iter().enumerate() {
        for crash in crashes(index as u64) {
            let mut files = moment.left(crash);
            if let Some(log) = files.get_mut("state.db-wal") {
                log.resize(log.len() + room, 0);
            }
            check(&Disk::with(files), moment, &(index, crash));
        }
    }
}

#[test]
fn r1_a_process_that_ends_at_any_moment_loses_nothing_acknowledged() {
    crash_everywhere(0, |_| vec![Crash::Process]);
}

#[test]
fn r2_power_loss_at_any_moment_loses_nothing_acknowledged() {
    crash_everywhere(0, |_| vec![Crash::Unsynced]);
}

#[test]
fn r3_torn_and_reordered_writes_are_noticed() {
    crash_everywhere(0, |index| vec![Crash::TornHalf, Crash::TornSector, Crash::LastAlone, Crash::Some(index), Crash::Some(!index)]);
}

#[test]
fn zeros_behind_the_log_are_its_end() {
    crash_everywhere(1 << 16, |index| vec![Crash::Process, Crash::Unsynced, Crash::TornHalf, Crash::Some(index)]);
}
