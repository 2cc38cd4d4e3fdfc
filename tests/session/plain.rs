//! Plain calls that belong to a session: the promises of an agent's calls hold for them.

use std::{path::Path, sync::Arc, time::Duration};

use remit_core::{
    Kind, Result,
    audit::{AuditRecord, AuditSink, Keep},
    id::SessionId,
    identity::{Context, Role},
    journal::{Body, Record},
    limit::{SERIES_WAITS_MAX, SESSION_ARGUMENTS_MAX_BYTES},
    plugin::NO_AGENT,
    store::{Later, Status, WaitState},
};
use remit_runtime::{CallEnd, Outcome, Request, Verdict};
use remit_tests::desk::{Desk, Setup};
use serde_json::{Value, json};

/// Calls a tool of `counter` in `session`, as `user:ada`.
pub async fn call(desk: &Desk, session: SessionId, tool: &str, arguments: Value, key: Option<&str>) -> Result<CallEnd> {
    call_as(desk, &desk.ada(), session, tool, arguments, key).await
}

async fn call_as(desk: &Desk, who: &Context, session: SessionId, tool: &str, arguments: Value, key: Option<&str>) -> Result<CallEnd> {
    let arguments = arguments.to_string();
    desk.host.call_in(who, &Request::new("desk", "counter", tool, &arguments), session, key).await
}

/// The outcome of a call that ended.
pub fn ended(end: Result<CallEnd>) -> Outcome {
    match end.expect("it is made") {
        CallEnd::Ended(outcome) => *outcome,
        CallEnd::Waiting(wait) => panic!("it waits for {}", wait.title),
    }
}

/// What a call told.
fn told(end: Result<CallEnd>) -> Value {
    let output = ended(end).result.expect("it ends well");
    output.structured.clone().unwrap_or_else(|| json!(output.text()))
}

fn failed(end: Result<CallEnd>) -> remit_core::Error {
    ended(end).result.expect_err("it fails")
}

async fn session(desk: &Desk, name: &str) -> SessionId {
    desk.host.session_for_calls(&desk.ada(), "desk", Some(name)).await.expect("a session")
}

async fn journal(desk: &Desk, session: SessionId) -> Vec<Record> {
    desk.host.journal(&desk.ada(), "desk", session, 0).await.expect("a journal")
}

fn kinds(records: &[Record]) -> Vec<&'static str> {
    let kind = |record: &Record| match record.body {
        Body::TurnStart(_) => "start",
        Body::Call { .. } => "call",
        Body::Wait { .. } => "wait",
        Body::End { .. } => "end",
        Body::Workspaces { .. } => "workspaces",
        Body::TurnEnd { .. } => "turn-end",
        _ => "other",
    };
    records.iter().map(kind).collect()
}

fn with_workspace() -> Setup {
    Setup { counter: vec!["workspace write scope=session".to_owned()], ..Setup::default() }
}

