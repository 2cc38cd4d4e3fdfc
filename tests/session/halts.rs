//! What is halted: turns stop where they are, and go on when they may.

use std::{path::Path, sync::Arc};

use remit_core::{
    Kind,
    clock::Timestamp,
    halt::{Halt, Target},
    store::Status,
};
use remit_runtime::project::{HaltFile, StateFolder};
use remit_tests::desk::{Desk, Setup, call, executions, log};
use serde_json::json;

fn file(folder: &Path) -> HaltFile {
    HaltFile::new(&StateFolder::new(folder, "desk", None))
}

async fn desk(folder: &Path) -> Desk {
    Desk::open(folder, Setup { halts: Some(Arc::new(file(folder))), ..Setup::default() }).await
}

fn halt(folder: &Path, target: &str) {
    let halt = Halt { by: "user:ada".parse().unwrap(), at: Timestamp(0), reason: None };
    assert!(file(folder).change(|halts| halts.halt(target.parse().unwrap(), halt)).unwrap());
}

fn free(folder: &Path, target: &str) {
    assert!(file(folder).change(|halts| Ok(halts.resume(&target.parse().unwrap()))).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_stops_where_it_is_and_goes_on_when_it_may() {
    for target in ["*", "user:ada", "scripted"] {
        let folder = tempfile::tempdir().unwrap();
        let desk = desk(folder.path()).await;
        let slow = json!({ "call": { "tool": "counter/slow", "arguments": { "note": "once", "ms": 25_000 } } });
        let run = desk.run(json!([call("bump", "before"), slow, call("bump", "after")]));
        let halted = async {
            while executions(folder.path()).len() < 2 {
                tokio::task::yield_now().await;
            }
            halt(folder.path(), target);
        };
        let (stopped, ()) = tokio::join!(run, halted);
        let stopped = stopped.unwrap_err();
        assert_eq!((stopped.kind, stopped.code), (Kind::Unavailable, Some("E-HALTED")), "{target}: {stopped}");
        let session = desk.host.sessions(&desk.ada(), filter()).await.unwrap()[0].id;
        assert_eq!(desk.row(session).await.status, Status::Running, "it was cut off");
        let refused = desk.resume(session).await.unwrap_err();
        assert_eq!((refused.kind, refused.code), (Kind::Denied, Some("E-HALTED")), "{target}: {refused}");

        free(folder.path(), target);
        let done = desk.resume(session).await.unwrap();
        assert_eq!(log(&done)[1]["error"], "in-doubt", "{target}: {:?}", log(&done));
        let notes: Vec<_> = executions(folder.path()).iter().filter_map(|line| line.rsplit(' ').next().map(str::to_owned)).collect();
        assert_eq!(notes, ["before", "once", "after"], "{target}: nothing happened twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_told_that_a_plugin_is_disabled_and_acts_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let desk = desk(folder.path()).await;
    halt(folder.path(), "counter");
    let ran = desk.run(json!([call("bump", "a")])).await.unwrap();
    assert_eq!(log(&ran)[0]["error"], "denied");
    free(folder.path(), "counter");
    let ran = desk.more(ran.session, json!([call("bump", "b")])).await.unwrap();
    assert_eq!(log(&ran)[0], json!({ "count": 1 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_while_it_cannot_be_read_what_is_halted() {
    let folder = tempfile::tempdir().unwrap();
    let desk = desk(folder.path()).await;
    halt(folder.path(), "user:ben");
    let path = folder.path().join(".remit/halt/halted.json");
    let text = std::fs::read(&path).unwrap();
    for damaged in [&text[..text.len() - 2], b"", b"{}"] {
        std::fs::write(&path, damaged).unwrap();
        let refused = desk.run(json!([call("bump", "a")])).await.unwrap_err();
        assert!(refused.message.starts_with("nothing runs: "), "{refused}");
    }
    assert!(executions(folder.path()).is_empty());
    std::fs::write(&path, text).unwrap();
    desk.run(json!([call("bump", "a")])).await.unwrap();
}

/// Two processes that change it at once lose nothing of each other.
#[test]
fn changes_at_once_are_made_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for one in 0..8 {
            let folder = folder.path();
            scope.spawn(move || (0..8).for_each(|two| halt(folder, &format!("user:{one}-{two}"))));
        }
    });
    let targets = file(folder.path()).change(|halts| Ok(halts.iter().filter(|(target, _)| matches!(target, Target::Principal(_))).count()));
    assert_eq!(targets.unwrap(), 64);
}

fn filter() -> remit_core::store::SessionFilter {
    remit_core::store::SessionFilter { project: "desk".to_owned(), limit: 10, ..Default::default() }
}
