//! Long turns as tasks: the id is the session and the key of its turn, so that a restart changes nothing.

use remit_tests::{McpClient, Shell};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::agents::{desk, said, strikes};

fn following(shell: &Shell) -> McpClient {
    let capabilities = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} }, "elicitation": {} });
    McpClient::stateless(shell.command(&["mcp"])).can(capabilities)
}

fn call(client: &mut McpClient, arguments: Value) -> Value {
    let answer = client.ask("tools/call", json!({ "name": "agents__scripted", "arguments": arguments }));
    assert!(answer.get("error").is_none(), "{answer}");
    answer["result"].clone()
}

/// What takes a while, and leaves a trace before.
fn long(ms: u64) -> Value {
    json!({ "steps": [
        { "call": { "tool": "counter/strike", "arguments": { "note": "a" } } },
        { "sleep_ms": ms },
        { "put": { "key": "k", "value": 1 } },
    ] })
}

/// Asks for a task until it is no longer in progress.
fn ended(client: &mut McpClient, task: &Value) -> Value {
    loop {
        let got = client.ask("tasks/get", json!({ "taskId": task }));
        assert!(got.get("error").is_none(), "{got}");
        if got["result"]["status"] != "working" {
            return got["result"].clone();
        }
    }
}

#[test]
fn a_long_turn_is_a_task_which_outlives_the_server() {
    let shell = desk("");
    let mut client = following(&shell);
    let task = call(&mut client, json!({ "input": long(4_000) }));
    assert_eq!((&task["resultType"], &task["status"]), (&json!("task"), &json!("working")), "{task}");
    kill_process(Pid::from_child(client.child()), Signal::KILL).expect("it runs");
    drop(client.close());
    let mut client = following(&shell);
    let done = ended(&mut client, &task["taskId"]);
    assert_eq!((&done["status"], &said(&done["result"])["status"]), (&json!("completed"), &json!("done")), "{done}");
    assert_eq!(strikes(&shell), 1, "what it did before is not done again");
    assert_eq!(ended(&mut client, &task["taskId"])["result"], done["result"], "it can be asked for at any time");
}

/// While a turn runs, a poll says so, and another input is queued; it has its turn without anybody asking.
#[test]
fn a_turn_goes_on_in_the_background_and_inputs_queue_behind_it() {
    let shell = desk("");
    let mut client = following(&shell);
    let first = call(&mut client, json!({ "input": long(4_000), "key": "first" }));
    let session = first["taskId"].as_str().and_then(|id| id.split_once('/')).expect("a session").0.to_owned();
    let second = call(&mut client, json!({ "session": session, "input": { "steps": [{ "get": "k" }] }, "key": "second" }));
    assert_eq!(second["resultType"], "task", "{second}");
    assert_eq!(ended(&mut client, &second["taskId"])["result"]["structuredContent"]["output"], json!({ "log": [1] }));
    assert_eq!(ended(&mut client, &first["taskId"])["result"]["structuredContent"]["turn"], 0);
}

/// Who follows a task is told how far its turn is, as the journal has it.
#[test]
fn a_task_says_what_its_turn_does() {
    let shell = desk("");
    let mut client = following(&shell);
    let steps = json!([
        { "call": { "tool": "counter/strike", "arguments": { "note": "a" } } },
        { "call": { "tool": "counter/slow", "arguments": { "ms": 60_000 } } },
    ]);
    let task = call(&mut client, json!({ "input": { "steps": steps } }));
    loop {
        let got = client.ask("tasks/get", json!({ "taskId": task["taskId"] }))["result"].clone();
        assert_eq!(got["status"], "working", "{got}");
        if got["statusMessage"] == "step 2: calls `counter/slow`" {
            break;
        }
    }
    assert!(client.ask("tasks/cancel", json!({ "taskId": task["taskId"] })).get("error").is_none());
}

#[test]
fn a_task_that_is_cancelled_ends_its_turn() {
    let shell = desk("");
    let mut client = following(&shell);
    let task = call(&mut client, json!({ "input": long(50_000) }));
    let cancelled = client.ask("tasks/cancel", json!({ "taskId": task["taskId"] }));
    assert!(cancelled.get("error").is_none(), "{cancelled}");
    assert_eq!(ended(&mut client, &task["taskId"])["status"], "cancelled");
    let session = task["taskId"].as_str().and_then(|id| id.split_once('/')).expect("a session").0;
    let next = call(&mut client, json!({ "session": session, "input": { "steps": [{ "get": "k" }] } }));
    assert_eq!(said(&next)["output"]["log"], json!([null]), "the session goes on without what the turn changed: {next}");
}

#[test]
fn a_task_asks_where_the_project_takes_answers_from_a_client() {
    let steps = json!({ "steps": [{ "sleep_ms": 2_000 }, { "approve": { "title": "Go?" } }] });
    for accepts in [false, true] {
        let shell = desk(&format!("[approvals]\naccept_client = {accepts}\n"));
        let mut client = following(&shell);
        let task = call(&mut client, json!({ "input": steps }));
        assert_eq!(task["resultType"], "task", "{task}");
        let id = &task["taskId"];
        if !accepts {
            let waiting = loop {
                let got = client.ask("tasks/get", json!({ "taskId": id }))["result"].clone();
                if got["statusMessage"].as_str().is_some_and(|message| message.contains("approval")) {
                    break got;
                }
            };
            assert_eq!(waiting["status"], "working", "{waiting}");
            let answers = json!({ "taskId": id, "inputResponses": {} });
            assert_eq!(client.ask("tasks/update", answers)["error"]["code"], -32602);
            continue;
        }
        let asks = ended(&mut client, id);
        assert_eq!(asks["status"], "input_required", "{asks}");
        let wait = asks["inputRequests"].as_object().expect("questions").keys().next().expect("one").clone();
        let mut answers = json!({});
        answers[wait] = json!({ "action": "accept", "content": { "approve": true } });
        let taken = client.ask("tasks/update", json!({ "taskId": id, "inputResponses": answers }));
        assert!(taken.get("error").is_none(), "{taken}");
        assert_eq!(ended(&mut client, id)["status"], "completed");
    }
}

#[test]
fn a_task_of_nobody_is_not_there_and_tasks_are_for_those_who_follow_them() {
    let shell = desk("");
    let mut client = following(&shell);
    let task = call(&mut client, json!({ "input": long(50_000), "key": "k" }));
    let id = task["taskId"].as_str().expect("an id");
    for method in ["tasks/get", "tasks/cancel"] {
        for wrong in ["", "x", &format!("{id}x"), "ses_x/k", "ses_00000000000000000000000000/k"] {
            assert_eq!(client.ask(method, json!({ "taskId": wrong }))["error"]["code"], -32602, "{method} {wrong}");
        }
    }
    let mut unaware = McpClient::stateless(shell.command(&["mcp"]));
    let code = unaware.ask("tasks/get", json!({ "taskId": id }))["error"]["code"].clone();
    assert_eq!(code, -32021, "who does not follow tasks is told so");
}
