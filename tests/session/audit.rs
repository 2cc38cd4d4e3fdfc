//! What is decided about sessions stands in the audit log, before it takes effect.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use remit_core::{
    Error, Kind,
    audit::{AuditRecord, AuditSink, Keep},
    id::SessionId,
    store::{Later, Status, WaitState},
};
use remit_runtime::{TurnEnd, Verdict};
use remit_tests::{
    Records,
    desk::{Desk, Setup, call, call_agent},
};
use serde_json::{Value, json};

async fn desk(folder: &std::path::Path) -> (Desk, Records) {
    let records = Records::default();
    let setup = Setup { audit: Some(Arc::new(records.clone())), ..Setup::default() };
    (Desk::open(folder, setup).await, records)
}

/// A session that asks this.
async fn asking(desk: &Desk, step: Value) -> SessionId {
    let ran = desk.run(json!([step, { "approve": { "title": "Then?" } }])).await.unwrap();
    assert!(matches!(ran.end, TurnEnd::Waiting(_)), "{:?}", ran.end);
    ran.session
}

fn question() -> Value {
    json!({ "approve": { "title": "May I?" } })
}

/// The decisions that were recorded: what, and why not.
fn decisions(records: &Records) -> Vec<(String, Option<String>)> {
    let text = |record: &Value, field: &str| record[field].as_str().map(str::to_owned);
    records.all().iter().filter_map(|record| Some((text(record, "decision")?, text(record, "refused")))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_decided_what_about_which_session_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (desk, records) = desk(folder.path()).await;
    let ada = desk.ada();
    let session = asking(&desk, question()).await;
    let wait = desk.waits(session).await[0].id;
    desk.host.decide(&ada, "desk", wait, Verdict::Approve(Some("a secret".to_owned()))).await.unwrap();
    let record = records.all().pop().unwrap();
    assert!(record["at"].as_u64().is_some_and(|at| at > 0), "{record}");
    let mut rest = record.clone();
    rest.as_object_mut().unwrap().remove("at");
    let expected = json!({ "type": "decision", "decision": "approve", "principal": "user:ada", "delegation": [], "project": "desk", "session": session, "wait": wait });
    assert_eq!(rest, expected, "and no text");
    assert_eq!(desk.host.decide(&ada, "desk", wait, Verdict::Deny(None)).await.unwrap_err().kind, Kind::Conflict);

    let asks = asking(&desk, json!({ "input": "which?" })).await;
    desk.go(Some(asks), Some("this"), None).await.unwrap();
    desk.host.abandon(&ada, "desk", asks).await.unwrap();
    let fork = desk.host.fork(&ada, "desk", asks, None).await.unwrap().id;
    desk.host.revert(&ada, "desk", asks, 0).await.unwrap();
    desk.host.kill(&ada, "desk", fork).await.unwrap();
    desk.host.erase(&ada, "desk", fork).await.unwrap();
    desk.host.erase_principal(&ada, "desk", &ada.principal).await.unwrap();
    let done = |what: &str| (what.to_owned(), None);
    let refused = ("deny".to_owned(), Some("conflict".to_owned()));
    let all =
        [done("approve"), done("deny"), refused, done("input"), done("abandon"), done("fork"), done("revert"), done("kill"), done("erase")];
    assert_eq!(decisions(&records), [all.as_slice(), &[done("erase")]].concat());
    assert_eq!(records.all().pop().unwrap()["of"], "user:ada");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_may_decide_is_no_decision() {
    let folder = tempfile::tempdir().unwrap();
    let (desk, records) = desk(folder.path()).await;
    let session = asking(&desk, question()).await;
    let agent = desk.host.context("agent:scripted".parse().unwrap(), remit_core::identity::Role::Owner).unwrap();
    let bob = desk.host.context("user:bob".parse().unwrap(), remit_core::identity::Role::Tools(Vec::new())).unwrap();
    let wait = desk.waits(session).await[0].id;
    assert!(desk.host.decide(&agent, "desk", wait, Verdict::Approve(None)).await.is_err());
    assert!(desk.host.kill(&bob, "desk", session).await.is_err());
    assert_eq!(decisions(&records), []);
}

/// A sink that fails once it is told to.
#[derive(Default)]
struct Full(AtomicBool);

impl AuditSink for Full {
    fn record(&self, _: &AuditRecord<'_>, _: Keep) -> Later<'static, ()> {
        let full = self.0.load(Ordering::SeqCst);
        Box::pin(async move { if full { Err(Error::host("the audit log could not be written", "full")) } else { Ok(()) } })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_cannot_be_recorded_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let full = Arc::new(Full::default());
    let desk = Desk::open(folder.path(), Setup { audit: Some(full.clone()), ..Setup::default() }).await;
    let ada = desk.ada();
    let session = asking(&desk, question()).await;
    let asks = asking(&desk, json!({ "input": "which?" })).await;
    let ended = desk.run(json!([call("bump", "a")])).await.unwrap().session;
    let wait = desk.waits(session).await[0].id;
    full.0.store(true, Ordering::SeqCst);
    let host = &desk.host;
    let refusals = [
        host.decide(&ada, "desk", wait, Verdict::Approve(None)).await.unwrap_err(),
        desk.go(Some(asks), Some("this"), None).await.unwrap_err(),
        host.abandon(&ada, "desk", session).await.unwrap_err(),
        host.fork(&ada, "desk", session, None).await.unwrap_err(),
        host.revert(&ada, "desk", ended, 0).await.unwrap_err(),
        host.kill(&ada, "desk", session).await.unwrap_err(),
        host.erase(&ada, "desk", session).await.unwrap_err(),
        host.erase_principal(&ada, "desk", &ada.principal).await.unwrap_err(),
    ];
    for error in refusals {
        assert_eq!((error.kind, error.message.as_str()), (Kind::Host, "the audit log could not be written"));
    }
    let filter = remit_core::store::SessionFilter { project: "desk".to_owned(), limit: 9, ..Default::default() };
    let rows = host.sessions(&ada, filter).await.unwrap();
    let statuses: Vec<_> = rows.iter().rev().map(|row| (row.status, row.turns)).collect();
    assert_eq!(statuses, [(Status::Waiting, 1), (Status::Waiting, 1), (Status::Idle, 1)]);
    for session in [session, asks] {
        assert_eq!(desk.waits(session).await[0].state, WaitState::Open);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_caller_is_given_is_recorded_for_the_session_that_asked() {
    let (folder, records) = (tempfile::tempdir().unwrap(), Records::default());
    let setup = Setup {
        audit: Some(Arc::new(records.clone())),
        tools: Some("tools agents/helper".to_owned()),
        agents: vec![("helper".to_owned(), "tools counter/*".to_owned())],
        ..Setup::default()
    };
    let desk = Desk::open(folder.path(), setup).await;
    let session = desk.run(json!([call_agent("helper", json!([{ "input": "which?" }]))])).await.unwrap().session;
    desk.go(Some(session), Some("this"), None).await.unwrap();
    let asked: Vec<_> = desk.called_by(session).await.iter().map(|row| json!(row.id)).collect();
    let record = records.all().into_iter().find(|record| record["decision"] == "input").unwrap();
    assert_eq!(vec![record["session"].clone()], asked, "and not for its caller {session}");
}
