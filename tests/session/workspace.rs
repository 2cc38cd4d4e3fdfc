//! Workspaces: what tools leave there lasts with the session, goes back and along with it, and goes with it.

use std::path::{Path, PathBuf};

use remit_core::{
    Kind,
    clock::Timestamp,
    grant::Rule,
    id::SessionId,
    identity::{Context, Role},
    journal::Body,
};
use remit_runtime::{Patience, Ran, Request, RunRequest, TurnEnd, session::Content};
use remit_tests::desk::{Desk, Setup, log, script};
use serde_json::{Value, json};

const MARKER: &str = "a marker that nothing else holds";

fn granted(line: &str) -> Setup {
    Setup { counter: vec![line.to_owned()], ..Setup::default() }
}

async fn open(folder: &Path) -> Desk {
    Desk::open(folder, granted("workspace write scope=session")).await
}

fn put(path: &str, text: &str) -> Value {
    json!({ "call": { "tool": "counter/put", "arguments": { "path": path, "text": text } } })
}

fn look(path: &str) -> Value {
    json!({ "call": { "tool": "counter/look", "arguments": { "path": path } } })
}

fn list() -> Value {
    json!({ "call": { "tool": "counter/list" } })
}

/// The texts that a turn's calls gave.
fn texts(ran: &Ran) -> Vec<String> {
    log(ran).iter().map(|entry| entry["text"].as_str().map_or_else(|| entry.to_string(), str::to_owned)).collect()
}

