//! A `once` call that was cut off: its plugin is asked what became of it.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use remit_core::{
    audit::{AuditRecord, AuditSink, Keep},
    id::SessionId,
    journal::{Body, Outcome, Record, ToolCall},
    limit::SETTLE_TRIES_MAX,
    plugin::Effect,
    store::{Append, Later, Status},
};
use remit_tests::desk::{Desk, Setup, call, executions, log};
use serde_json::{Value, json};

const TAKES_LONG: u64 = 25_000;

fn slowly(tool: &str) -> Value {
    json!({ "call": { "tool": format!("counter/{tool}"), "arguments": { "ms": TAKES_LONG, "note": "it" } } })
}

/// Runs steps until the tool left its trace `traces` times, and drops the host there.
async fn cut_off(desk: Desk, steps: Value, traces: usize) -> SessionId {
    let session = desk.run(json!([])).await.unwrap().session;
    tokio::select! {
        _ = desk.more(session, steps) => panic!("it takes longer"),
        () = async { while desk.executions().len() < traces { tokio::task::yield_now().await } } => {}
    }
    session
}

/// A session whose journal says that `counter/TOOL` was begun, and no more: the host stopped before the tool ran.
async fn begun(desk: &Desk, tool: &str) -> SessionId {
    let asked = desk.run(json!([call("read_count", ""), { "input": "?" }, call(tool, "it")])).await.unwrap();
    let session = asked.session;
    let records = desk.host.journal(&desk.ada(), "desk", session, 0).await.unwrap();
    let digest =
        records.iter().find_map(|record| if let Body::Call { call, .. } = &record.body { Some(call.digest.clone()) } else { None });
    let made = ToolCall {
        tool: format!("counter/{tool}"),
        arguments: r#"{"note":"it"}"#.to_owned(),
        effect: Effect::Once,
        digest: digest.unwrap(),
        key: format!("{session}.0.0.2"),
        cleared: Default::default(),
    };
    let claim = desk.store.session_claim(session).await.unwrap();
    let (epoch, at) = (claim.row.epoch, claim.row.updated);
    let answer = Outcome::Input { by: "user:ada".parse().unwrap(), text: "x".to_owned() };
    let bodies = [Body::end(1, answer), Body::Call { op: 2, call: made }];
    let lines = bodies.into_iter().zip(claim.row.next_seq..).map(|(body, seq)| Record { seq, at, body }.encode().unwrap());
    let append = Append { records: lines.collect(), ..Append::new(session, epoch, at, Status::Running) };
    desk.store.session_append(append).await.unwrap();
    desk.store.session_release(session, epoch).await.unwrap();
    session
}

