//! What a session costs: its steps, waking it, keeping it asleep. Ratios first: absolute times depend on the machine.
//!
//! Run with `cargo bench --workspace --bench sessions`, on the disk of the target folder, or with `-- FOLDER` on another one. Where both
//! sides are times, they take turns in the same run and medians are compared.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a benchmark measures time and may fail loudly"
)]

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use remit_core::{
    clock::Timestamp,
    id::{SessionId, WaitId},
    journal::{Machine, TurnStart, Wait},
    plugin::Digest,
    store::{Append, NewSession, OpenWait, SessionStore, Status, TurnOpen, WaitKind},
};
use remit_runtime::{Request, TurnEnd};
use remit_store::Sqlite;
use remit_tests::desk::{Desk, Setup, call, log, script};
use rusqlite::Connection;
use serde_json::json;

/// Parts of a measurement that take turns with their baseline, so that a busy moment of the machine meets both. Their median counts.
const PARTS: usize = 25;
/// Calls of a turn that measures a step; an `idempotent` one makes two durable records.
const CALLS: usize = 10;
/// Calls of the turn that is woken: with a start, a wait and two records each it has ten thousand records.
const LONG: usize = 4999;
/// Sessions that sleep.
const SLEEPING: u64 = 100_000;
/// Sessions that are woken: once to see that they still wait, once with what they wait for.
const WOKEN: u64 = 51;
/// Sessions that are put to sleep at once.
const AT_ONCE: u64 = 2000;
/// Tells a child process of this program in which folder to wake a session.
const WAKE: &str = "REMIT_BENCH_WAKE";

/// A line of the table: a cost of ours, what it is compared with, and what the ratio of the two should be.
struct Row {
    what: String,
    ours: f64,
    baseline: f64,
    unit: &'static str,
    goal: &'static str,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    if let Some(folder) = std::env::var_os(WAKE) {
        return runtime.block_on(wake(Path::new(&folder)));
    }
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = folder.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let mut rows = runtime.block_on(steps(&folder));
    rows.extend(runtime.block_on(long_turn(&folder)));
    rows.extend(sleeping(&runtime, &folder));
    println!("{:<70} {:>8} {:>13} {:>13}   goal", "what", "ratio", "ours", "baseline");
    for row in rows {
        let ratio = row.ours / row.baseline;
        println!("{:<70} {ratio:>7.2}x {:>9.1} {:<3} {:>9.1} {:<3}   {}", row.what, row.ours, row.unit, row.baseline, row.unit, row.goal);
    }
}

