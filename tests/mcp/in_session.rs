//! Calls through the door belong to a durable session: of the connection, of the server, or one that the request names.

use std::time::{Duration, Instant};

use remit_tests::{McpClient, Shell, fixture};
use serde_json::{Value, json};

/// A project with `counter`, whose tools in `ask` need an approval.
pub fn project(ask: &str) -> Shell {
    let shell = Shell::new();
    shell.write("counter.wasm", fixture("counter")).write("work/.keep", "");
    let plugin = format!("[plugins.counter]\nsource = \"counter.wasm\"\nask = [{ask}]\nlimits = {{ deadline_ms = 120000 }}\n");
    shell.write("remit.toml", format!("version = 1\nproject.name = \"door\"\n{plugin}"));
    for command in [["review", "--yes"].as_slice(), &["grant", "counter", "fs", "work:/work:write", "--yes"]] {
        let ended = shell.run(command);
        assert!(ended.status.success(), "{ended:?}");
    }
    shell
}

pub fn json_of(shell: &Shell, arguments: &[&str]) -> Value {
    let ended = shell.run(&[arguments, &["--json"]].concat());
    serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("no JSON: {ended:?}"))
}

/// The session that a result belongs to.
pub fn session_of(result: &Value) -> &str {
    result["_meta"]["remit/session"].as_str().unwrap_or_else(|| panic!("no session: {result}"))
}

fn executions(shell: &Shell) -> usize {
    std::fs::read_to_string(shell.cwd().join("work/executions.log")).unwrap_or_default().lines().count()
}

#[test]
fn a_connection_has_a_session_of_its_own_from_its_first_call_on() {
    let shell = project("");
    let mut client = McpClient::start(shell.command(&["mcp"]));
    client.tools();
    assert_eq!(json_of(&shell, &["session", "list"]), json!([]), "none is made for nothing");
    let first = client.call("counter__bump", json!({ "note": "a" }));
    let session = session_of(&first).to_owned();
    assert_eq!(session_of(&client.call("counter__read_count", json!({}))), session);
    assert_eq!(client.call("counter__strike", json!({ "note": "b" }))["structuredContent"], json!({ "count": 2 }));
    client.close();
    let other = session_of(&McpClient::stateless(shell.command(&["mcp"])).call("counter__bump", json!({}))).to_owned();
    assert_ne!(other, session);
    let shown = json_of(&shell, &["session", "show", &session]);
    let tools: Vec<&str> =
        shown["records"].as_array().expect("records").iter().filter_map(|record| record["body"]["call"]["call"]["tool"].as_str()).collect();
    assert_eq!(tools, ["counter/bump", "counter/read_count", "counter/strike"], "what only read is there, too: {shown}");
    assert_eq!((&shown["session"]["status"], &shown["session"]["agent"]), (&json!("idle"), &json!("-")), "{shown}");
}

#[test]
fn a_server_with_a_session_makes_all_calls_in_it() {
    let shell = project("");
    let named = || McpClient::start(shell.command(&["mcp", "--session", "desk"]));
    let mut one = named();
    let session = session_of(&one.call("counter__bump", json!({}))).to_owned();
    one.close();
    let mut two = named();
    assert_eq!(session_of(&two.call("counter__bump", json!({}))), session);
    let mut three = named();
    assert_eq!(session_of(&three.call("counter__bump", json!({}))), session, "once the other one rests");
    let by_hand = json_of(&shell, &["call", "counter", "read_count", "--session", "desk"]);
    assert_eq!((session_of(&by_hand), &by_hand["structuredContent"]), (session.as_str(), &json!({ "count": 3 })));
    assert_eq!(json_of(&shell, &["session", "list"]).as_array().map(Vec::len), Some(1));
}