fn asking() -> Setup {
    Setup { ask: vec!["strike".to_owned()], ..Setup::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_that_changes_something_is_a_turn() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let id = session(&desk, "line").await;
    assert_eq!(told(call(&desk, id, "bump", json!({ "note": "a" }), None).await), json!({ "count": 1 }));
    assert_eq!(told(call(&desk, id, "strike", json!({ "note": "b" }), None).await), json!({ "count": 2 }));
    let records = journal(&desk, id).await;
    assert_eq!(kinds(&records), ["start", "call", "end", "turn-end", "start", "call", "end", "turn-end"]);
    let row = desk.row(id).await;
    assert_eq!((row.agent.as_str(), row.turns, row.status), (NO_AGENT, 2, Status::Idle));
    assert_eq!(session(&desk, "line").await, id, "the name goes on with it");
    assert_eq!(desk.executions(), [format!("bump {id}.0.0.0 a"), format!("strike {id}.0.4.0 b")], "each has its key");
}

/// What only reads does not wait for the disk, and is there all the same.
#[tokio::test(flavor = "multi_thread")]
async fn calls_that_read_share_a_turn_and_are_recorded_behind_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let id = session(&desk, "line").await;
    for _ in 0..3 {
        assert_eq!(told(call(&desk, id, "read_count", json!({}), None).await), json!({ "count": 0 }));
    }
    desk.host.rest().await;
    let records = journal(&desk, id).await;
    assert_eq!(kinds(&records).iter().filter(|kind| **kind == "end").count(), 3, "{records:?}");
    assert_eq!(kinds(&records).last(), Some(&"turn-end"));
    assert_eq!(desk.row(id).await.status, Status::Idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gives_the_recorded_result_and_another_call_is_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let id = {
        let desk = Desk::open(folder.path(), Setup::default()).await;
        let id = session(&desk, "line").await;
        for tool in ["strike", "strike", "bump", "read_count"] {
            let arguments = if tool == "read_count" { json!({}) } else { json!({ "note": "a" }) };
            let first = told(call(&desk, id, tool, arguments.clone(), Some(tool)).await);
            assert_eq!(told(call(&desk, id, tool, arguments, Some(tool)).await), first);
        }
        let other = call(&desk, id, "strike", json!({ "note": "b" }), Some("strike")).await.expect_err("another call");
        assert_eq!((other.kind, other.message.as_str()), (Kind::Conflict, "the key was used for another call"));
        desk.host.rest().await;
        id
    };
    let desk = Desk::open(folder.path(), Setup::default()).await;
    assert_eq!(told(call(&desk, id, "strike", json!({ "note": "a" }), Some("strike")).await), json!({ "count": 1 }), "in another process");
    let other = call(&desk, id, "bump", json!({ "note": "a" }), Some("strike")).await.expect_err("another call");
    assert_eq!(other.kind, Kind::Conflict);
    assert_eq!(desk.executions().len(), 2);
}

/// Also where the first one still runs.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_at_the_same_time_is_one_call() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let id = session(&desk, "line").await;
    let slow = || call(&desk, id, "slow", json!({ "ms": 300, "note": "a" }), Some("k"));
    let (one, two, other) = tokio::join!(slow(), slow(), async {
        while desk.executions().is_empty() {
            tokio::task::yield_now().await;
        }
        call(&desk, id, "slow", json!({ "ms": 1, "note": "b" }), Some("k")).await
    });
    assert_eq!(told(one), told(two));
    assert_eq!(other.expect_err("another call").kind, Kind::Conflict);
    assert_eq!(desk.executions().len(), 1);
}

