//! R1, R2, R3: a crash at every write and every sync.

use super::{
    disk::Disk,
    image::Crash,
    script::{begin, check, run},
};
use crate::Sqlite;

/// Runs a script, and looks at what a crash would leave at each moment of it.
fn crash_everywhere(crashes: impl Fn(u64) -> Vec<Crash>) {
    let disk = Disk::new();
    disk.record();
    let store = Sqlite::open_database(crate::sqlite::Database { wal_max_pages: 25, ..disk.database() }).expect("a store");
    let mut rows = begin(&disk, &store);
    run(&disk, &store, &mut rows, 0..9);
    drop(store);
    let moments = disk.moments();
    assert!(moments.len() > 150, "{} moments", moments.len());
    for (index, moment) in moments.iter().enumerate() {
        for crash in crashes(index as u64) {
            check(&Disk::after(moment, crash), moment, &(index, crash));
        }
    }
}

#[test]
fn r1_a_process_that_ends_at_any_moment_loses_nothing_acknowledged() {
    crash_everywhere(|_| vec![Crash::Process]);
}

#[test]
fn r2_power_loss_at_any_moment_loses_nothing_acknowledged() {
    crash_everywhere(|_| vec![Crash::Unsynced]);
}

#[test]
fn r3_torn_and_reordered_writes_are_noticed() {
    crash_everywhere(|index| vec![Crash::TornHalf, Crash::TornSector, Crash::LastAlone, Crash::Some(index), Crash::Some(!index)]);
}
