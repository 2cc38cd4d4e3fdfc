#![allow(clippy::disallowed_methods, reason = "tests look at the files of a store, and run this program again")]

use std::{
    fs::{DirBuilder, Permissions},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
};

use remit_core::{
    Kind,
    journal::Line,
    limit::SESSION_MAX_BYTES,
    plugin::Digest,
    store::{Append, KvStore as _, SessionStore, WaitKind},
};
use rusqlite::Connection;

use super::*;
use crate::conformance::{append, claimed, end, new, now, open_wait, refused, row, session, space, start, user, wait};

fn place() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn open(place: &tempfile::TempDir) -> Sqlite {
    Sqlite::open(&place.path().join("state")).expect("a store")
}

/// What another program sees and does. No store may be open: closing this would let go of its locks.
fn raw(place: &tempfile::TempDir) -> Connection {
    Connection::open(place.path().join("state/state.db")).expect("a database")
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).expect("a number")
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

#[test]
fn what_is_kept_is_for_its_owner_alone() {
    let place = place();
    let store = open(&place);
    claimed(&store, 1);
    let folder = place.path().join("state");
    assert_eq!(mode(&folder), 0o700);
    for file in ["state.db", "state.db-wal", "state.db-shm", "state.lock"] {
        assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_folder_that_is_open_to_others_is_refused() {
    let place = place();
    let folder = place.path().join("state");
    DirBuilder::new().create(&folder).expect("a folder");
    for mode in [0o710, 0o701, 0o755, 0o720] {
        std::fs::set_permissions(&folder, Permissions::from_mode(mode)).expect("a mode");
        let error = Sqlite::open(&folder).err().expect("a refusal");
        assert_eq!(error.kind, Kind::Denied, "{error:?}");
        assert!(error.hints.iter().any(|hint| hint.contains("chmod 700")), "{error:?}");
    }
    std::fs::set_permissions(&folder, Permissions::from_mode(0o700)).expect("a mode");
    open(&place);
}

#[test]
fn a_folder_that_is_a_link_is_refused() {
    let place = place();
    let target = place.path().join("target");
    DirBuilder::new().mode(0o700).create(&target).expect("a folder");
    std::os::unix::fs::symlink(&target, place.path().join("state")).expect("a link");
    assert_eq!(Sqlite::open(&place.path().join("state")).err().map(|error| error.kind), Some(Kind::Denied));
    Sqlite::open(&target).expect("a store");
}

#[test]
fn a_later_format_is_refused_and_left_as_it_is() {
    let place = place();
    drop(open(&place));
    raw(&place).execute_batch("PRAGMA user_version = 9").expect("done");
    let error = Sqlite::open(&place.path().join("state")).err().expect("a refusal");
    assert_eq!(error.kind, Kind::Unavailable, "{error:?}");
    assert!(error.message.contains("format 9") && error.hints.iter().any(|hint| hint.contains("later")), "{error:?}");
    assert_eq!(number(&raw(&place), "PRAGMA user_version"), 9);
}

#[test]
fn a_database_of_another_program_is_refused() {
    let place = place();
    DirBuilder::new().mode(0o700).create(place.path().join("state")).expect("a folder");
    raw(&place).execute_batch("CREATE TABLE theirs (x)").expect("done");
    assert_eq!(Sqlite::open(&place.path().join("state")).err().map(|error| error.kind), Some(Kind::Invalid));
    raw(&place).execute_batch("PRAGMA user_version = 1").expect("done");
    assert_eq!(Sqlite::open(&place.path().join("state")).err().map(|error| error.kind), Some(Kind::Invalid));
    std::fs::write(place.path().join("state/state.db"), "no database at all").expect("a file");
    assert_eq!(Sqlite::open(&place.path().join("state")).err().map(|error| error.kind), Some(Kind::Host));
}

#[test]
fn an_older_format_is_copied_and_then_migrated() {
    let place = place();
    let claim = claimed(&open(&place), 1);
    let older = Database::new(place.path().join("state"));
    let format = older.migrations.len() as i64;
    let with = |next: &'static str| Database { migrations: [older.migrations, &[next]].concat().leak(), ..older.clone() };
    assert!(Sqlite::open_database(with("CREATE TABLE added (x); CREATE TABLE sessions (x)")).is_err());
    assert_eq!(number(&raw(&place), "PRAGMA user_version"), format, "one that fails changes nothing");
    assert_eq!(number(&raw(&place), "SELECT count(*) FROM sqlite_schema WHERE name = 'added'"), 0);

    let store = Sqlite::open_database(with("CREATE TABLE added (x); UPDATE sessions SET detail = 'migrated'")).expect("a store");
    assert_eq!(row(&store, 1).detail, "migrated");
    assert_eq!(now(store.session_claim(session(1))).row.epoch, claim.row.epoch + 1);
    drop(store);
    assert_eq!(number(&raw(&place), "PRAGMA user_version"), format + 1);
    let kept = place.path().join(format!("state/state.db.{format}"));
    let copy = Connection::open(&kept).expect("a copy");
    assert_eq!(number(&copy, "PRAGMA user_version"), format);
    assert_eq!(number(&copy, "SELECT count(*) FROM sessions WHERE detail = ''"), 1);
    assert_eq!(mode(&kept), 0o600);
    assert!(Sqlite::open_database(older).is_err(), "the older one refuses it now");
}

#[test]
fn content_that_is_missing_or_damaged_is_named() {
    let place = place();
    let store = open(&place);
    let row = claimed(&store, 1).row;
    let pieces = [b"one".to_vec(), b"two".to_vec()];
    now(store.content_put(row.id, row.epoch, pieces.to_vec()));
    let [one, two] = pieces.map(|piece| Digest::of(&piece));
    drop(store);
    raw(&place).execute("UPDATE content SET bytes = x'00' WHERE digest = ?1", [one.to_string()]).expect("changed");
    raw(&place).execute("DELETE FROM content WHERE digest = ?1", [two.to_string()]).expect("removed");
    let store = open(&place);
    for (piece, how) in [(one, "damaged"), (two, "missing")] {
        let error = refused(store.content_get(row.id, piece), Kind::Host);
        assert!(error.message.contains(&piece.to_string()) && error.message.contains(how), "{error:?}");
    }
}

#[test]
fn erasing_leaves_no_row() {
    let place = place();
    let store = open(&place);
    let mut scopes = Vec::new();
    for number in [1, 2] {
        let claim = claimed(&store, number);
        now(store.session_append(start(&claim.row, 0, 3, Some("turn"))));
        now(store.session_append(end(&claim.row, 3, 1, &[("k", Some("v"))])));
        let opening = Append { opened: vec![open_wait(number, WaitKind::Input, None)], ..start(&claim.row, 4, 1, None) };
        now(store.session_append(opening));
        let waits = QueuedInput {
            key: "k".to_owned(),
            principal: user("ada"),
            time_zone: "UTC".to_owned(),
            at: Timestamp(1),
            input: "{}".to_owned(),
        };
        now(store.input_queue(session(number), waits));
        now(store.content_put(session(number), claim.row.epoch, vec![b"both".to_vec(), vec![number as u8]]));
        let scope = space(&format!("session/{}", session(number)));
        store.kv_set(&scope, "k", b"v".to_vec(), 100).expect("a value");
        scopes.push(scope);
        now(store.session_release(session(number), claim.row.epoch));
    }
    now(store.session_erase(session(1)));
    assert_eq!(store.kv_get(&scopes[0], "k").expect("a read"), None);
    assert_eq!(store.kv_get(&scopes[1], "k").expect("a read"), Some(b"v".to_vec()));
    assert!(now(store.wait_get(wait(2))).is_some());
    drop(store);
    let raw = raw(&place);
    for (table, left) in [
        ("sessions", 1),
        ("records", 5),
        ("turns", 1),
        ("state", 1),
        ("waits", 1),
        ("inputs", 1),
        ("kv_spaces", 1),
        ("kv", 1),
        ("content", 2),
        ("content_uses", 2),
    ] {
        assert_eq!(number(&raw, &format!("SELECT count(*) FROM {table}")), left, "{table}");
    }
}

#[test]
fn what_was_erased_gives_its_place_back() {
    let place = place();
    let size = || std::fs::metadata(place.path().join("state/state.db")).expect("a database").len();
    drop(open(&place));
    let empty = size();
    let store = open(&place);
    for number in 1..=4 {
        let claim = claimed(&store, number);
        let long = Line { text: "x".repeat(100_000), ..append(&claim.row, 0, 1).records[0].clone() };
        now(store.session_append(Append { records: vec![long], ..start(&claim.row, 0, 1, None) }));
        now(store.session_release(session(number), claim.row.epoch));
    }
    drop(store);
    let full = size();
    assert!(full > empty + 400_000, "{empty} {full}");
    let store = open(&place);
    (1..=3).for_each(|number| now(store.session_erase(session(number))));
    assert_eq!(now(store.session_records(session(4), 0, 9)).len(), 1);
    drop(store);
    assert!(size() < empty + 150_000, "{empty} {full} {}", size());
    assert_eq!(number(&raw(&place), "SELECT count(*) FROM records"), 1);
}

#[test]
fn a_session_is_bounded() {
    let place = place();
    let claim = claimed(&open(&place), 1);
    let size = 3 * append(&claim.row, 0, 1).records[0].text.len() as u64;
    raw(&place).execute("UPDATE sessions SET bytes = ?1", [(SESSION_MAX_BYTES - size).cast_signed()]).expect("done");
    let store = open(&place);
    let claim = now(store.session_claim(session(1)));
    refused(store.session_append(start(&claim.row, 0, 4, None)), Kind::Limit);
    assert_eq!(row(&store, 1).next_seq, 0);
    now(store.session_append(start(&claim.row, 0, 3, None)));
    refused(store.session_append(append(&claim.row, 3, 1)), Kind::Limit);
    now(store.session_append(append(&claim.row, 3, 0)));
}

#[test]
fn what_dead_owners_left_is_removed() {
    let place = place();
    let owners = place.path().join("state/owners");
    let files = || std::fs::read_dir(&owners).expect("a folder").count();
    let store = open(&place);
    claimed(&store, 1);
    assert_eq!(files(), 1);
    // As a process leaves it that was killed.
    std::fs::write(owners.join("00000000000000aa"), "").expect("a file");
    let other = open(&place);
    assert_eq!(files(), 2);
    claimed(&other, 2);
    drop((store, other));
    assert_eq!(files(), 0);
    assert_eq!(number(&raw(&place), "SELECT count(*) FROM owners"), 2);
    let store = open(&place);
    assert!(now(store.session_claim(session(1))).taken_over);
    drop(store);
    assert_eq!(number(&raw(&place), "SELECT count(*) FROM owners"), 1);
}

/// A store that is open in another process owns what it claimed until that process is gone, however it goes.
#[test]
fn r10_a_session_of_a_process_that_was_killed_is_taken_over() {
    const PLACE: &str = "REMIT_STORE_TEST_OWNER";
    if let Some(folder) = std::env::var_os(PLACE) {
        let store = Sqlite::open(Path::new(&folder)).expect("a store");
        let claim = claimed(&store, 1);
        now(store.session_append(start(&claim.row, 0, 2, None)));
        println!("claimed");
        loop {
            std::thread::park();
        }
    }
    let place = place();
    let folder = place.path().join("state");
    let mut owner = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "--nocapture", "sqlite::tests::r10_a_session_of_a_process_that_was_killed_is_taken_over"])
        .env(PLACE, &folder)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("a process");
    let output = std::io::BufReader::new(owner.stdout.take().expect("its output"));
    let mut lines = std::io::BufRead::lines(output).map_while(Result::ok);
    assert!(lines.any(|line| line.contains("claimed")));
    let store = Sqlite::open(&folder).expect("a store");
    let error = refused(store.session_claim(session(1)), Kind::Conflict);
    assert!(error.hints.iter().any(|hint| hint.contains(&format!("the process {}", owner.id()))), "{error:?}");
    owner.kill().expect("killed");
    owner.wait().expect("gone");
    let claim = now(store.session_claim(session(1)));
    assert!(claim.taken_over);
    assert_eq!((claim.row.epoch, claim.row.next_seq), (2, 2));
    now(store.session_append(append(&claim.row, 2, 1)));
}

