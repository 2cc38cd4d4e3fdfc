//! What goes over the wire: transcripts of both eras, bad input, and how the process ends.

use std::fmt::Write as _;

use insta::assert_snapshot;
use remit_tests::{McpClient, Shell, client::HANDSHAKE, fixture};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{client, project};

/// What differs from run to run, left out.
fn masked(mut heard: Value) -> Value {
    if let Some(meta) = heard.pointer_mut("/result/_meta") {
        for name in ["remit/call", "remit/metering", "remit/session"] {
            if meta.get(name).is_some() {
                meta[name] = json!("…");
            }
        }
    }
    if let Some(tools) = heard.pointer_mut("/result/tools").and_then(Value::as_array_mut) {
        tools.retain(|tool| tool["name"] == "raw__answer");
    }
    heard
}

/// Each request with its answer.
fn transcript(client: &mut McpClient, requests: &[(&str, Value)]) -> String {
    let mut text = String::new();
    for (method, params) in requests {
        let answer = masked(client.ask(method, params.clone()));
        writeln!(text, "> {method} {params}\n{answer:#}").expect("a string grows");
    }
    text
}

fn requests() -> Vec<(&'static str, Value)> {
    vec![
        ("tools/list", json!({})),
        ("tools/call", json!({ "name": "raw__answer", "arguments": {} })),
        ("tools/call", json!({ "name": "raw__everything" })),
        ("tools/call", json!({ "name": "raw__failed", "arguments": {} })),
        ("tools/call", json!({ "name": "raw__nothing", "arguments": {} })),
        ("tools/call", json!({ "arguments": {} })),
        ("tools/list", json!({ "cursor": "raw__nothing" })),
        ("prompts/list", json!({})),
        ("nonsense/\u{1b}[31m", json!({})),
    ]
}

#[test]
fn the_revisions_with_a_handshake() {
    let shell = project(&[("raw", "raw-tool")]);
    let mut client = McpClient::unopened(shell.command(&["mcp"]));
    let opened = format!("{:#}\n", client.open(HANDSHAKE));
    assert_snapshot!("handshake", opened + &transcript(&mut client, &requests()));
    for old in ["2024-11-05", "2025-03-26", "2025-06-18", "1999-01-01"] {
        let mut client = McpClient::unopened(shell.command(&["mcp"]));
        let revision = client.open(old)["result"]["protocolVersion"].clone();
        assert_eq!(revision, if old.starts_with('1') { HANDSHAKE } else { old }, "the server offers what it has");
        assert_eq!(client.call("raw__answer", json!({}))["structuredContent"]["result"], 42);
    }
}

#[test]
fn the_revision_without_a_handshake() {
    let shell = project(&[("raw", "raw-tool")]);
    let mut client = McpClient::stateless(shell.command(&["mcp"]));
    let all = [vec![("server/discover", json!({}))], requests()].concat();
    assert_snapshot!("stateless", transcript(&mut client, &all));
    let (_, _, ended) = client.close();
    assert_eq!(ended.code(), Some(0));
}

