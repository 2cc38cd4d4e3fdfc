//! The audit log as a reviewer works with it.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use remit_tests::Shell;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::project;

fn check(name: &str, transcript: String) {
    let filters = vec![
        (r"call_[0-9a-z]{26}", "call_[ID]"),
        (r"epoch_[0-9a-z]{26}", "epoch_[ID]"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "[DATE]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "[DATE]"),
        (r"user:[a-z0-9_-]+", "user:[ME]"),
        (r"remit-audit\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+", "[KEY]"),
        (r#""(at|cpu_us|wall_us|memory_peak_bytes|bytes_in|bytes_out)":( ?)\d+"#, "\"$1\":$2[N]"),
        (r"[0-9a-f]{64}", "[SHA256]"),
    ];
    insta::with_settings!({ filters => filters }, { insta::assert_snapshot!(name, transcript) });
}

/// A project in which a call went well, one was refused something, and everything was stopped and started again.
fn used() -> Shell {
    let shell = project();
    assert!(shell.run(&["call", "files", "list", r#"{"path": "/docs"}"#]).status.success());
    assert_eq!(shell.run(&["call", "files", "read", r#"{"path": "/etc/passwd"}"#]).status.code(), Some(3));
    assert!(shell.run(&["stop", "--reason", "looking into it"]).status.success());
    assert_eq!(shell.run(&["call", "files", "list", r#"{"path": "/docs"}"#]).status.code(), Some(3));
    assert!(shell.run(&["start"]).status.success());
    shell
}

#[test]
fn a_reviewer_reads_the_log_and_verifies_it() {
    let shell = used();
    let mut said = String::new();
    for command in [
        ["audit", "show"].as_slice(),
        &["audit", "show", "--outcome", "denied"],
        &["audit", "show", "--outcome", "done", "--plugin", "files", "--since", "1h"],
        &["audit", "show", "--limit", "1"],
        &["audit", "show", "--principal", "user:nobody"],
        &["audit", "show", "2"],
        &["audit", "show", "call_nothing"],
        &["audit", "show", "--since", "yesterday"],
        &["audit", "verify"],
        &["audit", "verify", "--json"],
        &["audit", "verify", "--key", "nonsense"],
        &["audit", "verify", "--checkpoint", "nowhere"],
        &["audit", "verify", "--checkpoint", "remit.toml"],
        &["audit", "export", "--checkpoint", "now.checkpoint"],
        &["audit", "verify", "--checkpoint", "now.checkpoint"],
        &["audit", "key"],
    ] {
        said += &format!("{}\n", shell.transcript(command));
    }
    check("audit", said);
}

#[test]
fn a_project_without_records_says_so() {
    let shell = project();
    let mut said = String::new();
    for command in [["audit", "verify"].as_slice(), &["audit", "show"], &["audit", "export"], &["audit", "export", "--checkpoint", "none"]]
    {
        said += &format!("{}\n", shell.transcript(command));
    }
    check("audit_empty", said);
    shell.write(".remit/audit/calls.jsonl", "{}\n");
    check("audit_earlier", shell.transcript(&["audit", "verify"]).to_string());
}

#[test]
fn a_log_that_was_changed_is_told_with_what_to_do() {
    let shell = used();
    let database = rusqlite::Connection::open(shell.cwd().join(".remit/sessions/state.db")).expect("a database");
    database.execute("DELETE FROM audit WHERE seq = 3", []).expect("removed");
    drop(database);
    check("audit_removed", shell.transcript(&["audit", "verify"]).to_string());
}

/// What others read: one document a line, of each record.
#[test]
fn the_log_is_exported_in_each_form() {
    let shell = used();
    let lines = |format: &str| -> Vec<Value> {
        let output = shell.run(&["audit", "export", "--format", format]);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let records = lines("jsonl");
    let seqs: Vec<_> = records.iter().map(|record| record["seq"].as_u64().expect("a number")).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5, 6]);
    let events = lines("ocsf");
    let classes: Vec<_> = events.iter().map(|event| (event["class_uid"].clone(), event["metadata"]["sequence"].clone())).collect();
    assert_eq!(classes, (1..=6).map(|seq| (6003.into(), seq.into())).collect::<Vec<_>>());
    assert_eq!(events[2]["status_detail"].as_str().map(|text| text.starts_with("fs read /etc/passwd")), Some(true), "{}", events[2]);
    let requests = lines("otlp");
    let logs = requests[0].pointer("/resourceLogs/0/scopeLogs/0/logRecords").and_then(Value::as_array).expect("records");
    assert_eq!((requests.len(), logs.len()), (1, 6));
    let body: Value = serde_json::from_str(logs[5]["body"]["stringValue"].as_str().expect("text")).expect("a record");
    assert_eq!(body, records[5]);
    let later = shell.run(&["audit", "export", "--since", "2100-01-01T00:00:00Z"]);
    assert_eq!((later.status.success(), later.stdout.as_slice()), (true, [].as_slice()));
}

#[test]
fn an_export_that_follows_hears_of_other_processes_until_it_is_interrupted() {
    let shell = used();
    let mut child = shell.command(&["audit", "export", "--follow"]).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON") };
    for seq in 1..=6 {
        assert_eq!(next()["seq"], seq);
    }
    assert!(shell.run(&["stop"]).status.success());
    assert_eq!(next()["decision"], "stop");
    let id = Pid::from_raw(i32::try_from(child.id()).expect("a process")).expect("a process");
    kill_process(id, Signal::INT).expect("a signal");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
}
