//! R1: a process that is killed at any boundary loses nothing that was acknowledged and does nothing twice that must not be.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use remit_core::{
    clock::Timestamp,
    content::Blob,
    id::{SessionId, WaitId},
    identity::Principal,
    journal::{Body, Line, Record},
    plugin::Digest,
    store::{
        Append, Claim, Decision, Import, Later, NewSession, Place, QueuedInput, SessionFilter, SessionRow, SessionStore, Status, WaitRow,
    },
};
use remit_runtime::{TurnEnd, Verdict};
use remit_store::Sqlite;
use remit_tests::desk::{Desk, Setup, call, call_agent, executions, log, script};
use serde_json::{Value, json};

const FOLDER: &str = "REMIT_CRASH_FOLDER";
const AT: &str = "REMIT_CRASH_AT";
const ROUNDS: usize = 10;

/// A store whose process dies at its n-th boundary: before and after each thing that it makes durable. What happens in between, the
/// tools' effects among it, so lies between two boundaries.
pub(super) struct Deadly {
    pub(super) inner: Sqlite,
    pub(super) left: AtomicU64,
}

impl Deadly {
    fn boundary(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).expect("it dies");
        }
    }

    fn around<'a, T: 'a>(&'a self, act: Later<'a, T>) -> Later<'a, T> {
        Box::pin(async move {
            self.boundary();
            let result = act.await;
            self.boundary();
            result
        })
    }
}

impl SessionStore for Deadly {
    fn session_create(&self, new: NewSession) -> Later<'_, SessionRow> {
        self.around(self.inner.session_create(new))
    }
    fn session_get(&self, id: SessionId) -> Later<'_, Option<SessionRow>> {
        self.inner.session_get(id)
    }
    fn session_list(&self, filter: SessionFilter) -> Later<'_, Vec<SessionRow>> {
        self.inner.session_list(filter)
    }
    fn session_claim(&self, id: SessionId) -> Later<'_, Claim> {
        self.around(self.inner.session_claim(id))
    }
    fn session_release(&self, id: SessionId, epoch: u64) -> Later<'_, ()> {
        self.around(self.inner.session_release(id, epoch))
    }
    fn session_append(&self, append: Append) -> Later<'_, ()> {
        self.around(self.inner.session_append(append))
    }
    fn session_records(&self, id: SessionId, from: u64, limit: u32) -> Later<'_, Vec<Line>> {
        self.inner.session_records(id, from, limit)
    }
    fn session_state(&self, id: SessionId) -> Later<'_, BTreeMap<String, Vec<u8>>> {
        self.inner.session_state(id)
    }
    fn session_workspaces(&self, id: SessionId) -> Later<'_, BTreeMap<String, Blob>> {
        self.inner.session_workspaces(id)
    }
    fn content_put(&self, id: SessionId, epoch: u64, pieces: Vec<Vec<u8>>) -> Later<'_, ()> {
        self.around(self.inner.content_put(id, epoch, pieces))
    }
    fn content_get(&self, id: SessionId, piece: Digest) -> Later<'_, Vec<u8>> {
        self.inner.content_get(id, piece)
    }
    fn output_get(&self, id: SessionId, output: Digest) -> Later<'_, Option<Blob>> {
        self.inner.output_get(id, output)
    }
    fn session_turn(&self, id: SessionId, key: String) -> Later<'_, Option<u64>> {
        self.inner.session_turn(id, key)
    }
    fn session_import(&self, import: Import) -> Later<'_, SessionRow> {
        self.inner.session_import(import)
    }
    fn session_revert(&self, id: SessionId, epoch: u64, seq: u64, place: Place, at: Timestamp) -> Later<'_, ()> {
        self.inner.session_revert(id, epoch, seq, place, at)
    }
    fn input_queue(&self, id: SessionId, input: QueuedInput) -> Later<'_, Option<u32>> {
        self.around(self.inner.input_queue(id, input))
    }
    fn input_list(&self, id: SessionId) -> Later<'_, Vec<QueuedInput>> {
        self.inner.input_list(id)
    }
    fn session_kill(&self, id: SessionId, detail: String, at: Timestamp) -> Later<'_, ()> {
        self.inner.session_kill(id, detail, at)
    }
    fn session_erase(&self, id: SessionId) -> Later<'_, ()> {
        self.inner.session_erase(id)
    }
    fn session_prune(&self, filter: SessionFilter) -> Later<'_, Vec<SessionRow>> {
        self.inner.session_prune(filter)
    }
    fn principal_erase(&self, project: String, principal: Principal) -> Later<'_, u64> {
        self.inner.principal_erase(project, principal)
    }
    fn wait_get(&self, id: WaitId) -> Later<'_, Option<WaitRow>> {
        self.inner.wait_get(id)
    }
    fn approvals_open(&self, project: String, principal: Principal, at: Timestamp) -> Later<'_, u64> {
        self.inner.approvals_open(project, principal, at)
    }

    fn wait_list(&self, project: String, session: Option<SessionId>, all: bool) -> Later<'_, Vec<WaitRow>> {
        self.inner.wait_list(project, session, all)
    }
    fn wait_decide(&self, decision: Decision) -> Later<'_, ()> {
        self.inner.wait_decide(decision)
    }
    fn version(&self) -> Later<'_, u64> {
        self.inner.version()
    }
}

