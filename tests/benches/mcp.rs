//! What a call costs through the MCP door: over pipes, as clients start it, beside the SDKs for Node and Python where those can be had.
//!
//! Run with `cargo bench --workspace --bench mcp`. All sides are driven by the same client in the same run, in turns; a server of an
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
    process::Command,
    time::{Duration, Instant},
};

use remit_tests::{McpClient, Shell, fixture, node_with, python_with, workspace};
use serde_json::json;

/// Parts that the sides take turns with, and the calls of each.
const PARTS: usize = 20;
const CALLS: usize = 250;
/// Calls in flight where many are.
const FLIGHT: usize = 16;
/// Calls that must leave no memory behind.
const MANY: usize = 100_000;
/// Plugins of the project whose start is measured.
const PLUGINS: usize = 20;
const STARTS: usize = 15;

/// Ours, Node's, Python's; what cannot be had is left out.
type Sides<T> = [T; 3];

fn main() {
    let shell = project(1);
    let mut clients: Sides<_> = [Some(shell.command(&["mcp"])), node(), python()].map(|command| command.map(McpClient::start));
    println!("{:<38} {:>10} {:>10} {:>10} {:>8} {:>8}", "", "remit", "node", "python", "of node", "of python");
    let (mut trips, mut flights) = (Sides::<Vec<Duration>>::default(), Sides::<Vec<Duration>>::default());
    for part in 0..PARTS {
        for (side, client) in clients.iter_mut().enumerate() {
            let Some(client) = client else { continue };
            trips[side].extend(round_trips(client, part == 0));
            flights[side].push(in_flight(client, CALLS));
        }
    }
    row("stdio round trip, p50", trips.each_mut().map(|times| quantile(times, 50)), "≤ 0.50x of node, ≤ 0.067x of python");
    row("stdio round trip, p99", trips.each_mut().map(|times| quantile(times, 99)), "");
    let spread = quantile(&mut trips[0], 99).as_secs_f64() / quantile(&mut trips[0], 50).as_secs_f64();
    println!("{:<38} {spread:>9.2}x   goal: ≤ 3x", "stdio round trip, p99 of p50");
    let mean = |times: &mut Vec<Duration>| times.iter().sum::<Duration>() / u32::try_from(times.len().max(1)).expect("few");
    rate("calls a second, 1 in flight", trips.each_mut().map(mean));
    rate("calls a second, 16 in flight", flights.each_mut().map(|times| quantile(times, 50)));
    starts();
    memory(clients[0].as_mut().expect("ours is there"));
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

fn round_trips(client: &mut McpClient, warm: bool) -> Vec<Duration> {
    let (tool, mut times) = (echo(client), Vec::new());
    for call in 0..CALLS {
        let start = Instant::now();
        let result = client.call(&tool, json!({ "text": "a short string" }));
        let took = start.elapsed();
        assert_ne!(result["isError"], true, "{result}");
        if !warm || call > CALLS / 2 {
            times.push(took);
        }
    }
    times
}

/// What the tool that gives its argument back is called there.
fn echo(client: &mut McpClient) -> String {
    client.tools().into_iter().find(|name| name.ends_with("echo")).expect("an echo")
}

/// The time of one call where [`FLIGHT`] are always under way.
fn in_flight(client: &mut McpClient, calls: usize) -> Duration {
    let call = json!({ "name": echo(client), "arguments": { "text": "a short string" } });
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

/// From the start of the process to the answer to the first list; the servers of the SDKs have one tool.
fn starts() {
    let (shell, mut times) = (project(PLUGINS), Sides::<Vec<Duration>>::default());
    for _ in 0..STARTS {
        for (command, times) in [Some(shell.command(&["mcp"])), node(), python()].into_iter().zip(&mut times) {
            let Some(command) = command else { continue };
            let start = Instant::now();
            let mut client = McpClient::start(command);
            assert!(!client.tools().is_empty());
            times.push(start.elapsed());
            client.close();
        }
    }
    row("ready and listed, 20 cached plugins", times.each_mut().map(|times| quantile(times, 50)), "≤ 50 ms");
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
    println!("{:<38} {peak:>7.1} MB   goal: ≤ 40 MB", "peak memory");
    println!("{:<38} {:>9.2}x   goal: flat ({before:.1} MB, then {after:.1} MB)", "memory after 100,000 calls more", after / before);
}

/// The echo server of the SDK for Node.
fn node() -> Option<Command> {
    let script = node_with("tests/benches/mcp/package.json")?.join("server.mjs");
    fs::copy(workspace().join("tests/benches/mcp/server.mjs"), &script).expect("a copy");
    let mut command = Command::new("node");
    command.arg(script);
    Some(command)
}

/// The echo server of the SDK for Python.
fn python() -> Option<Command> {
    let mut command = Command::new(python_with("tests/benches/mcp/requirements.txt")?);
    command.arg(workspace().join("tests/benches/mcp/server.py"));
    Some(command)
}

fn quantile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times.get(times.len() * percent / 100).copied().unwrap_or_default()
}

fn row(what: &str, times: Sides<Duration>, goal: &str) {
    let shown = |time: Duration| match time {
        Duration::ZERO => "—".to_owned(),
        time if time < Duration::from_millis(10) => format!("{:.1} µs", time.as_nanos() as f64 / 1e3),
        time => format!("{:.1} ms", time.as_nanos() as f64 / 1e6),
    };
    line(what, times.map(shown), times, goal);
}

/// Calls a second, where one takes so long.
fn rate(what: &str, times: Sides<Duration>) {
    let shown = |time: Duration| if time.is_zero() { "—".to_owned() } else { format!("{:.0}", 1.0 / time.as_secs_f64()) };
    line(what, times.map(shown), times, "");
}

/// What is shown of each side, and how long ours takes against the others.
fn line(what: &str, [ours, node, python]: Sides<String>, [time, of_node, of_python]: Sides<Duration>, goal: &str) {
    let ratio = |other: Duration| match other {
        Duration::ZERO => "—".to_owned(),
        other => format!("{:.3}x", time.as_secs_f64() / other.as_secs_f64()),
    };
    let goal = if goal.is_empty() { String::new() } else { format!("   goal: {goal}") };
    println!("{what:<38} {ours:>10} {node:>10} {python:>10} {:>8} {:>8}{goal}", ratio(of_node), ratio(of_python));
}
