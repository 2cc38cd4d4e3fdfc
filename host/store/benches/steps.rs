//! What a durable step costs, against what the disk and SQLite cost by themselves. Ratios first: absolute times depend on the machine.
//!
//! Run with `cargo bench -p remit-store`, on the disk of the target folder, or with `-- FOLDER` on another one. The two sides of a row
//! take turns in the same run.

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
    fs::{File, OpenOptions},
    io::{Seek as _, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures::{executor::block_on, future::join_all};
use remit_core::{
    clock::Timestamp,
    id::SessionId,
    journal::{Line, Machine, Outcome, Record, ToolCall, TurnStart},
    plugin::Effect,
    store::{Append, NewSession, SessionRow, SessionStore, Status, TurnClose, TurnOpen},
};
use remit_store::Sqlite;
use rusqlite::{Connection, params};

/// Parts of a measurement that take turns with their baseline, so that a busy moment of the machine meets both. Their median counts.
const PARTS: u64 = 9;

/// A line of the table: a cost of ours, what it is compared with, and what the ratio of the two should be.
struct Row {
    what: String,
    ours: f64,
    baseline: f64,
    unit: &'static str,
    goal: &'static str,
}

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = folder.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let mut rows = vec![opening(&folder)];
    rows.extend(one_step(&folder));
    rows.extend([(1, 20), (8, 10), (64, 8), (1000, 4)].map(|(sessions, steps)| many_steps(&folder, sessions, steps)));
    rows.extend(reading(&folder));
    rows.extend(growth(&folder));
    println!("{:<62} {:>8} {:>14} {:>14}   goal", "what", "ratio", "ours", "baseline");
    for row in rows {
        let ratio = row.ours / row.baseline;
        println!("{:<62} {ratio:>7.2}x {:>10.1} {:<3} {:>10.1} {:<3}   {}", row.what, row.ours, row.unit, row.baseline, row.unit, row.goal);
    }
}

fn place(folder: &Path) -> tempfile::TempDir {
    tempfile::tempdir_in(folder).expect("a folder")
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    micros(times[times.len() / 2])
}

fn session(number: u64) -> SessionId {
    SessionId::new(Timestamp(number), u128::from(number))
}

async fn claimed(store: &Sqlite, number: u64) -> SessionRow {
    let new = NewSession {
        id: session(number),
        project: "bench".to_owned(),
        agent: "writer".to_owned(),
        principal: "user:ada".parse().expect("a principal"),
        key: None,
        at: Timestamp(0),
        parent: None,
        caller: None,
    };
    store.session_create(new).await.expect("a session");
    store.session_claim(session(number)).await.expect("a claim").row
}

fn append(row: &SessionRow, records: Vec<Line>) -> Append {
    Append { records, ..Append::new(row.id, row.epoch, Timestamp(0), Status::Running) }
}

/// A record such as the result of a call is.
fn line(seq: u64) -> Line {
    let output = serde_json::json!({"content": [{"type": "text", "text": "a result of a usual length: ".repeat(8)}]});
    let body = remit_core::journal::Body::end(7, Outcome::Output { output: output.to_string(), kept: None });
    Record { seq, at: Timestamp(seq), body }.encode().expect("a line")
}

/// Opening, reading one session, closing; against the same with SQLite alone.
fn opening(folder: &Path) -> Row {
    let place = place(folder);
    let path = place.path().join("state");
    block_on(claimed(&Sqlite::open(&path).expect("a store"), 1));
    let ours = || {
        let start = Instant::now();
        let store = Sqlite::open(&path).expect("a store");
        assert!(block_on(store.session_get(session(1))).expect("read").is_some());
        drop(store);
        start.elapsed()
    };
    let baseline = || {
        let start = Instant::now();
        let raw = Connection::open(path.join("state.db")).expect("a database");
        let id = raw.query_row("SELECT id FROM sessions WHERE id = ?1", [session(1).to_string()], |row| row.get::<_, String>(0));
        assert_eq!(id.expect("a row"), session(1).to_string());
        drop(raw);
        start.elapsed()
    };
    let (ours, baseline): (Vec<_>, Vec<_>) = (0..50).map(|_| (ours(), baseline())).unzip();
    Row { what: "store opened, read, closed".to_owned(), ours: median(ours), baseline: median(baseline), unit: "µs", goal: "" }
}

/// Pages that a step of one session changes, as the log has them: the owner's mark, the session, the record, its place in the index.
const STEP_BYTES: usize = 4 * (4096 + 24);

