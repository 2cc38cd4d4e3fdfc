use super::*;

fn entry() -> Entry {
    let arguments = ["--project", "/work/a \"b\"", "mcp"].map(str::to_owned).to_vec();
    Entry { name: "acme".to_owned(), command: "/usr/bin/remit".to_owned(), arguments }
}

const ALL: [Client; 7] =
    [Client::ClaudeCode, Client::ClaudeDesktop, Client::Cursor, Client::Vscode, Client::Zed, Client::Codex, Client::Opencode];

#[test]
fn a_file_that_is_not_there_gets_the_entry_alone() {
    let made = Client::Vscode.with("", &entry()).expect("it can be written");
    let expected = serde_json::json!({ "servers": { "acme": {
        "type": "stdio", "command": "/usr/bin/remit", "args": ["--project", "/work/a \"b\"", "mcp"]
    } } });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&made).expect("JSON"), expected);
    let made = Client::Opencode.with("", &entry()).expect("it can be written");
    let expected = serde_json::json!({ "mcp": { "acme": {
        "type": "local", "command": ["/usr/bin/remit", "--project", "/work/a \"b\"", "mcp"]
    } } });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&made).expect("JSON"), expected);
    let made = Client::Codex.with("", &entry()).expect("it can be written");
    assert_eq!(made, "[mcp_servers.acme]\ncommand = \"/usr/bin/remit\"\nargs = [\"--project\", '/work/a \"b\"', \"mcp\"]\n");
}

#[test]
fn everything_else_stays_byte_for_byte() {
    let before = "// mine\n{\n\t\"theme\" : 'dark', /* a */\n\t\"context_servers\": {\n\t\t\"other\": {\"command\":\"x\"},\n\t},\n\t\"last\": 0x1F\n}\n";
    let after = Client::Zed.with(before, &entry()).expect("it can be written");
    let (head, tail) = before.split_once(",\n\t},").expect("two parts");
    assert!(after.starts_with(head), "{after}");
    assert!(after.ends_with(tail), "{after}");
    let before = "# mine\nmodel = 'x'   # a\n\n[mcp_servers.other]\ncommand='y'\n\n[tui]\na=1\n";
    let after = Client::Codex.with(before, &entry()).expect("it can be written");
    for line in before.lines() {
        assert!(after.lines().any(|kept| kept == line), "{line:?} is gone: {after}");
    }
}

#[test]
fn writing_twice_changes_nothing_and_what_else_an_entry_says_stays() {
    for client in ALL {
        let once = client.with("", &entry()).expect("it can be written");
        assert_eq!(client.with(&once, &entry()).expect("again"), once, "{client:?}");
    }
    let before = r#"{"mcpServers": {"acme": {"command": "old", "env": {"REMIT_SECRET_TOKEN": "x"}}}}"#;
    let after = Client::Cursor.with(before, &entry()).expect("it can be written");
    let after: serde_json::Value = serde_json::from_str(&after).expect("JSON");
    assert_eq!(after["mcpServers"]["acme"]["env"]["REMIT_SECRET_TOKEN"], "x");
    assert_eq!(after["mcpServers"]["acme"]["command"], "/usr/bin/remit");
}

#[test]
fn a_file_that_is_something_else_is_refused() {
    for client in ALL {
        let tables = if client == Client::Codex { ["= 1", "mcp_servers = 1"] } else { ["{", "[]"] };
        for text in tables {
            assert!(client.with(text, &entry()).is_err(), "{client:?}: {text}");
        }
    }
    assert!(Client::Cursor.with(r#"{"mcpServers": []}"#, &entry()).is_err());
    assert!(Client::Cursor.with(r#"{"mcpServers": {"acme": 1}}"#, &entry()).is_err());
}