/// The reason of a call that is in doubt.
#[track_caller]
fn doubt(outcome: &Value) -> &str {
    assert_eq!(outcome["error"], "in-doubt", "{outcome}");
    let message = outcome["message"].as_str().unwrap();
    message.split_once('(').unwrap().1.split_once(')').unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_plugin_knows_to_have_happened_is_the_calls_result_and_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let undisturbed = Desk::open(elsewhere.path(), Setup::default()).await;
    let expected = log(&undisturbed.run(json!([call("bump", "first"), call("mark", "it"), call("bump", "last")])).await.unwrap());

    let steps = json!([call("bump", "first"), slowly("mark"), call("bump", "last")]);
    let session = cut_off(Desk::open(folder.path(), Setup::default()).await, steps, 2).await;
    let desk = Desk::open(folder.path(), Setup::default()).await;
    assert_eq!(log(&desk.resume(session).await.unwrap()), expected);
    let tools: Vec<_> = desk.executions().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(tools, ["bump", "mark", "bump"]);
    let records = desk.host.journal(&desk.ada(), "desk", session, 0).await.unwrap();
    let ended = |record: &Record| matches!(&record.body, Body::End { outcome: Outcome::Output { .. }, .. });
    assert_eq!(records.iter().filter(|record| ended(record)).count(), 3, "what was told is recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_plugin_knows_not_to_have_happened_is_done_now_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let session = begun(&desk, "mark").await;
    assert_eq!(log(&desk.resume(session).await.unwrap())[2], json!({ "count": 1 }));
    assert_eq!(desk.executions(), [format!("mark {session}.0.0.2 it")]);
    assert_eq!(log(&desk.more(session, json!([call("read_count", "")])).await.unwrap()), [json!({ "count": 1 })]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_a_group_is_settled_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let group = json!({ "group": [{ "tool": "counter/mark", "arguments": { "ms": TAKES_LONG } }, { "tool": "counter/read_count" }] });
    let session = cut_off(Desk::open(folder.path(), Setup::default()).await, json!([group]), 1).await;
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let results = log(&desk.resume(session).await.unwrap()).remove(0);
    let marked = results.as_array().unwrap().iter().find(|one| one["call"] == 0).unwrap();
    assert_eq!(marked["outcome"], json!({ "count": 1 }), "{results}");
    assert_eq!(desk.executions().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_is_asked_can_write_nothing_and_what_it_cannot_tell_is_in_doubt() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let session = begun(&desk, "strike").await;
    assert_eq!(doubt(&log(&desk.resume(session).await.unwrap())[2]), "its plugin cannot tell");
    assert!(desk.executions().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_none_leaves_the_call_in_doubt() {
    for (order, reason) in [
        ("fail", "the trace is being copied"),
        ("trap", "the component stopped"),
        ("misfit", "`mark` promises structured output and returned none"),
        ("big", "the tool returned"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk::open(folder.path(), Setup::default()).await;
        let session = begun(&desk, "mark").await;
        std::fs::write(folder.path().join("work/settle"), order).unwrap();
        let told = log(&desk.resume(session).await.unwrap()).remove(2);
        assert!(doubt(&told).starts_with(reason), "{order}: {told}");
        assert!(desk.executions().is_empty(), "{order}");
    }
}

/// Counts how often the plugin was asked, and takes its order away after so many times.
struct Mends {
    folder: std::path::PathBuf,
    after: u32,
    asked: AtomicU32,
}

impl AuditSink for Mends {
    fn record(&self, record: &AuditRecord<'_>, _: Keep) -> Later<'static, ()> {
        let asks = matches!(record, AuditRecord::Call(call) if call.settles);
        if asks && self.asked.fetch_add(1, Ordering::SeqCst) + 1 == self.after {
            std::fs::remove_file(self.folder.join("work/settle")).unwrap();
        }
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_fails_in_passing_is_asked_again_for_a_few_times() {
    for (order, after, asked, doubtful) in
        [("fail", SETTLE_TRIES_MAX - 1, SETTLE_TRIES_MAX, false), ("fail", u32::MAX, SETTLE_TRIES_MAX, true), ("trap", u32::MAX, 1, true)]
    {
        let folder = tempfile::tempdir().unwrap();
        let mends = Arc::new(Mends { folder: folder.path().to_owned(), after, asked: AtomicU32::new(0) });
        let desk = Desk::open(folder.path(), Setup { audit: Some(mends.clone()), ..Setup::default() }).await;
        let session = begun(&desk, "mark").await;
        std::fs::write(folder.path().join("work/settle"), order).unwrap();
        let told = log(&desk.resume(session).await.unwrap()).remove(2);
        assert_eq!((told["error"] == "in-doubt", mends.asked.load(Ordering::SeqCst)), (doubtful, asked), "{order}, {after}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_component_is_not_asked() {
    let folder = tempfile::tempdir().unwrap();
    let session = begun(&Desk::open(folder.path(), Setup::default()).await, "mark").await;
    let desk = Desk::open(folder.path(), Setup { changed: true, ..Setup::default() }).await;
    assert_eq!(doubt(&log(&desk.resume(session).await.unwrap())[2]), "its plugin is another one now");
    assert!(desk.executions().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_does_not_make_the_call_that_its_parent_may_make() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    let parent = begun(&desk, "mark").await;
    let fork = desk.host.fork(&desk.ada(), "desk", parent, None).await.unwrap().id;
    assert_eq!(doubt(&log(&desk.go(Some(fork), None, None).await.unwrap())[2]), "it is a call of another session");
    assert!(executions(folder.path()).is_empty());
    assert_eq!(log(&desk.resume(parent).await.unwrap())[2], json!({ "count": 1 }));
}
