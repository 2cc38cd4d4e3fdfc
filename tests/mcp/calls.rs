//! What comes of a call: results, failures, denials, progress, log lines.

use remit_tests::McpClient;
use serde_json::{Value, json};

use super::{client, project};

#[test]
fn a_denial_is_data_and_names_no_command() {
    let shell = project(&[("hostile", "hostile")]);
    let mut client = client(&shell);
    let denied = client.call("hostile__write_file", json!({ "path": "/docs/a.md", "text": "x" }));
    assert_eq!(denied["isError"], true);
    let denial = &denied["structuredContent"]["denials"][0];
    assert_eq!((&denial["capability"], &denial["rule"]), (&json!("fs"), &json!("not-granted")), "{denied}");
    assert_eq!(denial["fix"], "fs '<folder>:/docs:write'");
    assert_eq!(denied["_meta"]["remit/denials"], denied["structuredContent"]["denials"]);
    let text = denied["content"].to_string();
    assert!(text.contains("denied: `hostile` may not write /docs/a.md"), "a model reads it too: {text}");
    assert!(!denied.to_string().contains("remit grant"), "{denied}");
}

/// No question was asked, so no state was given for one.
#[test]
fn a_state_that_was_given_for_no_question_is_refused_and_nothing_is_called() {
    let shell = project(&[("raw", "raw-tool")]);
    let mut client = McpClient::stateless(shell.command(&["mcp"]));
    let refused = client.ask("tools/call", json!({ "name": "raw__answer", "arguments": {}, "requestState": "rs1.made-up" }));
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    assert!(refused.to_string().contains("make the request without it"), "{refused}");
    assert_eq!(client.call("raw__answer", json!({}))["structuredContent"]["result"], 42);
    client.close();
    assert_eq!(shell.audit(1).len(), 1);
}

/// A guest that swallows a refusal hides nothing.
#[test]
fn a_swallowed_denial_is_told_beside_the_result() {
    let shell = project(&[("hostile", "hostile")]);
    let mut client = client(&shell);
    let done = client.call("hostile__swallow_denial", json!({ "path": "/etc/passwd", "url": "http://example.com/" }));
    assert_eq!(done["isError"], false, "{done}");
    let capabilities: Vec<&Value> =
        done["_meta"]["remit/denials"].as_array().expect("denials").iter().map(|one| &one["capability"]).collect();
    assert_eq!(capabilities, ["fs", "http"]);
}

/// Clients hold what is structured against the output schema, failures included: there, the denial stands in `_meta` alone.
#[test]
fn what_is_structured_fits_the_promise_or_is_left_out() {
    let shell = project(&[("hostile", "hostile"), ("raw", "raw-tool")]);
    let mut client = client(&shell);
    let denied = client.call("hostile__list_folder", json!({ "path": "/etc" }));
    assert_eq!(denied["isError"], true, "{denied}");
    assert_eq!(denied.get("structuredContent"), None, "{denied}");
    assert_eq!(denied["_meta"]["remit/denials"][0]["capability"], "fs");
    let broken = client.call("raw__wrong-answer", json!({}));
    assert_eq!((broken["isError"].clone(), broken.get("structuredContent")), (json!(true), None));
    assert_eq!(broken["_meta"]["remit/error"]["blame"], "guest");
}

#[test]
fn what_one_call_breaks_the_next_one_does_not_feel() {
    let shell = project(&[("hostile", "hostile")]);
    let mut client = client(&shell);
    for tool in ["abort", "panic", "overflow", "flood", "big_output"] {
        let arguments = if matches!(tool, "flood" | "big_output") { json!({ "amount": 4096 }) } else { json!({}) };
        let result = client.ask("tools/call", json!({ "name": format!("hostile__{tool}"), "arguments": arguments }));
        assert!(result["result"].get("isError").is_some(), "{tool}: {result}");
    }
    assert_eq!(client.call("hostile__sleep", json!({ "milliseconds": 0 }))["isError"], false);
}

/// Progress comes where it was asked for, before the answer, and only grows.
#[test]
fn progress_goes_to_the_token_that_asked_for_it() {
    let shell = project(&[("raw", "raw-tool")]);
    for mut client in [client(&shell), McpClient::stateless(shell.command(&["mcp"]))] {
        client.call("raw__progress", json!({}));
        assert_eq!(client.told, Vec::<Value>::new(), "nobody asked");
        client.ask("tools/call", json!({ "name": "raw__progress", "arguments": {}, "_meta": { "progressToken": "p1" } }));
        let told: Vec<&Value> = client.told.iter().map(|told| &told["params"]).collect();
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told.iter().all(|told| told["progressToken"] == "p1" && told["message"] == "going on"), "{told:?}");
        let steps: Vec<f64> = told.iter().map(|told| told["progress"].as_f64().expect("a number")).collect();
        assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "{steps:?}");
    }
}

#[test]
fn log_lines_come_at_the_level_that_the_client_wants() {
    let shell = project(&[("hostile", "hostile")]);
    let flood = json!({ "name": "hostile__flood_log", "arguments": { "amount": 3 } });
    let mut client = client(&shell);
    client.ask("tools/call", flood.clone());
    let told = std::mem::take(&mut client.told);
    assert_eq!(told.len(), 3, "{told:?}");
    let (level, logger) = (&told[0]["params"]["level"], &told[0]["params"]["logger"]);
    assert_eq!((level, logger), (&json!("info"), &json!("hostile__flood_log")));
    client.ask("logging/setLevel", json!({ "level": "emergency" }));
    client.ask("tools/call", flood.clone());
    assert_eq!(client.told, Vec::<Value>::new());

    let mut client = McpClient::stateless(shell.command(&["mcp"]));
    client.ask("tools/call", flood.clone());
    assert_eq!(client.told, Vec::<Value>::new(), "without a handshake, who does not ask is not told");
    let mut asking = flood;
    asking["_meta"] = json!({ "io.modelcontextprotocol/logLevel": "debug" });
    client.ask("tools/call", asking);
    assert_eq!(client.told.len(), 3);
}

/// The audit log has one record for each call, as the owner's.
#[test]
fn every_call_is_in_the_audit_log() {
    let shell = project(&[("raw", "raw-tool")]);
    let mut client = client(&shell);
    let call = client.call("raw__answer", json!({}))["_meta"]["remit/call"].clone();
    let records = shell.audit(1);
    assert_eq!(records.len(), 1);
    assert_eq!((&records[0]["call"], &records[0]["tool"], &records[0]["delegation"]), (&call, &json!("answer"), &json!([])));
}
