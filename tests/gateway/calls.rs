//! Calls of a server that misbehaves: each ends with its own error, and the next call is served.

use std::{sync::Arc, time::Duration};

use remit_core::{
    Blame, Kind,
    identity::Role,
    limit::{CallLimits, OUTSIDE_MESSAGE_BYTES},
    plugin::Effect,
};
use remit_runtime::{Content, Host, Outcome, Project, Request};
use remit_tests::Records;
use serde_json::{Value, json};

use super::{SECRET, can_run, gateway, host, lines, listed, plugin, script, wait_for};

/// A host with the server in it.
struct Desk {
    host: Host,
    records: Records,
    folder: tempfile::TempDir,
}

impl Desk {
    async fn new(limits: CallLimits) -> Self {
        Self::with(limits, gateway()).await
    }

    async fn with(limits: CallLimits, gateway: remit_server::gateway::Gateway) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("a path");
        let plugin = plugin(&root, limits).await;
        let records = Records::default();
        let host = host(gateway, records.clone());
        let refused = host.load(Project { name: "desk".to_owned(), root, plugins: vec![plugin], ..Project::default() });
        assert!(refused.is_empty(), "{refused:?}");
        Self { host, records, folder }
    }

    async fn call(&self, tool: &str, arguments: Value) -> Outcome {
        self.call_as(Role::Owner, tool, arguments).await
    }

    async fn call_as(&self, role: Role, tool: &str, arguments: Value) -> Outcome {
        let context = self.host.context("user:ada".parse().expect("a principal"), role).expect("a context");
        let text = arguments.to_string();
        self.host.call(&context, &Request::new("desk", "tickets", tool, &text)).await
    }

    async fn text(&self, tool: &str, arguments: Value) -> String {
        self.call(tool, arguments).await.result.expect("it answers").text()
    }

    async fn fails(&self, tool: &str, arguments: Value) -> (Kind, String) {
        let error = self.call(tool, arguments).await.result.expect_err("it fails");
        (error.kind, error.message)
    }

    /// That the server is served again, or still.
    async fn serves(&self) {
        assert_eq!(self.text("echo", json!({ "text": "here" })).await, "here");
    }

    fn starts(&self) -> usize {
        lines(self.folder.path(), "started.log").len()
    }
}

fn short() -> CallLimits {
    CallLimits { deadline_ms: 3000, ..CallLimits::default() }
}

#[tokio::test]
async fn one_process_serves_all_calls_and_each_is_audited_with_what_was_pinned() {
    if !can_run("one_process_serves_all_calls_and_each_is_audited_with_what_was_pinned") {
        return;
    }
    let desk = Desk::new(CallLimits::default()).await;
    let listing = desk.starts();
    assert_eq!(desk.text("get_issue", json!({})).await, "an issue");
    desk.serves().await;
    let (one, two) = tokio::join!(desk.text("echo", json!({ "text": "1" })), desk.text("echo", json!({ "text": "2" })));
    assert_eq!((one.as_str(), two.as_str(), desk.starts()), ("1", "2", listing + 1));
    let (native, _) = listed(&desk.folder.path().canonicalize().expect("a path")).await;
    let records = desk.records.all();
    assert_eq!(records.len(), 4);
    for record in &records {
        assert_eq!((record["digest"].as_str(), record["outcome"].as_str()), (Some(native.digest().to_string().as_str()), Some("done")));
        assert!(record["cpu_us"] == 0 && record["wall_us"].as_u64() > Some(0) && record["bytes_out"].as_u64() > Some(0), "{record}");
    }
}

#[tokio::test]
async fn what_the_host_decides_of_a_call_holds_for_outside_servers() {
    if !can_run("what_the_host_decides_of_a_call_holds_for_outside_servers") {
        return;
    }
    let desk = Desk::new(CallLimits { output_kib: 1, ..CallLimits::default() }).await;
    let listing = desk.starts();
    assert_eq!(desk.fails("echo", json!({ "text": 1 })).await.0, Kind::Invalid);
    assert_eq!(desk.fails("no_such", json!({})).await.0, Kind::NotFound);
    let refused = desk.call_as(Role::Tools(vec!["tickets/environment".parse().expect("a pattern")]), "echo", json!({ "text": "" })).await;
    assert_eq!((refused.result.expect_err("no role").kind, refused.denials.len()), (Kind::Denied, 1));
    assert_eq!(desk.call("fail", json!({})).await.result.expect_err("unapproved").code, Some("E-APPROVAL"));
    assert_eq!(desk.starts(), listing, "nothing of this starts it");
    let (kind, message) = desk.fails("giant", json!({ "bytes": 2000 })).await;
    assert_eq!(kind, Kind::Limit, "{message}");
    desk.serves().await;
}

/// M5: whatever a server says of its tools, they are `once` unless the project says otherwise.
#[tokio::test]
async fn m5_annotations_change_nothing() {
    if !can_run("m5_annotations_change_nothing") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("server.py"), script()).expect("a script");
    let (_, adopted) = listed(folder.path()).await;
    for (name, (_, tool)) in &adopted.tools {
        assert_eq!(tool.effect, if name == "lose" { Effect::Read } else { Effect::Once }, "{name}");
    }
}

