//! `remit doctor`: what this machine and this project lack.

use std::process::{Command, Stdio};

use remit_core::halt::HaltSource;
use remit_runtime::project::HaltFile;

use crate::{
    Exit,
    output::{self, BAD, GOOD, WARN},
};

/// Check what Remit needs on this machine, and what the project lacks
///
/// Example: remit doctor
#[derive(Debug, clap::Args)]
pub struct Doctor {}

/// What was found, and what to do about it.
struct Check {
    name: &'static str,
    /// Fine, not needed for everything, or wrong.
    state: State,
    found: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Fine,
    Missing,
    Wrong,
}

impl super::Run {
    pub(super) fn doctor(&self, _: &Doctor) -> anyhow::Result<Exit> {
        let mut checks = vec![self.engine(), tool("cargo", &["--version"], "needed by `remit build`: https://rustup.rs"), target()];
        checks.push(match self.open() {
            Ok(project) => match self.trusted().check(&project.pins) {
                Ok(()) => check("project", State::Fine, format!("`{}`, trusted", project.project.name)),
                Err(error) => check("project", State::Missing, error.to_string()),
            },
            Err(error) => check("project", State::Missing, error.to_string()),
        });
        if let Ok(project) = self.open() {
            match HaltFile::new(&project.state).halts() {
                Ok(halts) => checks.extend(halts.iter().map(|(target, halt)| check("halted", State::Missing, format!("{target} {halt}")))),
                Err(error) => checks.push(check("halted", State::Wrong, error.to_string())),
            }
        }
        // Only what is trusted is looked into further: nothing of another project runs or is written.
        if let Ok(project) = self.open_trusted() {
            for plugin in project.project.plugins.values() {
                let state = self.approved(&project, plugin);
                let found =
                    state.as_ref().map_or_else(|error| format!("{}: {error}", plugin.name), |_| format!("{}: as approved", plugin.name));
                checks.push(check("plugin", if state.is_ok() { State::Fine } else { State::Missing }, found));
                for (name, state) in self.secret_states(&project, plugin, None) {
                    checks.push(match state {
                        Ok(found) => check("secret", State::Fine, format!("{}: {name} {found}", plugin.name)),
                        Err(error) => {
                            let found = format!("{}: {error}; {}", plugin.name, error.hints.join("; "));
                            check("secret", State::Missing, found)
                        }
                    });
                }
            }
        }
        if self.global.json {
            let one = |check: &Check| serde_json::json!({ "name": check.name, "ok": check.state == State::Fine, "found": check.found });
            output::json(&serde_json::json!({ "checks": checks.iter().map(one).collect::<Vec<_>>() }));
        } else {
            checks.iter().for_each(Check::print);
        }
        Ok(if checks.iter().any(|check| check.state == State::Wrong) { Exit::Host } else { Exit::Done })
    }

    /// The engine starts, and its compile cache can be used.
    fn engine(&self) -> Check {
        match self.host() {
            Ok(_) => check("engine", State::Fine, format!("ready; compiled components in {}", self.environment.cache.display())),
            Err(error) => check("engine", State::Wrong, error.to_string()),
        }
    }
}

fn check(name: &'static str, state: State, found: impl Into<String>) -> Check {
    Check { name, state, found: found.into() }
}

fn tool(name: &'static str, arguments: &[&str], missing: &str) -> Check {
    let ran = Command::new(name).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output();
    match ran {
        Ok(ran) if ran.status.success() => {
            check(name, State::Fine, String::from_utf8_lossy(&ran.stdout).lines().next().unwrap_or_default())
        }
        _ => check(name, State::Missing, missing),
    }
}

fn target() -> Check {
    let listed = Command::new("rustup").args(["target", "list", "--installed"]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    match listed {
        Ok(listed) if String::from_utf8_lossy(&listed.stdout).contains("wasm32-wasip2") => check("target", State::Fine, "wasm32-wasip2"),
        Ok(_) => {
            check("target", State::Missing, "wasm32-wasip2 is not installed; `remit build` does it, or: rustup target add wasm32-wasip2")
        }
        Err(_) => check("target", State::Missing, "without rustup, the target wasm32-wasip2 has to be there for `remit build`"),
    }
}

impl Check {
    fn print(&self) {
        let (style, mark) = match self.state {
            State::Fine => (GOOD, "ok"),
            State::Missing => (WARN, "--"),
            State::Wrong => (BAD, "no"),
        };
        output::line(&format!("{style}{mark}{style:#}  {:8} {}", self.name, self.found));
    }
}