/// One durable step, against what the disk takes for a page behind the end of a file, and for as many bytes as the step writes in its middle.
fn one_step(folder: &Path) -> Vec<Row> {
    let place = place(folder);
    let store = Sqlite::open(&place.path().join("state")).expect("a store");
    let row = block_on(claimed(&store, 1));
    let step = |seq: u64| block_on(store.session_append(append(&row, vec![line(seq)]))).expect("a step");
    let file = |name: &str| File::create(place.path().join(name)).expect("a file");
    let (mut grown, mut whole) = (file("grown"), file("whole"));
    whole.write_all(&vec![0; 400 * STEP_BYTES]).expect("written");
    whole.sync_all().expect("synced");
    whole.rewind().expect("at its start");
    let raw = |file: &mut File, bytes: usize| {
        file.write_all(&vec![7; bytes]).expect("written");
        file.sync_data().expect("synced");
    };
    let timed = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    let (mut ours, mut page, mut over) = (Vec::new(), Vec::new(), Vec::new());
    for seq in 0..300 {
        ours.push(timed(&mut || step(seq)));
        page.push(timed(&mut || raw(&mut grown, 4096)));
        over.push(timed(&mut || raw(&mut whole, STEP_BYTES)));
    }
    let ours = median(ours);
    let row = |what: &str, baseline, goal| Row { what: what.to_owned(), ours, baseline, unit: "µs", goal };
    vec![
        row("durable step, one session, against an fdatasync of a page", median(page), "<= 1.2"),
        row("the same, against an fdatasync of its pages written over others", median(over), ""),
    ]
}

/// Time for each of `steps` in each part when `sessions` are at work at once, against SQLite alone with as many rows a transaction.
fn many_steps(folder: &Path, sessions: u64, steps: u64) -> Row {
    let place = place(folder);
    let store = Sqlite::open(&place.path().join("state")).expect("a store");
    let rows = block_on(join_all((0..sessions).map(|number| claimed(&store, number))));
    let raw = Connection::open(place.path().join("raw.db")).expect("a database");
    raw.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 2000;
        CREATE TABLE records (session INTEGER NOT NULL, branch INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
            link BLOB NOT NULL, text TEXT NOT NULL) STRICT;
        CREATE UNIQUE INDEX records_by_seq ON records (session, branch, seq);",
    )
    .expect("a table");
    let (mut ours, mut baseline) = (Vec::new(), Vec::new());
    for part in 0..PARTS {
        let seqs = part * steps..(part + 1) * steps;
        let start = Instant::now();
        block_on(join_all(rows.iter().map(|row| {
            let (store, seqs) = (&store, seqs.clone());
            async move {
                for seq in seqs {
                    store.session_append(append(row, vec![line(seq)])).await.expect("a step");
                }
            }
        })));
        ours.push(start.elapsed());
        let start = Instant::now();
        for seq in seqs {
            raw.execute_batch("BEGIN IMMEDIATE").expect("begun");
            let mut insert = raw.prepare_cached("INSERT INTO records VALUES (?1, 0, ?2, 0, ?3, ?4)").expect("a statement");
            for session in 0..sessions as i64 {
                insert.execute(params![session, seq as i64, [0_u8; 32], line(seq).text]).expect("a row");
            }
            raw.execute_batch("COMMIT").expect("committed");
        }
        baseline.push(start.elapsed());
    }
    let count = (sessions * steps) as f64;
    let (ours, baseline) = (median(ours) / count, median(baseline) / count);
    let what = format!("step of {sessions} sessions at once: {:.0}/s, SQLite alone {:.0}/s", 1e6 / ours, 1e6 / baseline);
    Row { what, ours, baseline, unit: "µs", goal: if sessions == 64 { "<= 2 (half of SQLite's)" } else { "" } }
}

/// A turn of `calls` calls, each with its result.
fn turn(from: u64, calls: u32) -> Vec<Line> {
    let start = TurnStart {
        turn: 0,
        input: "{\"text\":\"do it\"}".to_owned(),
        key: None,
        digest: format!("sha256:{}", "0".repeat(64)),
        version: None,
        migrates_from: None,
        remit: "0.1.0".to_owned(),
        seed: 7,
        memory_mib: 64,
        grace_ms: 1000,
        time_zone: "Europe/Berlin".to_owned(),
        delegation: Vec::new(),
        held: Default::default(),
        carried: Default::default(),
    };
    let mut machine = Machine::start(start, from, Timestamp(0), BTreeMap::new()).expect("a turn");
    for number in 0..calls {
        let call = ToolCall {
            tool: "mail/send".to_owned(),
            arguments: format!("{{\"to\":\"bob\",\"subject\":\"number {number}\"}}"),
            effect: Effect::Once,
            digest: format!("sha256:{}", "1".repeat(64)),
            key: format!("{from}.{number}"),
            cleared: Default::default(),
        };
        let output = serde_json::json!({"content": [{"type": "text", "text": format!("sent {number}")}]});
        let op = machine.begin_call(call, Timestamp(1)).expect("a call");
        machine.end(op, Outcome::Output { output: output.to_string(), kept: None }, Timestamp(2)).expect("a result");
    }
    machine.take_pending()
}