#[tokio::test]
async fn texts_of_a_server_are_shown_as_what_they_are() {
    if !can_run("texts_of_a_server_are_shown_as_what_they_are") {
        return;
    }
    let desk = Desk::new(CallLimits::default()).await;
    let output = desk.call("hostile", json!({})).await.result.expect("it answers");
    assert_eq!(output.text(), "\\u{1b}[2Jred \\u{202e}evil\\u{200b} \\u{e0041}");
    assert_eq!(output.structured, Some(json!({ "a\\u{200b}": "\\u{202e}b" })));
    let media = desk.call("media", json!({})).await.result.expect("it answers");
    let [Content::Image { data, .. }, Content::ResourceLink { uri, .. }] = media.content.as_slice() else { panic!("{media:?}") };
    assert_eq!((data.as_str(), uri.as_str()), ("AAEC", "https://example.com/\\u{202e}"));
    desk.serves().await;
}

#[tokio::test]
async fn a_result_that_is_not_what_the_schema_promises_is_withheld() {
    if !can_run("a_result_that_is_not_what_the_schema_promises_is_withheld") {
        return;
    }
    let desk = Desk::new(CallLimits::default()).await;
    assert_eq!(desk.call("sum", json!({ "text": "abc" })).await.result.expect("a number").structured, Some(json!({ "total": 3 })));
    assert_eq!(desk.fails("sum", json!({ "text": "" })).await, (Kind::Guest, "the result of `sum` does not fit its schema".to_owned()));
}

/// M22: a secret is masked in results, in errors and in what the process says beside the protocol.
#[tokio::test]
async fn a_secret_of_a_server_is_masked_in_all_that_it_says() {
    if !can_run("a_secret_of_a_server_is_masked_in_all_that_it_says") {
        return;
    }
    let desk = Desk::new(CallLimits::default()).await;
    let told = desk.call("environment", json!({})).await.result.expect("it answers");
    let masked = format!("Bearer {}", "*".repeat(SECRET.len()));
    assert_eq!((told.text(), told.structured.expect("names")["token"].as_str()), (masked.clone(), Some(masked.as_str())));
    let wrong = desk.fails("wrong", json!({})).await;
    assert_eq!(wrong, (Kind::Guest, format!("the server answered with an error: wrong with \\u{{1b}}[31m{masked}")));
    let crashed = desk.call("crash", json!({})).await;
    assert!(crashed.stderr.contains("\\u{1b}[31mout of luck") && crashed.stderr.contains(&masked), "{}", crashed.stderr);
    assert!(!format!("{crashed:?}").contains(SECRET));
}

#[tokio::test]
async fn a_line_without_end_is_cut_off_and_the_server_with_it() {
    if !can_run("a_line_without_end_is_cut_off_and_the_server_with_it") {
        return;
    }
    let desk = Desk::new(CallLimits::default()).await;
    let (kind, message) = desk.fails("giant", json!({ "bytes": 100_000_000 })).await;
    assert_eq!(kind, Kind::Limit, "{message}");
    assert!(message.contains(&OUTSIDE_MESSAGE_BYTES.to_string()), "{message}");
    desk.serves().await;
}

#[tokio::test]
async fn words_outside_of_the_protocol_are_passed_over() {
    if !can_run("words_outside_of_the_protocol_are_passed_over") {
        return;
    }
    let desk = Desk::new(CallLimits::default()).await;
    assert_eq!(desk.text("garbage", json!({})).await, "still here");
    desk.serves().await;
}

#[tokio::test]
async fn a_server_gets_no_model_no_folders_and_no_person() {
    if !can_run("a_server_gets_no_model_no_folders_and_no_person") {
        return;
    }
    let desk = Desk::new(CallLimits::default()).await;
    assert_eq!(desk.text("ask", json!({})).await, "refused refused refused refused");
    desk.serves().await;
}

#[tokio::test]
async fn a_call_that_never_ends_is_cancelled_at_its_deadline() {
    if !can_run("a_call_that_never_ends_is_cancelled_at_its_deadline") {
        return;
    }
    let desk = Desk::new(short()).await;
    desk.serves().await;
    let before = desk.starts();
    let (kind, message) = desk.fails("hang", json!({})).await;
    assert_eq!((kind, message.as_str()), (Kind::Limit, "the call took longer than its deadline of 3000 ms"));
    desk.serves().await;
    assert_eq!(desk.starts(), before, "it goes on");
    wait_for("the server is told", || (!lines(desk.folder.path(), "cancelled.log").is_empty()).then_some(()));
}