/// A slow call holds no other one up, whatever their effect.
#[tokio::test(flavor = "multi_thread")]
async fn calls_of_one_session_run_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let id = session(&desk, "line").await;
    let quick = async {
        while desk.executions().is_empty() {
            tokio::task::yield_now().await;
        }
        for number in 0..5 {
            told(call(&desk, id, "read_count", json!({}), None).await);
            told(call(&desk, id, "strike", json!({ "note": number.to_string() }), None).await);
        }
        let records = journal(&desk, id).await;
        assert!(!kinds(&records).contains(&"turn-end"), "the slow one runs still: {:?}", kinds(&records));
    };
    let (slow, ()) = tokio::join!(call(&desk, id, "slow", json!({ "ms": 3000, "note": "s" }), None), quick);
    told(slow);
    let records = journal(&desk, id).await;
    assert_eq!(kinds(&records).iter().filter(|kind| **kind == "turn-end").count(), 1);
    let mut keys: Vec<_> = desk.executions().iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 6, "each has a key of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_needs_an_approval_waits_and_runs_once_when_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), asking()).await;
    let id = session(&desk, "line").await;
    let strike = |key: Option<&'static str>| call(&desk, id, "strike", json!({ "note": "a" }), key);
    let CallEnd::Waiting(wait) = strike(None).await.expect("a call") else { panic!("nobody was asked") };
    assert_eq!(wait.title, "`user:ada` wants to call `counter/strike`");
    let CallEnd::Waiting(again) = strike(None).await.expect("a call") else { panic!("it was made") };
    assert_eq!(again.id, wait.id, "it is asked for once");
    told(call(&desk, id, "bump", json!({ "note": "beside" }), None).await);
    assert_eq!(desk.waits(id).await[0].state, WaitState::Open, "another call ends its turn, and leaves the approval");
    desk.host.decide(&desk.ada(), "desk", wait.id, Verdict::Approve(None)).await.expect("a yes");
    let CallEnd::Waiting(other) = call(&desk, id, "strike", json!({ "note": "other" }), None).await.expect("a call") else {
        panic!("a yes holds for one call's arguments alone")
    };
    assert_ne!(other.id, wait.id);
    assert_eq!(told(strike(Some("k")).await), json!({ "count": 2 }));
    assert_eq!(told(strike(Some("k")).await), json!({ "count": 2 }), "the key names it from now on");
    let CallEnd::Waiting(next) = strike(None).await.expect("a call") else { panic!("a yes is used once") };
    assert_ne!(next.id, wait.id);
    desk.host.decide(&desk.ada(), "desk", next.id, Verdict::Deny(Some("not today".to_owned()))).await.expect("a no");
    let denied = failed(strike(None).await);
    assert_eq!((denied.kind, denied.message.as_str()), (Kind::Denied, "`user:ada` said no: not today"));
    assert_eq!(desk.executions().iter().filter(|line| line.starts_with("strike")).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_expires_and_holds_for_one_component() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), asking()).await;
    let id = session(&desk, "line").await;
    let arguments = json!({ "note": "a" });
    let CallEnd::Waiting(_) = call(&desk, id, "strike", arguments.clone(), None).await.expect("a call") else { panic!("nobody was asked") };
    desk.clock.forward(Duration::from_secs(25 * 3600));
    assert_eq!(failed(call(&desk, id, "strike", arguments.clone(), None).await).message, "nobody decided in time");
    let CallEnd::Waiting(wait) = call(&desk, id, "strike", arguments.clone(), None).await.expect("a call") else { panic!("it was made") };
    desk.host.decide(&desk.ada(), "desk", wait.id, Verdict::Approve(None)).await.expect("a yes");
    desk.host.rest().await;
    drop(desk);
    let desk = Desk::open(folder.path(), Setup { changed: true, ..asking() }).await;
    let CallEnd::Waiting(anew) = call(&desk, id, "strike", arguments, None).await.expect("a call") else { panic!("it was made") };
    assert_ne!(anew.id, wait.id);
    assert!(desk.executions().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_flooded_with_approvals() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), asking()).await;
    let id = session(&desk, "line").await;
    for number in 0..=SERIES_WAITS_MAX {
        let end = call(&desk, id, "strike", json!({ "note": number.to_string() }), None).await;
        match number {
            SERIES_WAITS_MAX => assert_eq!(end.expect_err("too many").kind, Kind::Limit),
            _ => assert!(matches!(end, Ok(CallEnd::Waiting(_))), "{end:?}"),
        }
    }
    assert_eq!(desk.waits(id).await.len(), SERIES_WAITS_MAX);
}

/// A role that may not call a tool, and arguments that do not fit, ask nobody.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_anyway_is_asked_of_nobody_and_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), asking()).await;
    let id = session(&desk, "line").await;
    let member = desk.host.context("user:ada".parse().unwrap(), Role::Tools(Vec::new())).unwrap();
    let refused = ended(call_as(&desk, &member, id, "strike", json!({ "note": "a" }), None).await);
    assert_eq!(refused.result.expect_err("no right").kind, Kind::Denied);
    assert_eq!(refused.denials.len(), 1);
    assert_eq!(failed(call(&desk, id, "strike", json!({ "note": 7 }), None).await).kind, Kind::Invalid);
    assert!(desk.waits(id).await.is_empty());
    desk.host.rest().await;
    assert_eq!(kinds(&journal(&desk, id).await), ["start", "call", "end", "call", "end", "turn-end"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workspace_of_the_session_is_captured_and_goes_back_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), with_workspace()).await;
    let id = session(&desk, "line").await;
    for text in ["one", "two"] {
        told(call(&desk, id, "put", json!({ "path": "a", "text": text }), None).await);
    }
    assert_eq!(told(call(&desk, id, "look", json!({ "path": "a" }), None).await), json!("two"));
    let elsewhere = session(&desk, "other").await;
    assert_eq!(told(call(&desk, elsewhere, "look", json!({ "path": "a" }), None).await), json!("nothing"));
    desk.host.rest().await;
    let fork = desk.host.fork(&desk.ada(), "desk", id, Some(4)).await.expect("a fork").id;
    assert_eq!(told(call(&desk, fork, "look", json!({ "path": "a" }), None).await), json!("one"), "as it was then");
    desk.host.revert(&desk.ada(), "desk", id, 1).await.expect("a revert");
    assert_eq!(told(call(&desk, id, "look", json!({ "path": "a" }), None).await), json!("one"));
    desk.host.rest().await;
    desk.host.erase(&desk.ada(), "desk", fork).await.expect("it is erased");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_result_is_kept_by_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let id = session(&desk, "line").await;
    let output = ended(call(&desk, id, "tell", json!({ "bytes": 3 << 20 }), Some("k")).await).result.expect("a result");
    let shown = serde_json::to_value(&output).expect("JSON");
    assert!(shown["content"][1]["uri"].as_str().expect("a link").starts_with(&format!("remit://session/{id}/output/")), "{shown}");
    desk.host.rest().await;
    let content = desk.host.content(&desk.ada(), "desk", id).await.expect("content");
    assert_eq!(content.outputs.len(), 1);
    let again = ended(call(&desk, id, "tell", json!({ "bytes": 3 << 20 }), Some("k")).await).result.expect("a result");
    assert_eq!(again, output);
}