/// Ten rounds of every effect class and of state, then a group, an agent that does two of them, at last a `once` tool whose plugin can tell what became of it.
fn steps() -> Value {
    let mut steps = Vec::new();
    for round in 0..ROUNDS {
        steps.push(call("bump", &format!("b{round}")));
        steps.push(call("read_count", ""));
        steps.push(call("strike", &format!("s{round}")));
        steps.push(json!({ "put": { "key": format!("k{round}"), "value": round } }));
    }
    let of = |tool: &str, note: &str| json!({ "tool": format!("counter/{tool}"), "arguments": { "note": note } });
    steps.push(json!({ "group": [of("bump", "g0"), of("strike", "g1"), of("bump", "g2")] }));
    let file = |tool: &str, arguments: Value| json!({ "call": { "tool": format!("counter/{tool}"), "arguments": arguments } });
    steps.push(file("put", json!({ "path": "sub/a", "text": "kept" })));
    steps.push(file("look", json!({ "path": "sub/a" })));
    steps.push(call_agent("helper", json!([call("bump", "b-in"), call("strike", "s-in")])));
    steps.push(json!({ "keys": "k" }));
    steps.push(json!({ "get": "k7" }));
    steps.push(call("mark", "m"));
    steps.into()
}

/// The process that dies while inputs wait: gives one more, and runs what waits.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the tests beside it"]
async fn queue_child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let left = std::env::var(AT).expect("the boundary").parse().expect("a number");
    let inner = Sqlite::open(&folder.join("state")).expect("a store");
    let store = Arc::new(Deadly { inner, left: AtomicU64::new(left) });
    let desk = Desk::with_store(folder, Setup::default(), store).await;
    let session = std::fs::read_to_string(folder.join("session")).expect("a session").parse().expect("its id");
    desk.go(Some(session), Some(&input(3)), Some("3")).await.expect("an input");
    while desk.row(session).await.queued > 0 || desk.row(session).await.status != Status::Idle {
        desk.resume(session).await.expect("a turn");
    }
}

fn input(number: u32) -> String {
    script(json!([call("strike", &number.to_string()), { "put": { "key": number.to_string(), "value": number } }]))
}

/// A session in a turn that was cut off after its effect, for which two inputs wait.
async fn busy(folder: &Path) -> SessionId {
    let desk = Desk::open(folder, Setup::default()).await;
    let session = desk.run(json!([call("strike", "0"), { "approve": { "title": "?" } }])).await.expect("a turn").session;
    for number in [1, 2] {
        desk.go(Some(session), Some(&input(number)), Some(&number.to_string())).await.expect("an input");
    }
    let wait = desk.waits(session).await[0].id;
    desk.host.decide(&desk.ada(), "desk", wait, Verdict::Approve(None)).await.expect("a yes");
    std::fs::write(folder.join("session"), session.to_string()).expect("a file");
    session
}

