//! What an agent may do is what its grants, its principal's role and the depth of the chain all leave.

use remit_core::{Kind, identity::Role, limit::DELEGATION_MAX_DEPTH};
use remit_tests::desk::{Desk, Setup, call, log, script};
use serde_json::{Value, json};

async fn desk(tools: &str, hostile: &str) -> (tempfile::TempDir, Desk) {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup { tools: Some(tools.to_owned()), hostile: Some(vec![hostile.to_owned()]), ..Setup::default() };
    let desk = Desk::open(folder.path(), setup).await;
    (folder, desk)
}

/// A role with the agent and these tools.
fn role(tools: &[&str]) -> Role {
    Role::Tools(["scripted/*"].iter().chain(tools).map(|tool| tool.parse().unwrap()).collect())
}

/// The sort of failure of each entry of a log, or `done`.
fn endings(log: &[Value]) -> Vec<&str> {
    log.iter().map(|entry| entry["error"].as_str().unwrap_or("done")).collect()
}

fn indirect(tool: &str) -> Value {
    json!({ "call": { "tool": "hostile/call_tool", "arguments": { "address": tool } } })
}

#[tokio::test(flavor = "multi_thread")]
async fn m19_an_agent_may_call_what_both_its_grants_and_its_principals_role_allow() {
    let (_folder, desk) = desk("tools counter/bump\ntools counter/strike", "tools counter/*").await;
    let steps = script(json!([call("bump", "both"), call("strike", "no role"), call("read_count", "no grant")]));
    let ran = desk.go_as(role(&["counter/bump", "counter/read_count"]), None, Some(&steps), None).await.unwrap();
    assert_eq!(endings(&log(&ran)), ["done", "denied", "denied"], "{:?}", log(&ran));
    assert_eq!(ran.denials.len(), 2, "{:?}", ran.denials);
    assert_eq!(desk.executions().len(), 1, "{:?}", desk.executions());

    let ran = desk.go_as(Role::Owner, None, Some(&steps), None).await.unwrap();
    assert_eq!(endings(&log(&ran)), ["done", "done", "denied"], "a role gives nothing that was not granted: {:?}", log(&ran));
    let error = desk.go_as(Role::Tools(vec!["counter/*".parse().unwrap()]), None, Some(&steps), None).await.unwrap_err();
    assert_eq!(error.kind, Kind::Denied, "the agent itself needs the role");
}

#[tokio::test(flavor = "multi_thread")]
async fn m19_a_tool_that_an_agents_tool_calls_gets_no_more_than_the_role() {
    let (_folder, desk) = desk("tools hostile/call_tool\ntools counter/*", "tools counter/*").await;
    let narrow = role(&["hostile/call_tool", "counter/read_count"]);
    let steps = script(json!([indirect("counter/strike"), indirect("counter/read_count"), call("read_count", "")]));
    let ran = desk.go_as(narrow, None, Some(&steps), None).await.unwrap();
    assert_eq!(endings(&log(&ran)), ["denied", "done", "done"], "{:?}", log(&ran));
    assert!(desk.executions().is_empty());

    let ran = desk.go_as(role(&["hostile/call_tool", "counter/strike"]), None, Some(&steps), None).await.unwrap();
    assert_eq!(endings(&log(&ran)), ["done", "denied", "denied"], "{:?}", log(&ran));
    assert_eq!(desk.executions(), ["strike -"], "a tool's call has no key");
}

#[tokio::test(flavor = "multi_thread")]
async fn m19_a_tool_of_an_agent_calls_only_what_its_own_plugin_was_granted() {
    let (_folder, desk) = desk("tools */*", "tools counter/read_count").await;
    let ran = desk.run(json!([indirect("counter/strike"), indirect("counter/read_count"), call("strike", "itself")])).await.unwrap();
    assert_eq!(endings(&log(&ran)), ["denied", "done", "done"], "{:?}", log(&ran));
    assert_eq!(desk.executions().len(), 1, "{:?}", desk.executions());
}