fn place(folder: &Path) -> tempfile::TempDir {
    tempfile::tempdir_in(folder).expect("a folder")
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Time of a turn of so many calls of one tool.
async fn calls(desk: &Desk, times: usize, tool: &str) -> f64 {
    let start = Instant::now();
    desk.run(json!([{ "repeat": { "times": times, "steps": [call(tool, "step")] } }])).await.expect("a turn");
    micros(start.elapsed())
}

/// Time of as many calls of the tool outside of a session.
async fn alone(desk: &Desk, times: usize, tool: &str) -> f64 {
    let context = desk.ada();
    let start = Instant::now();
    for _ in 0..times {
        let called = desk.host.call(&context, &Request::new("desk", "counter", tool, "{}")).await;
        called.result.expect("an output");
    }
    micros(start.elapsed())
}

/// Durable steps through the whole host, against the disk alone. What a turn takes without calls is taken away, and so is what the calls
/// take outside of a session.
async fn steps(folder: &Path) -> Vec<Row> {
    let place = place(folder);
    let desk = Desk::open(place.path(), Setup::default()).await;
    let mut file = OpenOptions::new().create(true).append(true).open(place.path().join("synced")).expect("a file");
    calls(&desk, CALLS, "bump").await;
    let (mut changing, mut reading, mut raw) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PARTS {
        let empty = calls(&desk, 0, "bump").await;
        changing.push(calls(&desk, CALLS, "bump").await - empty - alone(&desk, CALLS, "bump").await);
        reading.push(calls(&desk, CALLS, "read_count").await - empty - alone(&desk, CALLS, "read_count").await);
        let start = Instant::now();
        for _ in 0..2 * CALLS {
            file.write_all(&[7; 4096]).expect("written");
            file.sync_data().expect("synced");
        }
        raw.push(micros(start.elapsed()));
    }
    let baseline = median(raw) / (2 * CALLS) as f64;
    let row = |what: &str, whole, steps: usize, goal| {
        let ours = median(whole) / steps as f64;
        Row { what: what.to_owned(), ours, baseline, unit: "µs", goal }
    };
    vec![
        row("a record of an `idempotent` call in a turn / fdatasync", changing, 2 * CALLS, "<= 1.2x"),
        row("both records of a `read` call in a turn (one commit) / fdatasync", reading, CALLS, "<= 1.2x"),
    ]
}

/// A turn of ten thousand records that waits: replayed up to its wait, and answered.
async fn long_turn(folder: &Path) -> Vec<Row> {
    let place = place(folder);
    let desk = Desk::open(place.path(), Setup::default()).await;
    let steps = json!([{ "repeat": { "times": LONG, "steps": [call("read_count", "")] } }, { "input": "?" }]);
    let first = Instant::now();
    let session = desk.run(steps).await.expect("a turn").session;
    let first = micros(first.elapsed());
    let records = desk.row(session).await.next_seq as f64;
    let raw = Connection::open(place.path().join("state/state.db")).expect("a database");
    let mut select = raw.prepare("SELECT seq, at, link, text FROM records ORDER BY seq").expect("a statement");
    let (mut ours, mut baseline) = (Vec::new(), Vec::new());
    for _ in 0..PARTS {
        let start = Instant::now();
        let ran = desk.resume(session).await.expect("a turn");
        ours.push(micros(start.elapsed()));
        assert!(matches!(ran.end, TurnEnd::Waiting(_)), "{:?}", ran.end);
        let start = Instant::now();
        let read = select.query_map([], |row| row.get::<_, String>(3)).expect("rows").map(|text| text.expect("a text").len());
        assert!(read.sum::<usize>() > 0);
        baseline.push(micros(start.elapsed()));
    }
    let start = Instant::now();
    let done = desk.go(Some(session), Some("now"), None).await.expect("a turn");
    let answered = micros(start.elapsed());
    assert_eq!(log(&done).len(), 2);
    let (ours, baseline) = (median(ours), median(baseline));
    let row = |what, ours: f64, baseline: f64, unit, goal| Row { what, ours, baseline, unit, goal };
    vec![
        row(format!("a turn of {records} records replayed up to its wait / SQLite alone"), ours / 1e3, baseline / 1e3, "ms", "<= 50 ms"),
        row("the same, by record".to_owned(), ours / records, baseline / records, "µs", "<= 5 µs"),
        row("the same, answered and ended / its first run".to_owned(), answered / 1e3, first / 1e3, "ms", ""),
    ]
}

fn session(number: u64) -> SessionId {
    SessionId::new(Timestamp(number), u128::from(number))
}

/// Puts a session to sleep, as a turn that asks for an input does.
async fn sleep(store: &Sqlite, number: u64, digest: &str) {
    let (id, at) = (session(number), Timestamp(number));
    let principal = "user:ada".parse().expect("a principal");
    let new =
        NewSession { id, project: "desk".to_owned(), agent: "scripted".to_owned(), principal, key: None, at, parent: None, caller: None };
    store.session_create(new).await.expect("a session");
    let epoch = store.session_claim(id).await.expect("a claim").row.epoch;
    let start = TurnStart {
        turn: 0,
        input: script(json!([{ "input": "?" }])),
        key: None,
        digest: digest.to_owned(),
        version: None,
        migrates_from: None,
        remit: "0.1.0".to_owned(),
        seed: number,
        memory_mib: 64,
        grace_ms: 30_000,
        time_zone: "UTC".to_owned(),
        delegation: Vec::new(),
        held: Default::default(),
        carried: Default::default(),
    };
    let mut machine = Machine::start(start, 0, at, BTreeMap::new()).expect("a turn");
    let wait = WaitId::new(at, u128::from(number));
    let op = machine.begin_wait(Wait::Input { id: wait, prompt: "?".to_owned() }, at).expect("a wait");
    let title = "?".to_owned();
    let opened = OpenWait { id: wait, op, kind: WaitKind::Input, title, details: String::new(), call: None, due: None };
    let append = Append {
        records: machine.take_pending(),
        opened: vec![opened],
        open: Some(TurnOpen { seq: 0, key: None }),
        detail: "?".to_owned(),
        ..Append::new(id, epoch, at, Status::Waiting)
    };
    store.session_append(append).await.expect("a turn");
    store.session_release(id, epoch).await.expect("released");
}

async fn put_to_sleep(folder: &Path, count: u64) {
    let store = Arc::new(Sqlite::open(&folder.join("state")).expect("a store"));
    let digest = Digest::of(&remit_tests::fixture("agent")).to_string();
    for first in (0..count).step_by(AT_ONCE as usize) {
        let mut tasks = tokio::task::JoinSet::new();
        for number in first..count.min(first + AT_ONCE) {
            let (store, digest) = (store.clone(), digest.clone());
            tasks.spawn(async move { sleep(&store, number, &digest).await });
        }
        tasks.join_all().await;
    }
    drop(store);
    // What is still to be written would be waited for by those who are measured next.
    rustix::fs::sync();
}

/// In a process of its own: a host on a store, its memory, and the time that waking one of its sessions takes.
async fn wake(folder: &Path) {
    let desk = Desk::open(folder, Setup::default()).await;
    desk.run(json!([])).await.expect("a turn: all is compiled and loaded");
    let before = resident();
    let (mut looks, mut turns) = (Vec::new(), Vec::new());
    for number in 0..WOKEN {
        let start = Instant::now();
        let ran = desk.resume(session(number)).await.expect("a turn");
        looks.push(micros(start.elapsed()));
        assert!(matches!(ran.end, TurnEnd::Waiting(_)), "{:?}", ran.end);
        let start = Instant::now();
        let ran = desk.go(Some(session(number)), Some("now"), None).await.expect("a turn");
        turns.push(micros(start.elapsed()));
        assert_eq!(log(&ran), [json!("now")]);
    }
    println!("{before} {} {}", median(looks), median(turns));
}

/// Resident memory of this process, in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the memory");
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().expect("a number") / 1024.0
}

