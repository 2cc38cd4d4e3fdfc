//! Plugins with `isolation = "process"`: the same calls, in a process that can do nothing but compute and ask.
#![cfg(target_os = "linux")]

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use remit_core::{
    Blame, Error, Kind, Result,
    grant::Denial,
    identity::Role,
    limit::CallLimits,
    plugin::Isolation,
    secret::{Found, SecretSource, SecretString, Wanted},
};
use remit_runtime::{Host, Outcome, Plugin, Project, Request, capability::Event};
use remit_tests::{Ending, Lab, Shell, fixture, remit, skipped};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, oneshot};

/// Held by each test that looks for the processes of its own host: all of them are children of this one.
static ALONE: Mutex<()> = Mutex::const_new(());

/// The isolated processes that are children of `parent`.
fn processes(parent: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").expect("processes").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let child = |status: &str| status.lines().any(|line| line == format!("PPid:\t{parent}"));
        let isolated = |command: &[u8]| command.split(|byte| *byte == 0).any(|word| word == b"__isolate");
        let path = entry.path();
        if fs::read_to_string(path.join("status")).is_ok_and(|status| child(&status))
            && fs::read(path.join("cmdline")).is_ok_and(|command| isolated(&command))
        {
            found.insert(pid);
        }
    }
    found
}

fn ours() -> BTreeSet<u32> {
    processes(std::process::id())
}

/// Waits until `is` is true.
async fn until(what: &str, is: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !is() {
            tokio::task::yield_now().await;
        }
    });
    waited.await.unwrap_or_else(|_elapsed| panic!("{what}"));
}

async fn alone() -> MutexGuard<'static, ()> {
    let alone = ALONE.lock().await;
    until("the processes of other tests end", || ours().is_empty()).await;
    alone
}

/// The guest `name`, isolated or not.
async fn lab(name: &str, grants: &[&str], limits: CallLimits, isolation: Isolation) -> Lab {
    Lab::new().placed(name, fixture(name), grants, limits, isolation).await
}

async fn hostile(grants: &[&str]) -> Lab {
    let limits = CallLimits { deadline_ms: 20_000, ..CallLimits::default() };
    lab("hostile", grants, limits, Isolation::Process).await
}

/// Starts `tool` and waits until it says that it has begun; then its outcome, and the process that it runs in.
async fn begun(lab: &Lab, tool: &str, arguments: Value) -> (tokio::task::JoinHandle<Outcome>, u32) {
    let (begun, begins) = oneshot::channel();
    let begun = std::sync::Mutex::new(Some(begun));
    let host = lab.host.clone();
    let (tool, arguments) = (tool.to_owned(), arguments.to_string());
    let calling = tokio::spawn(async move {
        let context = host.context("user:ada".parse().expect("a principal"), Role::Owner).expect("a context");
        let mut request = Request::new("lab", "hostile", &tool, &arguments);
        request.events = Some(Arc::new(move |event| {
            if let (Event::Progress { .. }, Some(begun)) = (event, begun.lock().unwrap().take()) {
                begun.send(()).expect("the test waits");
            }
        }));
        host.call(&context, &request).await
    });
    begins.await.expect("it begins");
    let running = ours();
    assert_eq!(running.len(), 1, "{running:?}");
    (calling, running.into_iter().next().expect("one"))
}

/// All that a caller sees of an outcome.
type Shown = (std::result::Result<String, (Kind, Blame, String, Vec<String>)>, BTreeSet<String>, String, String);