#[test]
fn killed_at_every_boundary_an_input_that_waits_has_its_turn_once_and_in_its_order() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for at in 1.. {
        let folder = tempfile::tempdir().unwrap();
        let session = runtime.block_on(busy(folder.path()));
        let whole = run_of("queue_child", folder.path(), at);
        assert!(whole || run_of("queue_child", folder.path(), 0), "it goes on");
        let desk = runtime.block_on(Desk::open(folder.path(), Setup::default()));
        let records = runtime.block_on(desk.host.journal(&desk.ada(), "desk", session, 0)).unwrap();
        let key = |record: &Record| if let Body::TurnStart(start) = &record.body { start.key.clone() } else { None };
        assert_eq!(records.iter().filter_map(key).collect::<Vec<_>>(), ["1", "2", "3"], "killed at boundary {at}");
        assert_eq!(records.iter().filter(|record| matches!(record.body, Body::TurnEnd { .. })).count(), 4, "killed at boundary {at}");
        let mut notes: Vec<_> = executions(folder.path()).iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
        let executed = notes.len();
        notes.dedup();
        assert_eq!(notes.len(), executed, "killed at boundary {at}: an effect happened twice");
        if whole {
            assert!(at > 15, "only {at} boundaries");
            break;
        }
    }
}

fn setup() -> Setup {
    Setup {
        counter: vec!["workspace write scope=session".to_owned()],
        tools: Some("tools counter/*\ntools agents/helper".to_owned()),
        agents: vec![("helper".to_owned(), "tools counter/*".to_owned())],
        ..Setup::default()
    }
}

/// What the next turn finds in the workspace, once its folder is gone.
fn workspace(folder: &Path) -> Value {
    let acknowledged = std::fs::read_to_string(folder.join("acknowledged")).expect("it was acknowledged");
    let session = acknowledged.split(' ').next().expect("a session").parse().expect("an id");
    std::fs::remove_dir_all(folder.join("workspace")).expect("it is there");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let desk = Desk::open(folder, setup()).await;
        let look = json!([{ "call": { "tool": "counter/look", "arguments": { "path": "sub/a" } } }]);
        log(&desk.more(session, look).await.expect("a turn"))[0]["text"].clone()
    })
}

/// The process that dies: runs the script, or goes on with it, and acknowledges the result in a file.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the tests beside it"]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let left = std::env::var(AT).expect("the boundary").parse().expect("a number");
    let inner = Sqlite::open(&folder.join("state")).expect("a store");
    let store = Arc::new(Deadly { inner, left: AtomicU64::new(left) });
    let desk = Desk::with_store(folder, setup(), store).await;
    let ran = desk.go(None, Some(&script(steps())), Some("k")).await.expect("a result");
    let TurnEnd::Done(output) = ran.end else { panic!("the turn ended: {:?}", ran.end) };
    let mut file = std::fs::File::create(folder.join("acknowledged")).expect("a file");
    file.write_all(format!("{} {output}", ran.session).as_bytes()).expect("written");
}

fn start(child: &str, folder: &Path, at: u64) -> Command {
    // Written once: children of several tests read it at the same time.
    static GUESTS: OnceLock<(tempfile::TempDir, [(&str, PathBuf); 2])> = OnceLock::new();
    let (_folder, guests) = GUESTS.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let guests = remit_tests::handed_on(folder.path(), &["agent", "counter"]);
        (folder, guests)
    });
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args([&format!("session::crash::{child}"), "--exact", "--ignored", "--nocapture"]).env(FOLDER, folder).env(AT, at.to_string());
    command.envs(guests.iter().cloned());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Runs the child to its end; whether it ended by itself.
fn run(folder: &Path, at: u64) -> bool {
    run_of("child", folder, at)
}

fn run_of(child: &str, folder: &Path, at: u64) -> bool {
    let ended = start(child, folder, at).output().expect("it starts");
    if ended.status.signal() == Some(9) {
        return false;
    }
    assert!(ended.status.success(), "killed at {at}: {}", String::from_utf8_lossy(&ended.stderr));
    true
}

