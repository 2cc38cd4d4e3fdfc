//! Bad input in masses, through the real binary: what is refused, what is left behind, and what it costs.

use std::{
    io::{BufRead, Read, Write},
    process::Child,
    sync::mpsc,
    thread,
    time::Duration,
};

use remit_core::limit::{MCP_CONNECTIONS_MAX, MCP_MESSAGE_MAX_BYTES, MCP_UNREAD_MAX_BYTES};
use remit_tests::client::{HANDSHAKE, STATELESS};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{
    client,
    http::{Server, stateless},
    project,
};

/// What a process takes of memory, in KiB: now (`VmRSS`), or at most so far (`VmHWM`).
fn memory(process: &Child, which: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(which)).expect("the memory");
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number")
}

/// A call that takes nothing and gives 42.
fn answer() -> Value {
    json!({ "name": "raw__answer", "arguments": {} })
}

/// A thousand requests in one.
fn batch() -> String {
    format!("[{}]", [r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#; 1000].join(","))
}

#[test]
fn what_is_no_request_is_refused_over_http_and_the_next_one_is_served() {
    let shell = project(&[("raw", "raw-tool")]);
    let server = Server::start(&shell);
    let (call, list) = (stateless("tools/call", answer()).to_string(), stateless("tools/list", json!({})).to_string());
    let bare = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} }).to_string();
    let (era, method, name) = (("mcp-protocol-version", STATELESS), ("mcp-method", "tools/call"), ("mcp-name", "raw__answer"));
    let listing = ("mcp-method", "tools/list");
    let batch = batch();
    let cases = [
        ("a batch", vec![], &batch, 415),
        ("a batch with the headers of one", vec![era, method, name], &batch, 415),
        ("no method in the head", vec![era, name], &call, 400),
        ("no name in the head", vec![era, method], &call, 400),
        ("no revision in the head", vec![method, name], &call, 400),
        ("another revision in the head", vec![("mcp-protocol-version", "1999-01-01"), method, name], &call, 400),
        ("no revision in the body", vec![era, listing], &bare, 400),
        ("another method in the body", vec![era, method, name], &list, 400),
        ("a session that nobody opened", vec![("mcp-session-id", "x"), ("mcp-protocol-version", HANDSHAKE)], &bare, 404),
        ("a request of the handshake era before it", vec![], &bare, 400),
        ("another type of body", vec![era, method, name, ("content-type", "text/plain")], &call, 415),
        ("a client that takes no answer", vec![era, method, name, ("accept", "image/png")], &call, 406),
    ];
    let (mut heard, mut expected) = (Vec::new(), Vec::new());
    for (what, headers, body, status) in cases {
        let refused = server.send("POST", "/mcp", &headers, body);
        heard.push((what, refused.status, refused.body));
        expected.push((what, status));
    }
    assert!(heard.iter().map(|(what, status, _)| (*what, *status)).eq(expected), "{heard:#?}");
    let unknown = server.stateless("nonsense/do", json!({}), &[]);
    assert_eq!(unknown.messages().pop().expect("an answer")["error"]["code"], -32601, "{}", unknown.body);
    assert_eq!(server.stateless("tools/call", answer(), &[]).status, 200);
}

/// Heads and bodies that break off, and a client that goes while its tool runs: the tool ends, which a record of its end would belie.
#[test]
fn a_client_that_breaks_off_over_http_leaves_nothing_behind() {
    let shell = project(&[("raw", "raw-tool"), ("hostile", "hostile")]);
    let text = std::fs::read_to_string(shell.cwd().join("remit.toml")).expect("a file");
    shell.write("remit.toml", text.replace("120000", "5000"));
    assert!(shell.run(&["review", "--yes"]).status.success());
    let server = Server::start(&shell);
    for piece in ["POST /mc", "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n{\"jsonrpc\""] {
        server.connect().write_all(piece.as_bytes()).expect("it is read");
    }
    let headers = [("mcp-protocol-version", STATELESS), ("mcp-method", "tools/call"), ("mcp-name", "hostile__spin")];
    let spin = stateless("tools/call", json!({ "name": "hostile__spin", "arguments": {}, "_meta": { "progressToken": 1 } }));
    let stream = server.begin("POST", "/mcp", &headers, &spin.to_string());
    assert!(stream.lines().any(|line| line.is_ok_and(|line| line.contains("looping"))), "it runs, and then its client is gone");
    assert_eq!(server.stateless("tools/call", answer(), &[]).status, 200);
    assert_eq!(server.end(Signal::TERM).1, Some(143));
    let records = shell.audit(1);
    let called = |tool: &str| records.iter().any(|record| record["tool"] == tool);
    assert!(called("answer") && !called("spin"), "it went on until its time was up: {records:?}");
}

