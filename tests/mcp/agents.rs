//! Agents as tools: sessions that a client holds by their handle.

use std::io::Read;

use remit_tests::{McpClient, Shell, client::STATELESS, fixture};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::http::{Server, stateless};

/// A project with the scripted agent and the tools that it may call; `more` is said in its file too.
pub fn desk(more: &str) -> Shell {
    let shell = Shell::new();
    shell.write("agent.wasm", fixture("agent")).write("counter.wasm", fixture("counter")).write("work/.keep", "");
    let text = "version = 1\nproject.name = \"desk\"\n[agents.scripted]\nsource = \"agent.wasm\"\ntools = [\"counter/*\"]\n\
                limits = { deadline_ms = 120000 }\n\
                [plugins.counter]\nsource = \"counter.wasm\"\nlimits = { deadline_ms = 120000 }\n\
                grants.fs = [{ path = \"work\", mount = \"/work\", access = \"write\" }]\n";
    shell.write("remit.toml", format!("{text}{more}"));
    let reviewed = shell.run(&["review", "--yes"]);
    assert!(reviewed.status.success(), "{reviewed:?}");
    shell
}

/// A client of both eras each.
pub fn both(shell: &Shell) -> [McpClient; 2] {
    [McpClient::start(shell.command(&["mcp"])), McpClient::stateless(shell.command(&["mcp"]))]
}

/// Has the agent do steps.
pub fn act(client: &mut McpClient, steps: Value) -> Value {
    client.call("agents__scripted", json!({ "input": { "steps": steps } }))
}

/// Has it do more in a session, or asks how it stands there.
pub fn more(client: &mut McpClient, session: &Value, steps: Option<Value>) -> Value {
    let mut arguments = json!({ "session": session });
    if let Some(steps) = steps {
        arguments["input"] = json!({ "steps": steps });
    }
    client.call("agents__scripted", arguments)
}

/// The structured content of a result.
pub fn said(result: &Value) -> &Value {
    &result["structuredContent"]
}

/// How often the counter did something that cannot be taken back.
pub fn strikes(shell: &Shell) -> usize {
    let trace = std::fs::read_to_string(shell.cwd().join("work/executions.log")).unwrap_or_default();
    trace.lines().filter(|line| line.starts_with("strike ")).count()
}

#[test]
fn an_agent_is_a_tool_that_mints_a_session_and_goes_on_with_it() {
    let shell = desk("");
    for mut client in both(&shell) {
        let tools = client.ask("tools/list", json!({}));
        let tools = tools["result"]["tools"].as_array().expect("a list").clone();
        let agent = tools.iter().find(|tool| tool["name"] == "agents__scripted").expect("the agent");
        assert_eq!(agent["inputSchema"]["additionalProperties"], false);
        assert_eq!(agent["outputSchema"]["required"], json!(["session", "turn", "status"]));
        assert_eq!(agent["annotations"]["readOnlyHint"], false);

        let first = act(&mut client, json!([{ "put": { "key": "k", "value": 1 } }]));
        assert_eq!((&said(&first)["status"], &said(&first)["turn"], &first["isError"]), (&json!("done"), &json!(0), &json!(false)));
        let session = said(&first)["session"].clone();
        let second = more(&mut client, &session, Some(json!([{ "get": "k" }])));
        assert_eq!((&said(&second)["turn"], &said(&second)["output"]), (&json!(1), &json!({ "log": [1] })), "what it keeps, it keeps");
        assert_eq!(said(&more(&mut client, &session, None)), said(&second), "asked again, it says the same");
        let other = act(&mut client, json!([{ "get": "k" }]));
        assert_eq!(said(&other)["output"]["log"], json!([null]), "another session knows nothing of it");
        assert_ne!(said(&other)["session"], session);
    }
}

#[test]
fn what_a_call_of_an_agent_says_is_checked() {
    let shell = desk("");
    let mut client = McpClient::start(shell.command(&["mcp"]));
    let session = said(&act(&mut client, json!([]))).clone()["session"].clone();
    for (arguments, text) in [
        (json!({ "input": { "steps": 3 } }), "steps"),
        (json!({ "input": "no JSON" }), "JSON"),
        (json!({ "steps": [] }), "an agent takes no argument `steps`"),
        (json!({ "session": "ses_x" }), "ses_x"),
        (json!({ "session": session, "key": "nobody's" }), "no input of"),
        (json!({ "session": "ses_00000000000000000000000000" }), "there is no session"),
        (json!({ "key": "" , "input": { "steps": [] } }), "a key of 0 bytes"),
    ] {
        let refused = client.call("agents__scripted", arguments.clone());
        let said = refused["content"][0]["text"].as_str().expect("a text");
        assert!(refused["isError"] == true && said.contains(text), "{arguments}: {said}");
        assert!(!said.contains("remit "), "no command is given to a model: {said}");
    }
    let failed = act(&mut client, json!([{ "fail": "no luck" }]));
    assert_eq!((&failed["isError"], &said(&failed)["status"]), (&json!(true), &json!("failed")));
    assert_eq!(said(&failed)["error"], json!({ "kind": "guest", "message": "no luck" }));
}

