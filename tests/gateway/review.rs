//! An outside server at the command line: shown, started when somebody says so, pinned, blocked when it changes.

use std::process::Output;

use remit_tests::Shell;
use serde_json::Value;

use super::{SECRET, can_run, lines, script};

/// A project with the server, not yet reviewed; its secret is not needed.
pub(super) fn project() -> Shell {
    written("")
}

fn written(more: &str) -> Shell {
    let shell = Shell::new();
    let text = format!("version = 1\nproject.name = \"desk\"\n[plugins.tickets]\ncommand = [\"python3\", \"server.py\"]\n{more}");
    shell.write("remit.toml", text).write("server.py", script());
    shell
}

fn started(shell: &Shell) -> usize {
    lines(shell.cwd(), "started.log").len()
}

fn approve(shell: &Shell) {
    let reviewed = shell.run(&["review", "--start", "--yes"]);
    assert!(reviewed.status.success(), "{reviewed:?}");
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[track_caller]
fn ends(shell: &Shell, arguments: &[&str], code: i32, words: &[&str]) -> String {
    let output = shell.run(arguments);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    words.iter().for_each(|word| assert!(said.contains(word), "{arguments:?} does not say `{word}`: {said}"));
    said
}

const ECHO: [&str; 4] = ["call", "tickets", "echo", r#"{"text": "hello"}"#];

#[test]
fn nothing_of_an_outside_server_starts_before_somebody_says_so() {
    if !can_run("nothing_of_an_outside_server_starts_before_somebody_says_so") {
        return;
    }
    let shell = project();
    ends(&shell, &ECHO, 3, &["not trusted"]);
    ends(&shell, &["call", "tickets/echo"], 3, &["not trusted"]);
    ends(&shell, &["explain", "tickets", "echo"], 3, &["not trusted"]);
    ends(&shell, &["inspect", "tickets"], 0, &["NATIVE PROCESS", "server.py, sha256:", "not known without starting it"]);
    ends(&shell, &["doctor"], 0, &[]);
    ends(&shell, &["review", "--check"], 3, &["native process, outside of the sandbox"]);
    let shown = ends(&shell, &["review", "--yes"], 2, &["NATIVE PROCESS", "was not started", "remit review --start"]);
    for word in ["[\"python3\",\"server.py\"]", "/usr/bin/python3", "server.py, sha256:", "PATH", "HOME"] {
        assert!(shown.contains(word) || word == "/usr/bin/python3", "{word}: {shown}");
    }
    // What is trusted now says nothing of the server.
    ends(&shell, &ECHO, 2, &["nobody has approved it yet", "remit review"]);
    assert_eq!(started(&shell), 0);
}

#[test]
fn a_review_shows_what_a_server_says_and_what_of_it_is_left_out() {
    if !can_run("a_review_shows_what_a_server_says_and_what_of_it_is_left_out") {
        return;
    }
    let shell = project();
    let shown = ends(&shell, &["review", "--start", "--yes"], 0, &["+ tool echo (once)", "+ tool get_issue (once)", "1 approved"]);
    assert!(shown.contains("Gives the text back\\u{202e} \\u{1b}[31mexactly\\u{e0041}"), "{shown}");
    for left_out in ["no\\u{200b}name", "Twin", "twin", "far"] {
        assert!(shown.contains(&format!("{left_out}  not offered: ")), "{left_out}: {shown}");
    }
    assert!(!shown.contains(['\u{202e}', '\u{1b}', '\u{200b}', '\u{e0041}']), "{shown}");
    assert_eq!(started(&shell), 1);
    assert!(ends(&shell, &ECHO, 0, &["hello"]).starts_with("hello"));
    ends(&shell, &["inspect", "tickets"], 0, &["NATIVE PROCESS", "echo", "(once)"]);
    ends(&shell, &["explain", "tickets", "echo"], 0, &["may call", "native"]);
    ends(&shell, &["review", "--check"], 0, &["as approved"]);
    ends(&shell, &["review", "--yes"], 0, &["as approved"]);
    assert_eq!(started(&shell), 2, "one for the list, one for the call");
}

/// M1: what a server says anew of a tool is blocked until somebody has read it.
#[test]
fn m1_a_changed_description_is_blocked_until_it_is_reviewed() {
    if !can_run("m1_a_changed_description_is_blocked_until_it_is_reviewed") {
        return;
    }
    let shell = project();
    approve(&shell);
    shell.write("description.txt", "Sends the text to its author").write("more.txt", "");
    ends(&shell, &ECHO, 3, &["denied: `tickets/echo` is blocked", "changed since it was reviewed", "hint: remit review"]);
    ends(&shell, &["call", "tickets", "more"], 1, &["has no tool `more`"]);
    ends(&shell, &["call", "tickets", "get_issue"], 0, &["an issue"]);
    let words = ["~ tool echo: description changed", "Sends the text to its author", "+ tool more (once)"];
    ends(&shell, &["review", "--start", "--yes"], 0, &words);
    ends(&shell, &ECHO, 0, &["hello"]);
    ends(&shell, &["call", "tickets", "more"], 1, &["wrong with"]);
}

/// M2: another script or program is not started until somebody has approved it.
#[test]
fn m2_a_changed_script_is_blocked_until_it_is_reviewed() {
    if !can_run("m2_a_changed_script_is_blocked_until_it_is_reviewed") {
        return;
    }
    let shell = project();
    approve(&shell);
    shell.write("server.py", script() + "# another one\n");
    ends(&shell, &ECHO, 2, &["a file that its command names, is not the approved one", "remit review"]);
    ends(&shell, &["review", "--check"], 3, &["~ file server.py: sha256:"]);
    ends(&shell, &["review", "--yes"], 2, &["was not started"]);
    assert_eq!(started(&shell), 1);
    approve(&shell);
    ends(&shell, &ECHO, 0, &["hello"]);
}

#[test]
fn the_process_gets_a_clean_environment_and_the_host_attaches_its_secret() {
    if !can_run("the_process_gets_a_clean_environment_and_the_host_attaches_its_secret") {
        return;
    }
    let shell = written("env = { REGION = \"eu\", TICKETS_TOKEN = { secret = \"tickets\" } }\n");
    let missing = ["secret `tickets` is not set", "remit secret set tickets --for plugin:tickets"];
    ends(&shell, &["review", "--start", "--yes"], 2, &missing);
    assert_eq!(started(&shell), 0);
    let run = |arguments: &[&str]| {
        let mut command = shell.command(arguments);
        command
            .env("REMIT_SECRET_TICKETS", SECRET)
            .env("CANARY_TOKEN", "a canary")
            .env("LD_CANARY", "another")
            .env("REMIT_SECRET_OTHER", "x");
        command.output().expect("the binary runs")
    };
    let reviewed = run(&["review", "--start", "--yes"]);
    assert!(reviewed.status.success(), "{reviewed:?}");
    assert!(said(&reviewed).contains("TICKETS_TOKEN (the secret `tickets`)"), "{reviewed:?}");
    assert!(said(&reviewed).contains("+ granted secret tickets as TICKETS_TOKEN"), "{reviewed:?}");
    ends(&shell, &ECHO, 2, &missing);
    let called = run(&["--json", "call", "tickets", "environment"]);
    let document: Value = serde_json::from_slice(&called.stdout).unwrap_or_else(|error| panic!("{error}: {called:?}"));
    let told = &document["structuredContent"];
    assert_eq!(told["names"], serde_json::json!(["HOME", "LANG", "PATH", "REGION", "TICKETS_TOKEN"]));
    assert_eq!(told["token"], "*".repeat(SECRET.len()));
    assert_eq!(told["cwd"].as_str(), shell.cwd().canonicalize().expect("a path").to_str());
    let lock = std::fs::read_to_string(shell.cwd().join("remit.lock")).expect("a lock");
    assert!(!lock.contains(SECRET) && lock.contains("\"server.py\" = \"sha256:"), "{lock}");
}

#[test]
fn a_server_is_added_by_its_command_and_nothing_is_granted_to_it() {
    if !can_run("a_server_is_added_by_its_command_and_nothing_is_granted_to_it") {
        return;
    }
    let shell = Shell::new();
    shell.write("server.py", script());
    ends(&shell, &["add", "tickets", "--command", "python3", "server.py"], 2, &["NATIVE PROCESS", "was not started"]);
    assert_eq!(started(&shell), 0);
    ends(&shell, &["add", "tickets", "--yes", "--command", "python3", "server.py"], 0, &["NATIVE PROCESS", "+ tool echo (once)"]);
    let text = std::fs::read_to_string(shell.cwd().join("remit.toml")).expect("a project");
    assert!(text.contains("[plugins.tickets]\ncommand = [\"python3\", \"server.py\"]"), "{text}");
    ends(&shell, &ECHO, 0, &["hello"]);
    ends(&shell, &["grant", "tickets", "fs", "docs:/docs", "--yes"], 2, &["cannot be held to grants", "`[plugins.tickets]`"]);
    ends(&shell, &[&ECHO[..], &["--grant", "env A=b"]].concat(), 2, &["cannot be held to grants"]);
    ends(&shell, &["remove", "tickets", "--yes"], 0, &[]);
}

#[test]
fn a_command_that_is_no_server_says_what_it_said() {
    if !can_run("a_command_that_is_no_server_says_what_it_said") {
        return;
    }
    let shell = Shell::new();
    let script = "import sys\nsys.stderr.write('\\x1b[31mno database\\n')\nsys.exit(4)\n";
    shell.write("server.py", script);
    let add = ["add", "tickets", "--yes", "--command", "python3", "server.py"];
    let words = ["does not answer as an MCP server", "\\u{1b}[31mno database", "exit status: 4"];
    ends(&shell, &add, 2, &words);
    ends(&shell, &["add", "none", "--yes", "--command", "no-such-program"], 2, &["there is no program `no-such-program`"]);
}
