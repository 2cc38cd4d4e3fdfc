//! Inputs that wait until the turn of their session has ended.

use remit_core::{
    Kind,
    id::SessionId,
    journal::Body,
    limit::INPUTS_QUEUED_MAX,
    store::{Status, WaitKind},
};
use remit_runtime::{Ran, TurnEnd, Verdict};
use remit_tests::desk::{Desk, Setup, call, log, request, script, versioned};
use serde_json::json;

/// A session that waits for an approval, on a desk of its own.
async fn busy(folder: &std::path::Path, setup: Setup) -> (Desk, SessionId) {
    let desk = Desk::open(folder, setup).await;
    let ran = desk.run(json!([{ "approve": { "title": "May I?" } }])).await.unwrap();
    assert!(matches!(ran.end, TurnEnd::Waiting(_)), "{:?}", ran.end);
    (desk, ran.session)
}

async fn approve(desk: &Desk, session: SessionId) {
    let wait = desk.waits(session).await[0].id;
    desk.host.decide(&desk.ada(), "desk", wait, Verdict::Approve(None)).await.unwrap();
}

/// Returns when somebody owns the session for the second time: after the turn that made it wait.
async fn owned(desk: &Desk, session: SessionId) {
    while desk.row(session).await.epoch < 2 {
        tokio::task::yield_now().await;
    }
}

fn noting(note: &str) -> String {
    script(json!([call("bump", note)]))
}

fn place(ran: &Ran) -> u32 {
    let TurnEnd::Queued(place) = ran.end else { panic!("it is queued: {:?}", ran.end) };
    place
}

