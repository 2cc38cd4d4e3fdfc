//! Secrets as a person sets them, looks at them and removes them.

use std::{
    io::Write as _,
    process::{Output, Stdio},
};

use remit_tests::{Shell, fixture};

use super::sessions::check;

const GRANT: &str = "GET https://api.example.com/issues/** secret=github header=authorization format=Bearer\\ {}";

/// A project with a plugin whose grant names a secret, approved.
fn project() -> Shell {
    let shell = Shell::new();
    shell.write("hostile.wasm", fixture("hostile"));
    for command in [["add", "hostile.wasm", "--yes"].as_slice(), &["grant", "hostile", "http", GRANT, "--yes"]] {
        let ended = shell.run(command);
        assert!(ended.status.success(), "{ended:?}");
    }
    shell
}

/// Runs a command with a value on standard input.
fn told(shell: &Shell, arguments: &[&str], value: &str) -> Output {
    let piped = shell.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = piped.expect("the binary runs");
    child.stdin.take().expect("a pipe").write_all(value.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

/// The same as a transcript.
fn set(shell: &Shell, arguments: &[&str], value: &str) -> String {
    let output = told(shell, arguments, value);
    let said = [output.stdout, output.stderr].concat();
    format!("$ remit {}\n{}[exit status: {}]", arguments.join(" "), String::from_utf8_lossy(&said), output.status.code().expect("a status"))
}

#[test]
fn a_secret_is_set_listed_replaced_and_removed() {
    let shell = project();
    let call = ["call", "hostile", "environment"];
    check("secret_missing", shell.transcript(&call).to_string());
    check("secret_list_missing", shell.transcript(&["secret", "list"]).to_string());
    check("secret_set_unasked", set(&shell, &["secret", "set", "github"], "a value\n"));
    check("secret_set_granted", set(&shell, &["secret", "set", "github", "--yes"], "the first value\n"));
    assert!(shell.run(&call).status.success());
    check("secret_list", shell.transcript(&["secret", "list"]).to_string());
    let elsewhere = ["secret", "set", "github", "--for", "https://other.example.com", "--for", "plugin:tickets"];
    check("secret_replaced", set(&shell, &elsewhere, "the second value"));
    check("secret_elsewhere", shell.transcript(&call).to_string());
    check("secret_list_elsewhere", shell.transcript(&["secret", "list"]).to_string());
    check("secret_removed", shell.transcript(&["secret", "remove", "github"]).to_string());
    check("secret_removed_twice", shell.transcript(&["secret", "remove", "github"]).to_string());
    let of_ada = ["secret", "set", "github", "--user", "user:ada", "--for", "https://api.example.com", "--json"];
    check("secret_of_a_principal", set(&shell, &of_ada, "the third value"));
    check("secret_explained", shell.transcript(&["explain", "hostile", "fetch"]).to_string());
    check("secret_explained_as_another", shell.transcript(&["explain", "hostile", "fetch", "--as", "user:ada"]).to_string());
    let records: Vec<_> = shell.audit(4).into_iter().filter(|record| record["secret"] == "github").collect();
    let decisions: Vec<_> = records.iter().map(|record| record["decision"].as_str().expect("a decision")).collect();
    assert_eq!(decisions, ["set-secret", "set-secret", "remove-secret", "set-secret"]);
    assert!(records[3]["of"] == "user:ada" && records.iter().all(|record| !record.to_string().contains("value")), "{records:?}");
}

#[test]
fn what_cannot_be_a_secret_is_refused_and_sets_nothing() {
    let shell = project();
    let long = "a".repeat(9000);
    for (name, arguments, value, code, says) in [
        ("a b", &["--yes"][..], "a good value", 2, "is not the name of a secret"),
        ("github", &["--yes"], "", 2, "standard input holds no value"),
        ("github", &["--yes"], "short", 2, "could not be masked"),
        ("github", &["--yes"], &long, 4, "more than 8192 bytes"),
        ("github", &["--for", "api.example.com"], "a good value", 2, "https://api.example.com"),
        ("github", &["--for", "https://h.example/?q=1"], "a good value", 2, "without a query"),
        ("nobody", &["--yes"], "a good value", 2, "remit secret set nobody --for"),
        ("github", &["--user", "ada", "--yes"], "a good value", 2, "is not a principal"),
    ] {
        let arguments = [&["secret", "set", name], arguments].concat();
        let output = told(&shell, &arguments, value);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(says) && (value.is_empty() || !said.contains(value)), "{arguments:?}: {said}");
    }
    let listed: serde_json::Value = serde_json::from_slice(&shell.run(&["secret", "list", "--json"]).stdout).expect("JSON");
    assert_eq!(listed["secrets"], serde_json::json!([]));
    assert_eq!(listed["needed"][0]["ok"], false);
}

#[test]
fn a_project_that_is_not_trusted_does_not_say_where_a_secret_goes() {
    let shell = project();
    let text = std::fs::read_to_string(shell.cwd().join("remit.toml")).expect("a file");
    shell.write("remit.toml", text.replace("api.example.com", "evil.example"));
    let refused = set(&shell, &["secret", "set", "github", "--yes"], "a good value");
    assert!(refused.contains("is not the same") && refused.ends_with("[exit status: 3]"), "{refused}");
    let bound = ["secret", "set", "github", "--for", "https://api.example.com"];
    assert!(told(&shell, &bound, "a good value").status.success(), "who sets it says where it goes");
    check("secret_of_an_untrusted_project", shell.transcript(&["secret", "list"]).to_string());
}

#[test]
fn secrets_whose_key_is_lost_are_named_and_nothing_runs() {
    let shell = project();
    assert!(told(&shell, &["secret", "set", "github", "--yes"], "a good value").status.success());
    let key = shell.cwd().parent().expect("a home").join(".local/state/remit/secrets/key");
    std::fs::write(&key, [7; 32]).expect("another key");
    check("secret_of_another_key", shell.transcript(&["call", "hostile", "environment"]).to_string());
    std::fs::remove_file(&key).expect("the key");
    check("secret_without_key", shell.transcript(&["secret", "list"]).to_string());
}