/// What a folder has to hold once its session ended, however often it was killed. Returns how many effects are in doubt.
fn check(folder: &Path, undisturbed: &[Value], when: &str) -> usize {
    let acknowledged = std::fs::read_to_string(folder.join("acknowledged")).expect("it was acknowledged");
    let (_, output) = acknowledged.split_once(' ').expect("session and output");
    let log = normal(serde_json::from_str::<Value>(output).expect("JSON")["log"].as_array().expect("a log"));
    let mut in_doubt = 0;
    for (now, then) in log.iter().zip(undisturbed) {
        let doubt = now.to_string().contains("in-doubt");
        in_doubt += usize::from(doubt);
        assert!(doubt || now == then, "{when}: {now} instead of {then}");
    }
    assert_eq!(log.len(), undisturbed.len(), "{when}");
    assert_eq!(log.last(), undisturbed.last(), "{when}: what a plugin can tell is not in doubt");
    let marks = executions(folder).iter().filter(|line| line.starts_with("mark ")).count();
    assert_eq!(marks, 1, "{when}: an effect that its plugin knows of happened once");
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut strikes: BTreeMap<String, usize> = BTreeMap::new();
    for line in executions(folder) {
        let words: Vec<&str> = line.split(' ').collect();
        keys.entry(words[2].to_owned()).or_default().insert(words[1].to_owned());
        if words[0] == "strike" {
            *strikes.entry(words[1].to_owned()).or_default() += 1;
        }
    }
    assert!(strikes.values().all(|times| *times == 1), "{when}: a `once` effect happened twice: {strikes:?}");
    assert!(keys.values().all(|keys| keys.len() == 1), "{when}: an effect was repeated under another key: {keys:?}");
    let bumps = keys.keys().filter(|note| note.starts_with('b') || matches!(note.as_str(), "g0" | "g2")).count();
    assert_eq!(bumps, ROUNDS + 3, "{when}: an `idempotent` effect is missing");
    assert!(strikes.len() + in_doubt > ROUNDS + 1, "{when}: a `once` effect is missing and not in doubt");
    in_doubt
}

/// The log without the counts, which tell how often something was repeated, and without the order of a group.
fn normal(log: &[Value]) -> Vec<Value> {
    let one = |entry: &Value| match entry {
        Value::Array(group) if group.iter().all(|one| one.get("call").is_some()) => {
            let mut doubtful: Vec<Value> = group.iter().filter(|one| one.to_string().contains("in-doubt")).cloned().collect();
            doubtful.push(json!(group.len()));
            doubtful.into()
        }
        Value::Object(object) if object.contains_key("count") => json!("counted"),
        Value::Object(object) if object.contains_key("log") => normal(object["log"].as_array().expect("a log")).into(),
        other => other.clone(),
    };
    log.iter().map(one).collect()
}

fn undisturbed() -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    assert!(run(folder.path(), 0));
    let acknowledged = std::fs::read_to_string(folder.path().join("acknowledged")).unwrap();
    let (_, output) = acknowledged.split_once(' ').unwrap();
    let log = normal(serde_json::from_str::<Value>(output).unwrap()["log"].as_array().unwrap());
    assert_eq!(check(folder.path(), &log, "undisturbed"), 0);
    log
}

#[test]
fn r1_killed_at_every_boundary_nothing_is_lost_and_nothing_happens_twice() {
    let expected = undisturbed();
    let mut doubts = 0;
    for at in 1.. {
        let folder = tempfile::tempdir().unwrap();
        if run(folder.path(), at) {
            assert!(at > 4 * ROUNDS as u64, "only {at} boundaries");
            break;
        }
        let acknowledged = folder.path().join("acknowledged").exists();
        assert!(run(folder.path(), 0), "it goes on");
        let when = format!("killed at boundary {at}, acknowledged: {acknowledged}");
        doubts += check(folder.path(), &expected, &when);
        assert_eq!(workspace(folder.path()), "kept", "{when}");
    }
    assert!(doubts > 0, "no kill hit a `once` call in flight");
}