fn shown(outcome: Outcome) -> Shown {
    let result = match outcome.result {
        Ok(output) => Ok(serde_json::to_string(&output).expect("JSON")),
        Err(error) => Err((error.kind, error.blame, error.message, error.hints)),
    };
    let denial = |denial: &Denial| serde_json::to_string(denial).expect("JSON");
    (result, outcome.denials.iter().map(denial).collect(), outcome.stdout, outcome.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_isolated_call_is_what_the_same_call_is_in_the_hosts_process() {
    let _alone = alone().await;
    let grants = ["env LANG=C", "config region=eu", "kv write", "tools hostile/*"];
    let limits = CallLimits { memory_mib: 16, deadline_ms: 20_000, output_kib: 64, ..CallLimits::default() };
    let here = lab("hostile", &grants, limits, Isolation::None).await;
    let apart = lab("hostile", &grants, limits, Isolation::Process).await;
    let cases = [
        ("environment", json!({})),
        ("config", json!({ "key": "region" })),
        ("config", json!({ "key": "" })),
        ("kv", json!({ "key": "a", "value": "b" })),
        ("kv", json!({ "key": "a", "value": null })),
        ("kv", json!({ "key": "k".repeat(2000), "value": "too long a key" })),
        ("read_file", json!({ "path": "/docs/a.md" })),
        ("list_folder", json!({ "path": "/" })),
        ("fetch", json!({ "address": "http://127.0.0.1:1/" })),
        ("connect", json!({ "address": "127.0.0.1:1" })),
        ("resolve", json!({ "address": "localhost:80" })),
        ("call_tool", json!({ "address": "hostile/environment" })),
        ("call_tool", json!({ "address": "other/tool" })),
        ("recurse", json!({})),
        ("stdin", json!({})),
        ("flood", json!({ "amount": 300 })),
        ("allocate", json!({ "amount": 3 })),
        ("allocate", json!({ "amount": 4096 })),
        ("abort", json!({})),
        ("panic", json!({})),
        ("overflow", json!({})),
        ("exit", json!({ "code": 3 })),
        ("big_output", json!({ "amount": 100 })),
        ("wrong_schema", json!({})),
        ("swallow_denial", json!({})),
        ("handles", json!({ "amount": 1_000_000 })),
    ];
    for (tool, arguments) in cases {
        let one = shown(here.call("hostile", tool, arguments.clone()).await);
        let other = shown(apart.call("hostile", tool, arguments.clone()).await);
        assert_eq!(one, other, "{tool} {arguments}");
    }
    let here = lab("plain", &[], CallLimits::default(), Isolation::None).await;
    let apart = lab("plain", &[], CallLimits::default(), Isolation::Process).await;
    for (tool, arguments) in [
        ("add", json!({ "a": 2, "b": 40 })),
        ("sort", json!({ "values": [3, 1, 2] })),
        ("shapes_move-by", json!({ "point": { "x": 1, "y": 2 }, "dx": 3, "dy": 4 })),
        ("divide", json!({ "a": 1, "b": 0 })),
        ("add-small", json!({ "a": 256, "b": 0 })),
        ("nothing", json!({})),
    ] {
        let one = shown(here.call("plain", tool, arguments.clone()).await);
        assert_eq!(one, shown(apart.call("plain", tool, arguments).await), "{tool}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a24_a_running_guest_has_no_files_network_environment_or_way_to_more_rights() {
    let _alone = alone().await;
    let lab = hostile(&["env LANG=C"]).await;
    let (calling, pid) = begun(&lab, "sleep", json!({ "milliseconds": 600_000 })).await;
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let status = fs::read_to_string(proc.join("status")).expect("a status");
    for line in ["Seccomp:\t2", "NoNewPrivs:\t1", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000"] {
        assert!(status.lines().any(|one| one == line), "{line} is not in {status}");
    }
    let limits = fs::read_to_string(proc.join("limits")).expect("limits");
    for name in ["Max file size", "Max core file size", "Max processes"] {
        let line = limits.lines().find(|line| line.starts_with(name)).expect("a limit");
        assert_eq!(line[name.len()..].split_whitespace().next(), Some("0"), "{line}");
    }
    // What else there is to see of it is for root's eyes, since it cannot be traced.
    match fs::read_dir(proc.join("fd")) {
        Ok(open) => {
            for descriptor in open {
                let target = fs::read_link(descriptor.expect("a descriptor").path()).expect("a target");
                let target = target.to_string_lossy();
                let harmless = ["socket:[", "anon_inode:", "/memfd:"].iter().any(|kind| target.starts_with(kind));
                assert!(harmless || target == "/dev/null", "{target} is open");
            }
            assert_eq!(fs::read(proc.join("environ")).expect("an environment"), b"");
        }
        Err(error) => skipped("the descriptors of an isolated process", &error.to_string()),
    }
    match fs::read_to_string(proc.join("net/dev")) {
        Ok(devices) => {
            let devices = devices.lines().skip(2).map(|line| line.split(':').next().unwrap_or_default().trim().to_owned());
            let mine = fs::read_link("/proc/self/ns/net").expect("a namespace");
            match fs::read_link(proc.join("ns/net")) {
                Ok(its) if its != mine => assert!(devices.into_iter().all(|name| name == "lo"), "it has a network"),
                _ => skipped("the network of an isolated process", "the kernel gives no namespaces, or does not show them"),
            }
        }
        Err(error) => skipped("the network of an isolated process", &error.to_string()),
    }
    calling.abort();
    until("nobody waits for it, and it ends", || ours().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a24_a_process_that_is_killed_fails_its_call_alone_and_the_next_one_works() {
    let _alone = alone().await;
    let lab = hostile(&[]).await.placed("plain", fixture("plain"), &[], CallLimits::default(), Isolation::None).await;
    let (calling, pid) = begun(&lab, "wait_forever", json!({})).await;
    let kill = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status();
    assert!(kill.expect("kill").success());
    let outcome = calling.await.expect("an outcome");
    let error = outcome.result.expect_err("the process is gone");
    assert_eq!((error.kind, error.blame), (Kind::Guest, Blame::Guest));
    assert_eq!(error.message, "the isolated process of `hostile` ended before it answered: killed by signal 9");
    let outcome = lab.call("plain", "add", json!({ "a": 2, "b": 40 })).await;
    assert_eq!(Lab::ending(&outcome), Ending::Done("42".to_owned()));
    let (ending, _) = lab.attack("hostile", "allocate", json!({ "amount": 1 })).await;
    assert_eq!(ending, Ending::Done("1".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a24_the_deadline_kills_the_process() {
    let _alone = alone().await;
    let lab = lab("hostile", &[], CallLimits { deadline_ms: 1500, ..CallLimits::default() }, Isolation::Process).await;
    for tool in ["spin", "wait_forever"] {
        let (calling, pid) = begun(&lab, tool, json!({})).await;
        let outcome = calling.await.expect("an outcome");
        assert_eq!(outcome.result.expect_err("it never ends").kind, Kind::Limit);
        until("it is killed", || !ours().contains(&pid)).await;
    }
    let outcome = lab.call("hostile", "allocate", json!({ "amount": 1 })).await;
    assert_eq!(Lab::ending(&outcome), Ending::Done("1".to_owned()), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a24_a_process_serves_one_principal_and_never_after_a_trap() {
    let _alone = alone().await;
    let lab = hostile(&[]).await;
    let call = async |principal: &str, tool: &str| {
        let context = lab.host.context(principal.parse().expect("a principal"), Role::Owner).expect("a context");
        lab.host.call(&context, &Request::new("lab", "hostile", tool, "{}")).await
    };
    assert!(call("user:ada", "environment").await.result.is_ok());
    let first = ours();
    assert_eq!(first.len(), 1);
    assert!(call("user:ada", "environment").await.result.is_ok());
    assert_eq!(ours(), first, "it is used again");
    assert!(call("user:bob", "environment").await.result.is_ok());
    let both = ours();
    assert!(both.is_superset(&first) && both.len() == 2, "another principal has another process");
    assert_eq!(call("user:ada", "abort").await.result.expect_err("a trap").kind, Kind::Guest);
    until("what trapped is not used again", || ours().is_disjoint(&first)).await;
    assert!(call("user:ada", "environment").await.result.is_ok());
}

/// The value that a request carries, and the process of its guest never has.
const CANARY: &str = "c4nary-0f-the-parent";

struct Secrets;

impl SecretSource for Secrets {
    fn secret(&self, _: &Wanted<'_>) -> Result<Found> {
        Ok(Found::Value(SecretString::from(CANARY)))
    }
}

/// A server on loopback that answers one request with all of it, once it is told to, and says that it has come.
fn server() -> (String, oneshot::Receiver<String>, std::sync::mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (come, comes) = oneshot::channel();
    let (go, goes) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
        while !request.ends_with(b"an order") {
            let read = stream.read(&mut chunk).expect("a request");
            request.extend_from_slice(&chunk[..read]);
        }
        let text = String::from_utf8(request).expect("text");
        come.send(text.clone()).expect("the test waits");
        goes.recv().expect("the test goes on");
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len());
        stream.write_all(answer.as_bytes()).expect("the guest listens");
    });
    (url, comes, go)
}

/// What of `needle` is in the memory of process `pid`; `None` where this user may not look.
fn is_in_memory(pid: u32, needle: &[u8]) -> Option<bool> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok().filter(|maps| !maps.is_empty())?;
    let mut memory = fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|access| access.starts_with("rw"))) {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
        let mut bytes = vec![0; usize::try_from(end - start).ok()?.min(256 << 20)];
        memory.seek(SeekFrom::Start(start)).ok()?;
        if memory.read_exact(&mut bytes).is_ok() && bytes.windows(needle.len()).any(|window| window == needle) {
            return Some(true);
        }
    }
    Some(false)
}

#[tokio::test(flavor = "multi_thread")]
async fn a24_the_host_attaches_a_secret_that_is_never_in_the_process() {
    let _alone = alone().await;
    let (url, comes, go) = server();
    let grant = format!("http POST {url}/orders private=127.0.0.1 secret=shop header=x-key");
    let lab = Lab::with(|builder| builder.secrets(Arc::new(Secrets)));
    let lab = lab.placed("hostile", fixture("hostile"), &[&grant], CallLimits::default(), Isolation::Process).await;
    let host = lab.host.clone();
    let arguments = json!({ "address": format!("{url}/orders") }).to_string();
    let calling = tokio::spawn(async move {
        let context = host.context("user:ada".parse().expect("a principal"), Role::Owner).expect("a context");
        host.call(&context, &Request::new("lab", "hostile", "post", &arguments)).await
    });
    let request = tokio::time::timeout(Duration::from_secs(60), comes).await.expect("in time").expect("the request arrives");
    assert!(request.starts_with("POST /orders HTTP/1.1\r\n") && request.contains(CANARY), "{request}");
    let pid = *ours().first().expect("a process");
    let found = |needle: &str| is_in_memory(pid, needle.as_bytes());
    let (canary, body) = (found(CANARY), found("an order"));
    go.send(()).expect("the server waits");
    let outcome = calling.await.expect("an outcome");
    let text = outcome.result.as_ref().expect("an answer").text();
    assert!(text.contains("POST /orders") && !text.contains(CANARY), "{text}");
    match (canary, body) {
        (Some(canary), Some(body)) => assert!(!canary && body, "what it sent is there, the secret is not"),
        _ => skipped("the memory of an isolated process", "this user may not read it"),
    }
}

/// A worker that compiles as ours does, and instead of running calls says `said`, after it said that it is ready.
fn forged(folder: &std::path::Path, said: &str) -> PathBuf {
    let path = folder.join("worker");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = __compile ] && exec {} \"$@\"\nexec 3<&0\ncat <&3 >/dev/null &\nprintf '\\002\\000\\000\\000\\000\\000{said}' >&0\nexec sleep 1000\n",
        remit().display()
    );
    fs::write(&path, script).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("it can be run");
    path
}

async fn with_forged(said: &str, grants: &[&str]) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let worker = forged(folder.path(), said);
    let lab = Lab::with(|builder| builder.worker(worker));
    let lab = lab.placed("plain", fixture("plain"), grants, CallLimits::default(), Isolation::Process).await;
    lab.call("plain", "add", json!({ "a": 2, "b": 40 })).await
}

/// A call that failed, with a kind, a message and a hint of the process's own choice.
const FAILED: &str = "\\022\\000\\000\\000\\004\\003\\001\\001x\\001\\010run this\\000\\000\\000";

#[tokio::test(flavor = "multi_thread")]
async fn a24_a_process_that_breaks_the_rules_is_killed_and_believed_nothing() {
    let _alone = alone().await;
    let broken = [
        ("too large", "\\377\\377\\377\\377"),
        ("no message", "\\001\\000\\000\\000\\143"),
        ("something after the message", "\\003\\000\\000\\000\\000\\000\\000"),
        ("ready twice", "\\002\\000\\000\\000\\000\\000"),
        ("a question that is cut off", "\\003\\000\\000\\000\\002\\007\\007"),
    ];
    for (what, said) in broken {
        let error = with_forged(said, &[]).await.result.expect_err(what);
        assert_eq!(error.kind, Kind::Guest, "{what}: {error:?}");
        assert_eq!(error.message, "the isolated process of `plain` was killed: it broke the rules of its socket", "{what}");
        until("it is killed", || ours().is_empty()).await;
    }
    let Error { kind, blame, message, hints, .. } = with_forged(FAILED, &[]).await.result.expect_err("it says so");
    assert_eq!((kind, blame, message.as_str(), hints), (Kind::Guest, Blame::Guest, "x", Vec::new()), "its hints are not the host's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a24_what_a_process_asks_for_is_decided_by_the_rights_of_its_call() {
    let _alone = alone().await;
    // GET http://10.0.0.1/, which no guest asked for; then a read of the key `a`.
    let asked = "\\036\\000\\000\\000\\002\\007\\007\\001\\003GET\\020http://10.0.0.1/\\000\\000\\000\\000\\000\
                 \\006\\000\\000\\000\\002\\010\\005\\001\\001a";
    let outcome = with_forged(&format!("{asked}{FAILED}"), &[]).await;
    let refused: Vec<_> = outcome.denials.iter().map(|denial| (denial.capability.as_str(), denial.request.as_str())).collect();
    assert_eq!(refused, [("http", "GET http://10.0.0.1/"), ("kv", "read its key-value storage")], "{outcome:?}");
}

fn refusals(host: &Host, plugin: Plugin) -> Vec<String> {
    let refused = host.load(Project { name: "lab".to_owned(), root: "/".into(), plugins: vec![plugin], ..Project::default() });
    refused.into_iter().map(|(_, error)| error.message).collect()
}

#[tokio::test]
async fn what_cannot_be_isolated_is_not_loaded_and_says_why() {
    let lab = Lab::new();
    let plugin = lab.make("hostile", fixture("hostile"), &["fs docs:/docs"]).await.expect("a plugin");
    let isolated = plugin.clone().isolation(Isolation::Process);
    assert_eq!(refusals(&lab.host, plugin), [""; 0]);
    let refused = refusals(&lab.host, isolated.clone());
    assert_eq!(refused, ["`hostile` is granted `fs docs:/docs:read`, which `isolation = \"process\"` does not carry yet"]);
    let workerless = Host::builder().build().expect("a host");
    let refused = refusals(&workerless, isolated.granted(remit_core::grant::Grants::default()));
    assert_eq!(refused, ["`hostile` cannot be isolated: this host names no worker"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_knows_nothing_of_isolation_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let worker = folder.path().join("worker");
    let script = format!("#!/bin/sh\n[ \"$1\" = __compile ] && exec {} \"$@\"\nexit 2\n", remit().display());
    fs::write(&worker, script).expect("a script");
    fs::set_permissions(&worker, fs::Permissions::from_mode(0o700)).expect("it can be run");
    let lab = Lab::with(|builder| builder.worker(&worker));
    let lab = lab.placed("plain", fixture("plain"), &[], CallLimits::default(), Isolation::Process).await;
    let error = lab.call("plain", "add", json!({ "a": 2, "b": 40 })).await.result.expect_err("nothing runs");
    assert_eq!(error.kind, Kind::Host);
    assert_eq!(error.message, format!("the worker `{}` cannot run isolated plugins", worker.display()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_isolates_what_the_project_says_and_reviews_what_gives_it_up() {
    let shell = Shell::new();
    shell.write("hostile.wasm", fixture("hostile"));
    let file = "version = 1\n[project]\nname = \"desk\"\n[plugins.hostile]\nsource = \"hostile.wasm\"\n";
    shell.write("remit.toml", format!("{file}isolation = \"process\"\n"));
    assert!(shell.run(&["review", "--yes"]).status.success());
    let call = ["call", "hostile", "allocate", r#"{"amount": 1}"#];
    let output = shell.run(&call);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains('1'), "{output:?}");
    assert!(fs::read_to_string(shell.cwd().join("remit.lock")).expect("a lock").contains("isolation = \"process\""));

    // Its process does not outlive it, however it ends.
    let sleep = ["call", "hostile", "sleep", r#"{"milliseconds": 600000}"#];
    let mut running = shell.command(&sleep).spawn().expect("it starts");
    let pid = running.id();
    until("it isolates", || !processes(pid).is_empty()).await;
    let isolated = processes(pid);
    running.kill().expect("it is killed");
    running.wait().expect("it ended");
    let lives = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| !status.contains("State:\tZ"));
    until("what it isolated ended with it", || !isolated.iter().any(lives)).await;

    shell.write("remit.toml", file);
    assert_eq!(shell.run(&["review", "--check"]).status.code(), Some(3), "to give it up is growth");
    let refused = shell.run(&call);
    assert!(!refused.status.success(), "{refused:?}");
    shell.write("remit.toml", format!("{file}isolation = \"process\"\n[plugins.hostile.grants]\nfs = [{{ path = \"docs\" }}]\n"));
    let refused = shell.run(&call);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("remit.toml:6:13: ") && said.contains("does not carry yet"), "{said}");
}
