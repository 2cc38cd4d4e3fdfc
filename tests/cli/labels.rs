//! Labels, and approvals for the rest of a session, as a person meets them.

use remit_tests::Shell;

use super::sessions::{check, first, project};

/// The project of sessions with these lines for `counter`, and these at the end of `remit.toml`.
fn with(counter: &str, more: &str) -> Shell {
    let shell = project();
    let file = std::fs::read_to_string(shell.cwd().join("remit.toml")).expect("a project");
    let (before, after) = file.split_once("[plugins.counter]\n").expect("the plugin");
    shell.write("remit.toml", format!("{before}[plugins.counter]\n{counter}{after}\n{more}"));
    let reviewed = shell.run(&["review", "--yes"]);
    assert!(reviewed.status.success(), "{reviewed:?}");
    shell
}

const LABELS: &str = r#"
[labels]
enforce = true
[labels.tools]
"counter/read_count" = { labels = ["private", "untrusted"] }
"counter/strike" = { closed_when = "both" }
"counter/bump" = { ask_when = "private" }
"#;

#[test]
fn what_a_session_has_seen_is_shown_where_it_matters() {
    let shell = with("", LABELS);
    check("labels_explain", shell.transcript(&["explain", "counter", "strike"]).to_string());
    let step = |tool: &str| format!(r#"{{"call": {{"tool": "counter/{tool}", "arguments": {{}}}}}}"#);
    let steps = format!(r#"{{"steps": [{}, {}, {}]}}"#, step("read_count"), step("strike"), step("bump"));
    check("labels_run", shell.transcript(&["run", "scripted", &steps, "--session", "desk"]).to_string());
    let (session, wait) = (first(&shell, &["session", "list"], "id"), first(&shell, &["approval", "list"], "id"));
    check("labels_approval", shell.transcript(&["approval", "show", &wait]).to_string());
    check("labels_for_session", shell.transcript(&["approval", "approve", &wait, "--for-session"]).to_string());
    assert!(shell.run(&["approval", "approve", &wait]).status.success());
    check("labels_resume", shell.transcript(&["session", "resume", &session]).to_string());
    check("labels_show", shell.transcript(&["session", "show", &session]).to_string());
    for tool in ["read_count", "strike"] {
        check(&format!("labels_call_{tool}"), shell.transcript(&["call", "counter", tool, "{}", "--session", "line"]).to_string());
    }
}

#[test]
fn a_tool_is_allowed_for_the_rest_of_a_session_and_shown() {
    let shell = with("ask = [\"bump\"]\n", "");
    let bump = r#"{"call": {"tool": "counter/bump", "arguments": {"note": "a"}}}"#;
    let steps = format!(r#"{{"steps": [{bump}, {bump}]}}"#);
    assert_eq!(shell.run(&["run", "scripted", &steps, "--session", "desk"]).status.code(), Some(6));
    let (session, wait) = (first(&shell, &["session", "list"], "id"), first(&shell, &["approval", "list"], "id"));
    check("allowed_approve", shell.transcript(&["approval", "approve", &wait, "--for-session"]).to_string());
    check("allowed_resume", shell.transcript(&["session", "resume", &session]).to_string());
    check("allowed_show", shell.transcript(&["session", "show", &session]).to_string());
}

#[test]
fn a_users_own_file_cannot_switch_labels_off() {
    let shell = with("", LABELS);
    shell.write("remit.local.toml", "version = 1\n[labels]\nenforce = false\n");
    check("labels_local", shell.transcript(&["explain", "counter", "strike"]).to_string());
}