#[test]
fn the_log_is_copied_when_it_is_long() {
    let place = place();
    let database = Database { wal_max_pages: 50, ..Database::new(place.path().join("state")) };
    let store = Sqlite::open_database(database).expect("a store");
    let claim = claimed(&store, 1);
    now(store.session_append(start(&claim.row, 0, 1, None)));
    for seq in 1..300 {
        now(store.session_append(append(&claim.row, seq, 1)));
    }
    let log = std::fs::metadata(place.path().join("state/state.db-wal")).expect("a log").len();
    assert!(log < 70 * 4120, "{log} bytes of log");
}

/// A sync is quicker where the file's length stays.
#[test]
fn commits_write_into_room_that_the_log_has() {
    let place = place();
    let store = open(&place);
    let claim = claimed(&store, 1);
    now(store.session_append(start(&claim.row, 0, 1, None)));
    let length = || std::fs::metadata(place.path().join("state/state.db-wal")).expect("a log").len();
    let mut lengths = vec![length()];
    for seq in 1..200 {
        now(store.session_append(append(&claim.row, seq, 1)));
        lengths.push(length());
    }
    lengths.dedup();
    assert!(lengths.len() < 40, "{lengths:?}");
}

#[test]
fn a_request_that_is_dropped_is_still_done() {
    let place = place();
    let store = open(&place);
    drop(store.session_create(new(1)));
    drop(store);
    assert_eq!(row(&open(&place), 1).id, session(1));
}