/// More clients at once than there is room for: the others wait, and all are answered.
#[test]
fn more_clients_than_there_is_room_for_are_all_answered() {
    let shell = project(&[("raw", "raw-tool")]);
    let server = Server::start(&shell);
    let headers = [("mcp-protocol-version", STATELESS), ("mcp-method", "tools/call"), ("mcp-name", "raw__answer")];
    let call = stateless("tools/call", answer()).to_string();
    let asked: Vec<_> = (0..MCP_CONNECTIONS_MAX + 100).map(|_| server.begin("POST", "/mcp", &headers, &call)).collect();
    for mut stream in asked {
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        assert!(text.contains("\"result\":42"), "{text}");
    }
}

/// A client that asks and asks and reads nothing is soon not read either; once it reads, each request has its answer.
#[test]
fn a_peer_that_stops_reading_takes_bounded_memory_and_loses_nothing() {
    const REQUESTS: u64 = 6000;
    let shell = project(&[("raw", "raw-tool"), ("hostile", "hostile")]);
    let mut client = client(&shell);
    client.tools();
    let before = memory(client.child(), "VmHWM:");
    let (mut input, (wrote, writing)) = (client.take_input(), mpsc::channel());
    let writer = thread::spawn(move || {
        for id in 0..REQUESTS {
            let list = json!({ "jsonrpc": "2.0", "id": 100 + id, "method": "tools/list" });
            input.write_all(format!("{list}\n").as_bytes()).expect("it is read in the end");
            wrote.send(id).expect("somebody looks");
        }
    });
    // It stands still when nothing was taken for a while.
    let taken = std::iter::from_fn(|| writing.recv_timeout(Duration::from_secs(2)).ok()).last().expect("some");
    assert!(taken < REQUESTS - 1, "all of them were read");
    let grown = memory(client.child(), "VmHWM:") - before;
    assert!(grown < 4 * (MCP_UNREAD_MAX_BYTES as u64 >> 10), "{grown} KiB more");
    let mut answered: Vec<u64> = (0..REQUESTS).map(|_| client.hear().expect("an answer")["id"].as_u64().expect("an id")).collect();
    answered.sort_unstable();
    assert!(answered.into_iter().eq(100..100 + REQUESTS));
    writer.join().expect("it wrote all");
}

/// Hundreds of megabytes of it leave as much memory taken as a few did.
#[test]
fn bad_input_leaves_no_memory_behind() {
    let shell = project(&[("raw", "raw-tool")]);
    let (large, deep) = ("x".repeat(MCP_MESSAGE_MAX_BYTES + 1), "[".repeat(1 << 20));
    let bad = [batch(), large, deep, "{".to_owned(), "{}".to_owned()];
    let (mut by_lines, over_http) = (client(&shell), Server::start(&shell));
    let mut lines = || {
        for line in &bad {
            by_lines.say(line);
            assert!(by_lines.hear().expect("an answer")["error"]["code"].is_number());
        }
        assert_eq!(by_lines.ask("nonsense/do", json!({}))["error"]["code"], -32601);
        memory(by_lines.child(), "VmRSS:")
    };
    flat("lines", 10, &mut lines);
    let mut bodies = || {
        for body in &bad {
            assert!((400..500).contains(&over_http.send("POST", "/mcp", &[], body).status));
        }
        drop(over_http.connect().write_all(b"POST /mcp HTTP/1.1\r\ncontent-length: 9\r\n\r\n{"));
        memory(over_http.process(), "VmRSS:")
    };
    flat("bodies", 10, &mut bodies);
}

/// After some rounds forty more leave nothing that lasts, but for what the allocator keeps at hand.
fn flat(what: &str, rounds: usize, round: &mut impl FnMut() -> u64) {
    let early = (0..rounds).map(|_| round()).max().expect("some");
    let late = (0..40).map(|_| round()).last().expect("forty");
    assert!(late < early + (16 << 10), "{what}: {early} KiB, then {late} KiB");
}

/// What the host keeps for each of many calls is gone when they have ended.
#[test]
fn many_calls_at_once_leave_no_memory_behind() {
    let shell = project(&[("raw", "raw-tool")]);
    let mut client = client(&shell);
    let mut round = || {
        let ids: Vec<u64> = (0..1000).map(|_| client.request("tools/call", answer())).collect();
        for _ in &ids {
            assert_eq!(client.hear().expect("an answer")["result"]["isError"], false);
        }
        memory(client.child(), "VmRSS:")
    };
    // Several turns of their session are full by then: each holds its records until it ends.
    flat("calls", 60, &mut round);
}