/// What a request names counts before the connection's own; another's and none are the same.
#[test]
fn a_request_may_name_its_session() {
    let shell = project("");
    let mut client = McpClient::start(shell.command(&["mcp"]));
    let call = |client: &mut McpClient, handle: Value| {
        let params = json!({ "name": "counter__bump", "arguments": {}, "_meta": { "remit/session": handle } });
        client.ask("tools/call", params)["result"].clone()
    };
    let named = call(&mut client, json!("line"));
    let session = session_of(&named).to_owned();
    assert_eq!(session_of(&call(&mut client, json!(session))), session, "by its id");
    assert_ne!(session_of(&client.call("counter__bump", json!({}))), session);
    for absent in [json!("ses_01m88yyfhc25ebem3hr1vnp8x1"), json!("ses_"), json!(""), json!("x".repeat(257))] {
        let refused = call(&mut client, absent.clone());
        assert_eq!(refused["isError"], true, "{absent}: {refused}");
        assert_eq!(refused["_meta"].get("remit/session"), None);
    }
    assert_eq!(executions(&shell), 3);
}

#[test]
fn a_call_that_needs_an_approval_waits_for_it_and_the_same_call_goes_on() {
    let shell = project("\"strike\"");
    let mut client = McpClient::start(shell.command(&["mcp"]));
    let waiting = client.call("counter__strike", json!({ "note": "a" }));
    let approval = waiting["_meta"]["remit/waiting"]["approval"].as_str().expect("an approval").to_owned();
    assert_eq!(
        (&waiting["isError"], waiting.get("structuredContent")),
        (&json!(true), None),
        "it promises something else there: {waiting}"
    );
    assert!(waiting["content"][0]["text"].as_str().expect("text").contains(&approval), "{waiting}");
    assert_eq!(client.call("counter__strike", json!({ "note": "a" }))["_meta"]["remit/waiting"]["approval"], approval);
    assert_eq!(executions(&shell), 0);
    assert!(shell.run(&["approval", "approve", &approval]).status.success());
    let done = client.call("counter__strike", json!({ "note": "a" }));
    assert_eq!((&done["isError"], &done["structuredContent"]), (&json!(false), &json!({ "count": 1 })), "{done}");
    assert_ne!(
        client.call("counter__strike", json!({ "note": "a" }))["_meta"]["remit/waiting"]["approval"],
        json!(null),
        "a yes is used once"
    );
    assert_eq!(executions(&shell), 1);
}

/// A call that waits still, and is made again, is nothing new.
#[test]
fn asking_again_for_what_waits_leaves_nothing_in_the_journal() {
    let shell = project("\"strike\"");
    let mut client = McpClient::start(shell.command(&["mcp"]));
    let again = |client: &mut McpClient| {
        let waiting = client.call("counter__strike", json!({ "note": "a" }));
        (session_of(&waiting).to_owned(), json_of(&shell, &["session", "show", session_of(&waiting)]))
    };
    let ended = |shown: &Value| {
        shown["records"].as_array().and_then(|records| records.last()).is_some_and(|last| last["body"].get("turn-end").is_some())
    };
    let (session, mut first) = again(&mut client);
    let began = Instant::now();
    while !ended(&first) {
        assert!(began.elapsed() < Duration::from_secs(60), "its turn ends");
        first = json_of(&shell, &["session", "show", &session]);
    }
    again(&mut client);
    drop(client.close());
    assert_eq!(json_of(&shell, &["session", "show", &session])["records"], first["records"]);
}

#[test]
fn a_slow_call_holds_no_other_one_up() {
    let shell = project("");
    let mut client = McpClient::start(shell.command(&["mcp"]));
    let slow = client.request("tools/call", json!({ "name": "counter__slow", "arguments": { "ms": 60_000 } }));
    let began = Instant::now();
    while executions(&shell) == 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "the slow call began");
    }
    for number in 0..20 {
        let tool = if number % 2 == 0 { "counter__strike" } else { "counter__read_count" };
        assert_eq!(client.call(tool, json!({}))["isError"], false);
    }
    assert!(!client.told.iter().any(|told| told["id"] == slow), "it runs still");
    client.tell("notifications/cancelled", json!({ "requestId": slow }));
    let session = session_of(&client.call("counter__read_count", json!({}))).to_owned();
    client.close();
    let shown = shell.run(&["session", "show", &session]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("in doubt: the call was taken back while it ran"), "{shown}");
}
