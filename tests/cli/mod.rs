//! The command line, as transcripts: what is typed, standard output, standard error (`!`), exit status.

mod audit;
mod author;
mod calls;
mod egress;
mod halts;
mod inputs;
mod labels;
mod local;
mod models;
mod remove;
mod review;
mod reviewer;
mod secrets;
mod sessions;
#[cfg(target_os = "linux")]
mod signals;

use remit_tests::{Shell, component};

/// A shell in a project with the plugin `files`, built, granted the folder `docs` and approved.
fn project() -> Shell {
    let shell = Shell::new();
    shell.write("docs/a.md", "Remit fails closed.\n").write("docs/b.md", "Nothing here.\n").write("files.wasm", component("files"));
    let added = shell.run(&["add", "files.wasm", "--yes"]);
    assert!(added.status.success(), "{added:?}");
    let granted = shell.run(&["grant", "files", "fs", "docs:/docs", "--yes"]);
    assert!(granted.status.success(), "{granted:?}");
    shell
}
