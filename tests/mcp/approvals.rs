//! Approvals and inputs: made elsewhere, or by the person behind a client where the project says so.

use remit_core::limit::MCP_ASKS_MAX;
use remit_tests::{McpClient, Shell};
use serde_json::{Value, json};

use super::agents::{act, both, desk, more, said, strikes};

const ACCEPTS: &str = "[approvals]\naccept_client = true\n";

/// Asks for a yes, and then does what cannot be taken back.
fn careful() -> Value {
    json!([{ "approve": { "title": "Strike?" } }, { "call": { "tool": "counter/strike", "arguments": { "note": "a" } } }])
}

/// A client of the handshake era that can show forms.
fn asking(shell: &Shell) -> McpClient {
    let mut client = McpClient::unopened(shell.command(&["mcp"])).can(json!({ "elicitation": {} }));
    client.open(remit_tests::client::HANDSHAKE);
    client
}

/// One of the revision without a handshake.
fn asking_stateless(shell: &Shell) -> McpClient {
    McpClient::stateless(shell.command(&["mcp"])).can(json!({ "elicitation": { "form": {} } }))
}

/// Approves what a result of an agent, or of a plain call, waits for.
fn approve(shell: &Shell, result: &Value) {
    let wait = said(result)["waits"][0]["id"].as_str().or(result["_meta"]["remit/waiting"]["approval"].as_str()).expect("a wait");
    let ended = shell.run(&["approval", "approve", wait]);
    assert!(ended.status.success(), "{ended:?}");
}

/// A call that says what it was asked, with these answers.
fn again(client: &mut McpClient, arguments: &Value, asked: &Value, answer: Value) -> Value {
    again_as(client, "agents__scripted", arguments, asked, answer)
}

fn again_as(client: &mut McpClient, tool: &str, arguments: &Value, asked: &Value, answer: Value) -> Value {
    let asked = &asked["result"];
    let id = asked["inputRequests"].as_object().expect("questions").keys().next().expect("one").clone();
    let mut answers = json!({});
    answers[id] = answer;
    let params = json!({ "name": tool, "arguments": arguments, "inputResponses": answers, "requestState": asked["requestState"] });
    client.ask("tools/call", params)
}

fn yes() -> Value {
    json!({ "action": "accept", "content": { "approve": true } })
}

/// Where the project does not say so, nothing that a client can do approves anything, whatever it is capable of.
#[test]
fn an_approval_is_made_elsewhere_unless_the_project_says_otherwise() {
    let shell = desk("");
    let clients = both(&shell).into_iter().chain([asking(&shell), asking_stateless(&shell)]);
    for (before, mut client) in clients.enumerate() {
        let waits = act(&mut client, careful());
        assert_eq!((&said(&waits)["status"], &waits["isError"]), (&json!("waiting"), &json!(false)), "{waits}");
        let wait = &said(&waits)["waits"][0];
        assert_eq!((&wait["kind"], &wait["question"]), (&json!("approval"), &json!("Strike?")));
        assert!(!waits.to_string().contains("remit approval"), "no command is given to a model: {waits}");
        assert_eq!(client.told, Vec::<Value>::new(), "nobody is asked");
        let session = said(&waits)["session"].clone();
        assert_eq!(said(&more(&mut client, &session, None))["status"], "waiting");
        assert_eq!(strikes(&shell), before);
        approve(&shell, &waits);
        assert_eq!(said(&more(&mut client, &session, None))["status"], "done");
        assert_eq!(strikes(&shell), before + 1);
    }
}

/// A turn that waits for an input takes the one of a call, which is no approval.
#[test]
fn an_input_that_is_waited_for_is_answered_by_a_call() {
    let shell = desk("");
    for mut client in both(&shell) {
        let waits = act(&mut client, json!([{ "input": "Which inbox?" }]));
        assert_eq!(said(&waits)["waits"][0]["question"], "Which inbox?");
        let session = said(&waits)["session"].clone();
        let done = client.call("agents__scripted", json!({ "session": session, "input": "the large one" }));
        assert_eq!(said(&done)["output"]["log"], json!(["the large one"]), "{done}");
    }
}

#[test]
fn the_person_behind_a_client_of_the_handshake_era_is_asked() {
    let shell = desk(ACCEPTS);
    let mut client = asking(&shell);
    let arguments = json!({ "input": { "steps": [careful()[0], { "input": "Which?" }, careful()[1]] } });
    let id = client.request("tools/call", json!({ "name": "agents__scripted", "arguments": arguments }));
    let asked = client.asked();
    assert_eq!(asked["method"], "elicitation/create");
    assert!(asked["params"]["message"].as_str().expect("a text").contains("Strike?"), "{asked}");
    assert_eq!(asked["params"]["requestedSchema"]["required"], json!(["approve"]));
    client.reply(&asked, yes());
    let asked = client.asked();
    assert_eq!(asked["params"]["requestedSchema"]["required"], json!(["answer"]));
    client.reply(&asked, json!({ "action": "accept", "content": { "answer": "both" } }));
    let done = client.answer(id)["result"].clone();
    assert_eq!(said(&done)["status"], "done", "{done}");
    assert_eq!(strikes(&shell), 1);
    let records = shell.audit(1);
    assert!(records.iter().any(|record| record["decision"] == "approve"), "a decision is audited: {records:?}");
}

