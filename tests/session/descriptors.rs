//! R12: a process that has few descriptors tells so, loses nothing that it acknowledged, and ends in order.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use remit_core::{Kind, id::SessionId, store::Status};
use remit_runtime::TurnEnd;
use remit_tests::desk::{Desk, Setup, call, log, script};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use serde_json::{Value, json};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

const FOLDER: &str = "REMIT_DESCRIPTORS_FOLDER";
/// Descriptors of the child in all; about half of them are taken before the first session.
const DESCRIPTORS: u64 = 40;
/// Sessions that the child runs at once.
const SESSIONS: usize = 24;
/// Files that a call wants to have open: more than there are descriptors.
const FILES: u64 = 100;

fn setup() -> Setup {
    let tools = "tools counter/*\ntools hostile/hold_files".to_owned();
    Setup { tools: Some(tools), hostile: Some(vec!["fs work:/work".to_owned()]), ..Setup::default() }
}

fn steps() -> Value {
    let hold = json!({ "call": { "tool": "hostile/hold_files", "arguments": { "path": "/work/held", "amount": FILES } } });
    json!([call("bump", "first"), hold, call("strike", "last")])
}

/// The process with few descriptors: runs sessions until it is told to end, and says of each what it was told itself.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the test beside it"]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut terminated = signal(SignalKind::terminate()).expect("a handler");
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), maximum: most }).expect("a limit");
    let desk = Arc::new(Desk::open(Path::new(&folder), setup()).await);
    let (mut running, ending) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
    for worker in 0..SESSIONS {
        let (desk, ending) = (desk.clone(), ending.clone());
        running.spawn(async move {
            for round in 0.. {
                let key = format!("{worker}.{round}");
                let said = match desk.go(None, Some(&script(steps())), Some(&key)).await {
                    Ok(ran) => match ran.end {
                        TurnEnd::Done(output) => json!({ "done": ran.session, "output": output }),
                        TurnEnd::Failed(error) => json!({ "failed": ran.session, "kind": error.kind }),
                        TurnEnd::Waiting(_) | TurnEnd::Queued(_) => json!({ "waiting": ran.session }),
                    },
                    Err(error) => json!({ "error": error.kind, "message": error.message }),
                };
                println!("{said}");
                if ending.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
    }
    terminated.recv().await;
    ending.store(true, Ordering::SeqCst);
    desk.host.shutdown(Duration::from_secs(20)).await;
    running.join_all().await;
    println!("{}", json!({ "drained": desk.host.in_flight() }));
}

/// What the child said until it had run enough, and after it was told to end.
fn run(folder: &Path) -> Vec<Value> {
    let guests = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["session::descriptors::child", "--exact", "--ignored", "--nocapture"]).env(FOLDER, folder);
    command.envs(remit_tests::handed_on(guests.path(), &["agent", "counter", "hostile"]));
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let (mut said, mut done, mut told) = (Vec::<Value>::new(), 0, false);
    for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
        let line = line.expect("text");
        let Some(start) = line.find('{') else { continue };
        let one: Value = serde_json::from_str(&line[start..]).unwrap_or_else(|error| panic!("{error}: {line}"));
        done += usize::from(one.get("done").is_some());
        said.push(one);
        if !told && (done == SESSIONS || said.len() == 5000) {
            told = true;
            kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
        }
    }
    let ended = child.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{}: {}", ended.status, String::from_utf8_lossy(&ended.stderr));
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_with_few_descriptors_errors_are_told_nothing_acknowledged_is_lost_and_it_drains() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("work")).unwrap();
    std::fs::write(folder.path().join("work/held"), "held").unwrap();
    let child = folder.path().to_owned();
    let said = tokio::task::spawn_blocking(move || run(&child)).await.unwrap();
    assert_eq!(said.last(), Some(&json!({ "drained": 0 })), "it ends in order");
    assert!(said.iter().any(|one| one.get("done").is_some()), "nothing was done: {said:?}");
    let mut refused = 0;
    let desk = Desk::open(folder.path(), setup()).await;
    for one in &said {
        if let Some(output) = one["output"].as_str() {
            let id: SessionId = one["done"].as_str().unwrap().parse().unwrap();
            let row = desk.row(id).await;
            assert_eq!((row.status, row.turns), (Status::Idle, 1));
            let last = desk.host.journal(&desk.ada(), "desk", id, row.next_seq - 1).await.unwrap();
            assert!(serde_json::to_string(&last).unwrap().contains(&serde_json::to_string(output).unwrap()), "{one}");
            let entries: Value = serde_json::from_str(output).unwrap();
            refused += usize::from(entries["log"].to_string().contains("error") || entries["log"][1]["result"] != FILES);
        } else if let Some(kind) = one["error"].as_str() {
            let kind: Kind = serde_json::from_value(kind.into()).unwrap();
            assert!(matches!(kind, Kind::Unavailable | Kind::Host), "{one}");
            refused += 1;
        }
    }
    assert!(refused > 0, "there were descriptors enough: {said:?}");
    // What was cut off goes on where there are enough.
    let filter = remit_core::store::SessionFilter { project: "desk".to_owned(), limit: 10_000, ..Default::default() };
    for row in desk.host.sessions(&desk.ada(), filter).await.unwrap() {
        if row.status == Status::Running {
            let ran = desk.resume(row.id).await.unwrap();
            assert_eq!(log(&ran).len(), 3);
        }
    }
    let mut strikes: BTreeMap<String, usize> = BTreeMap::new();
    for line in desk.executions().iter().filter(|line| line.starts_with("strike")) {
        *strikes.entry(line.clone()).or_default() += 1;
    }
    assert!(strikes.values().all(|times| *times == 1), "{strikes:?}");
    assert_eq!(log(&desk.run(steps()).await.unwrap())[1], json!({ "result": FILES }), "with enough of them all are held");
}