/// Malformed lines of every sort, floods of them, and a batch: each is answered or passed over, and the next request is served.
#[test]
fn bad_input_is_answered_and_the_server_lives_on() {
    let shell = project(&[("raw", "raw-tool")]);
    let mut client = client(&shell);
    let large = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "x".repeat(9 << 20) } }).to_string();
    let batch = format!("[{}]", [r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#; 1000].join(","));
    let bad = [
        "{",
        "\u{0}",
        "\"",
        "[]",
        "{}",
        "null",
        "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}",
        &"[".repeat(1 << 20),
        &batch,
        &large,
    ];
    for line in bad {
        client.say(line);
        let answer = client.hear().expect("an answer");
        let code = answer["error"]["code"].as_i64().expect("an error");
        assert!([-32700, -32600].contains(&code), "{answer}");
        assert!(answer.get("id").is_none(), "{answer}");
    }
    for line in ["", "   ", "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/nonsense\",\"params\":3}"] {
        client.say(line);
    }
    client.tell("notifications/cancelled", json!({ "requestId": 99 }));
    client.say(r#"{"jsonrpc":"2.0","id":12,"result":{}}"#);
    assert_eq!(client.call("raw__answer", json!({}))["structuredContent"]["result"], 42);
    assert_eq!(client.told, Vec::<Value>::new(), "a notification is never answered");
    let (_, _, ended) = client.close();
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn arguments_are_bounded_in_depth_and_checked_against_the_schema() {
    let shell = project(&[("raw", "raw-tool"), ("hostile", "hostile")]);
    let mut client = client(&shell);
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let refused = client.call("raw__echo", json!({ "deep": deep }));
    assert_eq!((&refused["isError"], &refused["_meta"]["remit/error"]["kind"]), (&json!(true), &json!("invalid")));
    let misfit = client.call("hostile__sleep", json!({ "milliseconds": "long" }));
    assert_eq!(misfit["isError"], true);
    let text = misfit["content"][0]["text"].as_str().expect("text");
    assert!(text.contains("milliseconds"), "a model can correct itself: {text}");
}

/// Many calls at once are all answered, whatever order they end in.
#[test]
fn a_thousand_calls_at_once_are_all_answered() {
    let shell = project(&[("raw", "raw-tool")]);
    let mut client = client(&shell);
    let ids: Vec<u64> = (0..1000).map(|_| client.request("tools/call", json!({ "name": "raw__answer", "arguments": {} }))).collect();
    let mut answered: Vec<u64> = ids.iter().map(|_| client.hear().expect("an answer")["id"].as_u64().expect("an id")).collect();
    answered.sort_unstable();
    assert_eq!(answered, ids);
}

/// What a client asked before it said that it has no more to say is still answered.
#[test]
fn the_end_of_input_drains_and_ends_with_0() {
    let shell = project(&[("raw", "raw-tool")]);
    let mut client = client(&shell);
    let id = client.request("tools/call", json!({ "name": "raw__progress", "arguments": {}, "_meta": { "progressToken": 1 } }));
    let (left, _, ended) = client.close();
    assert!(left.iter().any(|heard| heard["id"] == id && heard["result"]["isError"] == false), "{left:?}");
    assert_eq!(ended.code(), Some(0));
    let silent = McpClient::unopened(shell.command(&["mcp"]));
    let (left, stderr, ended) = silent.close();
    assert_eq!((left.len(), ended.code()), (0, Some(0)));
    assert!(stderr.contains("door: 16 tools of 1 plugin as user:"), "who acts is said: {stderr}");
}

#[test]
fn signals_end_it_as_they_end_every_command() {
    let shell = project(&[("hostile", "hostile")]);
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut client = client(&shell);
        client.request("tools/call", json!({ "name": "hostile__spin", "arguments": {}, "_meta": { "progressToken": 1 } }));
        assert_eq!(client.hear().expect("progress")["params"]["message"], "looping");
        kill_process(Pid::from_child(client.child()), signal).expect("it runs");
        let (left, _, ended) = client.close();
        assert_eq!((left.len(), ended.code()), (0, Some(code)));
    }
}

#[test]
fn a_project_that_may_not_run_is_not_served() {
    let shell = project(&[("raw", "raw-tool")]);
    let other = Shell::new();
    for file in ["remit.toml", "remit.lock", "raw-tool.wasm"] {
        other.write(file, std::fs::read(shell.cwd().join(file)).expect("a file"));
    }
    assert_snapshot!("untrusted", other.transcript(&["mcp"]));
    other.write("remit.toml", "version = 1\nproject.name = \"x\"\nprojcet = 1\n");
    assert_snapshot!("mistake", other.transcript(&["mcp"]));
    assert_snapshot!("nowhere", Shell::new().transcript(&["mcp"]));
}

/// A plugin that may not run does not keep the rest from being served.
#[test]
fn a_plugin_that_is_not_approved_is_left_out_and_the_rest_serves() {
    let shell = project(&[("raw", "raw-tool")]);
    let text = std::fs::read_to_string(shell.cwd().join("remit.toml")).expect("a file");
    shell.write("other.wasm", fixture("plain")).write("remit.toml", text + "[plugins.other]\nsource = \"other.wasm\"\n");
    assert_eq!(shell.run(&["trust", "--yes"]).status.code(), Some(0));
    let mut client = client(&shell);
    assert!(client.tools().iter().all(|name| name.starts_with("raw__")));
    let (_, stderr, _) = client.close();
    assert!(stderr.contains("`other` is left out: `other` is not loaded: nobody has approved it yet"), "{stderr}");
}