/// R8: a `once` call whose server ended is in doubt and never made again.
#[tokio::test]
async fn a_server_that_ends_during_a_call_leaves_it_in_doubt() {
    if !can_run("a_server_that_ends_during_a_call_leaves_it_in_doubt") {
        return;
    }
    let desk = Desk::new(CallLimits::default()).await;
    let outcome = desk.call("crash", json!({})).await;
    let error = outcome.result.expect_err("it ended");
    assert_eq!((error.kind, error.blame), (Kind::InDoubt, Blame::Outside));
    assert!(outcome.stderr.contains("the server ended: exit status: 3"), "{}", outcome.stderr);
    desk.serves().await;
    assert_eq!(desk.fails("lose", json!({})).await, (Kind::Unavailable, "the server of `tickets` ended during the call".to_owned()));
    desk.serves().await;
    assert_eq!(lines(desk.folder.path(), "executions.log"), ["crash", "lose"]);
}

#[tokio::test]
async fn all_calls_of_a_server_that_ends_are_told() {
    if !can_run("all_calls_of_a_server_that_ends_are_told") {
        return;
    }
    let desk = Desk::new(CallLimits::default()).await;
    desk.serves().await;
    let (one, two, three) = tokio::join!(desk.call("hang", json!({})), desk.call("spawn", json!({})), desk.call("crash", json!({})));
    for outcome in [one, two, three] {
        assert_eq!(outcome.result.expect_err("it ended").kind, Kind::InDoubt);
        assert!(outcome.stderr.contains("out of luck"), "{}", outcome.stderr);
    }
    desk.serves().await;
}

/// M1: what changes while the server runs is blocked, and what comes new is not offered.
#[tokio::test]
async fn m1_a_tool_that_changes_while_its_server_runs_is_blocked() {
    if !can_run("m1_a_tool_that_changes_while_its_server_runs_is_blocked") {
        return;
    }
    let desk = Desk::new(CallLimits::default()).await;
    desk.serves().await;
    std::fs::write(desk.folder.path().join("more.txt"), "").expect("a file");
    assert_eq!(desk.text("change", json!({})).await, "changed");
    let error = desk.call("echo", json!({ "text": "x" })).await.result.expect_err("it changed");
    assert_eq!((error.kind, error.blame, error.code), (Kind::Denied, Blame::Grant, Some("E-REVIEW")));
    assert_eq!(error.hints, ["remit review"]);
    assert_eq!(desk.fails("more", json!({})).await.0, Kind::NotFound);
    assert_eq!(desk.text("get_issue", json!({})).await, "an issue");
}

#[tokio::test]
async fn a_tool_that_is_gone_is_unavailable() {
    if !can_run("a_tool_that_is_gone_is_unavailable") {
        return;
    }
    let desk = Desk::new(CallLimits::default()).await;
    std::fs::write(desk.folder.path().join("gone.txt"), "").expect("a file");
    let gone = "the server of `tickets` no longer tells of a tool `echo` that can be offered";
    assert_eq!(desk.fails("echo", json!({ "text": "x" })).await, (Kind::Unavailable, gone.to_owned()));
    assert_eq!(desk.text("get_issue", json!({})).await, "an issue");
}

/// M2: other bytes under the same name are not started, also where the host was loaded with the approved ones.
#[tokio::test]
async fn m2_a_script_that_changed_is_not_started() {
    if !can_run("m2_a_script_that_changed_is_not_started") {
        return;
    }
    let desk = Desk::new(CallLimits::default()).await;
    let before = desk.starts();
    std::fs::write(desk.folder.path().join("server.py"), script() + "\n").expect("a script");
    let error = desk.call("echo", json!({ "text": "x" })).await.result.expect_err("other bytes");
    assert_eq!((error.kind, error.blame, error.code, desk.starts()), (Kind::Unavailable, Blame::Grant, Some("E-REVIEW"), before));
    std::fs::write(desk.folder.path().join("server.py"), script()).expect("a script");
    desk.serves().await;
}

#[tokio::test]
async fn a_server_that_nobody_calls_is_stopped() {
    if !can_run("a_server_that_nobody_calls_is_stopped") {
        return;
    }
    let desk = Desk::with(CallLimits::default(), gateway().idle(Duration::from_millis(1))).await;
    desk.serves().await;
    let before = desk.starts();
    while lines(desk.folder.path(), "ended.log").len() < before {
        tokio::task::yield_now().await;
    }
    desk.serves().await;
    assert_eq!(desk.starts(), before + 1);
}

#[tokio::test]
async fn a_host_without_a_gateway_says_so() {
    if !can_run("a_host_without_a_gateway_says_so") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = plugin(folder.path(), CallLimits::default()).await;
    let host = Host::builder().secrets(Arc::new(super::Secrets)).build().expect("a host");
    host.load(Project { name: "desk".to_owned(), root: folder.path().to_owned(), plugins: vec![plugin], ..Project::default() });
    let context = host.context("user:ada".parse().expect("a principal"), Role::Owner).expect("a context");
    let error = host.call(&context, &Request::new("desk", "tickets", "ask", "{}")).await.result.expect_err("nothing runs it");
    assert_eq!((error.kind, error.message.as_str()), (Kind::Unavailable, "`tickets` is an outside server, and this host runs none"));
}
