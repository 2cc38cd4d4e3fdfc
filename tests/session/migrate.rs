//! Agents whose state changes its form between versions.

use remit_core::{
    Kind,
    id::SessionId,
    journal::{Body, Record},
};
use remit_runtime::{TurnEnd, session::Content};
use remit_tests::desk::{Desk, Setup, call, log, versioned};
use serde_json::{Value, json};

async fn desk(folder: &std::path::Path, version: &str) -> Desk {
    let agent = Some(versioned(version, |_| {}).await);
    Desk::open(folder, Setup { agent, ..Setup::default() }).await
}

/// A session whose first turn, of version 1.0.0, left these steps for the next version.
async fn left(folder: &std::path::Path, steps: Value) -> SessionId {
    let one = desk(folder, "1.0.0").await;
    let put = |key: &str, value: Value| json!({ "put": { "key": key, "value": value } });
    one.run(json!([put("migrate", steps), put("k", json!("old"))])).await.unwrap().session
}

fn migrated_from() -> Value {
    json!([{ "get": "migrated_from" }, { "get": "k" }])
}

async fn records(desk: &Desk, session: SessionId) -> Vec<Record> {
    desk.host.journal(&desk.ada(), "desk", session, 0).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_component_brings_the_state_to_its_form_before_its_first_turn() {
    let folder = tempfile::tempdir().unwrap();
    let session = left(folder.path(), json!([{ "put": { "key": "k", "value": "new" } }])).await;
    let one = desk(folder.path(), "1.0.0").await;
    assert_eq!(log(&one.more(session, migrated_from()).await.unwrap()), [json!(null), json!("old")], "its own state is none to migrate");
    drop(one);
    let two = desk(folder.path(), "2.0.0").await;
    let steps = json!([{ "get": "migrated_from" }, { "input": "?" }, { "get": "k" }]);
    assert!(matches!(two.more(session, steps).await.unwrap().end, TurnEnd::Waiting(_)));
    drop(two);
    let two = desk(folder.path(), "2.0.0").await;
    let done = two.go(Some(session), Some("x"), None).await.unwrap();
    assert_eq!(log(&done), [json!("1.0.0"), json!("x"), json!("new")], "a replay does it again");
    let all = records(&two, session).await.into_iter();
    let starts = all.filter_map(|record| match record.body {
        Body::TurnStart(start) => Some((start.version, start.migrates_from)),
        _ => None,
    });
    let version = |version: &str| Some(version.to_owned());
    assert_eq!(starts.collect::<Vec<_>>(), [(version("1.0.0"), None), (version("1.0.0"), None), (version("2.0.0"), version("1.0.0"))]);
    let changes = |record: &&Record| matches!(&record.body, Body::State { key, .. } if key == "migrated_from");
    assert_eq!(records(&two, session).await.iter().filter(changes).count(), 1, "it is recorded once");
    two.more(session, json!([{ "delete": "migrated_from" }])).await.unwrap();
    assert_eq!(log(&two.more(session, migrated_from()).await.unwrap()), [json!(null), json!("new")], "it happens once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails_fails_the_turn_and_leaves_the_state() {
    for (step, says, kind) in [
        (json!({ "fail": "too old" }), "too old", Kind::Guest),
        (json!({ "trap": true }), "it panicked or aborted", Kind::Guest),
        (call("strike", "it"), "an agent may only change its state while it migrates", Kind::Guest),
        (json!({ "approve": { "title": "May I?" } }), "may only change its state", Kind::Guest),
        (json!({ "patch": "p" }), "may only change its state", Kind::Guest),
        (json!({ "group": [] }), "may only change its state", Kind::Guest),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let session = left(folder.path(), json!([{ "put": { "key": "k", "value": "new" } }, step])).await;
        let two = desk(folder.path(), "2.0.0").await;
        for _ in 0..2 {
            let ran = two.more(session, migrated_from()).await.unwrap();
            let TurnEnd::Failed(error) = &ran.end else { panic!("{step}: {:?}", ran.end) };
            assert_eq!(error.kind, kind, "{step}");
            assert!(error.message.starts_with("the state could not be brought from version 1.0.0 to 2.0.0: "), "{step}: {error}");
            assert!(error.message.contains(says), "{step}: {error}");
        }
        assert!(two.executions().is_empty(), "{step}");
        drop(two);
        let one = desk(folder.path(), "1.0.0").await;
        assert_eq!(log(&one.more(session, migrated_from()).await.unwrap()), [json!(null), json!("old")], "{step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_migrated_again_after_a_turn_that_failed_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let session = left(folder.path(), json!([])).await;
    let two = desk(folder.path(), "2.0.0").await;
    assert!(matches!(two.more(session, json!([{ "fail": "later" }])).await.unwrap().end, TurnEnd::Failed(_)));
    assert_eq!(log(&two.more(session, migrated_from()).await.unwrap()), [json!("1.0.0"), json!("old")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_and_an_import_know_whose_state_they_have() {
    let folder = tempfile::tempdir().unwrap();
    let session = left(folder.path(), json!([])).await;
    let two = desk(folder.path(), "2.0.0").await;
    let fork = two.host.fork(&two.ada(), "desk", session, None).await.unwrap().id;
    let records = records(&two, session).await;
    let import = two.host.import(&two.ada(), "desk", "scripted", &records, &Content::default()).await.unwrap().id;
    for session in [fork, import] {
        assert_eq!(log(&two.more(session, migrated_from()).await.unwrap()), [json!("1.0.0"), json!("old")]);
    }
    two.host.revert(&two.ada(), "desk", fork, 1).await.unwrap();
    assert_eq!(log(&two.more(fork, migrated_from()).await.unwrap()), [json!("1.0.0"), json!("old")]);
}