/// An answer is no turn of its own: what the turn asks next is asked, too.
#[test]
fn an_answer_leads_on_to_the_next_question() {
    let shell = desk(ACCEPTS);
    let steps = json!({ "input": { "steps": [{ "input": "Which?" }, careful()[0], careful()[1]] } });
    let call = |arguments: &Value| json!({ "name": "agents__scripted", "arguments": arguments });
    let decline = || json!({ "action": "decline" });

    let mut client = asking(&shell);
    let id = client.request("tools/call", call(&steps));
    let asked = client.asked();
    client.reply(&asked, decline());
    let session = said(&client.answer(id)["result"])["session"].clone();
    let id = client.request("tools/call", call(&json!({ "session": session, "input": "both" })));
    let asked = client.asked();
    client.reply(&asked, yes());
    let done = client.answer(id)["result"].clone();
    assert_eq!(said(&done)["status"], "done", "{done}");

    let mut client = asking_stateless(&shell);
    let asked = client.ask("tools/call", call(&steps));
    let waits = again(&mut client, &steps, &asked, decline());
    let arguments = json!({ "session": said(&waits["result"])["session"], "input": "both" });
    let asked = client.ask("tools/call", call(&arguments));
    let done = again(&mut client, &arguments, &asked, yes());
    assert_eq!(said(&done["result"])["status"], "done", "{done}");
    assert_eq!(strikes(&shell), 2);
}

/// Everything but a yes leaves it waiting, and the question comes a few times at most (M18).
#[test]
fn a_refusal_leaves_it_pending_and_questions_are_bounded() {
    let shell = desk(ACCEPTS);
    let mut client = asking(&shell);
    let answers =
        [json!({ "action": "decline" }), json!({ "action": "cancel" }), json!({ "action": "accept", "content": { "approve": false } })];
    assert_eq!(answers.len(), MCP_ASKS_MAX as usize);
    let mut session = Value::Null;
    let mut waits = Value::Null;
    for answer in answers {
        let arguments = match &session {
            Value::Null => json!({ "input": { "steps": careful() } }),
            session => json!({ "session": session }),
        };
        let id = client.request("tools/call", json!({ "name": "agents__scripted", "arguments": arguments }));
        let asked = client.asked();
        client.reply(&asked, answer);
        waits = client.answer(id)["result"].clone();
        assert_eq!(said(&waits)["status"], "waiting", "{waits}");
        session = said(&waits)["session"].clone();
    }
    assert_eq!(said(&more(&mut client, &session, None))["status"], "waiting", "nobody is asked any more");
    assert!(client.told.is_empty() && strikes(&shell) == 0);
    approve(&shell, &waits);
    assert_eq!(said(&more(&mut client, &session, None))["status"], "done", "another door can still decide");
    assert_eq!(strikes(&shell), 1);
}

/// A client that cannot show a form is not asked.
#[test]
fn a_client_that_shows_no_forms_is_not_asked() {
    let shell = desk(ACCEPTS);
    for mut client in both(&shell) {
        assert_eq!(said(&act(&mut client, careful()))["status"], "waiting");
        client = client.can(json!({ "elicitation": { "url": {} } }));
        assert_eq!(said(&act(&mut client, careful()))["status"], "waiting");
        assert_eq!(client.told, Vec::<Value>::new());
    }
}

#[test]
fn a_client_without_a_handshake_calls_again_with_the_answer() {
    let shell = desk(ACCEPTS);
    let mut client = asking_stateless(&shell);
    let arguments = json!({ "input": { "steps": [careful()[0], { "input": "Which?" }, careful()[1]] } });
    let asked = client.ask("tools/call", json!({ "name": "agents__scripted", "arguments": arguments }));
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let left = again(&mut client, &arguments, &asked, json!({ "action": "decline" }));
    assert_eq!(said(&left["result"])["status"], "waiting", "it is pending, and nobody is asked again at once: {left}");
    // The server is another one by now: what it sealed, its successor opens.
    drop(client.close());
    let mut client = asking_stateless(&shell);
    let asked = again(&mut client, &arguments, &asked, yes());
    let question = asked["result"]["inputRequests"].as_object().expect("questions").values().next().expect("one");
    assert_eq!(question["params"]["requestedSchema"]["required"], json!(["answer"]), "{asked}");
    let done = again(&mut client, &arguments, &asked, json!({ "action": "accept", "content": { "answer": "both" } }));
    assert_eq!(said(&done["result"])["status"], "done", "{done}");
    assert_eq!(strikes(&shell), 1);
}