/// A client that did not hear the answer asks again with the same key, and nothing is done twice.
#[test]
fn a_key_gives_what_was_recorded() {
    let shell = desk("");
    let steps = json!({ "steps": [{ "call": { "tool": "counter/strike", "arguments": { "note": "a" } } }] });
    let mut results = Vec::new();
    for mut client in both(&shell) {
        let result = client.call("agents__scripted", json!({ "input": steps, "key": "monday" }));
        results.push(said(&result).clone());
        let other = client.call("agents__scripted", json!({ "input": { "steps": [] }, "key": "monday" }));
        assert_eq!(other["isError"], true, "another input is no repetition: {other}");
    }
    assert_eq!(results[0], results[1]);
    assert_eq!(strikes(&shell), 1);
}

/// A server that is killed in the middle of a turn: the next one goes on when it is asked, and nothing is done twice.
#[test]
fn a_turn_that_a_crash_cut_off_goes_on_when_it_is_asked_after() {
    let shell = desk("");
    let steps = json!([
        { "call": { "tool": "counter/strike", "arguments": { "note": "a" } } },
        { "sleep_ms": 3_000 },
        { "get": "k" },
    ]);
    for (before, signal) in [Signal::KILL, Signal::TERM].into_iter().enumerate() {
        let arguments = json!({ "input": { "steps": steps }, "key": signal.as_raw().to_string() });
        let mut client = McpClient::start(shell.command(&["mcp"]));
        client.request("tools/call", json!({ "name": "agents__scripted", "arguments": arguments }));
        while strikes(&shell) == before {
            std::thread::yield_now();
        }
        kill_process(Pid::from_child(client.child()), signal).expect("it runs");
        drop(client.close());
        let mut client = McpClient::stateless(shell.command(&["mcp"]));
        let result = client.call("agents__scripted", arguments);
        assert_eq!(said(&result)["status"], "done", "{result}");
        assert_eq!(strikes(&shell), before + 1);
    }
}

/// Over HTTP each request stands alone, and the handle is what ties them; SIGTERM answers who waits, and the turn goes on elsewhere.
#[test]
fn a_session_over_http_is_its_handle() {
    let shell = desk("");
    let server = Server::start(&shell);
    let headers = [("mcp-protocol-version", STATELESS), ("mcp-method", "tools/call"), ("mcp-name", "agents__scripted")];
    let call = |arguments: &Value| json!({ "name": "agents__scripted", "arguments": arguments });
    let asked = |server: &Server, arguments: &Value| {
        let messages = server.stateless("tools/call", call(arguments), &[]).messages();
        messages.last().expect("an answer")["result"].clone()
    };
    let first = asked(&server, &json!({ "input": { "steps": [{ "put": { "key": "k", "value": 1 } }] } }));
    let session = said(&first)["session"].clone();
    let second = asked(&server, &json!({ "session": session, "input": { "steps": [{ "get": "k" }] } }));
    assert_eq!(said(&second)["output"], json!({ "log": [1] }));

    let steps = json!([{ "call": { "tool": "counter/strike", "arguments": { "note": "a" } } }, { "sleep_ms": 5_000 }, { "get": "k" }]);
    let arguments = json!({ "session": session, "input": { "steps": steps } });
    let mut waiting = server.begin("POST", "/mcp", &headers, &stateless("tools/call", call(&arguments)).to_string());
    while strikes(&shell) == 0 {
        std::thread::yield_now();
    }
    assert_eq!(server.end(Signal::TERM).1, Some(143));
    let mut text = String::new();
    waiting.read_to_string(&mut text).expect("an answer");
    assert!(text.contains(session.as_str().expect("an id")) && !text.contains("\"done\""), "who waits is answered: {text}");
    assert!(text.contains("\"steps\":"), "and told how far it came: {text}");
    let server = Server::start(&shell);
    let done = asked(&server, &json!({ "session": session }));
    assert_eq!((&said(&done)["turn"], &said(&done)["output"]["log"][2]), (&json!(2), &json!(1)), "{done}");
    assert_eq!(strikes(&shell), 1);
}