/// Plain calls of a session, each under a key: of every effect class, and two side by side. What was told is one line a call.
async fn series(desk: &Desk) -> Vec<String> {
    let id = desk.host.session_for_calls(&desk.ada(), "desk", Some("line")).await.expect("a session");
    let told = async |tool: &str, arguments: Value, key: &str| {
        let end = super::plain::call(desk, id, tool, arguments, Some(key)).await;
        match super::plain::ended(end).result {
            Ok(_) => format!("{key} done"),
            Err(error) => format!("{key} {:?}", error.kind),
        }
    };
    let mut all = Vec::new();
    for round in 0..SERIES_ROUNDS {
        let note = |tool: &str| (json!({ "note": format!("{tool}{round}") }), format!("{tool}{round}"));
        let ((bump, b), (strike, s), (beside, x)) = (note("b"), note("s"), note("x"));
        all.push(told("bump", bump, &b).await);
        all.push(told("read_count", json!({}), &format!("r{round}")).await);
        let (one, two) = tokio::join!(told("strike", strike, &s), told("strike", beside, &x));
        all.extend([one, two]);
    }
    all.push(told("put", json!({ "path": "sub/a", "text": "kept" }), "put").await);
    all.push(told("mark", json!({ "note": "m" }), "mark").await);
    desk.host.rest().await;
    all
}

const SERIES_ROUNDS: usize = 3;

/// The process that dies in the middle of plain calls.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the tests beside it"]
async fn series_child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let left = std::env::var(AT).expect("the boundary").parse().expect("a number");
    let inner = Sqlite::open(&folder.join("state")).expect("a store");
    let desk = Desk::with_store(folder, setup(), Arc::new(Deadly { inner, left: AtomicU64::new(left) })).await;
    std::fs::write(folder.join("acknowledged"), series(&desk).await.join("\n")).expect("written");
}

#[test]
fn killed_at_every_boundary_plain_calls_keep_what_is_promised_of_them() {
    let mut doubts = 0;
    for at in 1.. {
        let folder = tempfile::tempdir().unwrap();
        let whole = run_of("series_child", folder.path(), at);
        assert!(whole || run_of("series_child", folder.path(), 0), "it goes on");
        let when = format!("killed at boundary {at}");
        let told = std::fs::read_to_string(folder.path().join("acknowledged")).unwrap();
        let of = |key: &str| {
            told.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("{when}: no {key}")).trim().to_owned()
        };
        let mut times: BTreeMap<String, (usize, BTreeSet<String>)> = BTreeMap::new();
        for line in executions(folder.path()) {
            let words: Vec<&str> = line.split(' ').collect();
            let (count, keys) = times.entry(words[2].to_owned()).or_default();
            *count += 1;
            keys.insert(words[1].to_owned());
        }
        for round in 0..SERIES_ROUNDS {
            assert_eq!((of(&format!("b{round} ")), of(&format!("r{round} "))), ("done".to_owned(), "done".to_owned()), "{when}");
            for name in [format!("s{round}"), format!("x{round}")] {
                let executed = times.get(&name).map_or(0, |(count, _)| *count);
                match of(&format!("{name} ")).as_str() {
                    "done" => assert_eq!(executed, 1, "{when}: {name}"),
                    "InDoubt" => doubts += usize::from(executed <= 1),
                    other => panic!("{when}: {name} is {other}"),
                }
                assert!(executed <= 1, "{when}: a `once` effect happened twice: {name}");
            }
        }
        assert!(times.values().all(|(_, keys)| keys.len() == 1), "{when}: an effect was repeated under another key: {times:?}");
        assert_eq!((of("mark "), times["m"].0), ("done".to_owned(), 1), "{when}: its plugin knows of it");
        if whole {
            assert!(at > 30, "only {at} boundaries");
            break;
        }
    }
    assert!(doubts > 0, "no kill hit a `once` call in flight");
}

#[test]
#[ignore = "long: a thousand kills at random moments"]
fn long_crash() {
    let kills = std::env::var("REMIT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let expected = undisturbed();
    let mut random = remit_core::journal::Random::new(7);
    let (mut killed, mut sessions, mut doubts) = (0, 0, 0);
    while killed < kills {
        let folder = tempfile::tempdir().unwrap();
        loop {
            let mut child = start("child", folder.path(), 0).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_micros(20_000 + random.next_u64() % 160_000));
            child.kill().unwrap();
            if child.wait().unwrap().success() {
                break;
            }
            killed += 1;
        }
        doubts += check(folder.path(), &expected, &format!("after {killed} kills"));
        sessions += 1;
    }
    println!("{killed} kills at random moments in {sessions} sessions (seed 7): nothing lost, nothing twice, {doubts} effects in doubt");
}