#[tokio::test(flavor = "multi_thread")]
async fn m19_a_tool_of_an_agent_calls_nothing_that_the_agent_may_not() {
    let (_folder, desk) = desk("tools hostile/call_tool\ntools counter/read_count", "tools counter/*").await;
    let ran = desk.run(json!([indirect("counter/strike"), indirect("counter/read_count")])).await.unwrap();
    assert_eq!(endings(&log(&ran)), ["denied", "done"], "{:?}", log(&ran));
    assert_eq!(ran.denials[0].command().as_deref(), Some("remit grant scripted tools counter/strike"), "it names who lacks it");
    assert!(desk.executions().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn m19_what_was_given_while_a_turn_waited_counts_from_the_next_turn() {
    let (folder, desk) = desk("tools counter/bump\ntools counter/read_count", "tools counter/*").await;
    let narrow = role(&["counter/bump", "counter/strike"]);
    let after = json!([call("bump", "a"), call("strike", "a"), call("read_count", "")]);
    let steps = script(json!([{ "input": "?" }, call("bump", "b"), call("strike", "b"), call("read_count", "")]));
    let session = desk.go_as(narrow, None, Some(&steps), None).await.unwrap().session;
    drop(desk);

    let desk = Desk::open(folder.path(), Setup::default()).await;
    let ran = desk.go_as(Role::Owner, Some(session), Some("go on"), None).await.unwrap();
    assert_eq!(endings(&log(&ran)[1..]), ["done", "denied", "denied"], "neither a grant nor a role counts: {:?}", log(&ran));
    assert!(ran.denials.iter().all(|denial| denial.fix.is_none() && denial.reason.contains("when the turn began")), "{:?}", ran.denials);
    let ran = desk.more(session, after).await.unwrap();
    assert_eq!(endings(&log(&ran)), ["done", "done", "done"], "{:?}", log(&ran));
}

#[tokio::test(flavor = "multi_thread")]
async fn m19_a_role_that_was_narrowed_while_the_turn_waited_counts_when_it_goes_on() {
    let (folder, desk) = desk("tools counter/*", "tools counter/*").await;
    let wide = role(&["counter/*"]);
    let steps = script(json!([call("bump", "before"), { "input": "?" }, call("bump", "after"), call("strike", "after")]));
    let mut sessions = Vec::new();
    for _ in 0..2 {
        sessions.push(desk.go_as(wide.clone(), None, Some(&steps), None).await.unwrap().session);
    }
    drop(desk);

    let desk = Desk::open(folder.path(), Setup::default()).await;
    let narrow = role(&["counter/bump"]);
    let ran = desk.go_as(narrow, Some(sessions[0]), Some("go on"), None).await.unwrap();
    let entries = log(&ran);
    assert_eq!(endings(&entries[2..]), ["done", "denied"], "{entries:?}");
    assert_eq!(endings(&entries[..1]), ["done"], "what was done before stays done: {entries:?}");
    let ran = desk.go_as(wide, Some(sessions[1]), Some("go on"), None).await.unwrap();
    assert_eq!(endings(&log(&ran)[2..]), ["done", "done"], "{:?}", log(&ran));
    let error = desk.go_as(Role::Tools(Vec::new()), Some(sessions[1]), Some(&steps), None).await.unwrap_err();
    assert_eq!(error.kind, Kind::Denied, "without the agent in its role the principal goes on with nothing");
    assert_eq!(desk.executions().iter().filter(|line| line.starts_with("strike")).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn m23_tools_that_call_each_other_in_a_circle_end_at_a_depth_that_counts_the_agent() {
    let (_folder, desk) = desk("tools hostile/recurse\ntools counter/bump", "tools hostile/recurse").await;
    let recurse = json!({ "call": { "tool": "hostile/recurse" } });
    let ran = desk.run(json!([recurse, call("bump", "after")])).await.unwrap();
    let entries = log(&ran);
    assert_eq!(entries[0]["deeper"], DELEGATION_MAX_DEPTH - 1, "{entries:?}");
    assert!(entries[0]["end"].as_str().unwrap().contains(&format!("more than {DELEGATION_MAX_DEPTH} deep")), "{entries:?}");
    assert_eq!(entries[1], json!({ "count": 1 }), "the turn goes on");
}
