//! `remit disable`, `enable`, `stop` and `start`.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use remit_tests::{McpClient, Shell, fixture};
use serde_json::json;

use super::project;

fn check(name: &str, transcript: String) {
    let filters =
        vec![(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "[DATE]"), (r"user:[a-z0-9_-]+", "user:[ME]"), (r"call_[0-9a-z]{26}", "call_[ID]")];
    insta::with_settings!({ filters => filters }, { insta::assert_snapshot!(name, transcript) });
}

#[test]
fn a_disabled_plugin_runs_nothing_until_it_is_enabled() {
    let shell = project();
    let mut said = String::new();
    for command in [
        ["disable"].as_slice(),
        &["disable", "files", "--reason", "it reads too much"],
        &["disable", "files"],
        &["call", "files", "list", r#"{"path": "/docs"}"#],
        &["explain", "files", "list"],
        &["disable"],
        &["enable", "files"],
        &["enable", "files"],
        &["disable", "nosuch"],
        &["disable", "no such"],
    ] {
        said += &format!("{}\n", shell.transcript(command));
    }
    check("disable", said);
    assert!(shell.run(&["call", "files", "list", r#"{"path": "/docs"}"#]).status.success());
    let mut decisions = shell.audit(4);
    decisions.retain(|record| record["decision"].is_string());
    let told: Vec<_> = decisions.iter().map(|line| (line["decision"].as_str().unwrap(), line["plugin"].as_str().unwrap())).collect();
    assert_eq!(told, [("disable", "files"), ("disable", "files"), ("enable", "files"), ("enable", "files")]);
}

#[test]
fn an_emergency_stop_needs_no_project_without_mistakes() {
    let shell = project();
    let manifest = std::fs::read_to_string(shell.cwd().join("remit.toml")).expect("a file");
    shell.write("remit.toml", "version = \"one\"");
    check("stop", shell.transcript(&["stop", "--reason", "looking into it"]).to_string());
    shell.write("remit.toml", manifest);
    check("stopped", shell.transcript(&["call", "files", "list", r#"{"path": "/docs"}"#]).to_string());
    check("start", shell.transcript(&["start"]).to_string());
    assert!(shell.run(&["call", "files", "list", r#"{"path": "/docs"}"#]).status.success());
}

#[test]
fn what_runs_in_other_processes_ends() {
    let shell = Shell::new();
    let text = "version = 1\nproject.name = \"halts\"\n[plugins.hostile]\nsource = \"hostile.wasm\"\nlimits = { deadline_ms = 120000 }\n";
    shell.write("remit.toml", text).write("hostile.wasm", fixture("hostile"));
    assert!(shell.run(&["review", "--yes"]).status.success());
    for (tool, says) in [("spin", "looping\n"), ("wait_forever", "waiting\n")] {
        let mut child =
            shell.command(&["call", "hostile", tool]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut said = String::new();
        stderr.read_line(&mut said).expect("text");
        assert_eq!(said, says, "the guest runs");
        assert!(shell.run(&["stop"]).status.success());
        said.clear();
        stderr.read_to_string(&mut said).expect("text");
        assert!(said.contains("`hostile` was ended: everything is stopped"), "{said}");
        assert_eq!(child.wait().expect("it ends").code(), Some(2));
        assert!(shell.run(&["start"]).status.success());
    }
}

#[test]
fn a_server_obeys_from_the_next_call_on() {
    let shell = project();
    let mut client = McpClient::start(shell.command(&["mcp"]));
    let mut listed = || client.call("files__list", json!({ "path": "/docs" }));
    assert_eq!(listed()["isError"], false);
    assert!(shell.run(&["disable", "files"]).status.success());
    let refused = listed();
    assert_eq!(refused["_meta"]["remit/denials"][0]["rule"], "halted", "{refused}");
    assert!(shell.run(&["enable", "files"]).status.success());
    assert_eq!(listed()["isError"], false);
    client.close();
}
