//! An author: a new plugin, built and called.

use insta::assert_snapshot;
use remit_tests::{Shell, component};

#[test]
fn a_component_is_called_by_its_path_without_a_project() {
    let shell = Shell::new();
    shell.write("clock.wasm", component("clock"));
    let output = shell.run(&["call", "clock.wasm", "convert", r#"{"time": "2026-11-22T12:00:00Z", "zone": "Asia/Tokyo"}"#]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("21:00"), "{output:?}");
}

#[test]
fn a_new_plugin_has_what_it_needs_and_a_second_one_of_the_name_is_refused() {
    let shell = Shell::new();
    assert_snapshot!("new", shell.transcript(&["new", "greet"]));
    for file in ["Cargo.toml", "src/lib.rs", "plugin.toml", "README.md"] {
        assert!(shell.cwd().join("greet").join(file).is_file(), "{file}");
    }
    assert_eq!(shell.run(&["new", "greet"]).status.code(), Some(2));
    assert_eq!(shell.run(&["new", "Bad__Name"]).status.code(), Some(2));
}

#[test]
fn a_new_plugin_builds_and_answers() {
    let shell = Shell::new();
    assert!(shell.run(&["new", "greet"]).status.success());
    let folder = shell.cwd().join("greet");
    let built = shell.command(&["build", "--json"]).current_dir(&folder).output().expect("it runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let called = shell.run(&["call", "greet/target/greet.wasm", "greet", r#"{"name": "Ada"}"#]);
    assert!(called.status.success() && String::from_utf8_lossy(&called.stdout).contains("Ada"), "{called:?}");

    // In a project, the crate may change while its rights do not grow.
    assert!(shell.run(&["add", "greet", "--yes"]).status.success());
    assert!(shell.run(&["call", "greet", "greet", r#"{"name": "Ada"}"#]).status.success());
    let source = std::fs::read_to_string(folder.join("src/lib.rs")).expect("the template");
    std::fs::write(folder.join("src/lib.rs"), source.replace("Hello", "Good day")).expect("a file");
    assert!(shell.run(&["build"]).status.success());
    let called = shell.run(&["call", "greet", "greet", r#"{"name": "Ada"}"#]);
    assert!(String::from_utf8_lossy(&called.stdout).contains("Good day"), "{called:?}");
    assert!(String::from_utf8_lossy(&called.stderr).contains("relocked `greet`"), "{called:?}");

    // The folder's name means the same as the plugin's, and as the folder itself.
    for (word, arguments, at) in [("Hi", &["build", "greet"][..], shell.cwd()), ("Dear", &["build"], &folder)] {
        std::fs::write(folder.join("src/lib.rs"), source.replace("Hello", word)).expect("a file");
        let built = shell.command(arguments).current_dir(at).output().expect("it runs");
        assert!(built.status.success(), "{built:?}");
        let called = shell.run(&["call", "greet", "greet", r#"{"name": "Ada"}"#]);
        assert!(String::from_utf8_lossy(&called.stdout).contains(word), "{called:?}");
    }
}

#[test]
fn a_new_agent_builds_asks_and_goes_on() {
    let shell = Shell::new();
    assert_snapshot!("new_agent", shell.transcript(&["new", "concierge", "--agent"]));
    let added = shell.run(&["add", "concierge", "--yes"]);
    assert!(added.status.success(), "{added:?}");
    let asked = shell.run(&["run", "concierge", r#"{"name": "Ada"}"#, "--json"]);
    assert_eq!(asked.status.code(), Some(6), "{asked:?}");
    let asked: serde_json::Value = serde_json::from_slice(&asked.stdout).expect("JSON");
    let id = |value: &serde_json::Value| value.as_str().expect("an id").to_owned();
    assert!(shell.run(&["approval", "approve", &id(&asked["waits"][0]["id"])]).status.success());
    let done = shell.run(&["session", "resume", &id(&asked["session"])]);
    assert!(String::from_utf8_lossy(&done.stdout).contains("Hello, Ada!"), "{done:?}");
}

#[test]
fn every_command_has_help_with_an_example() {
    let shell = Shell::new();
    for command in [
        "call",
        "run",
        "audit",
        "backup",
        "restore",
        "inspect",
        "explain",
        "new",
        "build",
        "add",
        "remove",
        "grant",
        "revoke",
        "review",
        "trust",
        "disable",
        "enable",
        "stop",
        "start",
        "demo",
        "doctor",
        "completions",
    ] {
        let output = shell.run(&[command, "--help"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains(&format!("remit {command}")), "{command}: {text}");
    }
}

#[test]
fn doctor_and_completions_answer() {
    let shell = Shell::new();
    assert!(shell.run(&["doctor"]).status.success());
    assert!(String::from_utf8_lossy(&shell.run(&["completions", "bash"]).stdout).contains("_remit"));
}