/// A state is good for one client and one call, and a decision is made once (M9, M11, M18).
#[test]
fn a_request_state_is_good_for_the_call_that_it_was_given_for_alone() {
    let shell = desk(ACCEPTS);
    let mut client = asking_stateless(&shell);
    let arguments = json!({ "input": { "steps": careful() } });
    let asked = client.ask("tools/call", json!({ "name": "agents__scripted", "arguments": arguments }));
    let refused = |client: &mut McpClient, arguments: &Value, asked: &Value, why: &str| {
        let answer = again(client, arguments, asked, yes());
        assert_eq!(answer["error"]["code"], -32602, "{why}: {answer}");
        assert_eq!(strikes(&shell), 0, "{why}");
    };
    refused(&mut client, &json!({ "input": { "steps": [careful()[1]] } }), &asked, "other arguments");
    let state = asked["result"]["requestState"].as_str().expect("a state");
    for (at, byte) in state.char_indices().step_by(7) {
        let mut tampered = asked.clone();
        let other = if byte == 'A' { 'B' } else { 'A' };
        let text: String = state.char_indices().map(|(n, c)| if n == at { other } else { c }).collect();
        tampered["result"]["requestState"] = json!(text);
        refused(&mut client, &arguments, &tampered, "a changed state");
    }
    let mut other = asking_stateless(&shell);
    other.name = "another";
    refused(&mut other, &arguments, &asked, "another client");
    let done = again(&mut client, &arguments, &asked, yes());
    assert_eq!(said(&done["result"])["status"], "done", "the twin: {done}");
    let replayed = again(&mut client, &arguments, &asked, yes());
    assert_eq!(replayed["result"]["isError"], true, "{replayed}");
    assert_eq!(strikes(&shell), 1);
}

/// What the project takes back while somebody thinks holds.
#[test]
fn a_project_that_takes_it_back_is_heard() {
    let shell = desk(ACCEPTS);
    let mut client = asking(&shell);
    let id = client.request("tools/call", json!({ "name": "agents__scripted", "arguments": { "input": { "steps": careful() } } }));
    let asked = client.asked();
    let text = std::fs::read_to_string(shell.cwd().join("remit.toml")).expect("a file");
    let text = text.replace("accept_client = true", "accept_client = false");
    shell.write("remit.toml", text + "[agents.second]\nsource = \"agent.wasm\"\n");
    assert!(shell.run(&["review", "--yes"]).status.success());
    // The change is taken up before it is told of.
    while client.hear().expect("a message")["method"] != "notifications/tools/list_changed" {}
    client.reply(&asked, yes());
    let answer = client.answer(id)["result"].clone();
    assert_eq!(strikes(&shell), 0, "{answer}");
}

/// A project whose `counter/strike` needs an approval of each call.
fn asking_desk(accepts: &str) -> Shell {
    desk(&format!("ask = [\"strike\"]\n{accepts}"))
}

fn strike(note: &str) -> Value {
    json!({ "name": "counter__strike", "arguments": { "note": note } })
}

fn is_waiting(result: &Value) -> bool {
    result["isError"] == true && result["_meta"]["remit/waiting"]["approval"].is_string()
}

/// A plain call is asked for like that of an agent: with a yes it is made, and once.
#[test]
fn a_plain_call_is_put_to_the_person_behind_a_client_of_the_handshake_era() {
    let shell = asking_desk(ACCEPTS);
    let mut client = asking(&shell);
    let mut answered = |answer: Value| {
        let id = client.request("tools/call", strike("a"));
        let asked = client.asked();
        assert_eq!(
            (&asked["method"], &asked["params"]["requestedSchema"]["required"]),
            (&json!("elicitation/create"), &json!(["approve"]))
        );
        let message = asked["params"]["message"].as_str().expect("a text");
        assert!(message.contains("wants to call `counter/strike`") && message.contains("{\"note\":\"a\"}"), "{message}");
        client.reply(&asked, answer);
        client.answer(id)["result"].clone()
    };
    let done = answered(yes());
    assert_eq!((&done["isError"], said(&done)), (&json!(false), &json!({ "count": 1 })), "{done}");
    // The yes is used up. What follows is a call of its own, and asked for a few times at most.
    let refusals = [json!({ "action": "decline" }), json!({ "action": "cancel" }), yes_that_is_none()];
    assert_eq!(refusals.len(), MCP_ASKS_MAX as usize);
    let waits: Vec<Value> = refusals.into_iter().map(&mut answered).collect();
    assert!(waits.iter().all(|wait| is_waiting(wait) && wait["_meta"]["remit/waiting"] == waits[0]["_meta"]["remit/waiting"]), "{waits:?}");
    let waits = client.ask("tools/call", strike("a"))["result"].clone();
    assert!(is_waiting(&waits) && client.told.is_empty(), "nobody is asked any more: {waits}");
    assert_eq!(strikes(&shell), 1);
    approve(&shell, &waits);
    assert_eq!(said(&client.ask("tools/call", strike("a"))["result"]), &json!({ "count": 2 }), "another door can still decide");
    assert_eq!(strikes(&shell), 2);
    let approved = shell.audit(2).into_iter().filter(|record| record["decision"] == "approve").count();
    assert_eq!(approved, 2);
}

