//! Real clients, driven without a model, each in an environment of its own. Every script does the same over standard input and over HTTP, in
//! each era that its client speaks: list, call, structured output, failure, denial, unknown tool, progress, log lines, a call that is taken
//! back, 64 calls at once; and in a project that takes approvals from clients, a plain call and an agent that need one.

use std::{path::PathBuf, process::Command};

use remit_tests::{Shell, node_with, python_with, skipped, workspace};
use rustix::process::Signal;

use super::{
    agents::{desk, strikes},
    http::Server,
    project,
};

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

#[test]
fn the_python_sdk_of_the_handshake_era_asks_its_person() {
    approve("python1");
}

#[test]
fn the_python_sdk_of_both_eras_asks_its_person() {
    approve("python2");
}

#[test]
fn fastmcp_asks_its_person() {
    approve("fast");
}

#[test]
fn the_node_sdk_of_the_handshake_era_asks_its_person() {
    approve("node1");
}

#[test]
fn the_node_sdk_of_both_eras_asks_its_person() {
    approve("node2");
}

/// Lets a client of `tests/mcp/clients` do all of that, and looks at what it left running.
fn drive(client: &str) {
    let shell = project(&[("raw", "raw-tool"), ("hostile", "hostile"), ("brief", "hostile")]);
    let text = std::fs::read_to_string(shell.cwd().join("remit.toml")).expect("a file");
    let (start, end) = text.rsplit_once("120000").expect("the deadline of `brief`");
    shell.write("remit.toml", format!("{start}5000{end}[mcp]\nsearch = \"never\"\n"));
    assert!(shell.run(&["review", "--yes"]).status.success());
    if ran(client, client, &shell).is_none() {
        return;
    }
    let records = shell.audit(1);
    let called = |tool: &str| records.iter().any(|record| record["tool"] == tool);
    // Each script stays for longer than a call of `brief` may take: one that went on would have ended there, and be on record.
    assert!(called("sleep") && !called("spin"), "what was taken back went on");
}

/// Lets a client have its person asked, in each era and place that it tells of: what it calls is made with a yes, and once for each.
fn approve(client: &str) {
    let shell = desk("ask = [\"strike\"]\n[approvals]\naccept_client = true\n");
    let Some(said) = ran(client, &format!("approvals_{client}"), &shell) else { return };
    assert!(said.contains("stdio") && said.contains("http"), "{said}");
    assert_eq!(strikes(&shell), said.lines().count(), "{said}");
}

/// Runs a script beside a server over HTTP, with the packages of `client`; what it said. `None` where those cannot be had.
fn ran(client: &str, script: &str, shell: &Shell) -> Option<String> {
    let Some(mut command) = command(client, script) else {
        skipped(script, "what the client needs cannot be installed here");
        return None;
    };
    let server = Server::start(shell);
    command.arg(remit_tests::remit()).arg(shell.cwd()).arg(server.url());
    for (name, value) in shell.command(&[]).get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let ended = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{said}\n{}", String::from_utf8_lossy(&ended.stderr));
    server.end(Signal::TERM);
    Some(said)
}

/// How a script is started with the packages of `client`; `None` where those cannot be had.
fn command(client: &str, script: &str) -> Option<Command> {
    let at = |name: &str, extension: &str| format!("tests/mcp/clients/{name}.{extension}");
    let (program, script) = if client.starts_with("node") {
        // Node looks for packages where the script lies.
        let copy = node_with(&at(client, "json"))?.join(format!("{script}.mjs"));
        std::fs::copy(workspace().join(at(script, "mjs")), &copy).expect("a copy");
        (PathBuf::from("node"), copy)
    } else {
        (python_with(&at(client, "txt"))?, workspace().join(at(script, "py")))
    };
    let mut command = Command::new(program);
    command.arg(script);
    Some(command)
}
