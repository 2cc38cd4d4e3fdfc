//! Copies: taken, put back, refused.

use futures::executor::block_on;
use remit_core::{
    Kind,
    clock::Timestamp,
    store::{QueuedInput, SessionFilter, SessionStore as _, Status},
};

use super::{backup, restore};
use crate::{
    Sqlite,
    conformance::sample::{claimed, end, new, now, session, start, user},
};

/// A store with a session between turns and one in a turn.
fn filled(folder: &std::path::Path) -> Sqlite {
    let store = Sqlite::open(folder).expect("a store");
    for number in [1, 2] {
        let row = claimed(&store, number).row;
        now(store.session_append(start(&row, 0, 2, None)));
        if number == 1 {
            now(store.session_append(end(&row, 2, 1, &[])));
        }
        let waits = QueuedInput {
            key: "k".to_owned(),
            principal: user("ada"),
            time_zone: "UTC".to_owned(),
            at: Timestamp(1),
            input: "{}".to_owned(),
        };
        now(store.input_queue(row.id, waits));
        now(store.session_release(row.id, row.epoch));
    }
    store
}

fn statuses(store: &Sqlite) -> Vec<(Status, u32, u64)> {
    let filter = SessionFilter { project: new(1).project, limit: 10, ..SessionFilter::default() };
    let rows = block_on(store.session_list(filter)).expect("rows");
    rows.iter().rev().map(|row| (row.status, row.branch, row.next_seq)).collect()
}

#[test]
fn a_copy_is_put_back_with_open_turns_quarantined_and_on_branches_of_their_own() {
    let place = tempfile::tempdir().expect("a folder");
    let (folder, copy) = (place.path().join("state"), place.path().join("copy.db"));
    let store = filled(&folder);
    backup(&folder, &copy).expect("a copy of a store in use");
    assert_eq!(backup(&folder, &copy).expect_err("it is there").kind, Kind::Conflict);
    assert_eq!(restore(&folder, &copy, &user("ada"), Timestamp(9)).expect_err("it is in use").kind, Kind::Conflict);
    let id = session(3);
    now(store.session_create(new(3)));
    drop(store);
    assert_eq!(restore(&folder, &copy, &user("ada"), Timestamp(9)).expect("put back"), 1);
    let store = Sqlite::open(&folder).expect("a store");
    assert_eq!(statuses(&store), [(Status::Idle, 1, 3), (Status::Quarantined, 1, 2)]);
    assert_eq!(block_on(store.session_get(id)).expect("an answer"), None, "it was made after the copy");
    let first = session(1);
    assert_eq!(block_on(store.input_list(first)).expect("inputs"), [], "it may have had its turn since");
    assert_eq!(block_on(store.session_records(first, 0, 10)).expect("a whole journal").len(), 3);
    assert_eq!(block_on(store.session_claim(first)).expect("free").row.epoch, 3);
    assert!(folder.join("state.db.before").is_file());
}

#[test]
fn what_is_no_sound_copy_changes_nothing() {
    let place = tempfile::tempdir().expect("a folder");
    let (folder, copy) = (place.path().join("state"), place.path().join("copy.db"));
    drop(filled(&folder));
    assert_eq!(restore(&folder, &copy, &user("ada"), Timestamp(9)).expect_err("nothing there").kind, Kind::NotFound);
    std::fs::write(&copy, "no database").expect("a file");
    assert_eq!(restore(&folder, &copy, &user("ada"), Timestamp(9)).expect_err("no database").kind, Kind::Invalid);
    std::fs::remove_file(&copy).expect("removed");
    let other = rusqlite::Connection::open(&copy).expect("a database");
    other.execute_batch("CREATE TABLE theirs (x)").expect("done");
    drop(other);
    assert_eq!(restore(&folder, &copy, &user("ada"), Timestamp(9)).expect_err("another program's").kind, Kind::Invalid);
    let store = Sqlite::open(&folder).expect("a store");
    assert_eq!(statuses(&store), [(Status::Idle, 0, 3), (Status::Running, 0, 2)]);
}