/// Whoever waits for a turn, and gave a token, hears what it does: who began it, and who asks after it.
#[test]
fn progress_of_a_turn_is_told_to_who_began_it_and_to_who_asks_after_it() {
    let shell = desk("");
    let mut client = McpClient::start(shell.command(&["mcp"]));
    let session = said(&act(&mut client, json!([]))).clone()["session"].clone();
    let steps = json!([
        { "call": { "tool": "counter/strike", "arguments": { "note": "a" } } },
        { "call": { "tool": "counter/slow", "arguments": { "ms": 60_000 } } },
    ]);
    let begins = json!({ "session": session, "input": { "steps": steps } });
    let mut requests = Vec::new();
    for (token, arguments) in [("begins", begins), ("follows", json!({ "session": session }))] {
        let params = json!({ "name": "agents__scripted", "arguments": arguments, "_meta": { "progressToken": token } });
        requests.push(client.request("tools/call", params));
        let mut last = 0.0;
        loop {
            let heard = client.hear().expect("progress");
            assert_eq!(heard["method"], "notifications/progress", "{heard}");
            if heard["params"]["progressToken"] != token {
                continue;
            }
            let progress = heard["params"]["progress"].as_f64().expect("a number");
            assert!(progress > last, "it grows: {heard}");
            last = progress;
            if heard["params"]["message"] == "step 2: calls `counter/slow`" {
                break;
            }
        }
    }
    for request in requests {
        client.tell("notifications/cancelled", json!({ "requestId": request }));
    }
    client.close();
}

/// A request that is taken back stops the turn that it began; who asks after the session takes it further.
#[test]
fn a_request_that_is_taken_back_stops_its_turn_where_it_is() {
    let shell = desk("");
    let mut client = McpClient::start(shell.command(&["mcp"]));
    let steps = json!([{ "call": { "tool": "counter/strike", "arguments": { "note": "a" } } }, { "sleep_ms": 2_000 }, { "now": true }]);
    let arguments = json!({ "input": { "steps": steps }, "key": "k" });
    let id = client.request("tools/call", json!({ "name": "agents__scripted", "arguments": arguments }));
    while strikes(&shell) == 0 {
        std::thread::yield_now();
    }
    client.tell("notifications/cancelled", json!({ "requestId": id }));
    let result = client.call("agents__scripted", arguments);
    assert_eq!(said(&result)["status"], "done", "{result}");
    assert_eq!(strikes(&shell), 1);
}

#[test]
fn sessions_are_resources() {
    let shell = desk("");
    for mut client in both(&shell) {
        let done = act(&mut client, json!([{ "put": { "key": "k", "value": { "a": 1 } } }]));
        let session = said(&done)["session"].as_str().expect("an id").to_owned();
        let read = |client: &mut McpClient, rest: &str| {
            let read = client.ask("resources/read", json!({ "uri": format!("remit://session/{session}{rest}") }));
            let text = read["result"]["contents"][0]["text"].as_str().unwrap_or_else(|| panic!("{read}")).to_owned();
            serde_json::from_str::<Value>(&text).expect("JSON")
        };
        let listed = client.ask("resources/list", json!({}));
        assert_eq!(listed["result"]["resources"][0]["uri"], format!("remit://session/{session}"));
        let timeline = read(&mut client, "");
        assert_eq!((&timeline["session"]["status"], &timeline["earlier"]), (&json!("idle"), &json!(0)));
        assert_eq!(timeline["records"].as_array().map(Vec::len), timeline["session"]["next_seq"].as_u64().map(|n| n as usize));
        assert_eq!(read(&mut client, "/state"), json!({ "k": { "a": 1 } }));
        let templates = client.ask("resources/templates/list", json!({}));
        assert_eq!(templates["result"]["resourceTemplates"].as_array().map(Vec::len), Some(3));
        for wrong in ["file:///etc/passwd", "remit://session/x", &format!("remit://session/{session}/output/{}", "0".repeat(64))] {
            let refused = client.ask("resources/read", json!({ "uri": wrong }));
            assert!([-32002, -32602].contains(&refused["error"]["code"].as_i64().expect("a code")), "{refused}");
        }
        let stale = client.ask("resources/list", json!({ "cursor": "x" }));
        assert_eq!(stale["error"]["code"], -32602);
    }
}
