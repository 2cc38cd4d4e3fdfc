//! A search in place of a long list.

use remit_tests::{McpClient, Shell};
use serde_json::json;

use super::{client, project};

/// An approved project whose tools are searched but for one.
fn searched() -> Shell {
    let shell = project(&[("raw", "raw-tool"), ("hostile", "hostile")]);
    // What is not taken back comes to its end while the server drains.
    let text = std::fs::read_to_string(shell.cwd().join("remit.toml")).expect("a file");
    shell.write("remit.toml", text.replace("120000", "5000"));
    set(&shell, "search = \"always\"\nlisted = [\"raw/answer\"]");
    shell
}

fn set(shell: &Shell, mcp: &str) {
    let text = std::fs::read_to_string(shell.cwd().join("remit.toml")).expect("a file");
    shell.write("remit.toml", format!("{text}[mcp]\n{mcp}\n"));
    assert!(shell.run(&["review", "--yes"]).status.success());
}

#[test]
fn a_tool_that_is_not_listed_is_found_and_called_by_both_ways() {
    let shell = searched();
    for mut client in [client(&shell), McpClient::stateless(shell.command(&["mcp"]))] {
        assert_eq!(client.tools(), ["call_tool", "search_tools", "raw__answer"]);
        let found = client.call("search_tools", json!({ "query": "echo", "limit": 1 }));
        let tool = &found["structuredContent"]["tools"][0];
        assert_eq!((&tool["name"], &tool["inputSchema"]["type"]), (&json!("raw__echo"), &json!("object")), "{found}");
        let [through, direct] = [("call_tool", json!({ "name": "raw__echo", "arguments": { "n": 1 } })), ("raw__echo", json!({ "n": 1 }))]
            .map(|(tool, arguments)| client.call(tool, arguments));
        assert_eq!((&through["structuredContent"], &through["content"]), (&direct["structuredContent"], &direct["content"]));
        assert_eq!(through["structuredContent"], json!({ "n": 1 }));
        let unknown = client.call("call_tool", json!({ "name": "call_tool" }));
        assert_eq!(unknown["isError"], true);
        assert!(unknown["content"][0]["text"].as_str().is_some_and(|text| text.contains("find one with `search_tools`")), "{unknown}");
    }
}

/// What is called through `call_tool` is denied, recorded, heard and taken back as what is called by its own name.
#[test]
fn a_call_through_the_search_is_a_call_like_any_other() {
    let shell = searched();
    let mut client = client(&shell);
    let denied = client.call("call_tool", json!({ "name": "hostile__write_file", "arguments": { "path": "/docs/a.md", "text": "x" } }));
    assert_eq!((&denied["isError"], &denied["structuredContent"]["denials"][0]["rule"]), (&json!(true), &json!("not-granted")));
    let records = shell.audit(1);
    let [record] = &records[..] else { panic!("one record: {records:?}") };
    assert_eq!((&record["plugin"], &record["tool"]), (&json!("hostile"), &json!("write_file")));
    let progress = json!({ "name": "call_tool", "arguments": { "name": "raw__progress" }, "_meta": { "progressToken": "p" } });
    client.ask("tools/call", progress);
    assert_eq!(client.told.iter().filter(|told| told["params"]["progressToken"] == "p").count(), 4, "{:?}", client.told);
    client.call("call_tool", json!({ "name": "hostile__flood_log", "arguments": { "amount": 1 } }));
    assert!(client.told.iter().any(|told| told["params"]["logger"] == "hostile__flood_log"), "{:?}", client.told);
    let spin = json!({ "name": "call_tool", "arguments": { "name": "hostile__spin" }, "_meta": { "progressToken": 2 } });
    let spinning = client.request("tools/call", spin);
    while client.hear().expect("progress")["params"]["message"] != "looping" {}
    client.tell("notifications/cancelled", json!({ "requestId": spinning }));
    let (left, _, ended) = client.close();
    assert!(left.iter().all(|heard| heard["id"] != spinning), "what was taken back has no answer: {left:?}");
    assert_eq!(ended.code(), Some(0));
}

/// Whether there is a search follows from the number of tools, unless the project says it.
#[test]
fn few_tools_are_listed_and_many_are_searched() {
    let few = project(&[("raw", "raw-tool")]);
    let many = project(&[("a", "raw-tool"), ("b", "raw-tool"), ("c", "raw-tool"), ("d", "raw-tool"), ("e", "raw-tool")]);
    assert_eq!(client(&few).tools().len(), 16);
    assert_eq!(client(&few).ask("tools/call", json!({ "name": "search_tools", "arguments": { "query": "x" } }))["error"]["code"], -32602);
    let mut searching = client(&many);
    assert_eq!(searching.tools(), ["call_tool", "search_tools"]);
    let (_, stderr, _) = searching.close();
    assert!(stderr.contains("door: 80 tools of 5 plugins, offered by a search, as user:"), "{stderr}");
    set(&many, "search = \"never\"");
    assert_eq!(client(&many).tools().len(), 80);
}
