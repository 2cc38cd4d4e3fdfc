//! WASI as programs expect it: the test-suite of WASI, and programs of our own in its layout.
//!
//! A case is `NAME.wasm` or `NAME.wat`, with arguments, folders, environment, exit code and output in `NAME.json` beside it. Programs for
//! WASI 0.1 get the adapter that toolchains link. A program is a command, which a host does not offer; under another name its one
//! function is a plain one, and everything else is as for any tool: our linker, grants and bounds.

use std::{
    collections::BTreeMap,
    fs,
    io::{Seek as _, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use remit_core::{limit::CallLimits, plugin::text::visible_lines};
use remit_runtime::Outcome;
use remit_tests::{Lab, fixture, skipped, tool, workspace};
use serde_json::{Value, json};

/// Programs of our own, and what their manifests want.
const OWN: [&str; 4] = ["command_files", "command_time", "command_output", "preview1"];

/// What came of a case.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed(String),
    /// It needs what this host gives nobody.
    Beyond(&'static str),
}

/// A component whose one function is that of the command `program`, a component or a module.
fn callable(program: &[u8]) -> Result<Vec<u8>, String> {
    // The fifth byte tells modules from components.
    let mut component = if program.get(4..8) == Some(&[1, 0, 0, 0]) { adapted(program)? } else { program.to_vec() };
    let name = b"wasi:cli/run@";
    let places: Vec<usize> = component.windows(name.len()).enumerate().filter(|(_, bytes)| bytes == name).map(|(at, _)| at).collect();
    places.into_iter().for_each(|at| component[at..at + 4].copy_from_slice(b"test"));
    Ok(component)
}

/// The module `program`, with the adapter that makes a component of it.
fn adapted(program: &[u8]) -> Result<Vec<u8>, String> {
    let mut input = tempfile::tempfile().expect("a file");
    input.write_all(program).and_then(|()| input.rewind()).expect("written");
    let made = Command::new(tool("adapter")).stdin(input).output().expect("it runs");
    made.status.success().then_some(made.stdout).ok_or_else(|| String::from_utf8_lossy(&made.stderr).into_owned())
}

/// Whether the program behind `outcome` ended well; none where it was ended. WASI 0.2 knows no other exit codes.
fn ended_well(outcome: &Outcome) -> Option<bool> {
    match &outcome.result {
        Ok(_) => Some(true),
        Err(error) if error.message.contains("gave no reason") => Some(false),
        Err(error) => error.message.strip_prefix("the component exited with code ").map(|code| code.starts_with("0 ")),
    }
}

/// Runs `program` as `manifest` says; `beside` is where its folders are.
async fn run(program: &[u8], manifest: &Value, beside: &Path) -> Verdict {
    let list = |key: &str| manifest[key].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    if !list("args").is_empty() {
        return Verdict::Beyond("arguments");
    }
    if manifest["proposals"].as_array().is_some_and(|proposals| !proposals.is_empty()) {
        return Verdict::Beyond("a proposal that is off");
    }
    let lab = Lab::new();
    let mut grants = Vec::new();
    for folder in list("dirs").into_iter().chain(manifest["root"].as_str().map(str::to_owned)) {
        copy(&beside.join(&folder), &lab.path().join(&folder));
        grants.push(format!("fs {folder}:/{folder}:write"));
    }
    for (name, value) in manifest["env"].as_object().into_iter().flatten() {
        grants.push(format!("env {name}={}", value.as_str().unwrap_or_default()));
    }
    let component = match callable(program) {
        Ok(component) => component,
        Err(error) => return Verdict::Failed(error),
    };
    let limits = CallLimits { memory_mib: 64, deadline_ms: 30_000, output_kib: 64, ..CallLimits::default() };
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    let plugin = match lab.make("program", component.into(), &grants).await {
        Ok(plugin) => plugin.limits(limits),
        Err(error) => return Verdict::Failed(error.to_string()),
    };
    let tool = plugin.definitions[0].name.clone();
    lab.serve(plugin);
    let outcome = lab.call("program", &tool, json!({})).await;
    let (found, wanted) = (ended_well(&outcome), manifest["exit_code"].as_i64().unwrap_or(0));
    if found != Some(wanted == 0) {
        return Verdict::Failed(format!("ended well: {found:?}, wanted exit code {wanted}: {outcome:#?}"));
    }
    for (key, said) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
        if let Some(expected) = manifest[key].as_str().filter(|expected| visible_lines(expected, usize::MAX) != **said) {
            return Verdict::Failed(format!("said {said:?} instead of {expected:?} on {key}"));
        }
    }
    Verdict::Passed
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        let place = to.join(path.file_name().expect("a name"));
        match path.is_dir() {
            true => copy(&path, &place),
            false => drop(fs::copy(&path, &place).expect("a file")),
        }
    }
}

fn manifest(program: &Path) -> Value {
    fs::read(program.with_extension("json")).map_or_else(|_| json!({}), |text| serde_json::from_slice(&text).expect("a manifest"))
}

/// All programs below `folder`.
fn programs(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() => programs(&path, found),
            Some("wasm" | "wat") => found.push(path),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wasi_programs_of_both_versions_run_under_grants() {
    let suite = workspace().join("tests/wasi");
    for name in OWN {
        let text = suite.join(name).with_extension("wat");
        let program = if text.exists() { wat::parse_file(&text).expect("a module") } else { fixture(name).to_vec() };
        assert_eq!(run(&program, &manifest(&text), &suite).await, Verdict::Passed, "{name}");
    }
}

/// What is granted is what makes them pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_wasi_program_without_its_folder_fails() {
    let verdict = run(&fixture("command_files"), &json!({}), Path::new("/")).await;
    assert!(matches!(verdict, Verdict::Failed(_)), "{verdict:?}");
}

/// Every program of the folder that `REMIT_WASI_TESTSUITE` names: `tests` of github.com/WebAssembly/wasi-testsuite on its branch with
/// the programs, `prod/testsuite-base`.
#[tokio::test(flavor = "multi_thread")]
async fn wasi_test_suite() {
    let Some(folder) = std::env::var_os("REMIT_WASI_TESTSUITE") else {
        return skipped("wasi_test_suite", "REMIT_WASI_TESTSUITE names no folder with the programs of WASI's test-suite");
    };
    let mut found = Vec::new();
    programs(Path::new(&folder), &mut found);
    found.sort();
    assert!(!found.is_empty(), "no programs below {}", folder.display());
    let (mut verdicts, mut failed) = (BTreeMap::<String, usize>::new(), Vec::new());
    for path in found {
        let program = wat::parse_file(&path).expect("a program");
        let verdict = run(&program, &manifest(&path), path.parent().expect("a folder")).await;
        let counted = match &verdict {
            Verdict::Passed => "passed".to_owned(),
            Verdict::Failed(_) => "failed".to_owned(),
            Verdict::Beyond(what) => format!("not run: needs {what}"),
        };
        *verdicts.entry(counted).or_default() += 1;
        if let Verdict::Failed(why) = verdict {
            failed.push(format!("{}: {why}", path.display()));
        }
    }
    println!("{verdicts:?}");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