/// A host with very many sleeping sessions in its store, against one with few.
fn sleeping(runtime: &tokio::runtime::Runtime, folder: &Path) -> Vec<Row> {
    let guests = place(folder);
    let measured = |count: u64| {
        let place = place(folder);
        runtime.block_on(put_to_sleep(place.path(), count));
        let mut child = Command::new(std::env::current_exe().expect("this benchmark"));
        child.env(WAKE, place.path()).envs(remit_tests::handed_on(guests.path(), &["agent", "counter"]));
        let output = child.output().expect("a process");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("text");
        let numbers: Vec<f64> = text.split_whitespace().map(|number| number.parse().expect("a number")).collect();
        (numbers[0], numbers[1] / 1e3, numbers[2] / 1e3)
    };
    let few = measured(WOKEN);
    let many = measured(SLEEPING);
    let row = |what: &str, ours, baseline, unit, goal| Row {
        what: format!("{what}, with {SLEEPING} asleep / with {WOKEN}"),
        ours,
        baseline,
        unit,
        goal,
    };
    vec![
        row("memory of a host", many.0, few.0, "MiB", "1x: no memory"),
        row("waking up to its wait", many.1, few.1, "ms", "<= 1 ms + replay + commits"),
        row("waking, answered, to its end", many.2, few.2, "ms", "<= 1 ms + replay + commits"),
    ]
}
