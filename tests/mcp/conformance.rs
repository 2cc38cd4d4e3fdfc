//! The official conformance suite against the door over HTTP, with a plugin whose tools, prompts and resources are those that it expects.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use remit_tests::{Shell, conformance_suite, fixture, skipped};

/// What the plugin is granted.
const GRANTS: &str = "\"remit:mcp\" = [\"prompts\", \"resources\", \"elicit\", \"sample\", \"roots\"]";

/// Scored scenarios that do not pass: revision, scenario, reason. One that passes all the same fails the test.
const EXPECTED_FAILURES: &[(&str, &str, &str)] = &[];

/// A process that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A shell in an approved project with the one plugin `conformance`.
fn project(grants: &str) -> Shell {
    let shell = Shell::new();
    shell.write("conformance.wasm", fixture("conformance"));
    let plugin =
        "version = 1\nproject.name = \"door\"\n[plugins.conformance]\nsource = \"conformance.wasm\"\nlimits = { deadline_ms = 120000 }\n";
    shell.write("remit.toml", format!("{plugin}[plugins.conformance.grants]\n{grants}\n"));
    let reviewed = shell.run(&["review", "--yes"]);
    assert!(reviewed.status.success(), "{reviewed:?}");
    shell
}

/// Each scenario that is scored for `revision`, and whether it passed; with all that the suite said.
fn scored(revision: &str) -> Option<(BTreeMap<String, bool>, String)> {
    let Some((node, suite)) = conformance_suite() else {
        skipped("conformance", "the MCP conformance suite and a Node that runs it cannot be installed here");
        return None;
    };
    let shell = project(GRANTS);
    let mut command = shell.command(&["mcp", "--no-prefix", "--http", "127.0.0.1:0"]);
    let mut server = Server(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary runs"));
    let mut stderr = BufReader::new(server.0.stderr.take().expect("a pipe"));
    let mut said = String::new();
    stderr.read_line(&mut said).expect("text");
    let (_, url) = said.trim_end().rsplit_once(' ').expect("it says where it is");
    let output = shell.cwd().join("results").display().to_string();
    let run = Command::new(node).arg(suite).args(["server", "--url", url, "--requirements", revision, "-o", &output]).output();
    let run = run.expect("Node runs");
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    let (_, summary) = text.split_once("=== SUMMARY ===").unwrap_or_else(|| panic!("no summary: {text}"));
    let (all, rest) = summary.split_once("\nTotal: ").expect("a total");
    let unscored: Vec<&str> = rest.lines().filter_map(|line| line.trim().split(' ').nth(1)).collect();
    let result = |line: &str| {
        let (mark, rest) = line.split_once(' ')?;
        let (name, _) = rest.split_once(": ")?;
        (!unscored.contains(&name)).then(|| (name.to_owned(), mark == "✓"))
    };
    Some((all.lines().filter_map(result).collect(), text))
}

/// Every scored scenario passes but those that are expected to fail, and those do.
fn holds(revision: &str, at_least: usize) {
    let Some((scored, text)) = scored(revision) else { return };
    let failed: Vec<&str> = scored.iter().filter(|(_, passed)| !**passed).map(|(name, _)| name.as_str()).collect();
    println!("conformance {revision}: {} passed, {} failed", scored.len() - failed.len(), failed.len());
    let expected: Vec<&str> = EXPECTED_FAILURES.iter().filter(|(of, ..)| *of == revision).map(|(_, name, _)| *name).collect();
    assert!(scored.len() >= at_least, "only {} scenarios ran: {text}", scored.len());
    assert_eq!(failed, expected, "{text}");
}

#[test]
fn every_scored_scenario_of_the_stateless_revision_passes() {
    holds("2026-07-28", 37);
}

#[test]
fn every_scored_scenario_of_the_last_revision_with_a_handshake_passes() {
    holds("2025-11-25", 30);
}

mod grants {
    use remit_tests::{McpClient, client::STATELESS};
    use serde_json::{Value, json};

    use super::project;

    /// What a client that offers everything is answered by a door with these grants.
    fn ask(grants: &str, method: &str, params: Value) -> Value {
        let shell = project(grants);
        let mut client = McpClient::unopened(shell.command(&["mcp", "--no-prefix"]));
        let answer = say(&mut client, method, params);
        client.close();
        answer
    }

    /// What a client that offers everything is answered.
    fn say(client: &mut McpClient, method: &str, mut params: Value) -> Value {
        let everything = json!({ "elicitation": {}, "sampling": {}, "roots": {} });
        let about = [("protocolVersion", json!(STATELESS)), ("clientInfo", json!({ "name": "test", "version": "1" }))];
        for (name, value) in about.into_iter().chain([("clientCapabilities", everything)]) {
            params["_meta"][format!("io.modelcontextprotocol/{name}")] = value;
        }
        client.ask(method, params)
    }

    #[test]
    fn request_state_goes_on_with_its_own_request_alone() {
        let shell = project("\"remit:mcp\" = [\"elicit\"]");
        let mut client = McpClient::unopened(shell.command(&["mcp", "--no-prefix"]));
        let call = |tool: &str, arguments: Value| json!({ "name": format!("test_input_required_result_{tool}"), "arguments": arguments });
        let asked = say(&mut client, "tools/call", call("request_state", json!({})));
        let state = asked["result"]["requestState"].as_str().expect("a state").to_owned();
        let with = |mut params: Value, state: &str| {
            params["requestState"] = json!(state);
            params["inputResponses"] = json!({ "confirm": { "action": "accept", "content": { "ok": true } } });
            params
        };
        for (params, state) in [
            (call("request_state", json!({ "other": 1 })), state.as_str()),
            (call("tampered_state", json!({})), &state),
            (call("request_state", json!({})), &format!("{state}x")),
        ] {
            let refused = say(&mut client, "tools/call", with(params, state));
            assert_eq!(refused["error"]["code"], -32602, "{refused}");
        }
        let done = say(&mut client, "tools/call", with(call("request_state", json!({})), &state));
        assert_eq!(done["result"]["resultType"], "complete", "{done}");
        client.close();
    }

    #[test]
    fn names_without_a_plugin_are_for_one_plugin_alone() {
        let shell = project("");
        shell.write("remit.toml", "version = 1\nproject.name = \"door\"\n[plugins.a]\nsource = \"conformance.wasm\"\n[plugins.b]\nsource = \"conformance.wasm\"\n");
        assert!(shell.run(&["review", "--yes"]).status.success());
        let refused = shell.run(&["mcp", "--no-prefix"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains("the project has 2 plugins") && said.contains("leave out --no-prefix"), "{said}");
    }

    #[test]
    fn a_tool_asks_a_client_for_nothing_that_was_not_granted_and_is_told_what_would_allow_it() {
        let call = json!({ "name": "test_input_required_result_elicitation", "arguments": {} });
        let granted = ask("\"remit:mcp\" = [\"elicit\"]", "tools/call", call.clone());
        assert_eq!(granted["result"]["resultType"], "input_required", "{granted}");
        let message = &granted["result"]["inputRequests"]["user_name"]["params"]["message"];
        assert_eq!(message, "conformance: What is your name?", "the person sees who asks");
        let refused = ask("\"remit:mcp\" = [\"sample\"]", "tools/call", call);
        assert_eq!(refused["result"]["isError"], true, "{refused}");
        let denial = &refused["result"]["structuredContent"]["denials"][0];
        assert_eq!((&denial["capability"], &denial["fix"]), (&json!("remit:mcp"), &json!("remit:mcp elicit")), "{refused}");
    }

    #[test]
    fn prompts_and_resources_that_were_not_granted_are_not_there() {
        let grants = "\"remit:mcp\" = [\"elicit\"]";
        let found = ask(grants, "server/discover", json!({}));
        let capabilities = &found["result"]["capabilities"];
        assert!(capabilities.get("prompts").is_none() && capabilities["resources"] == json!({}), "{found}");
        for (method, params) in [
            ("prompts/list", json!({})),
            ("prompts/get", json!({ "name": "test_simple_prompt" })),
            ("resources/subscribe", json!({ "uri": "test://static-text" })),
        ] {
            let refused = ask(grants, method, params);
            assert_eq!(refused["error"]["code"], -32601, "{refused}");
        }
        // Sessions are read as resources, whatever plugins have.
        assert_eq!(ask(grants, "resources/list", json!({}))["result"]["resources"], json!([]));
        let read = ask(grants, "resources/read", json!({ "uri": "test://static-text" }));
        assert_eq!(read["error"]["code"], -32602, "{read}");
    }
}
