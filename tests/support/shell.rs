//! The command line as a person types it, in a folder and a home of its own.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::build;

/// A home and a working directory for commands.
pub struct Shell {
    home: tempfile::TempDir,
    cwd: PathBuf,
}

impl Shell {
    /// A new home; the working directory is `work` in it.
    pub fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let cwd = home.path().join("work");
        std::fs::create_dir(&cwd).expect("a folder");
        Self { home, cwd }
    }

    /// The working directory.
    pub fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// Writes a file below the working directory.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.cwd.join(path);
        std::fs::create_dir_all(path.parent().expect("below the working directory")).expect("a folder");
        std::fs::write(path, content).expect("a file");
        self
    }

    /// The command with its surroundings, not yet run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(build::remit(), arguments)
    }

    /// The same, for the binary at another place.
    pub fn command_of(&self, remit: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(remit);
        command
            .args(arguments)
            .current_dir(&self.cwd)
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        // Rust's own homes are where they are, not in the test's; compiled components are shared with the other tests.
        let real = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        for (name, default) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            command.env(name, std::env::var_os(name).unwrap_or_else(|| real.join(default).into_os_string()));
        }
        command.env("XDG_CACHE_HOME", build::workspace().join("target/test-cache-home")).stdin(Stdio::null());
        command
    }

    /// Runs the command.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary runs")
    }

    /// The records of the project's audit log but those of its epochs, once there are so many: a process that runs may write some of them
    /// a little later.
    pub fn audit(&self, at_least: usize) -> Vec<Value> {
        let mut records = Vec::new();
        for _ in 0..200 {
            let exported = self.run(&["audit", "export"]);
            assert!(exported.status.success(), "{exported:?}");
            let text = String::from_utf8(exported.stdout).expect("text");
            let all = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
            records = all.filter(|record| record["type"] != "epoch").collect();
            if records.len() >= at_least {
                break;
            }
        }
        assert!(records.len() >= at_least, "{records:?}");
        records
    }

    /// Runs the command and tells it as a transcript: what was typed, standard output, standard error, exit status.
    pub fn transcript(&self, arguments: &[&str]) -> Transcript {
        let output = self.run(arguments);
        Transcript::new(arguments, &output, self.home.path())
    }
}

impl Default for Shell {
    fn default() -> Self {
        Self::new()
    }
}

/// What a person would see.
pub struct Transcript(String);

impl Transcript {
    fn new(arguments: &[&str], output: &Output, home: &Path) -> Self {
        let mut text = format!("$ remit {}\n", arguments.join(" "));
        text += &String::from_utf8_lossy(&output.stdout);
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            writeln!(text, "! {line}").expect("a string grows");
        }
        write!(text, "[exit status: {}]", output.status.code().map_or("signal".to_owned(), |code| code.to_string()))
            .expect("a string grows");
        let home = home.canonicalize().expect("the home is there");
        Self(text.replace(&*home.to_string_lossy(), "[HOME]"))
    }
}

impl std::fmt::Display for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
