//! Turns that wait: for approvals, inputs and times.

use std::time::Duration;

use remit_core::{
    Kind, Result,
    id::{SessionId, WaitId},
    identity::Role,
    journal::{Body, Record, ToolCall},
    plugin::Effect,
    store::{Append, Status, WaitKind, WaitState},
};
use remit_runtime::{TurnEnd, Verdict};
use remit_tests::desk::{Desk, Setup, call, executions, log};
use serde_json::json;

fn asking() -> Setup {
    Setup { ask: vec!["strike".to_owned()], ..Setup::default() }
}

async fn approve(desk: &Desk, wait: WaitId) -> Result<()> {
    desk.host.decide(&desk.ada(), "desk", wait, Verdict::Approve(Some("go".to_owned()))).await
}

/// Runs `steps` to where they wait for one thing.
async fn waiting(desk: &Desk, steps: serde_json::Value) -> (SessionId, WaitId) {
    let ran = desk.run(steps).await.unwrap();
    let TurnEnd::Waiting(waits) = &ran.end else { panic!("it waits: {:?}", ran.end) };
    assert_eq!(waits.len(), 1, "{waits:?}");
    assert_eq!(desk.row(ran.session).await.status, Status::Waiting);
    (ran.session, waits[0].id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_the_project_wants_approved_waits_and_is_made_once_when_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), asking()).await;
    let (session, wait) = waiting(&desk, json!([call("bump", "before"), call("strike", "it"), call("strike", "it")])).await;
    let row = desk.host.wait(&desk.ada(), "desk", wait).await.unwrap();
    let asked = row.call.unwrap();
    assert_eq!((asked.tool.as_str(), asked.arguments.as_str()), ("counter/strike", r#"{"note":"it"}"#));
    drop(desk);

    let desk = Desk::open(folder.path(), asking()).await;
    let still = desk.resume(session).await.unwrap();
    assert!(matches!(still.end, TurnEnd::Waiting(_)), "{:?}", still.end);
    assert_eq!(executions(folder.path()).len(), 1, "nothing happens before the approval");
    approve(&desk, wait).await.unwrap();
    let second = desk.resume(session).await.unwrap();
    let TurnEnd::Waiting(waits) = &second.end else { panic!("an approval is for one call: {:?}", second.end) };
    assert_eq!(executions(folder.path()).len(), 2);
    assert_eq!(approve(&desk, wait).await.unwrap_err().kind, Kind::Conflict, "it was used");
    desk.host.decide(&desk.ada(), "desk", waits[0].id, Verdict::Deny(Some("enough".to_owned()))).await.unwrap();
    let done = desk.resume(session).await.unwrap();
    assert_eq!(log(&done)[1], json!({ "count": 2 }));
    assert_eq!(log(&done)[2], json!({ "error": "denied", "message": "`user:ada` said no: enough" }));
    assert_eq!(executions(folder.path()).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_holds_for_the_component_that_was_shown_and_another_one_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), asking()).await;
    let (session, wait) = waiting(&desk, json!([call("strike", "it")])).await;
    approve(&desk, wait).await.unwrap();
    drop(desk);
    let desk = Desk::open(folder.path(), Setup { changed: true, ..asking() }).await;
    let ran = desk.resume(session).await.unwrap();
    let TurnEnd::Waiting(waits) = &ran.end else { panic!("it asks again: {:?}", ran.end) };
    assert_ne!(waits[0].id, wait);
    assert!(executions(folder.path()).is_empty());
    approve(&desk, waits[0].id).await.unwrap();
    assert_eq!(log(&desk.resume(session).await.unwrap()), [json!({ "count": 1 })]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_expires_by_the_hosts_clock_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let question = json!([{ "approve": { "title": "May I?", "details": "all of it", "expires_ms": 60_000 } }]);
    let (session, wait) = waiting(&desk, question).await;
    desk.clock.back(Duration::from_secs(3600));
    assert!(matches!(desk.resume(session).await.unwrap().end, TurnEnd::Waiting(_)), "a clock that jumped back expires nothing");
    desk.clock.forward(Duration::from_secs(3600 + 61));
    assert_eq!(approve(&desk, wait).await.unwrap_err().kind, Kind::Conflict, "too late");
    assert_eq!(log(&desk.resume(session).await.unwrap()), [json!({ "decision": "expired" })]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_decides_and_no_agent_does() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let (_, wait) = waiting(&desk, json!([{ "approve": { "title": "May I?" } }])).await;
    let bob = desk.host.context("user:bob".parse().unwrap(), Role::Tools(Vec::new())).unwrap();
    let agent = desk.host.context("agent:scripted".parse().unwrap(), Role::Owner).unwrap();
    let yes = || Verdict::Approve(None);
    assert_eq!(desk.host.decide(&bob, "desk", wait, yes()).await.unwrap_err().kind, Kind::NotFound);
    assert_eq!(desk.host.decide(&agent, "desk", wait, yes()).await.unwrap_err().kind, Kind::Denied);
    let input = desk.host.decide(&desk.ada(), "desk", wait, Verdict::Input("yes".to_owned())).await.unwrap_err();
    assert_eq!(input.kind, Kind::Invalid);
    assert_eq!(desk.host.wait(&desk.ada(), "desk", wait).await.unwrap().state, WaitState::Open);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_waits_for_an_input_takes_the_next_one_as_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let (session, _) = waiting(&desk, json!([{ "input": "which one?" }, call("bump", "then")])).await;
    let ran = desk.go(Some(session), Some("the blue one"), None).await.unwrap();
    assert_eq!(log(&ran), [json!("the blue one"), json!({ "count": 1 })]);
    assert_eq!(desk.row(session).await.turns, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sleeping_turn_wakes_when_its_time_has_come() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let (session, wait) = waiting(&desk, json!([{ "now": true }, { "sleep_ms": 3_600_000 }, { "now": true }])).await;
    assert_eq!(desk.host.wait(&desk.ada(), "desk", wait).await.unwrap().kind, WaitKind::Timer);
    assert!(matches!(desk.resume(session).await.unwrap().end, TurnEnd::Waiting(_)));
    desk.clock.forward(Duration::from_secs(3601));
    let log = log(&desk.resume(session).await.unwrap());
    let slept = log[2]["elapsed_ms"].as_u64().unwrap() - log[0]["elapsed_ms"].as_u64().unwrap();
    assert!((3_600_000..3_700_000).contains(&slept), "{slept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_does_something_else_is_quarantined_and_nothing_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let (session, _) = waiting(&desk, json!([{ "input": "?" }, call("strike", "it")])).await;
    // A journal that says that the agent, after its question, called something else.
    let claim = desk.store.session_claim(session).await.unwrap();
    let made = ToolCall {
        tool: "counter/bump".to_owned(),
        arguments: "{}".to_owned(),
        effect: Effect::Idempotent,
        digest: String::new(),
        key: "k".to_owned(),
        cleared: Default::default(),
    };
    let at = remit_core::clock::Timestamp(claim.row.updated.0);
    let by = "user:ada".parse().unwrap();
    let bodies = [Body::end(0, remit_core::journal::Outcome::Input { by, text: "x".to_owned() }), Body::Call { op: 1, call: made }];
    let lines = bodies.into_iter().zip(claim.row.next_seq..).map(|(body, seq)| Record { seq, at, body }.encode().unwrap());
    let epoch = claim.row.epoch;
    let append = Append { records: lines.collect(), ..Append::new(session, epoch, at, Status::Running) };
    desk.store.session_append(append).await.unwrap();
    desk.store.session_release(session, claim.row.epoch).await.unwrap();
    let error = desk.resume(session).await.unwrap_err();
    assert_eq!(error.kind, Kind::Diverged);
    assert!(error.message.contains("a call of `counter/bump` with {}"), "{error}");
    assert!(error.message.contains(r#"a call of `counter/strike` with {"note":"it"}"#), "{error}");
    assert_eq!(desk.row(session).await.status, Status::Quarantined);
    assert_eq!(desk.resume(session).await.unwrap_err().kind, Kind::Diverged);
    assert!(desk.executions().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_about_a_call_that_the_role_forbids() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), asking()).await;
    let role = Role::Tools(["scripted/*", "counter/bump"].map(|tool| tool.parse().unwrap()).into());
    let steps = remit_tests::desk::script(json!([call("strike", "it"), call("bump", "it")]));
    let ran = desk.go_as(role, None, Some(&steps), None).await.unwrap();
    assert_eq!((&log(&ran)[0]["error"], &log(&ran)[1]), (&json!("denied"), &json!({ "count": 1 })));
    assert_eq!(desk.host.waits(&desk.ada(), "desk", Some(ran.session), true).await.unwrap(), []);
}
