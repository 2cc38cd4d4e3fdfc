//! Real clients, driven without a model, each in an environment of its own. Every script does the same over standard input and over HTTP, in
//! each era that its client speaks: list, call, structured output, failure, denial, unknown tool, progress, log lines, a call that is taken
//! back, 64 calls at once.

use std::{path::PathBuf, process::Command};

use remit_tests::{node_with, python_with, skipped, workspace};
use rustix::process::Signal;

use super::{agents::desk, http::Server, project};

#[test]
fn the_python_sdk_of_the_handshake_era_finds_its_way() {
    drive("python1");
}

#[test]
fn the_python_sdk_of_both_eras_finds_its_way() {
    drive("python2");
}

#[test]
fn fastmcp_finds_its_way() {
    drive("fast");
}

#[test]
fn the_node_sdk_of_the_handshake_era_finds_its_way() {
    drive("node1");
}

#[test]
fn the_node_sdk_of_both_eras_finds_its_way() {
    drive("node2");
}

/// Lets a client of `tests/mcp/clients` do all of that, and looks at what it left running.
fn drive(client: &str) {
    let Some(mut command) = script(client) else {
        return skipped(client, "what the client needs cannot be installed here");
    };
    let shell = project(&[("raw", "raw-tool"), ("hostile", "hostile"), ("brief", "hostile")]);
    let text = std::fs::read_to_string(shell.cwd().join("remit.toml")).expect("a file");
    let (start, end) = text.rsplit_once("120000").expect("the deadline of `brief`");
    shell.write("remit.toml", format!("{start}5000{end}[mcp]\nsearch = \"never\"\n"));
    assert!(shell.run(&["review", "--yes"]).status.success());
    let server = Server::start(&shell);
    command.arg(remit_tests::remit()).arg(shell.cwd()).arg(server.url());
    for (name, value) in shell.command(&[]).get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let ended = command.output().expect("it runs");
    assert!(ended.status.success(), "{}\n{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    server.end(Signal::TERM);
    let records = shell.audit(1);
    let called = |tool: &str| records.iter().any(|record| record["tool"] == tool);
    // Each script stays for longer than a call of `brief` may take: one that went on would have ended there, and be on record.
    assert!(called("sleep") && !called("spin"), "what was taken back went on");
}

/// How the script of `client` is started; `None` where its environment cannot be had.
fn script(client: &str) -> Option<Command> {
    let at = |extension: &str| format!("tests/mcp/clients/{client}.{extension}");
    let (program, script) = if client.starts_with("node") {
        // Node looks for packages where the script lies.
        let script = node_with(&at("json"))?.join("drive.mjs");
        std::fs::copy(workspace().join(at("mjs")), &script).expect("a copy");
        (PathBuf::from("node"), script)
    } else {
        (python_with(&at("txt"))?, workspace().join(at("py")))
    };
    let mut command = Command::new(program);
    command.arg(script);
    Some(command)
}

/// Each runs an agent, has its person asked, and goes on by the handle.
#[test]
fn the_python_sdks_run_agents_and_ask_their_person() {
    for (client, script) in [("python1", "agents1.py"), ("python2", "agents2.py")] {
        let Some(python) = python_with(&format!("tests/mcp/clients/{client}.txt")) else {
            return skipped("the_python_sdks_run_agents_and_ask_their_person", "the MCP SDK for Python cannot be installed here");
        };
        let shell = desk("[approvals]\naccept_client = true\n");
        let mut command = Command::new(python);
        command.arg(workspace().join("tests/mcp/clients").join(script)).arg(remit_tests::remit()).arg(shell.cwd());
        for (name, value) in shell.command(&[]).get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        let ended = command.output().expect("it runs");
        assert!(ended.status.success(), "{}\n{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    }
}