/// An answer that agrees, and does not approve.
fn yes_that_is_none() -> Value {
    json!({ "action": "accept", "content": { "approve": false } })
}

/// Without a handshake the call is made again, with the answer: in the session in which it waited, also at another server.
#[test]
fn a_plain_call_is_answered_by_making_it_again_without_a_handshake() {
    let shell = asking_desk(ACCEPTS);
    let mut client = asking_stateless(&shell);
    let arguments = strike("a")["arguments"].clone();
    let asked = client.ask("tools/call", strike("a"));
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let left = again_as(&mut client, "counter__strike", &arguments, &asked, json!({ "action": "decline" }))["result"].clone();
    assert!(is_waiting(&left), "it is pending, and nobody is asked again at once: {left}");
    drop(client.close());
    let mut client = asking_stateless(&shell);
    let done = again_as(&mut client, "counter__strike", &arguments, &asked, yes())["result"].clone();
    assert_eq!((&done["isError"], said(&done)), (&json!(false), &json!({ "count": 1 })), "{done}");
    assert_eq!(done["_meta"]["remit/session"], left["_meta"]["remit/session"]);
}

/// The state of a plain call is good for this client and this call, for no agent, and once (M11, M18).
#[test]
fn a_request_state_of_a_plain_call_is_good_for_that_call_alone() {
    let shell = asking_desk(ACCEPTS);
    let mut client = asking_stateless(&shell);
    let arguments = strike("a")["arguments"].clone();
    let asked = client.ask("tools/call", strike("a"));
    let steps = json!({ "input": { "steps": careful() } });
    let asked_of_agent = client.ask("tools/call", json!({ "name": "agents__scripted", "arguments": steps }));
    let mut other = asking_stateless(&shell);
    other.name = "another";
    let mut tampered = asked.clone();
    let state = asked["result"]["requestState"].as_str().expect("a state");
    tampered["result"]["requestState"] = json!(state.chars().rev().collect::<String>());
    for (tool, arguments, asked, why) in [
        ("counter__strike", &strike("b")["arguments"], &asked, "other arguments"),
        ("counter__bump", &arguments, &asked, "another tool"),
        ("agents__scripted", &steps, &asked, "an agent"),
        ("counter__strike", &arguments, &asked_of_agent, "the state of an agent"),
        ("counter__strike", &arguments, &tampered, "a changed state"),
    ] {
        let answer = again_as(&mut client, tool, arguments, asked, yes());
        assert_eq!((&answer["error"]["code"], strikes(&shell)), (&json!(-32602), 0), "{why}: {answer}");
    }
    let answer = again_as(&mut other, "counter__strike", &arguments, &asked, yes());
    assert_eq!((&answer["error"]["code"], strikes(&shell)), (&json!(-32602), 0), "another client: {answer}");
    let done = again_as(&mut client, "counter__strike", &arguments, &asked, yes());
    assert_eq!(done["result"]["isError"], false, "the twin: {done}");
    let replayed = again_as(&mut client, "counter__strike", &arguments, &asked, yes());
    assert_eq!(replayed["result"]["isError"], true, "{replayed}");
    assert_eq!(strikes(&shell), 1);
}

/// Where the project does not say so, or the client shows no forms, a plain call waits for another door, and nobody is asked.
#[test]
fn a_plain_call_waits_for_another_door_where_its_client_is_not_asked() {
    for (accepts, forms) in [(ACCEPTS, false), ("", true)] {
        let shell = asking_desk(accepts);
        let clients = if forms { [asking(&shell), asking_stateless(&shell)] } else { both(&shell) };
        for (before, mut client) in clients.into_iter().enumerate() {
            let waits = client.ask("tools/call", strike("a"))["result"].clone();
            assert!(is_waiting(&waits) && client.told.is_empty(), "{waits}");
            assert_eq!(strikes(&shell), before);
            approve(&shell, &waits);
            assert_eq!(client.ask("tools/call", strike("a"))["result"]["isError"], false);
            assert_eq!(strikes(&shell), before + 1);
        }
    }
}
