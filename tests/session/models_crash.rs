//! R1 with a model: a process that is killed at any boundary of a talk with a model asks nothing twice but what was on its way.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, OnceLock, atomic::AtomicU64},
};

use std::os::unix::process::ExitStatusExt as _;

use remit_runtime::TurnEnd;
use remit_store::Sqlite;
use remit_tests::{
    desk::{Desk, Setup, executions, script},
    provider::{Asked, Provider, Turn, models},
};
use serde_json::{Value, json};

use super::crash::Deadly;

const FOLDER: &str = "REMIT_MODEL_CRASH_FOLDER";
const AT: &str = "REMIT_MODEL_CRASH_AT";
const TABLES: &str = "REMIT_MODEL_CRASH_TABLES";
const ROUNDS: usize = 10;

/// The process that dies in the middle of a talk, or goes on with it, and acknowledges its end in a file.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the test beside it"]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let left = std::env::var(AT).expect("the boundary").parse().expect("a number");
    let inner = Sqlite::open(&folder.join("state")).expect("a store");
    let store = Arc::new(Deadly { inner, left: AtomicU64::new(left) });
    let setup = Setup {
        models: models(&std::env::var(TABLES).expect("the models")),
        tools: Some("tools counter/*\nmodel default".to_owned()),
        ..Setup::default()
    };
    let desk = Desk::with_store(folder, setup, store).await;
    let chat = json!({ "chat": { "model": "default", "prompt": "go", "tools": ["counter/bump", "counter/strike"] } });
    let ran = desk.go(None, Some(&script(json!([chat]))), Some("k")).await.expect("a result");
    let TurnEnd::Done(output) = ran.end else { panic!("the turn ended: {:?}", ran.end) };
    std::fs::write(folder.join("acknowledged"), output).expect("a file");
}

/// Runs the child; whether it ended by itself.
fn run(folder: &Path, tables: &str, at: u64) -> bool {
    static GUESTS: OnceLock<(tempfile::TempDir, [(&str, PathBuf); 2])> = OnceLock::new();
    let (_folder, guests) = GUESTS.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let guests = remit_tests::handed_on(folder.path(), &["agent", "counter"]);
        (folder, guests)
    });
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["session::models_crash::child", "--exact", "--ignored", "--nocapture"]);
    command.env(FOLDER, folder).env(AT, at.to_string()).env(TABLES, tables).envs(guests.iter().cloned());
    let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output().expect("it starts");
    if ended.status.signal() == Some(9) {
        return false;
    }
    assert!(ended.status.success(), "killed at {at}: {}", String::from_utf8_lossy(&ended.stderr));
    true
}

/// Wants two tools called in each round, side by side, and says at last that it is done. What it does depends on what it is told alone.
fn rule(asked: &Asked) -> Turn {
    let messages = asked.body["messages"].as_array().expect("messages");
    let round = messages.iter().filter(|message| message["role"] == "assistant").count();
    if round == ROUNDS {
        return Turn::Say("all done".to_owned());
    }
    let call = |tool: &str| (format!("counter__{tool}"), json!({ "note": format!("{tool}{round}") }).to_string());
    Turn::Call(vec![call("bump"), call("strike")])
}

/// Each call has its result right behind it, and ids are unique.
fn is_valid(body: &Value) -> bool {
    let messages = body["messages"].as_array().expect("messages");
    let mut open: Vec<&Value> = Vec::new();
    let mut valid = true;
    for message in messages {
        if message["role"] == "tool" {
            let before = open.len();
            open.retain(|id| **id != message["tool_call_id"]);
            valid &= open.len() + 1 == before;
        } else {
            valid &= open.is_empty();
            open.extend(message["tool_calls"].as_array().into_iter().flatten().map(|call| &call["id"]));
        }
    }
    valid && open.is_empty()
}

fn at_boundary(at: u64) -> bool {
    let (provider, folder) = (Provider::ruled(rule), tempfile::tempdir().unwrap());
    let tables = provider.table("default", "openai-chat", "");
    let whole = run(folder.path(), &tables, at);
    assert!(whole || run(folder.path(), &tables, 0), "it goes on");
    let output: Value = serde_json::from_str(&std::fs::read_to_string(folder.path().join("acknowledged")).unwrap()).unwrap();
    assert_eq!(output["log"][0][ROUNDS], "all done", "killed at {at}");
    let asked = provider.asked();
    assert!(asked.iter().all(|one| is_valid(&one.body)), "killed at {at}: a conversation that no provider takes");
    let mut times: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    asked.iter().for_each(|one| times.entry(one.header("idempotency-key").expect("a key")).or_default().push(&one.body));
    assert_eq!(times.len(), ROUNDS + 1, "killed at {at}: a call has one key");
    assert!(times.values().all(|bodies| bodies.iter().all(|body| *body == bodies[0])), "killed at {at}: a key has one request");
    let repeated = asked.len() - times.len();
    assert!(repeated <= usize::from(!whole), "killed at {at}: {repeated} calls were made twice");
    let mut strikes: Vec<String> = executions(folder.path()).into_iter().filter(|line| line.starts_with("strike ")).collect();
    let executed = strikes.len();
    strikes.dedup();
    assert!(strikes.len() == executed && executed <= ROUNDS, "killed at {at}: a `once` effect happened twice");
    whole
}

#[test]
fn killed_at_some_boundaries_of_a_talk_a_model_is_asked_twice_only_what_was_on_its_way() {
    // Prime, so that over the boundaries of a round each kind of them is met.
    assert!((1..).step_by(17).any(at_boundary));
}

#[test]
#[ignore = "takes minutes"]
fn long_killed_at_every_boundary_of_a_talk_a_model_is_asked_twice_only_what_was_on_its_way() {
    let last = (1..).find(|at| at_boundary(*at)).expect("it ends");
    assert!(last > 60, "only {last} boundaries");
}