/// The notes of the tool's executions, in their order.
fn notes(desk: &Desk) -> Vec<String> {
    desk.executions().iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_to_a_busy_session_have_their_turns_after_it_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let (desk, session) = busy(folder.path(), Setup::default()).await;
    let first = desk.go(Some(session), Some(&noting("a")), Some("a")).await.unwrap();
    assert_eq!((place(&first), first.turn), (1, 1));
    assert_eq!(place(&desk.go(Some(session), Some(&noting("b")), None).await.unwrap()), 2);
    assert_eq!(place(&desk.go(Some(session), Some(&noting("a")), Some("a")).await.unwrap()), 1, "the same input is the same entry");
    assert_eq!(desk.go(Some(session), Some(&noting("c")), Some("a")).await.unwrap_err().kind, Kind::Conflict);
    assert!(matches!(desk.resume(session).await.unwrap().end, TurnEnd::Waiting(_)));
    assert_eq!((desk.row(session).await.queued, notes(&desk)), (2, Vec::<String>::new()));
    drop(desk);

    let desk = Desk::open(folder.path(), Setup::default()).await;
    approve(&desk, session).await;
    for (turn, left) in [(0, 2), (1, 1), (2, 0)] {
        assert_eq!(desk.resume(session).await.unwrap().turn, turn);
        assert_eq!(desk.row(session).await.queued, left);
    }
    assert_eq!(notes(&desk), ["a", "b"]);
    assert_eq!(desk.resume(session).await.unwrap_err().code, Some("E-IDLE"));
    let again = desk.go(Some(session), Some(&noting("a")), Some("a")).await.unwrap();
    assert_eq!((again.turn, log(&again)), (1, vec![json!({ "count": 1 })]), "its key gives its result");
    assert_eq!(notes(&desk), ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_finds_others_waiting_goes_behind_them_and_runs_them_first() {
    let folder = tempfile::tempdir().unwrap();
    let (desk, session) = busy(folder.path(), Setup::default()).await;
    desk.go(Some(session), Some(&noting("a")), None).await.unwrap();
    approve(&desk, session).await;
    assert_eq!(desk.resume(session).await.unwrap().turn, 0);
    let ran = desk.go(Some(session), Some(&noting("b")), None).await.unwrap();
    assert_eq!((ran.turn, log(&ran)), (2, vec![json!({ "count": 2 })]));
    assert_eq!(notes(&desk), ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_given_the_result_whoever_runs_the_turn() {
    let folder = tempfile::tempdir().unwrap();
    let (first, session) = busy(folder.path(), Setup::default()).await;
    let second = Desk::open(folder.path(), Setup::default()).await;
    let (a, b) = (noting("a"), noting("b"));
    let owner = first.stay(Some(session), None, None);
    let waits_there = async {
        owned(&first, session).await;
        first.stay(Some(session), Some(&a), Some("a")).await
    };
    let waits_elsewhere = async {
        owned(&second, session).await;
        second.stay(Some(session), Some(&b), Some("b")).await
    };
    let decides = async {
        while second.row(session).await.queued < 2 {
            tokio::task::yield_now().await;
        }
        approve(&second, session).await;
    };
    let (owner, one, other, ()) = tokio::join!(owner, waits_there, waits_elsewhere, decides);
    let (owner, one, other) = (owner.unwrap(), one.unwrap(), other.unwrap());
    assert_eq!(log(&owner), [json!({ "decision": "approved", "note": null })]);
    assert_eq!([log(&one), log(&other)].map(|log| log.len()), [1, 1]);
    let mut turns = [owner.turn, one.turn, other.turn];
    turns.sort_unstable();
    assert_eq!(turns, [0, 1, 2]);
    assert_eq!(notes(&first).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_answers_the_turn_that_another_process_waits_with_and_the_next_one_is_queued() {
    let folder = tempfile::tempdir().unwrap();
    let first = Desk::open(folder.path(), Setup::default()).await;
    let asked = first.run(json!([{ "input": "which one?" }, { "approve": { "title": "Sure?" } }])).await.unwrap();
    let session = asked.session;
    let second = Desk::open(folder.path(), Setup::default()).await;
    let owner = first.stay(Some(session), None, None);
    let others = async {
        owned(&second, session).await;
        assert_eq!(place(&second.go(Some(session), Some("\"the blue one\""), None).await.unwrap()), 0);
        let wait = loop {
            let waits = second.waits(session).await;
            match waits.iter().find(|wait| wait.kind == WaitKind::Approval) {
                Some(wait) => break wait.id,
                None => tokio::task::yield_now().await,
            }
        };
        assert_eq!(place(&second.go(Some(session), Some(&noting("a")), None).await.unwrap()), 1);
        second.host.decide(&second.ada(), "desk", wait, Verdict::Approve(None)).await.unwrap();
    };
    let (owner, ()) = tokio::join!(owner, others);
    assert_eq!(log(&owner.unwrap())[0], json!("\"the blue one\""));
    assert_eq!((second.resume(session).await.unwrap().turn, notes(&second)), (1, vec!["a".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_is_not_acceptable_is_not_queued() {
    let folder = tempfile::tempdir().unwrap();
    let (desk, session) = busy(folder.path(), Setup::default()).await;
    assert_eq!(desk.go(Some(session), Some(r#"{"step": []}"#), None).await.unwrap_err().kind, Kind::Invalid);
    assert_eq!(desk.go(Some(session), Some(&"x".repeat((1 << 20) + 1)), None).await.unwrap_err().kind, Kind::Limit);
    let mut context = desk.ada();
    context.delegation.push("other".to_owned());
    let error = desk.host.run(&context, &request(Some(session), Some(&noting("a")), None, false)).await.unwrap_err();
    assert_eq!(error.kind, Kind::Conflict, "it would have its turn in its principal's own name");
    assert_eq!(desk.row(session).await.queued, 0);
    for number in 1..=INPUTS_QUEUED_MAX {
        assert_eq!(place(&desk.go(Some(session), Some(&noting("a")), None).await.unwrap()), number);
    }
    let error = desk.go(Some(session), Some(&noting("a")), None).await.unwrap_err();
    assert_eq!((error.kind, error.hints), (Kind::Limit, vec![format!("let it go on first: remit session resume {session}")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_the_agent_of_now_does_not_take_has_a_turn_that_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (desk, session) = busy(folder.path(), Setup::default()).await;
    let fits = json!({ "steps": [], "more": 1 }).to_string();
    assert_eq!(desk.go(Some(session), Some(&fits), None).await.unwrap_err().kind, Kind::Invalid);
    desk.go(Some(session), Some(&noting("a")), None).await.unwrap();
    desk.host.abandon(&desk.ada(), "desk", session).await.unwrap();
    drop(desk);
    let narrow = versioned("2.0.0", |definition| {
        definition.input_schema = json!({ "type": "object", "required": ["more"], "properties": { "more": { "type": "integer" } } });
    });
    let desk = Desk::open(folder.path(), Setup { agent: Some(narrow.await), ..Setup::default() }).await;
    let ran = desk.resume(session).await.unwrap();
    let TurnEnd::Failed(error) = &ran.end else { panic!("it fails: {:?}", ran.end) };
    assert_eq!((error.kind, ran.turn), (Kind::Invalid, 1));
    let row = desk.row(session).await;
    assert_eq!((row.status, row.queued, row.turns), (Status::Idle, 0, 2));
    assert!(notes(&desk).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_session_tells_who_waits_and_drops_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (desk, session) = busy(folder.path(), Setup::default()).await;
    let input = noting("a");
    let kills = async {
        while desk.row(session).await.queued == 0 {
            tokio::task::yield_now().await;
        }
        desk.host.kill(&desk.ada(), "desk", session).await.unwrap();
    };
    let (waits, ()) = tokio::join!(desk.stay(Some(session), Some(&input), None), kills);
    let error = waits.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (Kind::Conflict, "the session was killed by `user:ada`"));
    assert_eq!(desk.row(session).await.queued, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_stays_when_a_turn_is_taken_back_and_goes_into_no_fork() {
    let folder = tempfile::tempdir().unwrap();
    let (desk, session) = busy(folder.path(), Setup::default()).await;
    desk.go(Some(session), Some(&noting("a")), None).await.unwrap();
    let fork = desk.host.fork(&desk.ada(), "desk", session, None).await.unwrap();
    assert_eq!(fork.queued, 0);
    desk.host.revert(&desk.ada(), "desk", session, 0).await.unwrap();
    assert_eq!((desk.resume(session).await.unwrap().turn, notes(&desk)), (0, vec!["a".to_owned()]));
    let records = desk.host.journal(&desk.ada(), "desk", session, 0).await.unwrap();
    let Body::TurnStart(start) = &records[0].body else { panic!("{records:?}") };
    assert!(start.key.as_ref().unwrap().starts_with("input-"), "{start:?}");
}