/// The largest arguments fit into a record however they are escaped; larger ones are refused before anything runs.
#[tokio::test(flavor = "multi_thread")]
async fn arguments_of_a_call_in_a_session_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let id = session(&desk, "line").await;
    let room = SESSION_ARGUMENTS_MAX_BYTES - json!({ "note": "" }).to_string().len();
    told(call(&desk, id, "bump", json!({ "note": "\\".repeat(room / 2) }), None).await);
    let large = call(&desk, id, "bump", json!({ "note": "x".repeat(room + 1) }), None).await.expect_err("too large");
    assert_eq!(large.kind, Kind::Limit);
    let key = call(&desk, id, "bump", json!({}), Some(&"k".repeat(257))).await.expect_err("too long");
    assert_eq!((key.kind, desk.executions().len()), (Kind::Invalid, 1));
}

/// It is there for nobody else, an owner included.
#[tokio::test(flavor = "multi_thread")]
async fn another_principals_session_cannot_be_told_from_none() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let id = session(&desk, "line").await;
    told(call(&desk, id, "bump", json!({}), None).await);
    let absent = SessionId::new(desk.row(id).await.created, 1);
    let bob = desk.host.context("user:bob".parse().unwrap(), Role::Owner).unwrap();
    let words = |id: SessionId, error: remit_core::Error| format!("{error:?}").replace(&id.to_string(), "ID");
    let mut said = Vec::new();
    for id in [id, absent] {
        said.push(words(id, call_as(&desk, &bob, id, "bump", json!({}), None).await.expect_err("it is not there")));
        said.push(words(id, desk.host.session_for_calls(&bob, "desk", Some(&id.to_string())).await.expect_err("it is not there")));
        said.push(words(id, desk.host.take_up(&bob, "desk", id).await.expect_err("it is not there")));
    }
    assert!(said[0].contains("there is no session"), "{said:?}");
    assert!(said.iter().all(|one| *one == said[0]), "{said:?}");
    assert_ne!(desk.host.session_for_calls(&bob, "desk", Some("line")).await.expect("his own"), id, "a name is its principal's");
    assert_eq!(desk.executions().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_an_agent_takes_no_plain_calls_and_the_other_way_round() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let agents = desk.run(json!([])).await.expect("a turn").session;
    assert_eq!(call(&desk, agents, "bump", json!({}), None).await.expect_err("an agent's").kind, Kind::Invalid);
    let id = session(&desk, "line").await;
    assert_eq!(desk.more(id, json!([])).await.expect_err("no agent").kind, Kind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_killed_ends_its_calls_and_takes_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let id = session(&desk, "line").await;
    let kill = async {
        while desk.executions().is_empty() {
            tokio::task::yield_now().await;
        }
        desk.host.kill(&desk.ada(), "desk", id).await.expect("it is killed");
    };
    let (slow, ()) = tokio::join!(call(&desk, id, "slow", json!({ "ms": 20_000 }), None), kill);
    assert_eq!(slow.expect_err("it is over").code, Some("E-KILLED"));
    assert_eq!(call(&desk, id, "bump", json!({}), None).await.expect_err("it is over").code, Some("E-KILLED"));
    assert_eq!(desk.executions().len(), 1);
}

/// A caller that goes away leaves no call without an end.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_taken_back_is_in_doubt() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Arc::new(Desk::open(folder.path(), Setup::default()).await);
    let id = session(&desk, "line").await;
    let running = {
        let desk = desk.clone();
        tokio::spawn(async move { call(&desk, id, "slow", json!({ "ms": 20_000, "note": "a" }), Some("k")).await })
    };
    while desk.executions().is_empty() {
        tokio::task::yield_now().await;
    }
    running.abort();
    let doubt = failed(call(&desk, id, "slow", json!({ "ms": 20_000, "note": "a" }), Some("k")).await);
    assert_eq!(doubt.kind, Kind::InDoubt);
    assert_eq!(desk.executions().len(), 1);
}

