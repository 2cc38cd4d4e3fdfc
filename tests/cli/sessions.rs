//! Sessions as a person works with them.

use remit_tests::{Shell, desk::marked, fixture};

/// A project with the scripted agent and the tools that it may call.
pub(super) fn project() -> Shell {
    let shell = Shell::new();
    shell.write("scripted.wasm", fixture("agent")).write("counter.wasm", fixture("counter")).write("work/.keep", "");
    for command in [
        ["add", "scripted.wasm", "--yes"].as_slice(),
        &["add", "counter.wasm", "--yes"],
        &["grant", "scripted", "tools", "counter/*", "--yes"],
        &["grant", "counter", "fs", "work:/work:write", "--yes"],
    ] {
        let ended = shell.run(command);
        assert!(ended.status.success(), "{command:?}: {ended:?}");
    }
    shell
}

/// Compares a transcript with what is different each time taken out.
pub(super) fn check(name: &str, transcript: String) {
    let filters = vec![
        (r"ses_[0-9a-z]{26}", "ses_[ID]"),
        (r"wait_[0-9a-z]{26}", "wait_[ID]"),
        (r"sha256:[0-9a-f]{64}", "sha256:[DIGEST]"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "[DATE]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "[DATE]"),
        (r"\d\d:\d\d:\d\d\.\d{3}", "[TIME]"),
        (r" +\d+ (ms|s|KiB)\b", " [N] $1"),
        (r"\(\d+ KiB\)", "([N] KiB)"),
        (r"user:[a-z0-9_-]+", "user:[ME]"),
        (r"process \d+", "process [N]"),
        (r"(!     at [^\n]*\n)+", "!     at [FRAMES]\n"),
    ];
    insta::with_settings!({ filters => filters }, { insta::assert_snapshot!(name, transcript) });
}

/// The value of `field` in the first row of a list.
pub(super) fn first(shell: &Shell, list: &[&str], field: &str) -> String {
    let ended = shell.run(&[list, &["--json"]].concat());
    let rows: serde_json::Value = serde_json::from_slice(&ended.stdout).expect("JSON");
    rows[0][field].as_str().unwrap_or_else(|| panic!("no row in {rows}")).to_owned()
}

#[test]
fn an_agent_waits_for_a_person_and_goes_on_after_a_yes() {
    let shell = project();
    let steps = r#"{"steps": [{"call": {"tool": "counter/strike", "arguments": {"note": "a"}}}, {"approve": {"title": "Send it?", "details": "to all"}}, {"put": {"key": "k", "value": 1}}, {"get": "k"}]}"#;
    check("run_waits", shell.transcript(&["run", "scripted", steps, "--session", "desk"]).to_string());
    let (session, wait) = (first(&shell, &["session", "list"], "id"), first(&shell, &["approval", "list"], "id"));
    check("approval_list", shell.transcript(&["approval", "list"]).to_string());
    check("approval_show", shell.transcript(&["approval", "show", &wait]).to_string());
    check("resume_too_early", shell.transcript(&["session", "resume", &session]).to_string());
    check("approval_approve", shell.transcript(&["approval", "approve", &wait, "--note", "fine"]).to_string());
    check("approval_twice", shell.transcript(&["approval", "approve", &wait]).to_string());
    check("resume_done", shell.transcript(&["session", "resume", &session]).to_string());
    check("resume_idle", shell.transcript(&["session", "resume", &session]).to_string());
    check("session_show", shell.transcript(&["session", "show", &session]).to_string());
    check("session_show_at", shell.transcript(&["session", "show", &session, "--at", "2"]).to_string());
    check("session_list", shell.transcript(&["session", "list"]).to_string());
}

#[test]
fn calls_of_one_tool_in_a_row_are_one_line_of_the_timeline() {
    let shell = project();
    let calls = |times: usize| vec![r#"{"call": {"tool": "counter/strike", "arguments": {"note": "a"}}}"#; times].join(", ");
    let steps = format!(r#"{{"steps": [{}, {{"put": {{"key": "k", "value": 1}}}}, {}]}}"#, calls(5), calls(3));
    assert!(shell.run(&["run", "scripted", &steps, "--session", "desk"]).status.success());
    let session = first(&shell, &["session", "list"], "id");
    check("session_show_folded", shell.transcript(&["session", "show", &session]).to_string());
    check("session_show_full", shell.transcript(&["session", "show", &session, "--full"]).to_string());
}

#[test]
fn an_input_to_a_session_that_is_busy_is_queued_and_has_its_turn() {
    let shell = project();
    let bump = |note: &str| format!(r#"{{"steps": [{{"call": {{"tool": "counter/bump", "arguments": {{"note": "{note}"}}}}}}]}}"#);
    let asks = r#"{"steps": [{"approve": {"title": "Send it?"}}]}"#;
    assert_eq!(shell.run(&["run", "scripted", asks, "--session", "desk"]).status.code(), Some(6));
    check("run_queued", shell.transcript(&["run", "scripted", &bump("a"), "--session", "desk", "--key", "a"]).to_string());
    check("run_queued_json", shell.transcript(&["run", "scripted", &bump("b"), "--session", "desk", "--json"]).to_string());
    check("run_queued_other_input", shell.transcript(&["run", "scripted", &bump("c"), "--session", "desk", "--key", "a"]).to_string());
    let (session, wait) = (first(&shell, &["session", "list"], "id"), first(&shell, &["approval", "list"], "id"));
    check("session_list_queued", shell.transcript(&["session", "list"]).to_string());
    check("session_show_queued", shell.transcript(&["session", "show", &session]).to_string());
    assert!(shell.run(&["approval", "approve", &wait]).status.success());
    check("resume_queued", shell.transcript(&["session", "resume", &session]).to_string());
    check("run_key_of_queued", shell.transcript(&["run", "scripted", &bump("a"), "--session", "desk", "--key", "a"]).to_string());
}

/// The project with a session that waits in a turn of the first component, and another one served by now.
fn upgraded() -> (Shell, String) {
    let shell = project();
    let marked_steps = r#"{"steps": [{"marked": true}, {"call": {"tool": "counter/bump", "arguments": {"note": "a"}}}]}"#;
    assert_eq!(shell.run(&["run", "scripted", r#"{"steps": []}"#, "--session", "desk"]).status.code(), Some(0));
    assert_eq!(shell.run(&["run", "scripted", marked_steps, "--session", "desk"]).status.code(), Some(6));
    shell.write("scripted.wasm", marked());
    let reviewed = shell.run(&["review", "--yes"]);
    assert!(reviewed.status.success(), "{reviewed:?}");
    let session = first(&shell, &["session", "list"], "id");
    (shell, session)
}

#[test]
fn a_turn_that_waits_goes_on_with_its_component_and_the_next_one_begins_with_that_of_now() {
    let (shell, session) = upgraded();
    check("upgraded_resume", shell.transcript(&["session", "resume", &session]).to_string());
    check("upgraded_answer", shell.transcript(&["run", "scripted", "yes", "--session", "desk"]).to_string());
    check("upgraded_next", shell.transcript(&["run", "scripted", r#"{"steps": [{"marked": true}]}"#, "--session", "desk"]).to_string());
}

#[test]
fn a_turn_that_another_component_does_otherwise_has_three_ways_out() {
    let (shell, session) = upgraded();
    let fork = String::from_utf8(shell.run(&["session", "fork", &session]).stdout).unwrap().trim().to_owned();
    assert!(fork.starts_with("ses_"), "{fork}");
    let answered = shell.run(&["session", "resume", &fork]);
    assert_eq!(answered.status.code(), Some(6), "the fork asks anew, with the component of now");

    // The answer is in the journal of this one, so that the component of now has to come by the question of before.
    shell.run(&["run", "scripted", "yes", "--session", "desk"]);
    let late = String::from_utf8(shell.run(&["session", "fork", &session, "--at", "5"]).stdout).unwrap().trim().to_owned();
    check("diverged", shell.transcript(&["session", "resume", &late]).to_string());
    check("diverged_again", shell.transcript(&["session", "resume", &late]).to_string());
    check("diverged_other_component", shell.transcript(&["session", "resume", &late, "--component", "sha256:0"]).to_string());
    check("diverged_before", shell.transcript(&["session", "fork", &late, "--at", "1"]).to_string());
    check("diverged_abandon", shell.transcript(&["session", "abandon", &late]).to_string());
}

#[test]
fn a_turn_whose_component_is_gone_has_ways_out_too() {
    let (shell, session) = upgraded();
    std::fs::remove_dir_all(shell.cwd().join(".remit/components")).unwrap();
    check("component_gone", shell.transcript(&["session", "resume", &session]).to_string());
    check("component_gone_abandon", shell.transcript(&["session", "abandon", &session]).to_string());
}

#[test]
fn a_turn_whose_wait_was_cancelled_is_not_tried_once_more() {
    let shell = project();
    let steps = r#"{"steps": [{"call": {"tool": "counter/bump", "arguments": {"note": "a"}}}, {"sleep_ms": 3600000}]}"#;
    assert_eq!(shell.run(&["run", "scripted", steps, "--session", "desk"]).status.code(), Some(6));
    assert!(shell.run(&["backup", "copy"]).status.success());
    assert!(shell.run(&["restore", "copy", "--yes"]).status.success());
    let session = first(&shell, &["session", "list"], "id");
    let said = shell.transcript(&["session", "resume", &session]).to_string();
    assert!(said.contains("is quarantined") && !said.contains("--component"), "what would be refused is not offered: {said}");
    let shown = shell.run(&["session", "show", &session, "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    let digest = shown["records"][0]["body"]["turn-start"]["digest"].as_str().expect("its component");
    check("retry_what_was_cancelled", shell.transcript(&["session", "resume", &session, "--component", digest]).to_string());
}

#[test]
fn what_an_agent_cannot_be_is_said_with_what_to_do_instead() {
    let shell = project();
    check("run_a_plugin", shell.transcript(&["run", "counter"]).to_string());
    check("call_an_agent", shell.transcript(&["call", "scripted", "scripted", r#"{"steps": []}"#]).to_string());
    check("grant_an_agent_files", shell.transcript(&["grant", "scripted", "fs", "work:/work", "--yes"]).to_string());
    check("run_refused", shell.transcript(&["run", "scripted", r#"{"steps": [{"call": {"tool": "other/tool"}}]}"#]).to_string());
    check("run_misfit", shell.transcript(&["run", "scripted", r#"{"step": []}"#]).to_string());
    check("session_unknown", shell.transcript(&["session", "show", "ses_01k00000000000000000000000"]).to_string());
    check("session_no_id", shell.transcript(&["session", "show", "desk"]).to_string());
    check("run_trap", shell.transcript(&["run", "scripted", r#"{"steps": [{"trap": true}]}"#]).to_string());
}

#[test]
fn a_session_is_killed_erased_forked_and_taken_back() {
    let shell = project();
    let put = |value: u32| format!(r#"{{"steps": [{{"put": {{"key": "k", "value": {value}}}}}, {{"get": "k"}}]}}"#);
    for value in [1, 2] {
        assert!(shell.run(&["run", "scripted", &put(value), "--session", "desk"]).status.success());
    }
    let session = first(&shell, &["session", "list"], "id");
    check("session_fork", shell.transcript(&["session", "fork", &session, "--at", "2"]).to_string());
    check("session_revert", shell.transcript(&["session", "revert", &session, "--turn", "1", "--yes"]).to_string());
    let get = r#"{"steps": [{"get": "k"}]}"#;
    check("run_after_revert", shell.transcript(&["run", "scripted", get, "--session", "desk"]).to_string());
    let export = shell.run(&["session", "export", &session]);
    shell.write("export.jsonl", export.stdout);
    check("session_import", shell.transcript(&["session", "import", "export.jsonl"]).to_string());
    shell.write("wrong.jsonl", "{\"remit\": \"session\"}\n");
    check("session_import_wrong", shell.transcript(&["session", "import", "wrong.jsonl"]).to_string());
    check("session_kill", shell.transcript(&["session", "kill", &session]).to_string());
    check("run_killed", shell.transcript(&["run", "scripted", get, "--session", "desk"]).to_string());
    check("session_erase_unasked", shell.transcript(&["session", "erase", &session]).to_string());
    check("session_erase", shell.transcript(&["session", "erase", &session, "--yes"]).to_string());
}

#[test]
fn what_ended_long_ago_is_pruned_and_what_runs_or_waits_stays() {
    let shell = project();
    check("prune_unsaid", shell.transcript(&["prune"]).to_string());
    check("prune_misfit", shell.transcript(&["prune", "--older-than", "a while"]).to_string());
    let components = || std::fs::read_dir(shell.cwd().join(".remit/components")).expect("a folder").count();
    let ask = r#"{"steps": [{"input": "Which one?"}]}"#;
    assert!(shell.run(&["run", "scripted", r#"{"steps": []}"#, "--session", "done"]).status.success());
    assert_eq!(shell.run(&["run", "scripted", ask, "--session", "asks"]).status.code(), Some(6));
    // Another version of the agent, which the turn that waits did not begin with, and of the tool, which no turn began with.
    let longer = |name: &str| fixture(name).iter().copied().chain([0, 2, 1, b'x']).collect::<Vec<u8>>();
    shell.write("scripted.wasm", longer("agent")).write("counter.wasm", longer("counter"));
    assert!(shell.run(&["review", "--yes"]).status.success());
    assert_eq!(components(), 4);
    check("prune_nothing", shell.transcript(&["prune", "--older-than", "1d", "--dry-run"]).to_string());
    check("prune_dry", shell.transcript(&["prune", "--older-than", "0d", "--dry-run"]).to_string());
    check("prune_unasked", shell.transcript(&["prune", "--older-than", "0d"]).to_string());
    assert_eq!(components(), 4);
    check("prune", shell.transcript(&["prune", "--older-than", "0d", "--yes"]).to_string());
    assert_eq!(components(), 3);
    check("prune_left", shell.transcript(&["session", "list"]).to_string());
    let asks = first(&shell, &["session", "list"], "id");
    check("prune_answer", shell.transcript(&["run", "scripted", "the blue one", "--session", &asks]).to_string());
    check("prune_json", shell.transcript(&["prune", "--older-than", "0h", "--yes", "--json"]).to_string());
    assert_eq!(components(), 2);
}

#[test]
fn a_backup_is_put_back_and_open_turns_are_quarantined() {
    let shell = project();
    let waits = r#"{"steps": [{"put": {"key": "k", "value": 1}}, {"input": "Which one?"}]}"#;
    check("run_asks", shell.transcript(&["run", "scripted", waits, "--session", "desk"]).to_string());
    check("backup", shell.transcript(&["backup", "copy"]).to_string());
    check("backup_twice", shell.transcript(&["backup", "copy"]).to_string());
    check("run_answer", shell.transcript(&["run", "scripted", "the blue one", "--session", "desk"]).to_string());
    check("restore", shell.transcript(&["restore", "copy", "--yes"]).to_string());
    let session = first(&shell, &["session", "list"], "id");
    check("resume_restored", shell.transcript(&["session", "resume", &session]).to_string());
    check("session_abandon", shell.transcript(&["session", "abandon", &session]).to_string());
    check("restore_nothing", shell.transcript(&["restore", "nowhere", "--yes"]).to_string());
}

#[test]
fn a_workspace_is_granted_and_a_large_result_is_kept() {
    let shell = project();
    check("grant_workspace", shell.transcript(&["grant", "counter", "workspace", "write scope=session", "--yes"]).to_string());
    check("explain_workspace", shell.transcript(&["explain", "counter", "workspace", "write"]).to_string());
    check("call_without_session", shell.transcript(&["call", "counter", "list"]).to_string());
    let steps = r#"{"steps": [{"call": {"tool": "counter/put", "arguments": {"path": "a", "text": "one"}}}, {"fetch": {"tool": "counter/tell", "arguments": {"bytes": 5000000, "of": "x"}}}]}"#;
    let ran = shell.run(&["run", "scripted", steps, "--session", "desk"]);
    assert!(ran.status.success(), "{ran:?}");
    let session = first(&shell, &["session", "list"], "id");
    check("session_show_kept", shell.transcript(&["session", "show", &session]).to_string());
    check("session_output", shell.transcript(&["session", "output", &session]).to_string());
    let digest = first(&shell, &["session", "output", &session], "sha256");
    check("session_output_absent", shell.transcript(&["session", "output", &session, &"0".repeat(64)]).to_string());
    check("session_output_file", shell.transcript(&["session", "output", &session, &digest, "--out", "result.json"]).to_string());
    check("session_output_file_there", shell.transcript(&["session", "output", &session, &digest, "--out", "result.json"]).to_string());
    let written = std::fs::read(shell.cwd().join("result.json")).unwrap();
    assert_eq!(remit_core::plugin::Digest::of(&written).hex(), digest);
    assert_eq!(shell.run(&["session", "output", &session, &digest]).stdout, written, "and on standard output");

    let export = shell.run(&["session", "export", &session]);
    shell.write("export.jsonl", export.stdout);
    check("session_import_content", shell.transcript(&["session", "import", "export.jsonl"]).to_string());
    let imported = first(&shell, &["session", "list"], "id");
    let look = r#"{"steps": [{"call": {"tool": "counter/look", "arguments": {"path": "a"}}}]}"#;
    let looked = shell.run(&["run", "scripted", look, "--session", &imported, "--json"]);
    assert!(String::from_utf8_lossy(&looked.stdout).contains("one"), "{looked:?}");
    assert_eq!(shell.run(&["session", "output", &imported, &digest]).stdout, written);
    assert!(shell.run(&["session", "erase", &imported, "--yes"]).status.success());
    let folders = std::fs::read_dir(shell.cwd().join(".remit/workspace")).unwrap().flat_map(|project| {
        let plugins = std::fs::read_dir(project.unwrap().path()).unwrap();
        plugins.flat_map(|plugin| std::fs::read_dir(plugin.unwrap().path()).unwrap()).map(|entry| entry.unwrap().file_name())
    });
    let left: Vec<_> = folders.map(|name| name.to_string_lossy().into_owned()).collect();
    assert!(left.contains(&session) && !left.iter().any(|name| name.contains(&imported)), "{left:?}");
}

#[test]
fn an_agent_that_another_one_called_is_seen_decided_and_gone_on_with_from_its_caller() {
    let shell = project();
    shell.write("boss.wasm", fixture("agent"));
    for command in [
        ["add", "boss.wasm", "--yes"].as_slice(),
        &["grant", "boss", "tools", "agents/scripted", "--yes"],
        &["grant", "boss", "tools", "counter/*", "--yes"],
    ] {
        assert!(shell.run(command).status.success(), "{command:?}");
    }
    let steps = r#"{"steps": [{"call": {"tool": "agents/scripted", "arguments": {"steps": [{"approve": {"title": "Send it?"}}, {"input": "Which?"}]}}}]}"#;
    check("called_waits", shell.transcript(&["run", "boss", steps, "--session", "desk"]).to_string());
    let (session, wait) = (first(&shell, &["session", "list"], "id"), first(&shell, &["approval", "list"], "id"));
    check("called_approval_list", shell.transcript(&["approval", "list"]).to_string());
    check("called_approval_show", shell.transcript(&["approval", "show", &wait]).to_string());
    check("called_approve", shell.transcript(&["approval", "approve", &wait]).to_string());
    check("called_resume", shell.transcript(&["session", "resume", &session]).to_string());
    check("called_answer", shell.transcript(&["run", "boss", "this one", "--session", &session]).to_string());
    check("called_list", shell.transcript(&["session", "list"]).to_string());
    check("called_list_all", shell.transcript(&["session", "list", "--called"]).to_string());
    check("called_show", shell.transcript(&["session", "show", &session]).to_string());
    let called = first(&shell, &["session", "list", "--called"], "id");
    check("called_show_inside", shell.transcript(&["session", "show", &called]).to_string());
    check("called_run", shell.transcript(&["run", "scripted", r#"{"steps": []}"#, "--session", &called]).to_string());
    check("called_erase", shell.transcript(&["session", "erase", &called, "--yes"]).to_string());
    check("reserved_new", shell.transcript(&["new", "agents", "--agent"]).to_string());
    shell.write("agents.wasm", fixture("agent"));
    check("reserved_add", shell.transcript(&["add", "agents.wasm", "--yes"]).to_string());
}
