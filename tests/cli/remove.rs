//! `remit remove`: a plugin goes with its grants and its approval.

use insta::assert_snapshot;
use remit_tests::component;

use super::project;

#[test]
fn a_plugin_is_removed_from_file_and_lock_together() {
    let shell = project();
    shell.write("clock.wasm", component("clock"));
    assert!(shell.run(&["add", "clock.wasm", "--yes"]).status.success());
    let read = |file: &str| std::fs::read_to_string(shell.cwd().join(file)).expect("a file");
    let before = (read("remit.toml"), read("remit.lock"));

    assert_snapshot!("remove_unasked", shell.transcript(&["remove", "files"]));
    assert_eq!((read("remit.toml"), read("remit.lock")), before);

    assert_snapshot!("remove", shell.transcript(&["remove", "files", "--yes"]));
    assert_snapshot!("remove_left", read("remit.toml"));
    assert!(!read("remit.lock").contains("files") && read("remit.lock").contains("[plugins.clock]"), "{}", read("remit.lock"));
    assert_eq!(shell.run(&["review", "--check"]).status.code(), Some(0), "file and lock fit each other");
    assert_eq!(shell.run(&["call", "clock", "now"]).status.code(), Some(0), "what is left is still trusted");
}

#[test]
fn a_plugin_that_is_not_there_is_named_with_the_one_that_was_meant() {
    let shell = project();
    assert_snapshot!("remove_unknown", shell.transcript(&["remove", "flies", "--yes"]));
    assert!(shell.run(&["remove", "files", "--yes"]).status.success());
    assert_snapshot!("remove_again", shell.transcript(&["remove", "files", "--yes"]));
}

#[test]
fn what_was_removed_is_told_as_json() {
    let shell = project();
    assert_snapshot!("remove_json", shell.transcript(&["remove", "files", "--yes", "--json"]));
}