/// Fails where it is told to.
struct Full;

impl AuditSink for Full {
    fn record(&self, _: &AuditRecord<'_>, _: Keep) -> Later<'static, ()> {
        Box::pin(async { Err(remit_core::Error::host("the audit log could not be written, so what it is about is withheld", "full")) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_cannot_be_audited_is_told_as_failed_and_recorded_so() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup { audit: Some(Arc::new(Full)), ..Setup::default() }).await;
    let id = session(&desk, "line").await;
    assert_eq!(failed(call(&desk, id, "bump", json!({}), Some("k")).await).kind, Kind::Host);
    assert_eq!(failed(call(&desk, id, "bump", json!({}), Some("k")).await).kind, Kind::Host);
    assert_eq!(desk.executions().len(), 1);
}

/// One process runs a session at a time; it gives it back when it rests.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_has_is_waited_for_until_it_rests() {
    let folder = tempfile::tempdir().unwrap();
    let one = Desk::open(folder.path(), Setup::default()).await;
    let two = Desk::open(folder.path(), Setup::default()).await;
    let id = session(&one, "line").await;
    told(call(&one, id, "bump", json!({ "note": "a" }), None).await);
    assert_eq!(told(call(&two, id, "bump", json!({ "note": "b" }), None).await), json!({ "count": 2 }));
    let row = two.store.session_get(id).await.expect("a store").expect("a session");
    assert_eq!(row.turns, 2);
}

/// What a crash left is settled when the session is next used, whoever uses it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_cut_off_is_settled_beside_the_next_call() {
    let folder = tempfile::tempdir().unwrap();
    let id = cut_off(folder.path()).await;
    let desk = Desk::open(folder.path(), Setup::default()).await;
    told(call(&desk, id, "bump", json!({ "note": "next" }), None).await);
    desk.host.take_up(&desk.ada(), "desk", id).await.expect("it is settled");
    let doubt = failed(call(&desk, id, "strike", json!({ "note": "cut" }), Some("cut")).await);
    assert_eq!(doubt.kind, Kind::InDoubt, "{doubt:?}");
    assert!(!desk.executions().iter().any(|line| line.ends_with(" cut")), "it is never repeated");
}

/// A session in the middle of a `once` call, as a crash leaves it.
async fn cut_off(folder: &Path) -> SessionId {
    let desk = Desk::open(folder, Setup::default()).await;
    let id = session(&desk, "line").await;
    told(call(&desk, id, "bump", json!({ "note": "cut" }), None).await);
    desk.host.rest().await;
    let mut records = journal(&desk, id).await;
    let claim = desk.store.session_claim(id).await.expect("a claim");
    records.truncate(2);
    for (record, seq) in records.iter_mut().zip(claim.row.next_seq..) {
        record.seq = seq;
        if let Body::Call { call, .. } = &mut record.body {
            (call.tool, call.effect) = ("counter/strike".to_owned(), remit_core::plugin::Effect::Once);
            call.key = call.key.replace(".0.0.0", ".0.4.0");
        }
    }
    let append = remit_core::store::Append {
        records: records.iter().map(|record| record.encode().expect("a record")).collect(),
        named: vec![("cut".to_owned(), claim.row.next_seq + 1)],
        open: Some(remit_core::store::TurnOpen { seq: claim.row.next_seq, key: None }),
        ..remit_core::store::Append::new(id, claim.row.epoch, claim.row.updated, Status::Running)
    };
    desk.store.session_append(append).await.expect("it is there");
    desk.store.session_release(id, claim.row.epoch).await.expect("it is free");
    std::fs::remove_file(folder.join("work/executions.log")).expect("a trace");
    id
}
