//! `remit mcp install`: what is shown, written and left alone.

use insta::assert_snapshot;
use serde_json::Value;

use super::project;

/// Every client that can be set up.
const CLIENTS: [&str; 7] = ["claude-code", "claude-desktop", "cursor", "vscode", "zed", "codex", "opencode"];

/// The binary's place differs from machine to machine.
fn masked(text: &str) -> String {
    text.replace(&remit_tests::remit().display().to_string(), "[REMIT]")
}

#[test]
fn an_entry_is_shown_and_written_and_everything_else_stays() {
    let shell = project(&[("raw", "raw-tool")]);
    shell.write(".mcp.json", "{\n    \"mcpServers\": {\n        \"mine\": { \"command\": \"x\" }\n    }\n}\n");
    assert_snapshot!("asks", masked(&shell.transcript(&["mcp", "install", "claude-code"]).to_string()));
    assert_snapshot!("writes", masked(&shell.transcript(&["mcp", "install", "claude-code", "--yes"]).to_string()));
    assert_snapshot!("again", masked(&shell.transcript(&["mcp", "install", "claude-code", "--yes"]).to_string()));
    let text = std::fs::read_to_string(shell.cwd().join(".mcp.json")).expect("a file");
    assert_snapshot!("written", masked(&text.replace(&shell.cwd().canonicalize().expect("a path").display().to_string(), "[CWD]")));
}

/// What is written starts the server: from another folder, with the environment that a client gives.
#[test]
fn what_was_written_starts_the_server() {
    let shell = project(&[("raw", "raw-tool")]);
    for (client, file, table) in [
        ("cursor", "../.cursor/mcp.json", "mcpServers"),
        ("claude-desktop", "../.config/Claude/claude_desktop_config.json", "mcpServers"),
        ("vscode", ".vscode/mcp.json", "servers"),
        ("zed", "../.config/zed/settings.json", "context_servers"),
    ] {
        assert!(shell.run(&["mcp", "install", client, "--yes", "--name", "here"]).status.success());
        let text = std::fs::read_to_string(shell.cwd().join(file)).expect("it was written");
        let entry = serde_json::from_str::<Value>(&text).expect("JSON")[table]["here"].clone();
        let arguments: Vec<&str> = entry["args"].as_array().expect("a list").iter().map(|one| one.as_str().expect("text")).collect();
        let mut command = shell.command_of(std::path::Path::new(entry["command"].as_str().expect("text")), &arguments);
        command.current_dir("/");
        let mut client = remit_tests::McpClient::start(command);
        assert_eq!(client.call("raw__answer", serde_json::json!({}))["structuredContent"]["result"], 42);
    }
}

#[test]
fn the_configuration_can_be_printed_for_every_client() {
    let shell = project(&[("raw", "raw-tool")]);
    let printed: String =
        CLIENTS.map(|client| masked(&shell.transcript(&["mcp", "install", client, "--print"]).to_string()) + "\n").concat();
    assert_snapshot!("printed", printed);
    assert_eq!(shell.run(&["mcp", "install", "nobody"]).status.code(), Some(2));
}

#[test]
fn a_file_that_is_no_configuration_is_left_as_it_is() {
    let shell = project(&[("raw", "raw-tool")]);
    shell.write(".mcp.json", "{ \"mcpServers\": [] }");
    assert_snapshot!("refused", masked(&shell.transcript(&["mcp", "install", "claude-code", "--yes"]).to_string()));
    assert_eq!(std::fs::read_to_string(shell.cwd().join(".mcp.json")).expect("a file"), "{ \"mcpServers\": [] }");
}

/// `docs/clients.md` shows what is written, with its own places.
#[test]
fn the_documentation_shows_what_is_written() {
    let shell = project(&[("raw", "raw-tool")]);
    let page = std::fs::read_to_string(remit_tests::workspace().join("docs/clients.md")).expect("the page");
    let place = shell.cwd().canonicalize().expect("a path").display().to_string();
    for client in CLIENTS {
        let printed = shell.run(&["mcp", "install", client, "--print", "--name", "acme"]);
        let shown = String::from_utf8(printed.stdout).expect("text");
        let shown = shown.replace(&remit_tests::remit().display().to_string(), "/usr/local/bin/remit").replace(&place, "/home/ada/acme");
        let (_, section) = page.split_once(&format!("remit mcp install {client}\n")).expect("a section");
        let (section, _) = section.split_once("\n## ").unwrap_or((section, ""));
        assert!(section.contains(&shown), "{client}: {shown}\nis not in\n{section}");
    }
}
