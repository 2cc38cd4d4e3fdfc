//! Real clients, driven without a model.

use std::process::Command;

use remit_tests::{python_client, skipped};

use super::project;

/// Lists, calls, is denied, hears progress and log lines, takes a request back: with the official SDK for Python.
fn drive(requirements: &str) {
    let Some(python) = python_client(requirements) else {
        return skipped("python_clients", "the MCP SDK for Python cannot be installed here");
    };
    let shell = project(&[("raw", "raw-tool"), ("hostile", "hostile")]);
    let script = remit_tests::workspace().join("tests/mcp").join(requirements).with_extension("py");
    let mut command = Command::new(python);
    command.arg(script).arg(remit_tests::remit()).arg(shell.cwd());
    for (name, value) in shell.command(&[]).get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let ended = command.output().expect("it runs");
    assert!(ended.status.success(), "{}\n{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn the_python_sdk_of_the_handshake_era_finds_its_way() {
    drive("python1.txt");
}

#[test]
fn the_python_sdk_of_both_eras_finds_its_way() {
    drive("python2.txt");
}