fn reading(folder: &Path) -> Vec<Row> {
    let place = place(folder);
    let path = place.path().join("state");
    let store = Sqlite::open(&path).expect("a store");
    let row = block_on(claimed(&store, 1));
    let lines = turn(0, 5000);
    let count = lines.len() as f64;
    let begun = Append { open: Some(TurnOpen { seq: 0, key: None }), ..append(&row, lines) };
    block_on(store.session_append(begun)).expect("a turn");
    let raw = Connection::open(path.join("state.db")).expect("a database");
    let mut select = raw.prepare("SELECT seq, at, link, text FROM records WHERE session = 1 ORDER BY seq").expect("a statement");
    let (mut ours, mut replays, mut baseline) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..15 {
        let start = Instant::now();
        let lines = block_on(store.session_records(session(1), 0, u32::MAX)).expect("records");
        ours.push(start.elapsed());
        let start = Instant::now();
        let machine = Machine::replay(&lines, BTreeMap::new()).expect("a turn");
        replays.push(start.elapsed());
        assert!(machine.replaying());
        let start = Instant::now();
        let read = select.query_map([], |row| row.get::<_, String>(3)).expect("rows").map(|text| text.expect("a text").len());
        assert!(read.sum::<usize>() > 0);
        baseline.push(start.elapsed());
    }
    drop(select);
    let end = Append { close: Some(TurnClose::default()), status: Status::Idle, ..append(&row, Vec::new()) };
    block_on(store.session_append(Append { records: vec![line(count as u64)], ..end })).expect("an end");
    // A part of the turn is packed each time that the session is left.
    for _ in 0..8 {
        let epoch = block_on(store.session_claim(session(1))).map_or(row.epoch, |claim| claim.row.epoch);
        block_on(store.session_release(session(1), epoch)).expect("released");
    }
    drop(store);
    assert!(raw.query_row("SELECT count(*) FROM records", [], |row| row.get::<_, u32>(0)).expect("a number") < 1000);
    let store = Sqlite::open(&path).expect("a store");
    let mut packed = Vec::new();
    for _ in 0..15 {
        let start = Instant::now();
        assert_eq!(block_on(store.session_records(session(1), 0, u32::MAX)).expect("records").len() as f64, count + 1.0);
        packed.push(start.elapsed());
    }
    let packed = median(packed) / count;
    let (ours, replays, baseline) = (median(ours) / count, median(replays) / count, median(baseline) / count);
    vec![
        Row { what: format!("a record of {count}, read and checked, against SQLite alone"), ours, baseline, unit: "µs", goal: "" },
        Row { what: "the same, once its turn has ended and is packed".to_owned(), ours: packed, baseline, unit: "µs", goal: "" },
        Row {
            what: format!("the same and replayed (decoding included): {:.0} ms", (ours + replays) * count / 1000.0),
            ours: ours + replays,
            baseline,
            unit: "µs",
            goal: "<= 5 µs, <= 50 ms",
        },
    ]
}

/// Bytes on the disk for each turn of four records, in the first and in the last 250 turns of 500.
fn growth(folder: &Path) -> Vec<Row> {
    let place = place(folder);
    let path = place.path().join("state");
    drop(Sqlite::open(&path).expect("a store"));
    let size = || OpenOptions::new().read(true).open(path.join("state.db")).expect("a database").metadata().expect("a size").len();
    let mut sizes = vec![size()];
    let (mut next, mut text) = (0, 0);
    for part in 0..2 {
        let store = Sqlite::open(&path).expect("a store");
        for number in 0..250 {
            let first = part == 0 && number == 0;
            let row = if first { block_on(claimed(&store, 1)) } else { block_on(store.session_claim(session(1))).expect("a claim").row };
            let lines = turn(next, 2);
            text += lines.iter().map(|line| line.text.len()).sum::<usize>();
            let seq = next;
            next += lines.len() as u64;
            let mut one = append(&row, lines);
            one.open = Some(TurnOpen { seq, key: Some(format!("{part}.{number}")) });
            one.close = Some(TurnClose { state: [("last".to_owned(), Some(vec![7; 100]))].into(), ..TurnClose::default() });
            block_on(store.session_append(one)).expect("a turn");
            block_on(store.session_release(session(1), row.epoch)).expect("released");
        }
        // The last one to close it copies its log.
        drop(store);
        sizes.push(size());
    }
    let (first, second) = ((sizes[1] - sizes[0]) as f64 / 250.0, (sizes[2] - sizes[1]) as f64 / 250.0);
    vec![
        Row {
            what: "bytes of a turn: the last 250 of 500, against the first".to_owned(),
            ours: second,
            baseline: first,
            unit: "B",
            goal: "<= 1.1: linear",
        },
        Row {
            what: "bytes of a record, against its text".to_owned(),
            ours: sizes[2] as f64 / next as f64,
            baseline: text as f64 / next as f64,
            unit: "B",
            goal: "",
        },
    ]
}
