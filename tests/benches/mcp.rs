//! What a call costs through the MCP door: over pipes, as clients start it, against the SDK for Node where that can be had.
//!
//! Run with `cargo bench --workspace --bench mcp`. Both sides are driven by the same client in the same run, in turns; the server of the
//! SDK runs its tool in its own process and bounds nothing.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a benchmark measures time and may fail loudly"
)]

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use remit_tests::{McpClient, Shell, fixture, workspace};
use serde_json::{Value, json};

/// Round trips of each side, in parts that take turns.
const PARTS: usize = 20;
const CALLS: usize = 250;
/// Calls in flight where many are.
const FLIGHT: usize = 16;
/// Calls that must leave no memory behind.
const MANY: usize = 100_000;
/// Plugins of the project whose start is measured.
const PLUGINS: usize = 20;
const STARTS: usize = 15;

fn main() {
    let shell = project(1);
    let mut ours = McpClient::start(shell.command(&["mcp"]));
    let mut theirs = node().map(McpClient::start);
    if theirs.is_none() {
        println!("the SDK for Node cannot be had here: no comparison");
    }
    let (mut mine, mut node) = (Vec::new(), Vec::new());
    for part in 0..PARTS {
        mine.extend(round_trips(&mut ours, "p0__echo", part == 0));
        node.extend(theirs.iter_mut().flat_map(|theirs| round_trips(theirs, "echo", part == 0)));
    }
    row("stdio round trip, p50", quantile(&mut mine, 50), quantile(&mut node, 50), "≤ 0.50x");
    row("stdio round trip, p99", quantile(&mut mine, 99), quantile(&mut node, 99), "");
    let spread = quantile(&mut mine, 99).as_secs_f64() / quantile(&mut mine, 50).as_secs_f64();
    println!("{:<44} {spread:>7.2}x   p99 ≤ 3 x p50", "stdio round trip, p99 of p50");
    let flights = [Some(&mut ours), theirs.as_mut()].map(|client| client.map_or(Duration::ZERO, |client| in_flight(client, MANY / 20)));
    row("one of 16 in flight", flights[0], flights[1], "");
    starts();
    memory(&mut ours);
}

/// An approved project with the same guest under so many names.
fn project(plugins: usize) -> Shell {
    let shell = Shell::new();
    shell.write("raw.wasm", fixture("raw-tool"));
    let tables: String = (0..plugins).map(|number| format!("[plugins.p{number}]\nsource = \"raw.wasm\"\n")).collect();
    shell.write("remit.toml", format!("version = 1\nproject.name = \"bench\"\n{tables}"));
    assert!(shell.run(&["review", "--yes"]).status.success());
    assert!(shell.run(&["call", "p0", "echo"]).status.success(), "it is compiled");
    shell
}

fn round_trips(client: &mut McpClient, tool: &str, warm: bool) -> Vec<Duration> {
    let mut times = Vec::new();
    for call in 0..CALLS {
        let start = Instant::now();
        let result = client.call(tool, json!({ "text": "a short string" }));
        let took = start.elapsed();
        assert_ne!(result["isError"], true, "{result}");
        if !warm || call > CALLS / 2 {
            times.push(took);
        }
    }
    times
}

/// The time of one call where [`FLIGHT`] are always under way.
fn in_flight(client: &mut McpClient, calls: usize) -> Duration {
    let tool = client.tools().into_iter().find(|name| name.ends_with("echo")).expect("an echo");
    let call = json!({ "name": tool, "arguments": { "text": "a short string" } });
    let start = Instant::now();
    for _ in 0..FLIGHT {
        client.request("tools/call", call.clone());
    }
    for done in 0..calls {
        assert!(client.hear().expect("an answer").get("result").is_some());
        if done + FLIGHT < calls {
            client.request("tools/call", call.clone());
        }
    }
    start.elapsed() / u32::try_from(calls).expect("few")
}

/// From the start of the process to the answer to the first list.
fn starts() {
    let shell = project(PLUGINS);
    let (mut mine, mut node_times) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        for (command, times) in [(Some(shell.command(&["mcp"])), &mut mine), (node(), &mut node_times)] {
            let Some(command) = command else { continue };
            let start = Instant::now();
            let mut client = McpClient::start(command);
            assert!(!client.tools().is_empty());
            times.push(start.elapsed());
            client.close();
        }
    }
    row("ready and listed, 20 cached plugins", quantile(&mut mine, 50), quantile(&mut node_times, 50), "≤ 50 ms");
}

fn memory(client: &mut McpClient) {
    let status = |client: &McpClient, name: &str| {
        let status = fs::read_to_string(format!("/proc/{}/status", client.child().id())).expect("a process");
        let line = status.lines().find(|line| line.starts_with(name)).expect("a line");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1024.0
    };
    let before = status(client, "VmRSS");
    in_flight(client, MANY);
    let (after, peak) = (status(client, "VmRSS"), status(client, "VmHWM"));
    println!("{:<44} {peak:>7.1} MB   ≤ 40 MB", "peak memory");
    println!("{:<44} {:>7.2}x   flat ({before:.1} MB, then {after:.1} MB)", "memory after 100,000 calls more", after / before);
}

/// The echo server of the SDK for Node.
fn node() -> Option<Command> {
    let folder = workspace().join("target/node-mcp");
    let script = workspace().join("tests/benches/mcp/server.mjs");
    fs::create_dir_all(&folder).expect("a folder");
    if !folder.join("node_modules/@modelcontextprotocol/sdk").exists() {
        fs::copy(workspace().join("tests/benches/mcp/package.json"), folder.join("package.json")).expect("a copy");
        let install = ["install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"];
        let installed = Command::new("npm").args(install).current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::null()).status();
        installed.ok().filter(|status| status.success())?;
    }
    let placed: PathBuf = folder.join("server.mjs");
    fs::copy(script, &placed).expect("a copy");
    let mut command = Command::new("node");
    command.arg(placed).current_dir(folder);
    Some(command)
}

fn quantile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times.get(times.len() * percent / 100).copied().unwrap_or_default()
}

fn row(what: &str, ours: Duration, baseline: Duration, goal: &str) {
    let shown = |time: Duration| match time {
        Duration::ZERO => "—".to_owned(),
        time if time < Duration::from_millis(10) => format!("{:.1} µs", time.as_nanos() as f64 / 1e3),
        time => format!("{:.1} ms", time.as_nanos() as f64 / 1e6),
    };
    let ratio = ours.as_secs_f64() / baseline.as_secs_f64();
    let ratio: Value = if ratio.is_finite() { format!("{ratio:.2}x").into() } else { "—".into() };
    println!("{what:<44} {:>8} {:>12} {:>12}   {goal}", ratio.as_str().unwrap_or_default(), shown(ours), shown(baseline));
}
