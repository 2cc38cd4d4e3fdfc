//! Agents that agents call, each in a session of its own.

use std::time::Duration;

use remit_core::{
    Kind,
    identity::Role,
    limit::{CALLED_SESSIONS_MAX, DELEGATION_MAX_DEPTH},
    store::{Status, WaitState},
};
use remit_runtime::{Ran, TurnEnd, Verdict};
use remit_tests::desk::{Desk, Setup, call, call_agent, executions, log, script};
use serde_json::{Value, json};

/// A boss, the agent `scripted`, and its helper.
fn setup(boss: &str, helper: &str) -> Setup {
    Setup { tools: Some(boss.to_owned()), agents: vec![("helper".to_owned(), helper.to_owned())], ..Setup::default() }
}

fn trusting() -> Setup {
    setup("tools agents/*\ntools counter/*", "tools counter/*")
}

async fn desk(setup: Setup) -> (tempfile::TempDir, Desk) {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), setup).await;
    (folder, desk)
}

fn waiting(ran: &Ran) -> remit_core::store::WaitRow {
    match &ran.end {
        TurnEnd::Waiting(waits) => waits[0].clone(),
        other => panic!("it waits: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_calls_an_agent_in_a_session_of_its_own_and_is_told_its_output() {
    let (_folder, desk) = desk(trusting()).await;
    let steps = json!([call("strike", "inside"), { "put": { "key": "k", "value": 1 } }, { "context": true }]);
    let ran = desk.run(json!([call_agent("helper", steps), { "keys": "" }])).await.unwrap();
    let log = log(&ran);
    assert_eq!((&log[0]["log"][0], &log[1]), (&json!({ "count": 1 }), &json!([])), "its state is its own: {log:?}");
    let called = desk.called_by(ran.session).await;
    let (child, caller) = (&called[0], called[0].caller.as_ref().unwrap());
    assert_eq!((called.len(), child.agent.as_str(), child.status), (1, "helper", Status::Idle));
    assert_eq!((caller.session, caller.root, caller.chain.as_slice()), (ran.session, ran.session, ["scripted".to_owned()].as_slice()));
    let context = &log[0]["log"][2];
    assert_eq!(context["delegation"], json!(["scripted"]));
    assert_eq!(context["session"], json!(child.id.to_string()));
    assert_eq!(context["idempotency_key"], json!(caller.key));
    assert_eq!(desk.executions(), [format!("strike {}.0.0.0 inside", child.id)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_of_a_group_run_and_fail_each_for_itself() {
    let (_folder, desk) = desk(trusting()).await;
    let of = |steps: Value| json!({ "tool": "agents/helper", "arguments": { "steps": steps } });
    let group = json!({ "group": [of(json!([call("bump", "a")])), of(json!([{ "fail": "no" }])), { "tool": "agents/nobody" }] });
    let ran = desk.run(json!([group])).await.unwrap();
    let results = log(&ran).remove(0);
    let of = |number: u64| results.as_array().unwrap().iter().find(|one| one["call"] == number).unwrap()["outcome"].clone();
    assert_eq!(of(0), json!({ "log": [{ "count": 1 }] }));
    assert_eq!(of(1), json!({ "error": "failed", "message": "`helper`: no" }));
    assert_eq!(of(2)["error"], "invalid-arguments");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_called_agent_that_waits_makes_its_caller_wait_and_goes_on_with_it() {
    for group in [false, true] {
        let setup = || Setup { ask: vec!["strike".to_owned()], ..trusting() };
        let (folder, desk) = desk(setup()).await;
        let step = call_agent("helper", json!([call("strike", "it")]));
        let step = if group { json!({ "group": [step["call"], { "tool": "counter/read_count" }] }) } else { step };
        let ran = desk.run(json!([step])).await.unwrap();
        let wait = waiting(&ran);
        let row = desk.row(ran.session).await;
        assert_eq!((row.status, row.detail.as_str()), (Status::Waiting, "scripted → helper: `helper` wants to call `counter/strike`"));
        let caller = wait.caller.as_ref().unwrap();
        assert_eq!(
            (wait.agent.as_str(), caller.root, caller.chain.as_slice()),
            ("helper", ran.session, ["scripted".to_owned()].as_slice())
        );
        assert!(matches!(desk.resume(ran.session).await.unwrap().end, TurnEnd::Waiting(_)));
        desk.host.decide(&desk.ada(), "desk", wait.id, Verdict::Approve(None)).await.unwrap();
        drop(desk);
        let desk = Desk::open(folder.path(), setup()).await;
        let done = desk.resume(ran.session).await.unwrap();
        assert!(log(&done)[0].to_string().contains(r#"{"log":[{"count":1}]}"#), "{:?}", log(&done));
        assert_eq!((desk.executions().len(), desk.called_by(ran.session).await.len()), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_called_agent_that_goes_on_alone_leaves_its_result_to_its_caller() {
    let (_folder, desk) = desk(trusting()).await;
    let ran = desk.run(json!([call_agent("helper", json!([{ "input": "which?" }, call("strike", "it")]))])).await.unwrap();
    let child = waiting(&ran).session;
    let ada = desk.ada();
    let alone = desk.go_with(&ada, "helper", Some(child), Some("this one"), None).await.unwrap();
    assert_eq!(log(&alone), [json!("this one"), json!({ "count": 1 })]);
    let error = desk.go_with(&ada, "helper", Some(child), Some(&script(json!([]))), None).await.unwrap_err();
    assert!(error.message.contains("takes no inputs of its own"), "{error}");
    assert_eq!(log(&desk.resume(ran.session).await.unwrap()), [json!({ "log": ["this one", { "count": 1 }] })]);
    assert_eq!(desk.executions().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_waits_with_patience_notices_the_decision() {
    let (folder, desk) = desk(trusting()).await;
    let input = script(json!([call_agent("helper", json!([{ "input": "which?" }]))]));
    let ada = desk.ada();
    let request = remit_runtime::RunRequest {
        project: "desk",
        agent: "scripted",
        session: None,
        name: None,
        input: Some(&input),
        key: None,
        patience: remit_runtime::Patience { people: true, time: Duration::ZERO },
        events: None,
    };
    let other = Desk::open(folder.path(), trusting()).await;
    let person = async {
        loop {
            let waits = other.host.waits(&other.ada(), "desk", None, false).await.unwrap();
            if let Some(wait) = waits.first() {
                return other.host.decide(&other.ada(), "desk", wait.id, Verdict::Input("this".to_owned())).await.unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    let (ran, ()) = tokio::join!(desk.host.run(&ada, &request), person);
    assert_eq!(log(&ran.unwrap()), [json!({ "log": ["this"] })]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_an_agent_that_was_cut_off_goes_on_and_repeats_nothing() {
    let (folder, desk) = desk(trusting()).await;
    let slow = json!({ "call": { "tool": "counter/slow", "arguments": { "ms": 25_000 } } });
    let input = script(json!([call_agent("helper", json!([call("strike", "first"), slow, call("bump", "last")]))]));
    tokio::select! {
        _ = desk.go(None, Some(&input), Some("k")) => panic!("it takes longer"),
        () = async { while desk.executions().len() < 2 { tokio::task::yield_now().await } } => {}
    }
    drop(desk);
    let desk = Desk::open(folder.path(), trusting()).await;
    let ran = desk.go(None, Some(&input), Some("k")).await.unwrap();
    let inside = &log(&ran)[0]["log"];
    assert_eq!((&inside[0], &inside[1]["error"], &inside[2]), (&json!({ "count": 1 }), &json!("in-doubt"), &json!({ "count": 3 })));
    let tools: Vec<_> = executions(folder.path()).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(tools, ["strike", "slow", "bump"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_neither_shares_the_session_of_a_call_nor_does_its_work_again() {
    let (_folder, desk) = desk(trusting()).await;
    let inside = json!([call("strike", "it"), { "input": "?" }]);
    let ran = desk.run(json!([call_agent("helper", inside)])).await.unwrap();
    let fork = desk.host.fork(&desk.ada(), "desk", ran.session, None).await.unwrap();
    assert_eq!(log(&desk.resume(fork.id).await.unwrap())[0]["error"], "in-doubt");
    assert_eq!((desk.called_by(fork.id).await.len(), desk.executions().len()), (0, 1));
    assert_eq!(desk.row(waiting(&ran).session).await.status, Status::Waiting, "the one that it was forked from goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn m19_a_called_agent_may_call_only_what_its_caller_may() {
    let (_folder, desk) = desk(setup("tools agents/helper\ntools counter/bump", "tools counter/*")).await;
    let inside = json!([call("bump", "both"), call("strike", "not the boss")]);
    let ran = desk.run(json!([call_agent("helper", inside.clone()), call_agent("scripted", json!([]))])).await.unwrap();
    let log = log(&ran);
    assert_eq!((&log[0]["log"][0], &log[0]["log"][1]["error"]), (&json!({ "count": 1 }), &json!("denied")), "{log:?}");
    assert!(log[0]["log"][1]["message"].as_str().unwrap().contains("`scripted` may not call counter/strike"), "{log:?}");
    assert_eq!(log[1]["error"], "denied", "only the agents that it was granted");
    let fixes: Vec<_> = ran.denials.iter().filter_map(remit_core::grant::Denial::command).collect();
    assert_eq!(fixes, ["remit grant scripted tools counter/strike", "remit grant scripted tools agents/scripted"]);

    let role = Role::Tools(["scripted/*", "counter/*"].map(|tool| tool.parse().unwrap()).into());
    let ran = desk.go_as(role, None, Some(&script(json!([call_agent("helper", inside)]))), None).await.unwrap();
    assert_eq!(remit_tests::desk::log(&ran)[0]["error"], "denied", "the role needs the agent as well");
    assert_eq!(desk.executions().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn m19_a_called_agent_keeps_the_narrowing_when_it_goes_on_alone() {
    let (folder, desk) = desk(setup("tools agents/helper\ntools counter/bump", "tools counter/*")).await;
    let inside = json!([{ "input": "?" }, call("bump", "b"), call("strike", "s")]);
    let ran = desk.run(json!([call_agent("helper", inside.clone())])).await.unwrap();
    let child = waiting(&ran).session;
    drop(desk);
    // What the boss was given since does not count, and what it lost does.
    let desk = Desk::open(folder.path(), trusting()).await;
    let alone = desk.go_with(&desk.ada(), "helper", Some(child), Some("x"), None).await.unwrap();
    assert_eq!((&log(&alone)[1], &log(&alone)[2]["error"]), (&json!({ "count": 1 }), &json!("denied")));
    let ran = desk.run(json!([call_agent("helper", inside)])).await.unwrap();
    let child = waiting(&ran).session;
    drop(desk);
    let desk = Desk::open(folder.path(), setup("tools agents/helper", "tools counter/*")).await;
    let alone = desk.go_with(&desk.ada(), "helper", Some(child), Some("x"), None).await.unwrap();
    assert_eq!((&log(&alone)[1]["error"], &log(&alone)[2]["error"]), (&json!("denied"), &json!("denied")));
    assert_eq!(desk.executions().len(), 1);
}

/// Steps that call `scripted` within itself, so many deep.
fn nested(depth: usize) -> Value {
    (0..depth).fold(json!([]), |inner, _| json!([call_agent("scripted", inner)]))
}

/// How many calls of a nested log ended well, and how the innermost one ended.
fn depth(log: &Value) -> (usize, Value) {
    let (mut depth, mut entry) = (0, &log[0]);
    while let Some(inner) = entry.get("log") {
        (depth, entry) = (depth + 1, &inner[0]);
    }
    (depth, entry.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn m23_an_agent_that_calls_itself_ends_at_the_depth_bound() {
    let (_folder, desk) = desk(trusting()).await;
    let ran = desk.run(nested(DELEGATION_MAX_DEPTH + 2)).await.unwrap();
    let (deep, end) = depth(&json!(log(&ran)));
    assert_eq!((deep, &end["error"]), (DELEGATION_MAX_DEPTH, &json!("limit")), "{end}");
    assert!(end["message"].as_str().unwrap().contains("deep"), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn m23_chains_of_agents_do_not_wait_for_each_others_places() {
    let (_folder, desk) = desk(Setup { pool: Some(2), ..trusting() }).await;
    let chains = async { tokio::join!(desk.run(nested(DELEGATION_MAX_DEPTH)), desk.run(nested(DELEGATION_MAX_DEPTH))) };
    let (one, other) = tokio::time::timeout(Duration::from_secs(60), chains).await.expect("neither waits for the other");
    for ran in [one.unwrap(), other.unwrap()] {
        assert_eq!(depth(&json!(log(&ran))), (DELEGATION_MAX_DEPTH, Value::Null));
    }
    let of = |_| json!({ "tool": "agents/scripted", "arguments": { "steps": nested(2) } });
    let group = json!({ "group": (0..6).map(of).collect::<Vec<_>>() });
    let wide = async { tokio::join!(desk.run(json!([group.clone()])), desk.run(json!([group.clone()]))) };
    let (one, other) = tokio::time::timeout(Duration::from_secs(60), wide).await.expect("neither waits for the other");
    for ran in [one.unwrap(), other.unwrap()] {
        assert!(!log(&ran)[0].to_string().contains("error"), "{:?}", log(&ran));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m23_an_outermost_turn_calls_only_so_many_agents() {
    let (_folder, desk) = desk(trusting()).await;
    let steps = json!([{ "repeat": { "times": CALLED_SESSIONS_MAX / 2, "steps": [call_agent("helper", nested(1))] } },
        call_agent("helper", json!([]))]);
    let setup = setup("tools agents/*", "tools agents/*");
    drop(desk);
    let (_folder, desk) = self::desk(setup).await;
    let ran = desk.run(steps).await.unwrap();
    let entries = log(&ran);
    assert!(!entries[0].to_string().contains("error"), "{entries:?}");
    assert_eq!(entries[1]["error"], "limit", "{:?}", entries[1]);
    let next = desk.more(ran.session, json!([call_agent("helper", json!([]))])).await.unwrap();
    assert_eq!(log(&next), [json!({ "log": [] })], "each turn has its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_called_session_is_another_principals_no_more_than_its_caller_and_goes_with_it() {
    let (_folder, desk) = desk(trusting()).await;
    let ran = desk.run(json!([call_agent("helper", json!([{ "input": "?" }]))])).await.unwrap();
    let child = waiting(&ran).session;
    let role = Role::Tools(vec!["*/*".parse().unwrap()]);
    let bob = desk.host.context("user:bob".parse().unwrap(), role).unwrap();
    assert_eq!(desk.go_with(&bob, "helper", Some(child), None, None).await.unwrap_err().kind, Kind::NotFound);
    assert_eq!(desk.host.erase(&desk.ada(), "desk", child).await.unwrap_err().kind, Kind::Conflict);
    desk.host.erase(&desk.ada(), "desk", ran.session).await.unwrap();
    assert_eq!(desk.host.session(&desk.ada(), "desk", child).await.unwrap_err().kind, Kind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_stops_what_was_called_within_its_tool_and_an_ended_turn_leaves_nothing_waiting() {
    let (folder, desk) = desk(trusting()).await;
    let session = desk.run(json!([])).await.unwrap().session;
    let hangs = json!([call_agent("helper", json!([{ "call": { "tool": "counter/slow", "arguments": { "ms": 25_000 } } }]))]);
    let other = Desk::open(folder.path(), trusting()).await;
    let killer = async {
        while desk.executions().is_empty() {
            tokio::task::yield_now().await;
        }
        other.host.kill(&other.ada(), "desk", session).await.unwrap();
    };
    let (ended, ()) = tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(desk.more(session, hangs), killer) })
        .await
        .expect("it ends long before the call would");
    assert_eq!(ended.unwrap_err().code, Some("E-KILLED"));
    assert_eq!(desk.called_by(session).await[0].status, Status::Killed);

    let ran = desk.run(json!([call_agent("helper", json!([{ "input": "?" }]))])).await.unwrap();
    let wait = waiting(&ran);
    desk.host.abandon(&desk.ada(), "desk", ran.session).await.unwrap();
    assert_eq!(desk.row(wait.session).await.status, Status::Killed);
    assert_eq!(desk.host.wait(&desk.ada(), "desk", wait.id).await.unwrap().state, WaitState::Cancelled);
}