/// The folder of a session's workspace.
fn live(folder: &Path, session: SessionId) -> PathBuf {
    let project = std::fs::read_dir(folder.join("workspace")).unwrap().next().unwrap().unwrap().path();
    project.join("counter").join(session.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_turn_wrote_the_next_one_reads_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let desk = open(folder.path()).await;
    let ran = desk.run(json!([put("notes/a", "one"), put("b", ""), list()])).await.unwrap();
    assert_eq!(texts(&ran), ["written", "written", "b notes"]);
    drop(desk);
    let desk = open(folder.path()).await;
    let again = desk.more(ran.session, json!([look("notes/a"), put("notes/a", "two"), look("notes/a")])).await.unwrap();
    assert_eq!(texts(&again), ["one", "written", "two"]);
    drop(desk);
    std::fs::remove_dir_all(folder.path().join("workspace")).unwrap();
    let desk = open(folder.path()).await;
    let anew = desk.more(ran.session, json!([look("notes/a"), list()])).await.unwrap();
    assert_eq!(texts(&anew), ["two", "b notes"], "without its folder it is made anew from the journal");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_failed_leaves_its_files_and_one_that_read_records_no_tree() {
    let folder = tempfile::tempdir().unwrap();
    let desk = open(folder.path()).await;
    let ran = desk.run(json!([put("a", "one"), { "fail": "enough" }])).await.unwrap();
    assert!(matches!(ran.end, TurnEnd::Failed(_)));
    desk.more(ran.session, json!([look("a")])).await.unwrap();
    let records = desk.host.journal(&desk.ada(), "desk", ran.session, 0).await.unwrap();
    let captured = records.iter().filter(|record| matches!(record.body, Body::Workspaces { .. })).count();
    assert_eq!(captured, 1);
    std::fs::remove_dir_all(folder.path().join("workspace")).unwrap();
    assert_eq!(texts(&desk.more(ran.session, json!([look("a")])).await.unwrap()), ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_a_revert_and_an_abandoned_turn_have_the_files_of_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let desk = open(folder.path()).await;
    let session = desk.run(json!([put("a", "one")])).await.unwrap().session;
    let first_end = desk.row(session).await.next_seq - 1;
    desk.more(session, json!([put("a", "two"), put("b", "new")])).await.unwrap();

    let fork = desk.host.fork(&desk.ada(), "desk", session, Some(first_end)).await.unwrap().id;
    assert_eq!(texts(&desk.more(fork, json!([look("a"), look("b"), put("a", "fork")])).await.unwrap()), ["one", "nothing", "written"]);
    assert_eq!(texts(&desk.more(session, json!([look("a"), look("b")])).await.unwrap()), ["two", "new"], "the fork has files of its own");

    let waits = desk.more(session, json!([put("a", "three"), { "input": "?" }])).await.unwrap();
    assert!(matches!(waits.end, TurnEnd::Waiting(_)));
    desk.host.abandon(&desk.ada(), "desk", session).await.unwrap();
    assert_eq!(texts(&desk.more(session, json!([look("a")])).await.unwrap()), ["two"], "what the abandoned turn wrote is gone");

    desk.host.revert(&desk.ada(), "desk", session, 1).await.unwrap();
    assert_eq!(texts(&desk.more(session, json!([look("a"), look("b")])).await.unwrap()), ["one", "nothing"]);
    desk.host.revert(&desk.ada(), "desk", session, 0).await.unwrap();
    assert_eq!(texts(&desk.more(session, json!([list()])).await.unwrap()), [""]);
    assert_eq!(texts(&desk.more(fork, json!([look("a")])).await.unwrap()), ["fork"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_waits_goes_on_with_what_it_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let desk = open(folder.path()).await;
    let session = desk.run(json!([put("a", "one"), { "input": "?" }, look("a")])).await.unwrap().session;
    drop(desk);
    let desk = open(folder.path()).await;
    let done = desk.go(Some(session), Some("now"), None).await.unwrap();
    assert_eq!(texts(&done)[2], "one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_session_leaves_neither_folder_nor_content() {
    let folder = tempfile::tempdir().unwrap();
    let desk = open(folder.path()).await;
    let session = desk.run(json!([put("a", MARKER)])).await.unwrap().session;
    let other = desk.run(json!([put("a", "other")])).await.unwrap().session;
    assert!(live(folder.path(), session).join("a").is_file());
    desk.host.erase(&desk.ada(), "desk", session).await.unwrap();
    let left: Vec<_> =
        std::fs::read_dir(live(folder.path(), other).parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains(&session.to_string())), "{left:?}");
    assert_eq!(texts(&desk.more(other, json!([look("a")])).await.unwrap()), ["other"]);
    drop(desk);
    let database = std::fs::read(folder.path().join("state/state.db")).unwrap();
    let there = |text: &str| database.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(there("other") && !there(MARKER), "the marker is still in the database");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_principal_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), granted("workspace write")).await;
    desk.run(json!([put("a", MARKER)])).await.unwrap();
    as_user(&desk, "user:ben", json!([put("a", "bens")])).await;
    desk.host.erase_principal(&desk.ada(), "desk", &"user:ada".parse().unwrap()).await.unwrap();
    let mut files = Vec::new();
    let mut folders = vec![folder.path().join("workspace")];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() { folders.push(entry) } else { files.push(std::fs::read_to_string(entry).unwrap()) }
        }
    }
    assert_eq!(files, ["bens"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_a_workspace_has_a_quota_over_all_that_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), granted("workspace write scope=session max_mib=1 max_files=3")).await;
    let mib = |path: &str, times: usize| json!({ "call": { "tool": "counter/put", "arguments": { "path": path, "text": "x".repeat(1024), "times": times } } });
    let ran = desk.run(json!([mib("a", 700)])).await.unwrap();
    assert_eq!(texts(&ran), ["written"]);
    let full = desk.more(ran.session, json!([mib("b", 700)])).await.unwrap();
    assert_eq!(log(&full)[0]["error"], "failed");
    assert!(full.denials.iter().any(|denial| denial.rule == Rule::Quota && denial.request.contains("/workspace/b")), "{:?}", full.denials);
    let steps = json!([mib("a", 1024), { "call": { "tool": "counter/take", "arguments": { "path": "b" } } }, mib("a", 1000), mib("c", 20)]);
    let usable = desk.more(ran.session, steps).await.unwrap();
    assert_eq!(log(&usable)[0]["error"], "failed", "what another call left counts");
    assert_eq!(texts(&usable)[1..], ["removed", "written", "written"]);
    let files = desk.more(ran.session, json!([put("d", ""), put("e", "")])).await.unwrap();
    assert_eq!((texts(&files)[0].as_str(), log(&files)[1]["error"].as_str()), ("written", Some("failed")));
    assert_eq!(texts(&desk.more(ran.session, json!([list()])).await.unwrap()), ["a c d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_a_group_share_a_workspace() {
    let folder = tempfile::tempdir().unwrap();
    let desk = open(folder.path()).await;
    let of = |path: &str| json!({ "tool": "counter/put", "arguments": { "path": path, "text": path } });
    let ran = desk.run(json!([{ "group": [of("a"), of("b"), of("c"), of("d")] }, list(), look("c")])).await.unwrap();
    assert_eq!(texts(&ran)[1..], ["a b c d", "c"]);
}

/// Runs a new session of another user.
async fn as_user(desk: &Desk, user: &str, steps: Value) -> Ran {
    let context: Context = desk.host.context(user.parse().unwrap(), Role::Owner).unwrap();
    let input = script(steps);
    let (patience, input) = (Patience::default(), Some(input.as_str()));
    let request = RunRequest { project: "desk", agent: "scripted", session: None, name: None, input, key: None, patience, events: None };
    desk.host.run(&context, &request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn m10_a_workspace_is_seen_in_its_scope_alone() {
    let folder = tempfile::tempdir().unwrap();
    let desk = open(folder.path()).await;
    desk.run(json!([put("a", "one")])).await.unwrap();
    assert_eq!(texts(&desk.run(json!([list()])).await.unwrap()), [""], "another session of the same user");
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), granted("workspace write")).await;
    desk.run(json!([put("a", "adas")])).await.unwrap();
    assert_eq!(texts(&desk.run(json!([look("a")])).await.unwrap()), ["adas"], "one user's sessions share it");
    assert_eq!(texts(&as_user(&desk, "user:ben", json!([list()])).await), [""], "another user does not");
    assert_eq!(texts(&as_user(&desk, "user:../ada", json!([list(), put("a", "theirs")])).await), ["", "written"], "whatever the name");
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path(), granted("workspace write scope=project")).await;
    desk.run(json!([put("a", "everybodys")])).await.unwrap();
    assert_eq!(texts(&as_user(&desk, "user:ben", json!([look("a")])).await), ["everybodys"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sessions_workspace_is_refused_outside_of_a_session() {
    let folder = tempfile::tempdir().unwrap();
    let desk = open(folder.path()).await;
    let call = async || desk.host.call(&desk.ada(), &Request::new("desk", "counter", "list", "{}")).await.result;
    let error = call().await.unwrap_err();
    assert_eq!(error.kind, Kind::Denied);
    assert!(error.message.contains("belongs to no turn") && error.hints.len() == 2, "{error:?}");
    drop(desk);
    let desk = Desk::open(folder.path(), granted("workspace read")).await;
    let call = async |tool: &str, arguments: &str| desk.host.call(&desk.ada(), &Request::new("desk", "counter", tool, arguments)).await;
    assert_eq!(call("list", "{}").await.result.unwrap().text(), "", "a user's is there");
    let refused = call("put", r#"{"path": "a", "text": "x"}"#).await;
    assert!(refused.result.is_err());
    assert_eq!(refused.denials[0].fix.as_deref(), Some("workspace write"), "{:?}", refused.denials);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_put_back_elsewhere_has_the_files() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let desk = open(here.path()).await;
    let session = desk.run(json!([put("sub/a", "one")])).await.unwrap().session;
    let copy = here.path().join("copy.db");
    remit_store::backup(&here.path().join("state"), &copy).unwrap();
    desk.more(session, json!([put("sub/a", "after")])).await.unwrap();
    drop(desk);
    remit_store::restore(&there.path().join("state"), &copy, &"user:ada".parse().unwrap(), Timestamp(1)).unwrap();
    let desk = open(there.path()).await;
    assert_eq!(texts(&desk.more(session, json!([look("sub/a")])).await.unwrap()), ["one"]);
    drop(desk);
    remit_store::restore(&here.path().join("state"), &copy, &"user:ada".parse().unwrap(), Timestamp(1)).unwrap();
    let desk = open(here.path()).await;
    assert_eq!(texts(&desk.more(session, json!([look("sub/a")])).await.unwrap()), ["one"], "a folder of later is not taken for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_carries_the_files_and_lacks_none() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let desk = open(here.path()).await;
    let session = desk.run(json!([put("sub/a", "one")])).await.unwrap().session;
    desk.more(session, json!([put("b", "two")])).await.unwrap();
    let (ada, records) = (desk.ada(), desk.host.journal(&desk.ada(), "desk", session, 0).await.unwrap());
    let named = desk.host.content(&ada, "desk", session).await.unwrap();
    let mut content = Content { outputs: named.outputs, ..Content::default() };
    for piece in named.pieces {
        content.pieces.push(desk.host.piece(&ada, "desk", session, piece).await.unwrap());
    }
    let other = open(there.path()).await;
    let row = other.host.import(&other.ada(), "desk", "scripted", &records, &content).await.unwrap();
    assert_eq!(texts(&other.more(row.id, json!([look("sub/a"), look("b")])).await.unwrap()), ["one", "two"]);
    other.host.revert(&other.ada(), "desk", row.id, 1).await.unwrap();
    assert_eq!(texts(&other.more(row.id, json!([list()])).await.unwrap()), ["sub"], "the files of earlier turns came along");
    for at in 0..content.pieces.len() {
        let mut less = content.clone();
        less.pieces.remove(at);
        let error = other.host.import(&other.ada(), "desk", "scripted", &records, &less).await.unwrap_err();
        assert_eq!(error.kind, Kind::Invalid, "without piece {at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_what_others_put_into_the_folder_ends_no_turn_unseen() {
    let folder = tempfile::tempdir().unwrap();
    let desk = open(folder.path()).await;
    let waits = desk.run(json!([put("a", "one"), { "input": "?" }])).await.unwrap();
    let planted = live(folder.path(), waits.session).join("planted");
    std::os::unix::fs::symlink("/etc", &planted).unwrap();
    let error = desk.go(Some(waits.session), Some("now"), None).await.unwrap_err();
    assert!(error.message.contains("`planted`"), "{error:?}");
    std::fs::remove_file(planted).unwrap();
    desk.resume(waits.session).await.expect("the twin: without it, the turn ends");
}
