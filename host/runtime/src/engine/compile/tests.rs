#![allow(clippy::disallowed_methods, reason = "tests find and make worker programs")]

use std::{
    fs,
    io::Cursor,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use remit_core::Kind;

use super::{
    super::config,
    wire::{Answer, Order},
    *,
};

fn compiler(settings: Settings) -> Compiler {
    let engine = config::engine(config::Guests::Tools, None).unwrap();
    Compiler::new(&engine, Configuration::of(&engine), &settings)
}

fn component(functions: usize) -> Bytes {
    let function = "(func (result i64) (i64.add (i64.const 1) (i64.mul (i64.const 2) (i64.const 3))))".repeat(functions);
    wat::parse_str(format!("(component (core module {function}))")).unwrap().into()
}

/// The worker that this package's example is; cargo builds it beside the tests.
fn example_worker() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let worker = tests.ancestors().nth(2).unwrap().join("examples/compile_worker");
    assert!(worker.exists(), "`{}` is built by `cargo test -p remit-runtime`", worker.display());
    worker
}

/// A program that is no compile worker, and does what `script` says.
fn script(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("worker");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path
}

async fn refusal(settings: Settings, component: Bytes) -> Error {
    compiler(settings).compile("test", component).await.err().unwrap()
}

fn with_worker(worker: PathBuf) -> Settings {
    Settings { worker: Some(worker), ..Settings::default() }
}

#[tokio::test]
async fn a_worker_compiles_what_the_host_compiles() {
    let engine = config::engine(config::Guests::Tools, None).unwrap();
    let here = compiler(Settings::default()).compile("test", component(3)).await.unwrap();
    let there = compiler(with_worker(example_worker())).compile("test", component(3)).await.unwrap();
    assert_eq!(here.bytes(), there.bytes());
    there.load(&engine).unwrap();
}

#[tokio::test]
async fn what_is_no_component_is_invalid_with_the_reason() {
    for settings in [Settings::default(), with_worker(example_worker())] {
        for (bytes, reason) in [(&b"\0asm\x0d\0\x01\0\xff\xff"[..], "malformed section id"), (b"hello", "expected")] {
            let error = refusal(settings.clone(), Bytes::from_static(bytes)).await;
            assert_eq!(error.kind, Kind::Invalid, "{error:?}");
            assert!(error.message.starts_with("the component is not valid: "), "{error}");
            assert!(error.message.contains(reason), "{error}");
            assert!(!error.message.contains('\n'));
        }
    }
}

#[tokio::test]
async fn a_worker_that_would_take_more_memory_than_it_may_is_a_limit() {
    let settings = Settings { compile_memory_max_bytes: 160 << 20, ..with_worker(example_worker()) };
    assert!(compiler(settings.clone()).compile("test", component(3)).await.is_ok());
    let module = "(func (param i64) (result i64) ".to_owned()
        + &"(i64.xor (i64.mul (local.get 0) (i64.const 3)) ".repeat(200)
        + "(local.get 0)"
        + &")".repeat(200)
        + ")";
    let large = wat::parse_str(format!("(component (core module {}))", module.repeat(12_000))).unwrap();
    let error = refusal(settings, large.into()).await;
    assert_eq!(error.kind, Kind::Limit, "{error:?}");
    assert!(error.message.contains("needs more than 160 MiB"), "{error}");
}

#[tokio::test]
async fn a_worker_that_never_answers_is_stopped_at_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let worker = script(folder.path(), "exec sleep 1000");
    let settings = Settings { compile_deadline: Duration::from_millis(50), ..with_worker(worker) };
    let error = refusal(settings, component(1)).await;
    assert_eq!((error.kind, error.message.as_str()), (Kind::Limit, "compiling `test` took longer than 0.05 s"));
}

/// Whether the process is there and not merely waiting to be collected.
fn runs(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
}

#[tokio::test]
async fn a_worker_is_killed_when_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let worker = script(folder.path(), &format!("echo $$ > {0}.part; mv {0}.part {0}; exec sleep 1000", pid.display()));
    let compiler = compiler(with_worker(worker));
    tokio::select! {
        _ = compiler.compile("test", component(1)) => panic!("it never answers"),
        () = async { while !pid.exists() { tokio::task::yield_now().await } } => {}
    }
    let pid = fs::read_to_string(pid).unwrap();
    let gone = (0..1_000_000).any(|_| !runs(pid.trim()));
    assert!(gone, "process {pid} was left behind");
}

#[tokio::test]
async fn programs_that_are_no_worker_are_the_hosts_failure() {
    let folder = tempfile::tempdir().unwrap();
    for does in ["exit 3", "echo hello", "cat"] {
        let error = refusal(with_worker(script(folder.path(), does)), component(1)).await;
        assert_eq!(error.kind, Kind::Host, "{does}: {error:?}");
    }
    assert_eq!(refusal(with_worker(folder.path().join("absent")), component(1)).await.kind, Kind::Host);
}

#[tokio::test]
async fn a_worker_sees_nothing_of_the_hosts_environment() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let worker = script(folder.path(), &format!("/usr/bin/env > {}", seen.display()));
    refusal(with_worker(worker), component(1)).await;
    let seen = fs::read_to_string(seen).unwrap();
    let names: Vec<_> =
        seen.lines().filter_map(|line| line.split('=').next()).filter(|name| !["PWD", "_", "SHLVL", "OLDPWD"].contains(name)).collect();
    assert_eq!(names, ["RAYON_NUM_THREADS"]);
}

#[tokio::test]
async fn sizes_are_bounded_before_anything_starts() {
    let large = Bytes::from(vec![0; COMPILE_IN_PROCESS_MAX_BYTES as usize + 1]);
    let error = refusal(Settings::default(), large.clone()).await;
    assert_eq!(error.kind, Kind::Limit);
    assert!(error.hints[0].contains("worker"));
    let largest = Bytes::from(vec![0; COMPONENT_MAX_BYTES as usize + 1]);
    assert_eq!(refusal(with_worker(example_worker()), largest).await.kind, Kind::Limit);
}

#[tokio::test]
async fn a_worker_of_another_version_is_refused_by_the_worker_itself() {
    let engine = config::engine(config::Guests::Tools, None).unwrap();
    let mut other = Compiler::new(&engine, Configuration::of(&engine), &with_worker(example_worker()));
    other.configuration = Configuration([0; 32]);
    let error = other.compile("test", component(1)).await.err().unwrap();
    assert_eq!(error.kind, Kind::Host);
    assert!(error.internal.unwrap().contains("another version"));
}

#[test]
fn orders_and_answers_survive_the_way() {
    let order = Order { configuration: Configuration([9; 32]), memory_max_bytes: 1, cpu_max_s: 2 };
    assert_eq!(Order::read(&mut Cursor::new(order.encode(3))).unwrap(), (order, 3));
    assert!(Order::read(&mut Cursor::new(b"remitcw0 and more than enough of it, so that nothing is missing from it")).is_err());
    let mut out = Vec::new();
    Answer::Invalid.write(&mut out, b"why").unwrap();
    assert_eq!(Answer::parse(&out), Some((Answer::Invalid, &b"why"[..])));
    for length in 0..out.len() {
        assert_eq!(Answer::parse(&out[..length]), None);
    }
}
