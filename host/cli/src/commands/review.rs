//! `remit review`: what changed since it was approved, and a person's yes to it.

use remit_core::plugin::{
    Definition, PluginName,
    diff::{Changes, Sign, diff},
    lock::{Lock, LockedPlugin},
    text::visible,
};
use remit_runtime::project::OpenProject;

use crate::{
    Exit,
    error::with_hints,
    opened::Current,
    output::{self, BAD, DIM, GOOD, HEAD, WARN},
    outside::{Start, known},
    secrets::{State, print_state, states_json},
};

/// Review what the plugins are, may do, and what changed; on yes, write `remit.lock`
///
/// Shows, for each plugin, the difference to what was approved last: its component, tools, imports, declared and granted rights.
/// Builds nothing. An outside server (`command`, `url`) is started or asked only when you say yes, to list its tools. With `--check`, writes nothing and ends with 3 when anything grew: for a pipeline.
///
/// Examples:
///   remit review
///   remit review --check
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Review {
    /// Approve everything that is shown
    #[arg(long, conflicts_with = "check")]
    yes: bool,
    /// Start outside servers, or connect to them, to list their tools, without asking you: they are outside of the sandbox
    #[arg(long, conflicts_with = "check")]
    start: bool,
    /// Write nothing; end with 3 when anything grew
    #[arg(long)]
    check: bool,
}

/// What a review found of one plugin.
struct Found {
    name: PluginName,
    state: Result<(Current, Changes), anyhow::Error>,
    secrets: Vec<(String, State)>,
}

impl super::Run {
    pub(super) fn review(&self, arguments: &Review) -> anyhow::Result<Exit> {
        let project = self.open()?.as_written();
        // A lock that this user did not write is somebody else's word: everything is shown, and asked about.
        let known = arguments.check || self.trusted().knows_lock(&project.pins);
        let lock = if known { project.lock.clone().unwrap_or_default() } else { Lock::default() };
        let start = match (arguments.check, arguments.start) {
            (true, _) => Start::Never,
            (false, true) => Start::Yes,
            (false, false) => Start::Ask,
        };
        let found: Vec<Found> = project.project.plugins.values().map(|plugin| self.find_changes(&project, plugin, &lock, start)).collect();
        let gone: Vec<PluginName> = lock.plugins.keys().filter(|name| !project.project.plugins.contains_key(*name)).cloned().collect();
        if self.global.json {
            output::json(&as_json(&found, &gone));
        } else {
            found.iter().for_each(|found| found.print(&lock));
            gone.iter().for_each(|name| output::line(&format!("{HEAD}{name}{HEAD:#}\n  - no longer in `remit.toml`")));
        }
        if arguments.check {
            return Ok(self.checked(&found));
        }
        self.decide(&project, lock, found, &gone, arguments.yes)
    }

    fn find_changes(&self, project: &OpenProject, plugin: &remit_core::project::Plugin, lock: &Lock, start: Start) -> Found {
        let state = self.current(project, plugin, known(Some(lock), plugin), start).map(|current| {
            let changes = diff(lock.plugins.get(&plugin.name), &current.locked);
            (current, changes)
        });
        Found { name: plugin.name.clone(), state, secrets: self.secret_states(project, plugin, None) }
    }

    fn checked(&self, found: &[Found]) -> Exit {
        let grew = found.iter().any(|found| found.state.as_ref().is_ok_and(|(_, changes)| changes.grew()));
        let broken = found.iter().any(|found| found.state.is_err());
        match (grew, broken) {
            (true, _) => Exit::Denied,
            (false, true) => Exit::Usage,
            (false, false) => Exit::Done,
        }
    }

    fn decide(&self, project: &OpenProject, mut lock: Lock, found: Vec<Found>, gone: &[PluginName], yes: bool) -> anyhow::Result<Exit> {
        let mut approved = Vec::new();
        let mut left = 0;
        for found in found {
            let Ok((current, changes)) = found.state else {
                left += 1;
                continue;
            };
            if changes.is_empty() {
                continue;
            }
            if super::confirm(&format!("Approve `{}` as shown?", found.name), yes)? {
                approved.push((found.name, current));
            } else {
                left += 1;
            }
        }
        gone.iter().for_each(|name| drop(lock.plugins.remove(name)));
        let count = approved.len();
        if count > 0 || !gone.is_empty() || project.lock.is_none() || (left == 0 && self.trusted().check(&project.pins).is_err()) {
            self.approve(project, lock, approved, "review", None)?;
        }
        let beside = if left > 0 { format!(", {left} left out") } else { String::new() };
        output::note(&format!("{GOOD}reviewed{GOOD:#}: {count} approved{beside}"));
        Ok(if left > 0 { Exit::Usage } else { Exit::Done })
    }
}

impl Found {
    fn print(&self, lock: &Lock) {
        output::line(&format!("{HEAD}{}{HEAD:#}", self.name));
        match &self.state {
            Err(error) => {
                let text = error.downcast_ref::<remit_core::Error>().map_or_else(|| error.to_string(), with_hints);
                output::line(&format!("  {BAD}not loaded{BAD:#}: {}", text.trim_start_matches("error: ")));
            }
            Ok((current, changes)) => {
                match changes.is_empty() {
                    true => output::line("  as approved"),
                    false => changes.list.iter().for_each(print_change),
                }
                self.secrets.iter().for_each(|(name, state)| print_state("  secret ", name, state, ""));
                print_outside(current, lock.plugins.get(&self.name));
            }
        }
    }
}

/// What a person has to read of an outside server's tools besides their differences.
fn print_outside(current: &Current, known: Option<&LockedPlugin>) {
    if current.component.is_some() {
        return;
    }
    let is_known = |tool: &Definition| known.and_then(|known| known.tools.get(&tool.name)) == Some(tool);
    for tool in current.locked.tools.values().filter(|tool| !is_known(tool)) {
        output::line(&format!("  {DIM}{}{DIM:#}", tool.name));
        tool.description.lines().for_each(|line| output::line(&format!("    {line}")));
    }
    for (name, reason) in &current.left_out {
        output::line(&format!("  {BAD}{name}{BAD:#}  not offered: {}", visible(reason, 300)));
    }
}

/// One difference, marked by what it does.
pub fn print_change(change: &remit_core::plugin::diff::Change) {
    let style = match change.sign {
        Sign::Added => GOOD,
        Sign::Removed => BAD,
        Sign::Changed => WARN,
    };
    output::line(&format!("  {style}{change}{style:#}"));
}

fn as_json(found: &[Found], gone: &[PluginName]) -> serde_json::Value {
    let one = |found: &Found| match &found.state {
        Ok((current, changes)) => serde_json::json!({
            "plugin": found.name.as_str(),
            "digest": current.locked.digest,
            "grew": changes.grew(),
            "secrets": states_json(&found.secrets),
            "changes": changes.list.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "notOffered": current.left_out.iter().map(|(name, reason)| serde_json::json!({ "name": name, "reason": reason })).collect::<Vec<_>>(),
        }),
        Err(error) => serde_json::json!({ "plugin": found.name.as_str(), "error": error.to_string() }),
    };
    let gone: Vec<_> = gone.iter().map(PluginName::as_str).collect();
    serde_json::json!({ "plugins": found.iter().map(one).collect::<Vec<_>>(), "gone": gone })
}
