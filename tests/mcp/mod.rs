//! The MCP door, as clients see it: by hand over stdio and HTTP, in process where the host is looked at too, and with real clients.

mod agents;
mod approvals;
mod bad;
mod calls;
mod cancel;
mod clients;
mod conformance;
mod http;
pub mod in_session;
mod install;
mod keys;
mod list;
mod oauth;
mod principals;
mod search;
mod stdio;
mod tasks;

use remit_tests::{McpClient, Shell, component, fixture};

/// A shell in an approved project with these plugins, each a name with a guest of `tests/fixtures`, or of `plugins` for `files`.
fn project(plugins: &[(&str, &str)]) -> Shell {
    project_with(plugins, "")
}

/// The same, with more in its `remit.toml`.
fn project_with(plugins: &[(&str, &str)], more: &str) -> Shell {
    let shell = Shell::new();
    let mut text = "version = 1\nproject.name = \"door\"\n".to_owned();
    for (name, guest) in plugins {
        text += &format!("[plugins.{name}]\nsource = \"{guest}.wasm\"\nlimits = {{ deadline_ms = 120000 }}\n");
        shell.write(&format!("{guest}.wasm"), if *guest == "files" { component(guest) } else { fixture(guest) });
    }
    shell.write("remit.toml", text + more);
    let reviewed = shell.run(&["review", "--yes"]);
    assert!(reviewed.status.success(), "{reviewed:?}");
    shell
}

/// A client of `remit mcp` in `shell`, after the handshake.
fn client(shell: &Shell) -> McpClient {
    McpClient::start(shell.command(&["mcp"]))
}
