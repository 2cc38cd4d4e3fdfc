//! L1, L2: an audit log that somebody with the user's files, and without the key, changed. Each attack works on the real database of a
//! project, and the twin is the log beside it that nobody touched.

use std::path::PathBuf;

use remit_core::audit::{Tree, leaf_hash};
use remit_tests::{Shell, fixture};
use rusqlite::{Connection, params};
use serde_json::Value;

/// A project whose log has ten records: its beginning, and nine calls by as many processes.
fn project() -> Shell {
    let shell = Shell::new();
    shell.write("raw.wasm", fixture("raw-tool"));
    assert!(shell.run(&["add", "raw.wasm", "--yes"]).status.success());
    call(&shell, 9);
    verified(&shell, &[]);
    shell
}

fn call(shell: &Shell, times: usize) {
    for _ in 0..times {
        assert!(shell.run(&["call", "raw", "answer"]).status.success());
    }
}

fn state(shell: &Shell) -> PathBuf {
    shell.cwd().join(".remit/sessions")
}

/// Does something to the log with nobody else at it.
fn tamper(shell: &Shell, act: impl FnOnce(&Connection)) {
    let connection = Connection::open(state(shell).join("state.db")).expect("a database");
    act(&connection);
}

fn execute(connection: &Connection, sql: &str) {
    assert!(connection.execute(sql, []).expect("changed") > 0, "{sql}");
}

