//! Approvals that stay meaningful: for the rest of a session where that is harmless, and never a flood of them.

use remit_core::{
    Kind, Result,
    id::WaitId,
    identity::Role,
    limit::{APPROVALS_OPEN_MAX, QUESTION_MAX_BYTES},
    plugin::Digest,
    store::WaitRow,
};
use remit_runtime::{CallEnd, Ran, TurnEnd, Verdict};
use remit_tests::desk::{Desk, Setup, call, log, script};
use serde_json::json;

use super::plain::{call as plain, ended};

fn asking(tools: &[&str]) -> Setup {
    Setup { ask: tools.iter().map(|tool| (*tool).to_owned()).collect(), ..Setup::default() }
}

fn waiting(ran: &Ran) -> &WaitRow {
    match &ran.end {
        TurnEnd::Waiting(waits) => &waits[0],
        other => panic!("it waits: {other:?}"),
    }
}

async fn for_session(desk: &Desk, wait: WaitId) -> Result<()> {
    desk.host.decide(&desk.ada(), "desk", wait, Verdict::ApproveForSession(None)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_is_allowed_for_the_rest_of_a_session_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), asking(&["bump"])).await;
    let ran = desk.run(json!([call("bump", "a"), call("bump", "b")])).await.unwrap();
    for_session(&desk, waiting(&ran).id).await.unwrap();
    let ran = desk.resume(ran.session).await.unwrap();
    assert_eq!(log(&ran), [json!({ "count": 1 }), json!({ "count": 2 })], "nobody is asked again");
    let session = ran.session;
    drop(desk);

    let desk = Desk::open(folder.path(), asking(&["bump"])).await;
    assert_eq!(log(&desk.more(session, json!([call("bump", "c")])).await.unwrap()), [json!({ "count": 3 })], "nor in a later turn");
    waiting(&desk.run(json!([call("bump", "in another session")])).await.unwrap());
    let fork = desk.host.fork(&desk.ada(), "desk", session, None).await.unwrap();
    waiting(&desk.more(fork.id, json!([call("bump", "in a fork")])).await.unwrap());
    drop(desk);

    let desk = Desk::open(folder.path(), Setup { changed: true, ..asking(&["bump"]) }).await;
    waiting(&desk.more(session, json!([call("bump", "of another component")])).await.unwrap());
    assert_eq!(desk.executions().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_an_effect_of_its_own_is_approved_call_by_call() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), asking(&["strike"])).await;
    let ran = desk.run(json!([call("strike", "a")])).await.unwrap();
    let error = for_session(&desk, waiting(&ran).id).await.unwrap_err();
    assert!(error.kind == Kind::Invalid && error.message.contains("`counter/strike` is a tool of the effect class `once`"), "{error}");
    let ran = desk.run(json!([{ "approve": { "title": "May I?" } }])).await.unwrap();
    let error = for_session(&desk, waiting(&ran).id).await.unwrap_err();
    assert!(error.kind == Kind::Invalid && error.message.contains("a question of the agent's own"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_calls_of_a_session_are_allowed_for_its_rest_too() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), asking(&["bump"])).await;
    let session = desk.host.session_for_calls(&desk.ada(), "desk", Some("line")).await.unwrap();
    let CallEnd::Waiting(wait) = plain(&desk, session, "bump", json!({ "note": "a" }), None).await.unwrap() else { panic!("it asks") };
    for_session(&desk, wait.id).await.unwrap();
    for note in ["a", "b"] {
        ended(plain(&desk, session, "bump", json!({ "note": note }), None).await).result.unwrap();
    }
    desk.host.rest().await;
    drop(desk);
    let desk = Desk::open(folder.path(), asking(&["bump"])).await;
    ended(plain(&desk, session, "bump", json!({ "note": "c" }), None).await).result.unwrap();
    assert_eq!(desk.executions().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn m18_one_principals_open_approvals_are_bounded_and_anothers_are_not_counted() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), asking(&["strike"])).await;
    let mut first = None;
    for number in 0..APPROVALS_OPEN_MAX {
        let ran = desk.run(json!([call("strike", &number.to_string())])).await.unwrap();
        first.get_or_insert_with(|| (ran.session, waiting(&ran).id));
    }
    let ran = desk.run(json!([call("strike", "one more"), call("bump", "goes on")])).await.unwrap();
    assert_eq!((&log(&ran)[0]["error"], &log(&ran)[1]), (&json!("limit"), &json!({ "count": 1 })), "{:?}", log(&ran));
    let ran = desk.run(json!([{ "approve": { "title": "May I?" } }])).await.unwrap();
    let TurnEnd::Failed(error) = &ran.end else { panic!("a question of its own counts too: {:?}", ran.end) };
    assert_eq!(error.kind, Kind::Limit);
    let session = desk.host.session_for_calls(&desk.ada(), "desk", Some("line")).await.unwrap();
    assert_eq!(plain(&desk, session, "strike", json!({ "note": "plain" }), None).await.unwrap_err().kind, Kind::Limit);

    let bob = desk.host.context("user:bob".parse().unwrap(), Role::Owner).unwrap();
    let steps = script(json!([call("strike", "bob's")]));
    waiting(&desk.go_with(&bob, "scripted", None, Some(&steps), None).await.unwrap());
    let (session, wait) = first.unwrap();
    desk.host.decide(&desk.ada(), "desk", wait, Verdict::Deny(None)).await.unwrap();
    desk.resume(session).await.unwrap();
    waiting(&desk.run(json!([call("strike", "in its place")])).await.unwrap());
    assert_eq!(desk.executions().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn m18_what_is_asked_about_is_there_in_full_and_a_cut_says_of_what() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), asking(&["strike"])).await;
    let note = format!("{}\u{202e}end", "x".repeat(QUESTION_MAX_BYTES));
    let ran = desk.run(json!([call("strike", &note)])).await.unwrap();
    let wait = waiting(&ran);
    let arguments = wait.call.as_ref().unwrap().arguments.clone();
    assert!(arguments.contains(&note), "what is approved is all of it");
    let cut = format!("(cut: {} bytes in all, {})", arguments.len(), Digest::of(arguments.as_bytes()));
    assert!(wait.details.ends_with(&cut), "{}", &wait.details[wait.details.len() - 200..]);
    let ran = desk.run(json!([call("strike", "\u{202e}a")])).await.unwrap();
    assert_eq!(waiting(&ran).details, r#"{"note":"\u{202e}a"}"#, "what hides is shown");
}
