//! What a call costs, against the same call by hand. Ratios first: absolute times depend on the machine.
//!
//! Run with `cargo bench --workspace --bench calls`. Each row's two sides take turns in the same run; medians are compared.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a benchmark measures time and may fail loudly"
)]

use std::{
    hint::black_box,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use remit_bindings::tool::ToolPre;
use remit_core::{
    audit::{AuditSink, Signer},
    grant::{Decision, Grants, Request as Right, Resolved, decide, line},
    identity::Role,
    label::{Label, Labels, Policy, ToolLabels, When},
    limit::CallLimits,
    plugin::{Effect, Isolation},
};
use remit_runtime::{Host, Project, Request, plugin::Source, services::NoAudit};
use remit_store::Sqlite;
use remit_tests::{Lab, Shell, fixture};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    component::{Component, Linker, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

const ROUNDS: usize = 3000;
/// Threads that guests run on.
const CORES: usize = 2;
/// Hostile calls in flight beside the one that is measured.
const NEIGHBOURS: usize = 16;
/// Calls that are measured beside them.
const ECHOES: usize = 300;
/// How long a guest runs before it gives way.
const TICK: Duration = Duration::from_millis(10);
const ARGUMENTS: &str = r#"{"text":"a short string"}"#;

/// A line of the table.
struct Row {
    what: &'static str,
    ours: Duration,
    baseline: Duration,
    goal: &'static str,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(CORES).enable_all().build().expect("a runtime");
    let mut rows = vec![runtime.block_on(fresh_call())];
    rows.push(runtime.block_on(audited_call()));
    rows.push(runtime.block_on(cached_load()));
    rows.push(runtime.block_on(labels()));
    rows.push(runtime.block_on(beside_hostile_ones()));
    rows.extend(runtime.block_on(isolated()));
    rows.push(denial());
    rows.push(process());
    println!("{:<58} {:>8} {:>12} {:>12}   goal", "what", "ratio", "ours", "baseline");
    for row in rows {
        let ratio = row.ours.as_secs_f64() / row.baseline.as_secs_f64();
        println!("{:<58} {ratio:>7.2}x {:>12} {:>12}   {}", row.what, shown(row.ours), shown(row.baseline), row.goal);
    }
}

fn shown(time: Duration) -> String {
    match time.as_nanos() {
        nanos if nanos < 10_000 => format!("{nanos} ns"),
        nanos if nanos < 10_000_000 => format!("{:.1} µs", nanos as f64 / 1e3),
        nanos => format!("{:.1} ms", nanos as f64 / 1e6),
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The store's data of the raw side.
struct Raw {
    table: ResourceTable,
    wasi: WasiCtx,
}

impl WasiView for Raw {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// An engine tuned as Remit's is: a pool, page-map scanning, epochs.
fn raw_engine() -> Engine {
    let mut pool = PoolingAllocationConfig::default();
    pool.pagemap_scan(Enabled::Auto).linear_memory_keep_resident(64 << 10).async_stack_keep_resident(64 << 10).total_core_instances(200);
    let mut config = Config::new();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool)).epoch_interruption(true).async_stack_zeroing(true);
    Engine::new(&config).expect("an engine")
}

fn raw_tool(engine: &Engine, bytes: &[u8]) -> ToolPre<Raw> {
    let mut linker: Linker<Raw> = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("WASI");
    let component = Component::new(engine, bytes).expect("a component");
    linker.define_unknown_imports_as_traps(&component).expect("the rest is never called");
    ToolPre::new(linker.instantiate_pre(&component).expect("linked")).expect("a tool")
}

async fn raw_call(engine: &Engine, tool: &ToolPre<Raw>) {
    let mut store = Store::new(engine, Raw { table: ResourceTable::new(), wasi: WasiCtx::builder().build() });
    store.set_epoch_deadline(1_000_000);
    let guest = tool.instantiate_async(&mut store).await.expect("an instance");
    let result = guest.remit_tool_tools().call_call(&mut store, "echo", &ARGUMENTS.to_owned()).await;
    black_box(result.expect("a call").expect("a result"));
}

fn audit_log(folder: &std::path::Path) -> Arc<Sqlite> {
    let signer = Signer::from_seed(&[1; 32]).expect("a key");
    Arc::new(Sqlite::open(&folder.join("state")).expect("a store").audited(signer, true))
}

async fn lab(audit: Arc<dyn AuditSink>) -> Lab {
    Lab::with(|builder| builder.pool(8).audit(audit)).plugin("raw-tool", fixture("raw-tool"), &[], CallLimits::default()).await
}

/// A call that reads, with its record in the audit log, against the same call of a host that keeps none.
async fn audited_call() -> Row {
    let log = tempfile::tempdir().expect("a folder");
    let (with, without) = (lab(audit_log(log.path())).await, lab(Arc::new(NoAudit)).await);
    let (mut ours, mut baseline) = (Vec::new(), Vec::new());
    for round in 0..2 * ROUNDS {
        for (lab, times) in [(&with, &mut ours), (&without, &mut baseline)] {
            let start = Instant::now();
            let outcome = lab.call_text("raw-tool", "echo", ARGUMENTS).await;
            let took = start.elapsed();
            assert!(outcome.result.is_ok(), "{outcome:?}");
            if round > ROUNDS / 10 {
                times.push(took);
            }
        }
    }
    Row { what: "Host::call, with the audit log / without", ours: median(ours), baseline: median(baseline), goal: "<= 1.05x" }
}

/// The whole call, decided, bounded, metered and recorded, against a fresh instance by hand.
async fn fresh_call() -> Row {
    let bytes = fixture("raw-tool");
    let log = tempfile::tempdir().expect("a folder");
    let lab = lab(audit_log(log.path())).await;
    let engine = raw_engine();
    let tool = raw_tool(&engine, &bytes);
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let start = Instant::now();
        let outcome = lab.call_text("raw-tool", "echo", ARGUMENTS).await;
        let took = start.elapsed();
        assert!(outcome.result.is_ok(), "{outcome:?}");
        let start = Instant::now();
        raw_call(&engine, &tool).await;
        if round > ROUNDS / 10 {
            ours.push(took);
            raw.push(start.elapsed());
        }
    }
    Row { what: "Host::call, fresh instance / raw wasmtime, fresh instance", ours: median(ours), baseline: median(raw), goal: "<= 1.3x" }
}

/// A call of a project that enforces labels, whose context holds both, against the same call of one that does not.
async fn labels() -> Row {
    let bytes = fixture("raw-tool");
    let lab = Lab::with(|builder| builder.pool(8));
    let plugin = lab.make("raw-tool", bytes, &[]).await.expect("a plugin");
    let brings = ToolLabels { labels: Some(Label::ALL.into()), ..ToolLabels::default() };
    let closed = ToolLabels { closed_when: Some(When::Both), ..ToolLabels::default() };
    let tools = vec![("raw-tool/*".parse().expect("a pattern"), brings), ("mail/*".parse().expect("a pattern"), closed)];
    for (name, enforce) in [("on", true), ("off", false)] {
        let labels = Policy { enforce, tools: tools.clone() };
        let project = Project { name: name.to_owned(), root: "/".into(), plugins: vec![plugin.clone()], labels, ..Project::default() };
        assert!(lab.host.load(project).is_empty());
    }
    let mut context = lab.host.context("user:ada".parse().expect("a principal"), Role::Owner).expect("a context");
    context.labels = Labels::of(&Label::ALL.into(), "files/read, record 4");
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        for (project, times) in [("on", &mut on), ("off", &mut off)] {
            let start = Instant::now();
            let outcome = lab.host.call(&context, &Request::new(project, "raw-tool", "echo", ARGUMENTS)).await;
            let took = start.elapsed();
            assert!(outcome.result.is_ok(), "{outcome:?}");
            if round > ROUNDS / 10 {
                times.push(took);
            }
        }
    }
    Row { what: "Host::call with labels / without", ours: median(on), baseline: median(off), goal: "<= 1.05x" }
}

/// The slowest of a hundred calls beside some that loop, take memory and write without end, against what waiting for all of these to run
/// a tick costs.
async fn beside_hostile_ones() -> Row {
    let limits = CallLimits { memory_mib: 64, deadline_ms: 2_000, output_kib: 64, ..CallLimits::default() };
    let lab = Lab::with(|builder| builder.pool(u32::try_from(NEIGHBOURS + 2).expect("few")).audit(Arc::new(NoAudit)));
    let lab = lab.plugin("hostile", fixture("hostile"), &[], limits).await;
    let lab = Arc::new(lab.plugin("raw-tool", fixture("raw-tool"), &[], CallLimits::default()).await);
    let alone = median(echoes(lab.clone()).await);
    let neighbours: Vec<_> = (0..NEIGHBOURS)
        .map(|number| {
            let lab = lab.clone();
            tokio::spawn(async move {
                let (tool, arguments) = [("spin", "{}"), ("allocate", r#"{"amount":4096}"#), ("flood", r#"{"amount":4096}"#)][number % 3];
                loop {
                    drop(lab.call_text("hostile", tool, arguments).await);
                }
            })
        })
        .collect();
    while lab.host.in_flight() < NEIGHBOURS {
        tokio::task::yield_now().await;
    }
    let times = echoes(lab).await;
    neighbours.iter().for_each(tokio::task::JoinHandle::abort);
    let p99 = times[ECHOES * 99 / 100];
    println!("beside {NEIGHBOURS} hostile calls: alone {}, median {}, p99 {}", shown(alone), shown(times[ECHOES / 2]), shown(p99));
    let turns = u32::try_from(NEIGHBOURS / CORES).expect("few");
    Row { what: "p99 of a call beside 16 hostile ones / a tick of each + alone", ours: p99, baseline: TICK * turns + alone, goal: "<= 1x" }
}

/// What calls of `echo`, one after the other, take: the shortest first. They run on the threads that all guests run on.
async fn echoes(lab: Arc<Lab>) -> Vec<Duration> {
    let calling = tokio::spawn(async move {
        let mut times = Vec::new();
        for _ in 0..ECHOES {
            let start = Instant::now();
            let outcome = lab.call_text("raw-tool", "echo", ARGUMENTS).await;
            times.push(start.elapsed());
            assert!(outcome.result.is_ok(), "{outcome:?}");
        }
        times.sort_unstable();
        times
    });
    calling.await.expect("no panic")
}

/// Calls in a process of their own that waits, and in one that is started for the call, against the same call in this one.
async fn isolated() -> [Row; 2] {
    let bytes = fixture("raw-tool");
    let lab = Lab::with(|builder| builder.pool(8));
    let plugin = lab.make("raw-tool", bytes, &[]).await.expect("a plugin");
    for (name, isolation) in [("apart", Isolation::Process), ("here", Isolation::None)] {
        let plugins = vec![plugin.clone().isolation(isolation)];
        assert!(lab.host.load(Project { name: name.to_owned(), root: "/".into(), plugins, ..Project::default() }).is_empty());
    }
    let context = |name: &str| lab.host.context(name.parse().expect("a principal"), Role::Owner).expect("a context");
    let (mut apart, mut here, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        for (project, times) in [("apart", &mut apart), ("here", &mut here)] {
            let context = context("user:ada");
            let start = Instant::now();
            let outcome = lab.host.call(&context, &Request::new(project, "raw-tool", "echo", ARGUMENTS)).await;
            let took = start.elapsed();
            assert!(outcome.result.is_ok(), "{outcome:?}");
            if round > ROUNDS / 10 {
                times.push(took);
            }
        }
    }
    for round in 0..50 {
        let context = context(&format!("user:new-{round}"));
        let start = Instant::now();
        let outcome = lab.host.call(&context, &Request::new("apart", "raw-tool", "echo", ARGUMENTS)).await;
        new.push(start.elapsed());
        assert!(outcome.result.is_ok(), "{outcome:?}");
    }
    let here = median(here);
    [
        Row { what: "call in an isolated process that waits / in the host's", ours: median(apart), baseline: here, goal: "" },
        Row { what: "call in an isolated process that is started / in the host's", ours: median(new), baseline: here, goal: "" },
    ]
}

/// The first call of a new host with a cached component, against compiling it.
async fn cached_load() -> Row {
    let bytes = fixture("raw-tool");
    let lab = Lab::new();
    let plugin = lab.make("raw-tool", bytes.clone(), &[]).await.expect("a plugin");
    let engine = raw_engine();
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        let host = Host::builder().cache_dir(remit_tests::workspace().join("target/test-cache")).build().expect("a host");
        let plugins = vec![remit_runtime::Plugin { source: Source::Bytes(bytes.clone()), ..plugin.clone() }];
        host.load(Project { name: "lab".to_owned(), root: "/".into(), plugins, ..Project::default() });
        let context = host.context("user:ada".parse().expect("a principal"), Role::Owner).expect("a context");
        let start = Instant::now();
        let outcome = host.call(&context, &Request::new("lab", "raw-tool", "echo", ARGUMENTS)).await;
        ours.push(start.elapsed());
        assert!(outcome.result.is_ok(), "{outcome:?}");
        let start = Instant::now();
        black_box(Component::new(&engine, &bytes).expect("a component"));
        raw.push(start.elapsed());
    }
    Row { what: "first call of a cached component / compiling it", ours: median(ours), baseline: median(raw), goal: "" }
}

/// A refusal, against the smallest call that it could refuse.
fn denial() -> Row {
    let mut granted = Grants::default();
    for number in 0..20 {
        let grant = line::parse("http", &format!("GET https://host{number}.example.com/a/*/b")).expect("a grant");
        granted.merge(grant).expect("one more");
    }
    let declared = remit_core::grant::Declared { http: Some(remit_core::grant::Scope::Any), ..Default::default() };
    let principal = "user:ada".parse().expect("a principal");
    let rights = Resolved::new("p", Effect::Once, declared, granted, &principal, std::path::Path::new("/"));
    let url = remit_core::grant::canonical_url("https://host19.example.com/a/x/c").expect("a URL");
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let decision = decide(&Right::Http { method: "GET", url: &url }, &rights);
        times.push(start.elapsed());
        assert!(matches!(black_box(decision), Decision::Deny(_)));
    }
    Row { what: "a refusal among 20 grants / 5 µs", ours: median(times), baseline: Duration::from_micros(5), goal: "<= 1x" }
}

/// `remit call` of a cached component, start to exit, against a process that does nothing.
fn process() -> Row {
    let shell = Shell::new();
    shell.write("echo.wasm", fixture("raw-tool"));
    assert!(shell.run(&["add", "echo.wasm", "--yes"]).status.success());
    let (mut ours, mut nothing) = (Vec::new(), Vec::new());
    for _ in 0..21 {
        let start = Instant::now();
        let output = shell.run(&["call", "echo", "answer"]);
        ours.push(start.elapsed());
        assert!(output.status.success(), "{output:?}");
        let start = Instant::now();
        black_box(Command::new("true").status().expect("a process"));
        nothing.push(start.elapsed());
    }
    Row { what: "remit call, whole process / an empty process", ours: median(ours), baseline: median(nothing), goal: "<= 15 ms" }
}