fn verify(shell: &Shell, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = shell.run(&[&["audit", "verify", "--json"], arguments].concat());
    (output.status.code(), serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// The log is whole: the number of its records.
fn verified(shell: &Shell, arguments: &[&str]) -> u64 {
    let (code, told) = verify(shell, arguments);
    assert_eq!((code, &told["whole"]), (Some(0), &Value::Bool(true)), "{told}");
    assert_eq!(told["signed"], told["records"], "{told}");
    told["records"].as_u64().expect("a number")
}

/// The log is not what was written: how, and which records.
fn found(shell: &Shell, arguments: &[&str]) -> (String, Option<u64>, Option<u64>) {
    let (code, told) = verify(shell, arguments);
    assert_eq!(code, Some(3), "{told}");
    let fault = &told["fault"];
    (fault["kind"].as_str().expect("a word").to_owned(), fault["first"].as_u64(), fault["last"].as_u64())
}

fn named(kind: &str, first: u64, last: u64) -> (String, Option<u64>, Option<u64>) {
    (kind.to_owned(), Some(first), Some(last))
}

/// Has what the log keeps of its end fit its rows, as whoever knows the format can.
fn make_fit(connection: &Connection) {
    let mut tree = Tree::default();
    let mut rows = connection.prepare("SELECT record FROM audit ORDER BY seq").expect("rows");
    let records = rows.query_map([], |row| row.get::<_, Vec<u8>>(0)).expect("rows");
    records.for_each(|record| tree.push(leaf_hash(&record.expect("a record"))));
    let sql = "UPDATE audit_head SET size = ?1, roots = ?2";
    connection.execute(sql, params![tree.size().cast_signed(), tree.to_bytes()]).expect("changed");
}

#[test]
fn l1_an_edited_record_of_the_audit_log_is_named() {
    let shell = project();
    tamper(&shell, |connection| {
        let sql = "UPDATE audit SET record = CAST(replace(CAST(record AS TEXT), 'answer', 'nothing') AS BLOB) WHERE seq = 6";
        assert_eq!(connection.execute(sql, []), Ok(1));
    });
    assert_eq!(found(&shell, &[]), named("edited", 6, 6));
    let twin = project();
    assert_eq!(verified(&twin, &[]), 10);
}

/// Each of the calls was made by a process of its own, which signed the log at its end.
#[test]
fn l1_an_edit_with_all_hashes_made_to_fit_is_named_by_the_checkpoint_after_it() {
    let shell = project();
    tamper(&shell, |connection| {
        let record: Vec<u8> = connection.query_row("SELECT record FROM audit WHERE seq = 6", [], |row| row.get(0)).expect("a record");
        let record = String::from_utf8(record).expect("text").replace("answer", "nothing").into_bytes();
        let sql = "UPDATE audit SET record = ?1, leaf = ?2 WHERE seq = 6";
        assert_eq!(connection.execute(sql, params![record, leaf_hash(&record)]), Ok(1));
        make_fit(connection);
    });
    assert_eq!(found(&shell, &[]), named("edited", 6, 6));
}

#[test]
fn l1_a_removed_record_of_the_audit_log_is_named() {
    let shell = project();
    tamper(&shell, |connection| execute(connection, "DELETE FROM audit WHERE seq = 4"));
    assert_eq!(found(&shell, &[]), named("removed", 4, 4));
    tamper(&shell, |connection| {
        for seq in 5..=10 {
            connection.execute("UPDATE audit SET seq = seq - 1 WHERE seq = ?1", [seq]).expect("moved");
        }
        make_fit(connection);
    });
    assert_eq!(found(&shell, &[]), named("moved", 4, 4), "also when the others closed up");
}

#[test]
fn l1_records_of_the_audit_log_that_changed_places_are_named() {
    let shell = project();
    tamper(&shell, |connection| {
        connection
            .execute_batch(
                "UPDATE audit SET seq = -1 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 8; UPDATE audit SET seq = 8 WHERE seq = -1;",
            )
            .expect("moved");
    });
    assert_eq!(found(&shell, &[]), named("moved", 3, 3));
}

#[test]
fn l1_a_record_that_was_added_to_the_audit_log_is_named_and_stops_it() {
    let shell = project();
    tamper(&shell, |connection| {
        let record: Vec<u8> = connection.query_row("SELECT record FROM audit WHERE seq = 10", [], |row| row.get(0)).expect("a record");
        let record = String::from_utf8(record).expect("text").replace("\"seq\":10", "\"seq\":11").into_bytes();
        let sql = "INSERT INTO audit (seq, leaf, record) VALUES (11, ?2, ?1)";
        assert_eq!(connection.execute(sql, params![record, leaf_hash(&record)]), Ok(1));
    });
    assert_eq!(found(&shell, &[]), named("added", 11, 11));
    let refused = shell.run(&["call", "raw", "answer"]);
    assert_eq!((refused.status.code(), refused.stdout.as_slice()), (Some(5), [].as_slice()), "what cannot be recorded is withheld");
}

#[test]
fn l1_a_checkpoint_of_another_key_counts_for_nothing() {
    let (shell, other) = (project(), project());
    let key = |shell: &Shell| String::from_utf8(shell.run(&["audit", "key"]).stdout).expect("text").trim().to_owned();
    assert_eq!(found(&shell, &["--key", &key(&other)]).0, "unknown-key");
    verified(&shell, &["--key", &key(&shell)]);
    std::fs::remove_dir_all(state(&shell)).expect("removed");
    std::fs::create_dir(state(&shell)).expect("a folder");
    std::fs::set_permissions(state(&shell), std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("closed");
    std::fs::copy(state(&other).join("state.db"), state(&shell).join("state.db")).expect("a copy");
    assert_eq!(found(&shell, &[]).0, "unknown-key", "the log of somebody else in its place");
}

#[test]
fn l2_an_end_that_was_cut_off_is_shown_by_an_exported_checkpoint() {
    let shell = project();
    assert!(shell.run(&["audit", "export", "--checkpoint", "all.checkpoint"]).status.success());
    verified(&shell, &["--checkpoint", "all.checkpoint"]);
    tamper(&shell, |connection| execute(connection, "DELETE FROM audit WHERE seq > 7"));
    assert_eq!(found(&shell, &[]), named("cut-off", 8, 10), "the log itself knows of more");
    tamper(&shell, |connection| {
        execute(connection, "DELETE FROM audit_checkpoints WHERE size > 7");
        make_fit(connection);
    });
    assert_eq!(verified(&shell, &[]), 7, "by itself it does not any more");
    assert_eq!(found(&shell, &["--checkpoint", "all.checkpoint"]), named("cut-off", 8, 10));
    call(&shell, 5);
    assert_eq!(verified(&shell, &[]), 12);
    assert_eq!(found(&shell, &["--checkpoint", "all.checkpoint"]), named("other-log", 1, 10), "it went on past the checkpoint");
}

#[test]
fn l2_an_older_copy_in_the_logs_place_is_shown_by_an_exported_checkpoint() {
    let shell = project();
    let (file, copy) = (state(&shell).join("state.db"), shell.cwd().join("older.db"));
    std::fs::copy(&file, &copy).expect("a copy");
    call(&shell, 2);
    assert!(shell.run(&["audit", "export", "--checkpoint", "all.checkpoint"]).status.success());
    std::fs::copy(&copy, &file).expect("put back");
    for name in ["state.db-wal", "state.db-shm"] {
        drop(std::fs::remove_file(state(&shell).join(name)));
    }
    assert_eq!(verified(&shell, &[]), 10);
    assert_eq!(found(&shell, &["--checkpoint", "all.checkpoint"]), named("cut-off", 11, 12));
}

/// A backup that is put back by `remit restore` is told as what it is, and hides no edit.
#[test]
fn l2_a_restored_backup_is_no_false_alarm() {
    let shell = project();
    assert!(shell.run(&["backup", "copy"]).status.success());
    assert!(shell.run(&["audit", "export", "--checkpoint", "backup.checkpoint"]).status.success());
    call(&shell, 2);
    assert!(shell.run(&["audit", "export", "--checkpoint", "all.checkpoint"]).status.success());
    assert!(shell.run(&["restore", "copy", "--yes"]).status.success());
    assert_eq!(verified(&shell, &[]), 11, "the restore is a record");
    verified(&shell, &["--checkpoint", "backup.checkpoint"]);
    assert_eq!(found(&shell, &["--checkpoint", "all.checkpoint"]), named("restored", 11, 12));
    call(&shell, 3);
    assert_eq!(found(&shell, &["--checkpoint", "all.checkpoint"]), named("restored", 11, 12));
    assert_eq!(verified(&shell, &[]), 14);
    tamper(&shell, |connection| execute(connection, "DELETE FROM audit WHERE seq = 5"));
    assert_eq!(found(&shell, &["--checkpoint", "all.checkpoint"]), named("removed", 5, 5));
}

#[test]
fn two_processes_add_to_one_audit_log() {
    let shell = project();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| call(&shell, 10));
        }
    });
    assert_eq!(verified(&shell, &[]), 30);
}
