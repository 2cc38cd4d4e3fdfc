//! A reviewer: inspect, grant, refuse, find out why.

use insta::assert_snapshot;
use remit_tests::{Shell, component};

use super::{project, sessions::check};

#[test]
fn a_granted_call_answers_and_a_refused_one_says_what_would_allow_it() {
    let shell = project();
    assert_snapshot!("call_granted", shell.transcript(&["call", "files", "search", r#"{"path": "/docs", "pattern": "closed"}"#]));
    assert_snapshot!("call_refused", shell.transcript(&["call", "files", "read", r#"{"path": "/etc/passwd"}"#]));
}

#[test]
fn exit_codes_tell_what_happened() {
    let shell = project();
    let cases: [(&[&str], i32); 7] = [
        (&["call", "files", "read", r#"{"path": "/docs/a.md"}"#], 0),
        (&["call", "files", "read", r#"{"path": 1}"#], 1),
        (&["call", "files", "read", r#"{"path": "/docs/none.md"}"#], 1),
        (&["call", "files", "nothing"], 1),
        (&["call", "nobody", "read"], 2),
        (&["call", "files", "read", r#"{"path": "/etc/passwd"}"#], 3),
        (&["nonsense"], 2),
    ];
    for (arguments, code) in cases {
        let output = shell.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    }
}

#[test]
fn nothing_of_a_cloned_project_runs_before_it_is_trusted() {
    let shell = project();
    let other = Shell::new();
    for file in ["remit.toml", "remit.lock", "files.wasm", "docs/a.md"] {
        other.write(file, std::fs::read(shell.cwd().join(file)).expect("a file"));
    }
    assert_snapshot!("untrusted", other.transcript(&["call", "files", "read", r#"{"path": "/docs/a.md"}"#]));
    assert_eq!(other.run(&["trust", "--yes"]).status.code(), Some(0));
    assert_eq!(other.run(&["call", "files", "read", r#"{"path": "/docs/a.md"}"#]).status.code(), Some(0));
    let grown = std::fs::read_to_string(other.cwd().join("remit.toml")).expect("a file").replace("docs", "/");
    other.write("remit.toml", grown);
    assert_eq!(other.run(&["call", "files", "read", r#"{"path": "/docs/a.md"}"#]).status.code(), Some(3), "a changed file ends trust");
}

#[test]
fn what_others_approved_is_shown_and_asked_about() {
    let shell = project();
    let other = Shell::new();
    for file in ["remit.toml", "remit.lock", "files.wasm", "docs/a.md"] {
        other.write(file, std::fs::read(shell.cwd().join(file)).expect("a file"));
    }
    for edit in
        [&["grant", "files", "fs", "docs:/more", "--yes"][..], &["revoke", "files", "fs", "docs:/docs"], &["remove", "files", "--yes"]]
    {
        assert_eq!(other.run(edit).status.code(), Some(3), "{edit:?} would trust the rest too");
    }
    assert!(other.run(&["doctor"]).status.success());
    assert_eq!(other.run(&["review"]).status.code(), Some(2), "nobody can be asked");
    assert_eq!(other.run(&["call", "files", "read", r#"{"path": "/docs/a.md"}"#]).status.code(), Some(3), "still not trusted");
    let shown = other.run(&["review", "--yes"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("+ granted fs docs:/docs:read"), "{shown:?}");
    assert_eq!(other.run(&["call", "files", "read", r#"{"path": "/docs/a.md"}"#]).status.code(), Some(0));
}

#[test]
fn review_shows_what_changed_and_check_writes_nothing() {
    let shell = project();
    check("review_unchanged", shell.transcript(&["review", "--check"]).to_string());
    let wider = std::fs::read_to_string(shell.cwd().join("remit.toml")).expect("a file").replace("\"read\"", "\"write\"");
    let wider = if wider.contains("\"write\"") { wider } else { wider.replace("path = \"docs\"", "path = \"docs\", access = \"write\"") };
    shell.write("remit.toml", wider);
    check("review_grown", shell.transcript(&["review", "--check"]).to_string());
    assert_eq!(shell.run(&["review", "--check"]).status.code(), Some(3), "check writes nothing");
    assert_eq!(shell.run(&["review", "--yes"]).status.code(), Some(0));
    assert_eq!(shell.run(&["review", "--check"]).status.code(), Some(0));
}

/// Who reviews or trusts a project reads that clients may approve in it.
#[test]
fn a_project_that_takes_approvals_from_clients_says_so_before_it_may_run() {
    let shell = project();
    let text = std::fs::read_to_string(shell.cwd().join("remit.toml")).expect("a file");
    shell.write("remit.toml", text + "[approvals]\naccept_client = true\n");
    assert_snapshot!("trust_accepts_client", shell.transcript(&["trust", "--yes"]));
    check("review_accepts_client", shell.transcript(&["review", "--check"]).to_string());
}

#[test]
fn a_changed_component_is_not_loaded_until_it_is_reviewed() {
    let shell = project();
    shell.write("files.wasm", component("clock"));
    assert_snapshot!("changed_component", shell.transcript(&["call", "files", "read", r#"{"path": "/docs/a.md"}"#]));
}

#[test]
fn inspect_runs_nothing_and_tells_what_is_lacking() {
    let shell = project();
    let output = shell.run(&["inspect", "files", "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(document["kind"], "tool");
    assert!(document["granted"].as_array().is_some_and(|granted| granted.len() == 1), "{document}");
    assert_snapshot!("inspect_text", shell.transcript(&["inspect", "nothing.wasm"]));
}

#[test]
fn explain_gives_the_same_answer_without_calling() {
    let shell = project();
    assert_snapshot!("explain_allowed", shell.transcript(&["explain", "files", "fs", "read /docs/a.md"]));
    assert_snapshot!("explain_denied", shell.transcript(&["explain", "files", "fs", "write /docs/a.md"]));
}

#[test]
fn json_is_one_document_in_the_shape_of_mcp() {
    let shell = project();
    let output = shell.run(&["call", "files", "read", r#"{"path": "/etc/passwd"}"#, "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(document["isError"], true);
    assert_eq!(document["_meta"]["remit/denials"][0]["capability"], "fs", "{document}");
}

#[test]
fn a_mistake_in_the_file_is_shown_in_its_place() {
    let shell = project();
    let text = std::fs::read_to_string(shell.cwd().join("remit.toml")).expect("a file").replace("source =", "sorce =");
    shell.write("remit.toml", text);
    assert_snapshot!("mistake_in_file", shell.transcript(&["review", "--check"]));
}

#[test]
fn a_secret_that_is_not_set_is_named_before_anything_runs() {
    let shell = project();
    let grant = "GET https://api.example.com/ secret=token header=authorization";
    assert!(shell.run(&["grant", "files", "http", grant, "--yes"]).status.success());
    assert_snapshot!("secret_unset", shell.transcript(&["call", "files", "list", r#"{"path": "/docs"}"#]));
    let set =
        shell.command(&["call", "files", "list", r#"{"path": "/docs"}"#]).env("REMIT_SECRET_TOKEN", "s3cr3t").output().expect("it runs");
    assert!(set.status.success(), "{set:?}");
}

#[test]
fn a_project_that_its_user_changed_by_hand_shows_the_difference() {
    let shell = project();
    let text = std::fs::read_to_string(shell.cwd().join("remit.toml")).expect("a file");
    shell.write("remit.toml", format!("{text}\n# a comment\n"));
    assert_eq!(shell.run(&["call", "files", "list", r#"{"path": "/docs"}"#]).status.code(), Some(3), "trust is about every byte");
    let reviewed = shell.run(&["review", "--yes"]);
    assert!(String::from_utf8_lossy(&reviewed.stdout).contains("as approved"), "{reviewed:?}");
    assert_eq!(shell.run(&["call", "files", "list", r#"{"path": "/docs"}"#]).status.code(), Some(0));
}

#[test]
fn revoke_takes_a_right_away() {
    let shell = project();
    assert_eq!(shell.run(&["revoke", "files", "fs", "docs:/docs"]).status.code(), Some(0));
    assert_eq!(shell.run(&["call", "files", "read", r#"{"path": "/docs/a.md"}"#]).status.code(), Some(3));
}
