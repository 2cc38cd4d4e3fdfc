//! Puts what `remit new` vendors into the binary: the SDK, its macros, the WIT packages and the templates.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a build script reads the repository"
)]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let mut code = String::new();
    for (name, folder) in [
        ("SDK", "guest-sdk/rust"),
        ("MACROS", "guest-sdk/macros"),
        ("TEMPLATE_RUST", "host/cli/templates/rust"),
        ("TEMPLATE_AGENT", "host/cli/templates/agent"),
    ] {
        let folder = root.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        walk(&folder, &mut files)?;
        files.sort();
        writeln!(code, "/// Files with their paths, from `{name}`.\npub static {name}: &[(&str, &str)] = &[")?;
        for file in files {
            let relative = file.strip_prefix(&folder)?.display().to_string();
            writeln!(code, "    ({relative:?}, include_str!({:?})),", file.display().to_string())?;
        }
        writeln!(code, "];")?;
    }
    fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("vendored.rs"), code)?;
    Ok(())
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.file_name().and_then(|name| name.to_str()) {
            Some("target" | "tests" | "Cargo.lock") => {}
            _ if path.is_dir() => walk(&path, files)?,
            _ => files.push(path),
        }
    }
    Ok(())
}
