//! Rules of the house that a reader relies on: crate edges, lengths, published WIT, the table of threats.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use remit_core::plugin::Digest;
use remit_tests::workspace;

/// Longest file of code, in lines.
const FILE_MAX_LINES: usize = 500;
/// Longest function, in lines.
const FUNCTION_MAX_LINES: usize = 70;

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["host", "guest-sdk", "plugins", "tests", "fuzz"] {
        walk(&workspace().join(folder), &mut found);
    }
    let written_by_bindgen = workspace().join("guest-sdk/rust/src/bindings");
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs") && !path.starts_with(&written_by_bindgen));
    found
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        match path.file_name().and_then(|name| name.to_str()) {
            Some("target" | "snapshots") => {}
            _ if path.is_dir() => walk(&path, found),
            _ => found.push(path),
        }
    }
}

fn shown(path: &Path) -> String {
    path.strip_prefix(workspace()).unwrap_or(path).display().to_string()
}

#[test]
fn crates_depend_on_each_other_along_the_edges_only() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("host/core", [].as_slice()),
        ("host/store", ["remit-core"].as_slice()),
        ("host/bindings", ["remit-core"].as_slice()),
        ("host/runtime", ["remit-core", "remit-bindings"].as_slice()),
        ("host/server", ["remit-core", "remit-runtime"].as_slice()),
        ("host/cli", ["remit-core", "remit-store", "remit-runtime", "remit-server", "remit-bindings"].as_slice()),
        ("guest-sdk/rust", ["remit-sdk-macros"].as_slice()),
        ("guest-sdk/macros", [].as_slice()),
    ]);
    for (folder, edges) in allowed {
        let text = fs::read_to_string(workspace().join(folder).join("Cargo.toml")).expect("a manifest");
        let dependencies = text.split("[dependencies]").nth(1).unwrap_or_default();
        let own = dependencies.lines().filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|name| name.starts_with("remit-"));
        for name in own {
            assert!(edges.contains(&name), "`{folder}` may not depend on `{name}`");
        }
    }
    let core = fs::read_to_string(workspace().join("host/core/Cargo.toml")).expect("a manifest");
    for banned in ["tokio", "wasmtime", "axum", "rusqlite", "hyper", "rmcp"] {
        assert!(!core.lines().any(|line| line.starts_with(banned)), "`host/core` may not depend on `{banned}`");
    }
    let runtime = fs::read_to_string(workspace().join("host/runtime/Cargo.toml")).expect("a manifest");
    assert!(!runtime.lines().any(|line| line.starts_with("rmcp")), "`host/runtime` knows outside servers by a trait");
}

#[test]
fn a_capability_imports_no_other_one() {
    let folder = workspace().join("host/runtime/src/capability");
    let names = ["fs", "http", "kv", "config", "tools", "sockets"];
    let mut files = Vec::new();
    walk(&folder, &mut files);
    for file in files {
        let relative = file.strip_prefix(&folder).expect("below").to_string_lossy().into_owned();
        let Some(own) = names.iter().find(|name| relative == format!("{name}.rs") || relative.starts_with(&format!("{name}/"))) else {
            continue;
        };
        let text = fs::read_to_string(&file).expect("a file");
        for other in names.iter().filter(|other| other != &own) {
            assert!(!text.contains(&format!("capability::{other}")), "`{relative}` imports `{other}`");
        }
    }
}

#[test]
fn files_and_functions_are_short() {
    let mut long = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).expect("a source");
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > FILE_MAX_LINES {
            long.push(format!("{}: {} lines", shown(&path), lines.len()));
        }
        let mut start: Option<(usize, usize)> = None;
        for (number, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let words = line.trim_start().trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ").trim_start_matches("pub ");
            if ["fn ", "async fn ", "const fn ", "unsafe fn "].iter().any(|head| words.starts_with(head)) {
                start = Some((number, indent));
            } else if let Some((first, _)) = start.filter(|(_, outer)| line.trim() == "}" && indent == *outer) {
                if number - first > FUNCTION_MAX_LINES {
                    long.push(format!("{}:{}: {} lines", shown(&path), first + 1, number - first));
                }
                start = None;
            }
        }
    }
    assert!(long.is_empty(), "too long:\n{}", long.join("\n"));
}

/// Published and vendored WIT never changes under its version: each file has the digest that `wit/digests.txt` names.
#[test]
fn published_wit_did_not_drift() {
    let root = workspace().join("wit");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wit"));
    files.sort();
    let line = |path: &PathBuf| {
        format!("{}  {}\n", Digest::of(&fs::read(path).expect("a file")).hex(), path.strip_prefix(&root).expect("below").display())
    };
    let now: String = files.iter().map(line).collect();
    if std::env::var_os("REMIT_UPDATE_WIT").is_some() {
        fs::write(root.join("digests.txt"), &now).expect("a file");
    }
    let published = fs::read_to_string(root.join("digests.txt")).expect("the digests");
    assert_eq!(published, now, "a published WIT file changed: make a new version's folder (REMIT_UPDATE_WIT=1 records it)");
}

/// The cases that the table of threats has to name, by group and number.
const CASES: [(&str, &[u32]); 7] = [
    ("A", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24]),
    ("F", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15]),
    ("N", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
    ("M", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 18, 19, 21, 22, 23, 24]),
    ("C", &[1, 2, 4, 5]),
    ("L", &[1, 2, 4]),
    ("R", &[1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12]),
];

/// No case is left out of the table of threats: each has tests, or says what it waits for.
#[test]
fn the_table_of_threats_is_whole() {
    let table = fs::read_to_string(workspace().join("docs/threats.md")).expect("the table");
    let rows: BTreeMap<&str, &str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
        .map(|(id, rest)| (id, rest.rsplit(" | ").next().unwrap_or_default()))
        .collect();
    let named = |id: &str| rows.get(id).is_some_and(|last| last.starts_with('`') || last.starts_with("waits for "));
    let missing: Vec<String> = CASES
        .iter()
        .flat_map(|(group, numbers)| numbers.iter().map(move |number| format!("{group}{number}")))
        .filter(|id| !named(id))
        .collect();
    assert!(missing.is_empty(), "docs/threats.md says nothing of {missing:?}");
}

/// Every row of the table of threats names a test that is there.
#[test]
fn the_table_of_threats_is_true() {
    let table = fs::read_to_string(workspace().join("docs/threats.md")).expect("the table");
    let code: String = sources().iter().map(|path| fs::read_to_string(path).expect("a source")).collect();
    let mut tests = 0;
    for row in table.lines().filter(|line| line.starts_with("| ") && line.ends_with("` |")) {
        let tests_of = row.rsplit('|').nth(1).unwrap_or_default();
        for name in tests_of.split('`').skip(1).step_by(2) {
            assert!(code.contains(&format!("fn {name}(")), "no test is named `{name}`: {row}");
            tests += 1;
        }
    }
    assert!(tests > 40, "the table names {tests} tests");
}
