//! `remit.local.toml`: one user's own narrowing, which nobody else sees and nothing is written from.

use insta::assert_snapshot;
use remit_tests::Shell;

use super::{project, sessions::check};

const READ: [&str; 4] = ["call", "files", "read", r#"{"path": "/docs/a.md"}"#];

fn narrow(shell: &Shell, lines: &str) {
    shell.write("remit.local.toml", format!("version = 1\n\n[plugins.files]\n{lines}\n"));
}

fn text(shell: &Shell, file: &str) -> String {
    std::fs::read_to_string(shell.cwd().join(file)).expect("a file")
}

#[test]
fn a_right_that_was_taken_away_locally_is_refused_with_the_file_that_did_it() {
    let shell = project();
    assert_eq!(shell.run(&READ).status.code(), Some(0));
    narrow(&shell, "revoke = [\"fs docs:/docs\"]");
    assert_snapshot!("local_revoked", shell.transcript(&READ));
    assert_snapshot!("local_revoked_explained", shell.transcript(&["explain", "files", "fs", "read /docs/a.md"]));
    assert_snapshot!("local_revoked_granted_again", shell.transcript(&["grant", "files", "fs", "docs:/docs"]));
    std::fs::remove_file(shell.cwd().join("remit.local.toml")).expect("it is there");
    assert_eq!(shell.run(&READ).status.code(), Some(0), "nothing has to be reviewed again");
}

#[test]
fn a_plugin_that_is_switched_off_locally_says_so() {
    let shell = project();
    narrow(&shell, "disabled = true");
    assert_snapshot!("local_disabled", shell.transcript(&READ));
    check("local_disabled_review", shell.transcript(&["review", "--check"]).to_string());
}

#[test]
fn a_lower_limit_holds() {
    let shell = project();
    narrow(&shell, "limits = { memory_mib = 1 }");
    assert_eq!(shell.run(&READ).status.code(), Some(4));
}

#[test]
fn a_local_file_that_would_widen_is_refused_in_its_place() {
    let shell = project();
    narrow(&shell, "limits = { memory_mib = 128 }\ngrants = { fs = [{ path = \"/\", mount = \"/all\" }] }\nrevoke = [\"http\"]");
    assert_snapshot!("local_widens", shell.transcript(&READ));
}

/// What one user narrows must not reach the files that the others share.
#[test]
fn what_is_written_is_not_narrowed() {
    let shell = project();
    let mine = "{ path = \"docs\", mount = \"/docs\", access = \"read\" }";
    narrow(&shell, "revoke = [\"fs docs:/docs\"]");

    assert!(shell.run(&["grant", "files", "fs", "more:/more", "--yes"]).status.success());
    assert!(text(&shell, "remit.toml").contains(mine), "{}", text(&shell, "remit.toml"));
    assert!(text(&shell, "remit.lock").contains("\"fs docs:/docs:read\""), "{}", text(&shell, "remit.lock"));

    let changed = text(&shell, "remit.toml") + "# by hand\n";
    shell.write("remit.toml", changed);
    assert!(shell.run(&["review", "--yes"]).status.success());
    assert!(text(&shell, "remit.lock").contains("\"fs docs:/docs:read\""), "{}", text(&shell, "remit.lock"));
}
