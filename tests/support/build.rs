//! Guests and the binary, built once a run with the same cargo that runs the tests.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

/// Tells a child process of a test where the binary is.
const BINARY: &str = "REMIT_TEST_BINARY";
/// Tells a child process of a test where its guests are.
const GUESTS: &str = "REMIT_TEST_GUESTS";
/// What guests are built for.
const TARGET: &str = "wasm32-wasip2";

/// The repository's root.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository").to_path_buf()
}

/// The `remit` binary of this profile.
pub fn remit() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(path) = std::env::var_os(BINARY) {
            return path.into();
        }
        let mut arguments = vec!["build", "--locked", "-p", "remit-cli", "--bin", "remit"];
        if !cfg!(debug_assertions) {
            arguments.push("--release");
        }
        let made = cargo(&workspace(), &arguments);
        made.into_iter().find(|path| path.file_stem().is_some_and(|stem| stem == "remit")).expect("cargo made the binary")
    })
}

/// The program `name` of `tests/fixtures` that runs on this machine.
pub fn tool(name: &str) -> PathBuf {
    let made = cargo(&workspace().join("tests/fixtures"), &["build", "--release", "--locked", "-p", name]);
    made.into_iter().find(|path| path.file_stem().is_some_and(|stem| stem == name)).expect("cargo made the program")
}

/// A guest of `tests/fixtures`, as its toolchain makes it.
pub fn fixture(name: &str) -> Arc<[u8]> {
    match std::env::var_os(GUESTS) {
        Some(folder) => std::fs::read(Path::new(&folder).join(format!("{name}.wasm"))).expect("the parent wrote it").into(),
        None => built("tests/fixtures", name),
    }
}

/// What a test's child process is told so that it need not ask cargo: the binary, and a folder that now holds these guests.
pub fn handed_on(folder: &Path, guests: &[&str]) -> [(&'static str, PathBuf); 2] {
    for name in guests {
        std::fs::write(folder.join(format!("{name}.wasm")), fixture(name)).expect("written");
    }
    [(BINARY, remit().to_owned()), (GUESTS, folder.to_owned())]
}

/// A plugin of `plugins`, without its section.
pub fn component(name: &str) -> Arc<[u8]> {
    built("plugins", name)
}

/// Says aloud that a test did not run; the gate counts these lines.
pub fn skipped(test: &str, why: &str) {
    use std::io::Write as _;
    // Not `eprintln!`: the test harness would keep it to itself.
    writeln!(std::io::stderr(), "SKIPPED {test}: {why}").expect("standard error is there");
}

type Built = BTreeMap<String, Arc<[u8]>>;

fn built(folder: &'static str, name: &str) -> Arc<[u8]> {
    static FOLDERS: Mutex<BTreeMap<&'static str, Arc<Built>>> = Mutex::new(BTreeMap::new());
    let mut folders = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
    need_target();
    let guests = folders.entry(folder).or_insert_with(|| {
        let made = cargo(&workspace().join(folder), &["build", "--release", "--locked", "--target", TARGET]);
        let guests = made.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "wasm"));
        Arc::new(guests.map(|path| (stem(&path), std::fs::read(&path).expect("cargo made it").into())).collect())
    });
    guests.get(&name.replace('-', "_")).unwrap_or_else(|| panic!("`{folder}` makes no `{name}`: it makes {:?}", guests.keys())).clone()
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Makes sure that Rust can build guests, as `remit build` does: rustup does not everywhere install what `rust-toolchain.toml` names.
fn need_target() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let rustup = |arguments: &[&str]| Command::new("rustup").args(arguments).current_dir(workspace()).output();
        // Without rustup the target may be there all the same; cargo says so if it is not.
        let Ok(installed) = rustup(&["target", "list", "--installed"]) else { return };
        if !String::from_utf8_lossy(&installed.stdout).lines().any(|line| line == TARGET) {
            let added = rustup(&["target", "add", TARGET]).expect("rustup runs");
            assert!(added.status.success(), "rustup target add {TARGET}: {}", String::from_utf8_lossy(&added.stderr));
        }
    });
}

/// Runs cargo in `folder`; returns the files that it made or found fresh.
fn cargo(folder: &Path, arguments: &[&str]) -> Vec<PathBuf> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder).args(arguments).arg("--message-format=json-render-diagnostics");
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy().into_owned();
        if name_text.starts_with("CARGO_") && !matches!(name_text.as_str(), "CARGO_HOME" | "CARGO_TARGET_DIR" | "CARGO_INCREMENTAL") {
            command.env_remove(&name);
        }
    }
    if folder != workspace() {
        command.env_remove("CARGO_TARGET_DIR");
    }
    let ended = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(ended.status.success(), "cargo {arguments:?} in {} failed", folder.display());
    let lines = String::from_utf8_lossy(&ended.stdout).into_owned();
    let files = |line: &str| -> Vec<PathBuf> {
        let message: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        message["filenames"].as_array().into_iter().flatten().filter_map(|name| name.as_str()).map(PathBuf::from).collect()
    };
    let executables = |line: &str| -> Option<PathBuf> {
        let message: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        message["executable"].as_str().map(PathBuf::from)
    };
    lines.lines().flat_map(|line| executables(line).into_iter().chain(files(line)).collect::<Vec<_>>()).collect()
}
