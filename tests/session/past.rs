//! Journals as they were: forked, reverted, abandoned, taken in.

use remit_core::{
    Kind,
    journal::{Body, Past},
    store::{Append, Status, WaitState},
};
use remit_runtime::{TurnEnd, session::Content};
use remit_tests::desk::{Desk, Setup, call, log};
use serde_json::json;

async fn desk() -> (tempfile::TempDir, Desk) {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), Setup::default()).await;
    (folder, desk)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_goes_on_from_any_record_under_keys_of_its_own() {
    let (_folder, desk) = desk().await;
    let steps = json!([call("strike", "a"), { "put": { "key": "k", "value": 1 } }, { "input": "?" }, call("strike", "b"), { "get": "k" }]);
    let first = desk.run(steps).await.unwrap().session;
    let fork = desk.host.fork(&desk.ada(), "desk", first, None).await.unwrap();
    assert_eq!((fork.status, fork.parent.map(|(id, _)| id)), (Status::Running, Some(first)));
    let asked = desk.resume(fork.id).await.unwrap();
    assert!(matches!(asked.end, TurnEnd::Waiting(_)), "the fork asks anew: {:?}", asked.end);
    let done = desk.go(Some(fork.id), Some("now"), None).await.unwrap();
    assert_eq!(log(&done)[3..], [json!({ "count": 2 }), json!(1)]);
    assert_eq!(desk.row(first).await.status, Status::Waiting, "the first one still waits");
    let keys: Vec<_> = desk.executions().iter().map(|line| line.split(' ').nth(1).unwrap().split('.').next().unwrap().to_owned()).collect();
    assert_eq!(keys, [first.to_string(), fork.id.to_string()]);

    let early = desk.host.fork(&desk.ada(), "desk", first, Some(0)).await.unwrap();
    desk.resume(early.id).await.unwrap();
    assert_eq!(desk.executions().len(), 3, "a fork from before an effect has it again, in its own name");
    assert_eq!(desk.host.fork(&desk.ada(), "desk", first, Some(99)).await.unwrap_err().kind, Kind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_back_to_before_a_turn_with_the_state_of_then() {
    let (folder, desk) = desk().await;
    let session = desk.run(json!([{ "put": { "key": "k", "value": "old" } }])).await.unwrap().session;
    let changes = json!([{ "put": { "key": "k", "value": "new" } }, { "put": { "key": "l", "value": 1 } }]);
    desk.go(Some(session), Some(&remit_tests::desk::script(changes)), Some("key")).await.unwrap();
    assert_eq!(desk.host.revert(&desk.ada(), "desk", session, 2).await.unwrap_err().kind, Kind::Invalid);
    desk.host.revert(&desk.ada(), "desk", session, 1).await.unwrap();
    drop(desk);
    let desk = Desk::open(folder.path(), Setup::default()).await;
    assert_eq!(desk.row(session).await.turns, 1);
    let steps = remit_tests::desk::script(json!([{ "get": "k" }, { "keys": "" }]));
    let again = desk.go(Some(session), Some(&steps), Some("key")).await.unwrap();
    assert_eq!((again.turn, log(&again)), (1, vec![json!("old"), json!(["k"])]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_turn_has_failed_and_its_session_takes_inputs_again() {
    let (_folder, desk) = desk().await;
    let session = desk.run(json!([{ "put": { "key": "k", "value": 1 } }, { "input": "?" }])).await.unwrap().session;
    let wait = desk.waits(session).await[0].id;
    desk.host.abandon(&desk.ada(), "desk", session).await.unwrap();
    assert_eq!(desk.host.abandon(&desk.ada(), "desk", session).await.unwrap_err().kind, Kind::Conflict);
    assert_eq!(desk.host.wait(&desk.ada(), "desk", wait).await.unwrap().state, WaitState::Cancelled);
    assert_eq!(log(&desk.more(session, json!([{ "get": "k" }])).await.unwrap()), [json!(null)]);
    let records = desk.host.journal(&desk.ada(), "desk", session, 0).await.unwrap();
    let failed = records.iter().find_map(|record| match &record.body {
        Body::TurnFailed { message, .. } => Some(message.as_str()),
        _ => None,
    });
    assert_eq!(failed, Some("abandoned by `user:ada`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantine_is_lifted_for_the_component_that_the_turn_began_with_and_no_other() {
    let (_folder, desk) = desk().await;
    let session = desk.run(json!([call("bump", "a"), { "input": "?" }])).await.unwrap().session;
    let claim = desk.store.session_claim(session).await.unwrap();
    let (epoch, at) = (claim.row.epoch, claim.row.updated);
    let append = Append { detail: "a fault".to_owned(), ..Append::new(session, epoch, at, Status::Quarantined) };
    desk.store.session_append(append).await.unwrap();
    desk.store.session_release(session, epoch).await.unwrap();
    let error = desk.resume(session).await.unwrap_err();
    let records = desk.host.journal(&desk.ada(), "desk", session, 0).await.unwrap();
    let Body::TurnStart(start) = &records[0].body else { panic!("{records:?}") };
    let ways = [
        format!("look at it: remit session show {session}"),
        format!("try it once more with the component that it began with: remit session resume {session} --component {}", start.digest),
        "begin again with the component of now: remit run scripted INPUT".to_owned(),
        format!("end the turn as failed: remit session abandon {session}"),
    ];
    assert_eq!((error.kind, error.hints), (Kind::Diverged, ways.to_vec()));
    assert_eq!(desk.host.retry(&desk.ada(), "desk", session, "sha256:0").await.unwrap_err().kind, Kind::Conflict);
    assert_eq!(desk.row(session).await.status, Status::Quarantined);
    desk.host.retry(&desk.ada(), "desk", session, &start.digest).await.unwrap();
    assert_eq!(desk.row(session).await.status, Status::Waiting);
    let done = desk.go(Some(session), Some("x"), None).await.unwrap();
    assert_eq!((log(&done)[1].clone(), desk.executions().len()), (json!("x"), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_taken_in_elsewhere_with_its_state() {
    let (_folder, desk) = desk().await;
    let session = desk.run(json!([{ "put": { "key": "k", "value": [1, 2] } }, call("bump", "x")])).await.unwrap().session;
    let records = desk.host.journal(&desk.ada(), "desk", session, 0).await.unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Desk::open(elsewhere.path(), Setup::default()).await;
    let row = other.host.import(&other.ada(), "desk", "scripted", &records, &Content::default()).await.unwrap();
    assert_eq!(log(&other.more(row.id, json!([{ "get": "k" }])).await.unwrap()), [json!([1, 2])]);
    assert!(other.executions().is_empty(), "what was done is not done again");
    let part = other.host.import(&other.ada(), "desk", "scripted", &records[1..], &Content::default()).await.unwrap_err();
    assert_eq!(part.kind, Kind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_can_be_looked_back_at() {
    let (_folder, desk) = desk().await;
    let steps = json!([{ "put": { "key": "k", "value": 1 } }, call("strike", "a"), { "put": { "key": "k", "value": 2 } }]);
    let session = desk.run(steps).await.unwrap().session;
    let records = desk.host.journal(&desk.ada(), "desk", session, 0).await.unwrap();
    let past: Vec<Past> = (0..records.len()).map(|end| Past::after(&records[..=end])).collect();
    let seen: Vec<_> = past.iter().map(|past| past.seen.get("k").map(|value| String::from_utf8_lossy(value).into_owned())).collect();
    let one = || Some("1".to_owned());
    assert_eq!(seen, [None, one(), one(), one(), Some("2".to_owned()), Some("2".to_owned())]);
    assert_eq!(past.iter().map(|past| past.pending.len()).collect::<Vec<_>>(), [0, 0, 1, 0, 0, 0]);
    assert_eq!(desk.host.past(&desk.ada(), "desk", session, 2).await.unwrap(), past[2]);
}
