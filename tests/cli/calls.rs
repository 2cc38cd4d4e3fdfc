//! `remit call --session`, and what a person does with such a session.

use super::sessions::{check, first};
use crate::mcp::in_session::project;

#[test]
fn plain_calls_belong_to_a_session() {
    let shell = project("\"strike\"");
    let bump = ["call", "counter", "bump", r#"{"note": "a"}"#, "--session", "desk", "--key", "monday"];
    check("call_session", shell.transcript(&bump).to_string());
    check("call_session_again", shell.transcript(&bump).to_string());
    let other = ["call", "counter", "bump", r#"{"note": "b"}"#, "--session", "desk", "--key", "monday"];
    check("call_session_other", shell.transcript(&other).to_string());
    let strike = ["call", "counter", "strike", r#"{"note": "a"}"#, "--session", "desk"];
    check("call_session_waits", shell.transcript(&strike).to_string());
    let (session, wait) = (first(&shell, &["session", "list"], "id"), first(&shell, &["approval", "list"], "id"));
    check("call_session_approval", shell.transcript(&["approval", "show", &wait]).to_string());
    assert!(shell.run(&["approval", "approve", &wait]).status.success());
    check("call_session_resume", shell.transcript(&["session", "resume", &session]).to_string());
    check("call_session_resume_idle", shell.transcript(&["session", "resume", &session]).to_string());
    check("call_session_yes", shell.transcript(&[&strike[..], &["--yes"]].concat()).to_string());
    check("call_session_show", shell.transcript(&["session", "show", &session]).to_string());
    check("call_session_list", shell.transcript(&["session", "list"]).to_string());
    let path = ["call", "./counter.wasm", "bump", "{}", "--session", "desk"];
    check("call_session_path", shell.transcript(&path).to_string());
    check("call_session_absent", shell.transcript(&["call", "counter", "bump", "--session", "ses_01m88yyfhc25ebem3hr1vnp8x1"]).to_string());
    check("call_session_run", shell.transcript(&["session", "resume", &session, "--component", "sha256:00"]).to_string());
}

#[test]
fn a_session_of_plain_calls_is_forked_taken_back_exported_killed_and_erased() {
    let shell = project("");
    for note in ["a", "b"] {
        let ended = shell.run(&["call", "counter", "bump", &format!(r#"{{"note": "{note}"}}"#), "--session", "desk"]);
        assert!(ended.status.success(), "{ended:?}");
    }
    let session = first(&shell, &["session", "list"], "id");
    check("calls_fork", shell.transcript(&["session", "fork", &session, "--at", "3"]).to_string());
    check("calls_revert", shell.transcript(&["session", "revert", &session, "--turn", "1", "--yes"]).to_string());
    let exported = shell.run(&["session", "export", &session]);
    shell.write("desk.jsonl", &exported.stdout);
    check("calls_import", shell.transcript(&["session", "import", "desk.jsonl"]).to_string());
    let taken = first(&shell, &["session", "list"], "id");
    let more = shell.run(&["call", "counter", "bump", r#"{"note": "c"}"#, "--session", &taken]);
    assert!(more.status.success(), "{more:?}");
    check("calls_show_imported", shell.transcript(&["session", "show", &taken]).to_string());
    assert!(shell.run(&["session", "kill", &session]).status.success());
    check("calls_killed", shell.transcript(&["call", "counter", "bump", "--session", "desk"]).to_string());
    assert!(shell.run(&["session", "erase", &session, "--yes"]).status.success());
    assert!(shell.run(&["call", "counter", "bump", "--session", "desk"]).status.success(), "the name is free again");
}
