//! What a call costs, against the same call through Extism. Ratios first: absolute times depend on the machine.
//!
//! Run with `cargo run --release` in this folder. The sides take turns in the same process; medians are compared. Extism's plug-in
//! returns its input as it is. Remit also checks the arguments against the schema, decides, meters and records the call.

#![allow(clippy::disallowed_methods, clippy::expect_used, reason = "a benchmark measures time and may fail loudly")]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use remit_core::{
    audit::Signer,
    identity::{Context, Role},
    limit::CallLimits,
};
use remit_runtime::{Host, Project, Request};
use remit_store::Sqlite;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

const ROUNDS: usize = 3000;
/// Rounds that are run first and not counted.
const WARM_UP: usize = ROUNDS / 10;
const ARGUMENTS: &str = r#"{"text":"a short string"}"#;

/// A baseline: its part in the table, its goal, one call, and how long each took.
struct Baseline<'a> {
    what: &'static str,
    goal: &'static str,
    call: Box<dyn FnMut() + 'a>,
    times: Vec<Duration>,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let log = tempfile::tempdir().expect("a folder");
    let (host, context) = runtime.block_on(host(log.path()));
    let [as_it_comes, pooled] = [None, Some(tuned())].map(compiled);
    let mut kept = Plugin::new_from_compiled(&as_it_comes).expect("a plug-in");
    let mut baselines = [
        baseline("fresh plug-in and call", "< 1x", || fresh(&as_it_comes)),
        baseline("the same on a pool tuned as ours", "< 1x", || fresh(&pooled)),
        baseline("call of a plug-in that is kept", "", || echo(&mut kept)),
    ];
    let mut ours = Vec::new();
    for round in 0..WARM_UP + ROUNDS {
        let took = timed(|| {
            let outcome = runtime.block_on(host.call(&context, &Request::new("bench", "raw-tool", "echo", ARGUMENTS)));
            assert!(black_box(outcome).result.is_ok());
        });
        let theirs = baselines.each_mut().map(|baseline| timed(&mut baseline.call));
        if round >= WARM_UP {
            ours.push(took);
            baselines.iter_mut().zip(theirs).for_each(|(baseline, took)| baseline.times.push(took));
        }
    }
    println!("{:<70} {:>8} {:>12} {:>12}   goal", "what", "ratio", "ours", "baseline");
    let ours = median(ours);
    for Baseline { what, goal, times, .. } in baselines {
        let theirs = median(times);
        let what = format!("Host::call, fresh instance / Extism, {what}");
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
        println!("{what:<70} {ratio:>7.2}x {:>12} {:>12}   {goal}", shown(ours), shown(theirs));
    }
}

fn baseline<'a>(what: &'static str, goal: &'static str, call: impl FnMut() + 'a) -> Baseline<'a> {
    Baseline { what, goal, call: Box::new(call), times: Vec::new() }
}

fn timed(call: impl FnOnce()) -> Duration {
    let start = Instant::now();
    call();
    start.elapsed()
}

fn shown(time: Duration) -> String {
    format!("{:.1} µs", time.as_secs_f64() * 1e6)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().expect("there were rounds")
}

/// A host with an audit log on disk and the guest that gives its arguments back.
async fn host(folder: &std::path::Path) -> (Host, Context) {
    let signer = Signer::from_seed(&[1; 32]).expect("a key");
    let audit = Sqlite::open(&folder.join("state")).expect("a store").audited(signer, true);
    let host = Host::builder().pool(8).audit(Arc::new(audit)).build().expect("a host");
    let plugin = host.plugin("raw-tool", remit_tests::fixture("raw-tool")).await.expect("a plugin");
    let project = Project { name: "bench".to_owned(), root: folder.to_owned(), plugins: vec![plugin], ..Project::default() };
    let refused = host.load(project);
    assert!(refused.is_empty(), "{refused:?}");
    let context = host.context("user:ada".parse().expect("a principal"), Role::Owner).expect("a context");
    (host, context)
}

/// The plug-in, compiled once, under the limits that a call of ours has.
fn compiled(config: Option<Config>) -> CompiledPlugin {
    let limits = CallLimits::default();
    let manifest = Manifest::new([Wasm::data(wat::parse_str(include_str!("../echo.wat")).expect("a module"))])
        .with_memory_max(limits.memory_mib * 16)
        .with_timeout(Duration::from_millis(limits.deadline_ms));
    let builder = PluginBuilder::new(manifest).with_cache_disabled();
    let builder = match config {
        Some(config) => builder.with_wasmtime_config(config),
        None => builder,
    };
    builder.compile().expect("a compiled plug-in")
}

/// The engine's settings as Remit has them, as far as Extism leaves the choice.
fn tuned() -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.pagemap_scan(Enabled::Auto).linear_memory_keep_resident(64 << 10).total_core_instances(200);
    let mut config = Config::new();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

fn fresh(compiled: &CompiledPlugin) {
    echo(&mut Plugin::new_from_compiled(compiled).expect("a plug-in"));
}

fn echo(plugin: &mut Plugin) {
    let output: String = plugin.call("echo", ARGUMENTS).expect("a call");
    assert_eq!(output, ARGUMENTS);
}
