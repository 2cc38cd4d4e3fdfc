//! A turn from its input to its output, and what is left of it.

use std::time::Duration;

use remit_core::{Kind, journal::Body, limit::CallLimits, store::Status};
use remit_runtime::TurnEnd;
use remit_tests::desk::{Desk, Setup, call, log, script};
use serde_json::json;

async fn desk() -> (tempfile::TempDir, Desk) {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    (folder, desk)
}

fn failure(end: &TurnEnd) -> (Kind, String) {
    match end {
        TurnEnd::Failed(error) => (error.kind, error.message.clone()),
        other => panic!("the turn did not fail: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_calls_tools_and_its_output_is_kept() {
    let (_folder, desk) = desk().await;
    let ran = desk.run(json!([call("bump", "a"), call("strike", "b"), call("read_count", "")])).await.unwrap();
    assert_eq!(log(&ran), [json!({ "count": 1 }), json!({ "count": 2 }), json!({ "count": 2 })]);
    let keys: Vec<_> = desk.executions().iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(keys, [format!("{}.0.0.0", ran.session), format!("{}.0.0.1", ran.session)]);
    let row = desk.row(ran.session).await;
    assert_eq!((row.status, row.turns), (Status::Idle, 1));
    let records = desk.host.journal(&desk.ada(), "desk", ran.session, 0).await.unwrap();
    assert!(matches!(records.first().unwrap().body, Body::TurnStart(_)));
    assert!(matches!(records.last().unwrap().body, Body::TurnEnd { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gives_the_recorded_result_and_another_input_is_a_conflict() {
    let (folder, desk) = desk().await;
    let input = script(json!([call("strike", "once")]));
    let first = desk.go(None, Some(&input), Some("monday")).await.unwrap();
    drop(desk);
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let again = desk.go(None, Some(&input), Some("monday")).await.unwrap();
    assert_eq!((again.session, log(&again)), (first.session, log(&first)));
    assert_eq!(desk.executions().len(), 1);
    let other = desk.go(None, Some(&script(json!([call("strike", "twice")]))), Some("monday")).await.unwrap_err();
    assert_eq!(other.kind, Kind::Conflict);
    assert_eq!(desk.executions().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn state_lasts_from_turn_to_turn_and_a_failed_turn_leaves_none() {
    let (folder, desk) = desk().await;
    let ran = desk.run(json!([{ "put": { "key": "a", "value": 1 } }, { "get": "a" }])).await.unwrap();
    assert_eq!(log(&ran)[1], json!(1));
    let failed = desk.more(ran.session, json!([{ "put": { "key": "a", "value": 2 } }, { "fail": "not today" }])).await.unwrap();
    assert_eq!(failure(&failed.end), (Kind::Guest, "not today".to_owned()));
    drop(desk);
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let last = desk.more(ran.session, json!([{ "get": "a" }, { "keys": "" }, { "delete": "a" }, { "keys": "" }])).await.unwrap();
    assert_eq!(log(&last), [json!(1), json!(["a"]), json!(null), json!([])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_a_group_run_side_by_side_and_each_result_comes_once() {
    let (_folder, desk) = desk().await;
    let group = json!({ "group": [
        { "tool": "counter/slow", "arguments": { "ms": 150 } },
        { "tool": "counter/read_count" },
        { "tool": "counter/nothing" },
    ] });
    let ran = desk.run(json!([group])).await.unwrap();
    let results = log(&ran).remove(0);
    let mut numbers: Vec<_> = results.as_array().unwrap().iter().map(|one| one["call"].as_u64().unwrap()).collect();
    assert_eq!(numbers.last(), Some(&0), "the slow one ends last: {results}");
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2]);
    let unknown = results.as_array().unwrap().iter().find(|one| one["call"] == 2).unwrap();
    assert_eq!(unknown["outcome"]["error"], "invalid-arguments");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_refused_what_it_was_not_granted_and_the_host_says_what_would_allow_it() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup { tools: Some("tools counter/read_count".to_owned()), ..Setup::default() };
    let desk = Desk::open(folder.path(), setup).await;
    let ran = desk.run(json!([call("read_count", ""), call("strike", "x")])).await.unwrap();
    assert_eq!((&log(&ran)[0], &log(&ran)[1]["error"]), (&json!({ "count": 0 }), &json!("denied")));
    assert_eq!(ran.denials[0].command().as_deref(), Some("remit grant scripted tools counter/strike"));
    assert!(desk.executions().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_agent_is_called_as_a_tool() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup { tools: Some("tools */*".to_owned()), ..Setup::default() }).await;
    let ran = desk.run(json!([{ "call": { "tool": "scripted/scripted" } }])).await.unwrap();
    assert!(log(&ran)[0]["message"].as_str().unwrap().contains("is an agent"), "{:?}", log(&ran));
    let outcome = desk.host.call(&desk.ada(), &remit_runtime::Request::new("desk", "scripted", "scripted", "{}")).await;
    assert_eq!(outcome.result.unwrap_err().hints, ["remit run scripted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_loops_traps_or_takes_too_much_fails_and_its_session_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let limits = CallLimits { memory_mib: 16, deadline_ms: 200, output_kib: 64, ..CallLimits::default() };
    let desk = Desk::open(folder.path(), Setup { limits: Some(limits), ..Setup::default() }).await;
    let session = desk.run(json!([])).await.unwrap().session;
    for (step, kind) in [
        (json!({ "loop": true }), Kind::Limit),
        (json!({ "trap": true }), Kind::Guest),
        (json!({ "grow": 64 }), Kind::Limit),
        (json!({ "big": 50_000_000 }), Kind::Limit),
        (json!({ "big": 100_000 }), Kind::Limit),
    ] {
        let ran = desk.more(session, json!([step])).await.unwrap();
        assert_eq!(failure(&ran.end).0, kind, "{step}: {:?}", ran.end);
        assert_eq!(desk.row(session).await.status, Status::Idle);
    }
    assert_eq!(log(&desk.more(session, json!([call("bump", "after")])).await.unwrap()), [json!({ "count": 1 })]);
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_that_do_not_fit_make_no_session() {
    let (_folder, desk) = desk().await;
    for input in ["no json", "{}", "{\"steps\": [{\"jump\": 1}]}"] {
        assert_eq!(desk.go(None, Some(input), None).await.unwrap_err().kind, Kind::Invalid, "{input}");
    }
    let filter = remit_core::store::SessionFilter { project: "desk".to_owned(), limit: 10, ..Default::default() };
    assert_eq!(desk.host.sessions(&desk.ada(), filter).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_clock_is_the_journals_and_its_randomness_the_turns() {
    let (_folder, desk) = desk().await;
    let ran = desk.run(json!([{ "now": true }, { "random": 2 }, call("bump", ""), { "now": true }])).await.unwrap();
    let log = log(&ran);
    let records = desk.host.journal(&desk.ada(), "desk", ran.session, 0).await.unwrap();
    assert_eq!(log[0], json!({ "ms": records[0].at.0, "elapsed_ms": 0 }));
    let ended = records.iter().find(|record| matches!(record.body, Body::End { .. })).unwrap().at.0;
    assert_eq!(log[3], json!({ "ms": ended, "elapsed_ms": ended - records[0].at.0 }));
    assert_ne!(log[1][0], log[1][1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_session_has_one_owner_and_is_killed_at_once_wherever_it_hangs() {
    let (folder, desk) = desk().await;
    let other = Desk::open(folder.path(), Setup::default()).await;
    let session = desk.run(json!([])).await.unwrap().session;
    let hangs = json!([{ "call": { "tool": "counter/slow", "arguments": { "ms": 25_000 } } }]);
    let killer = async {
        while desk.executions().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(other.resume(session).await.unwrap_err().kind, Kind::Conflict);
        other.host.kill(&other.ada(), "desk", session).await.unwrap();
    };
    let (ended, ()) = tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(desk.more(session, hangs), killer) })
        .await
        .expect("it ends long before the call would");
    let error = ended.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (Kind::Conflict, "the session was killed by `user:ada`"));
    assert_eq!(other.more(session, json!([])).await.unwrap_err().kind, Kind::Conflict);
    assert_eq!(other.row(session).await.status, Status::Killed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_was_cut_off_goes_on_elsewhere_and_repeats_nothing() {
    let (folder, desk) = desk().await;
    let steps =
        json!([call("strike", "first"), { "call": { "tool": "counter/slow", "arguments": { "ms": 25_000 } } }, call("strike", "last")]);
    let input = script(steps);
    tokio::select! {
        _ = desk.go(None, Some(&input), Some("k")) => panic!("it takes longer"),
        () = async { while desk.executions().len() < 2 { tokio::task::yield_now().await } } => {}
    }
    drop(desk);
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let ran = desk.go(None, Some(&input), Some("k")).await.unwrap();
    assert_eq!(
        (&log(&ran)[0], &log(&ran)[1]["error"], &log(&ran)[2]),
        (&json!({ "count": 1 }), &json!("in-doubt"), &json!({ "count": 3 }))
    );
    let tools: Vec<_> = desk.executions().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(tools, ["strike", "slow", "strike"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_principals_session_is_not_there() {
    let (_folder, desk) = desk().await;
    let session = desk.run(json!([])).await.unwrap().session;
    let role = remit_core::identity::Role::Tools(vec!["scripted/*".parse().unwrap(), "counter/*".parse().unwrap()]);
    let bob = desk.host.context("user:bob".parse().unwrap(), role).unwrap();
    let request = remit_runtime::RunRequest {
        project: "desk",
        agent: "scripted",
        session: Some(session),
        name: None,
        input: Some("{\"steps\": []}"),
        key: None,
        patience: Default::default(),
        events: None,
    };
    let run = desk.host.run(&bob, &request).await.unwrap_err();
    let seen = desk.host.session(&bob, "desk", session).await.unwrap_err();
    let killed = desk.host.kill(&bob, "desk", session).await.unwrap_err();
    let absent = desk.host.session(&bob, "desk", remit_core::id::SessionId::new(remit_core::clock::Timestamp(1), 1)).await.unwrap_err();
    for error in [run, seen, killed] {
        assert_eq!((error.kind, error.message.split('`').next()), (absent.kind, absent.message.split('`').next()));
    }
}
