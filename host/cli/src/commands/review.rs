//! `remit review`: what changed since it was approved, and a person's yes to it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use remit_core::{
    Error,
    plugin::{
        PluginName,
        diff::{Changes, diff},
        flag::Flag,
        lock::{Approval, Lock, LockedPlugin},
        text::visible,
    },
};
use remit_runtime::project::OpenProject;
use remit_server::mcp::shape;
use serde_json::{Value, json};

use super::{
    review_show::{print_change, print_definitions, print_flag, print_head},
    session_show::when,
};
use crate::{
    Exit,
    error::with_hints,
    opened::{Current, Door},
    output::{self, BAD, GOOD, HEAD, WARN},
    outside::{Start, known},
    secrets::{State, print_state, states_json},
    signing::Signing,
};

/// What somebody has to know of a project whose `approvals.accept_client` is set before they let it run.
pub(super) const CLIENTS_APPROVE: &str = "MCP clients may approve calls in a person's name (`approvals.accept_client = true`)";

/// Review what the plugins are, may do, and what changed; on yes, write `remit.lock`
///
/// Shows, for each plugin, what it imports, declares and is granted, the difference to what was approved last, its new tools as a model
/// will see them, and what deserves a second look (`!`), with something narrower where there is. Builds nothing. An outside server
/// (`command`, `url`) is started or asked only when you say yes, to list its tools. With `--check`, writes nothing and ends with 3 when anything grew: for a pipeline.
///
/// Examples:
///   remit review
///   remit review --check
///   remit review --sign ~/.minisign/remit.key
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
    /// Sign the approvals with this key of minisign, in a project whose `[review]` names signers
    #[arg(long, value_name = "KEYFILE", conflicts_with = "check")]
    sign: Option<PathBuf>,
}

/// What counts as approved, and whose approval has no signature that holds.
struct Known {
    lock: Lock,
    unsigned: BTreeMap<PluginName, String>,
}

/// What a review found of one plugin.
struct Found {
    name: PluginName,
    state: Result<Looked, anyhow::Error>,
    secrets: Vec<(String, State)>,
}

/// A plugin that could be looked at.
struct Looked {
    current: Current,
    changes: Changes,
    flags: Vec<Flag>,
}

impl super::Run {
    pub(super) fn review(&self, arguments: &Review) -> anyhow::Result<Exit> {
        let project = self.open()?.as_written();
        // A lock that this user did not write is somebody else's word: everything is shown, and asked about.
        let known = Known::of(&project, arguments.check || self.trusted().knows_lock(&project.pins));
        let signing = arguments.sign.as_ref().map(|file| self.signing(&project, file)).transpose()?;
        let start = match (arguments.check, arguments.start) {
            (true, _) => Start::Never,
            (false, true) => Start::Yes,
            (false, false) => Start::Ask,
        };
        let plugins = project.project.plugins.values();
        let found: Vec<Found> = plugins.map(|plugin| self.find_changes(&project, plugin, &known.lock, start)).collect();
        let locked = known.lock.plugins.keys();
        let gone: Vec<PluginName> = locked.filter(|name| !project.project.plugins.contains_key(*name)).cloned().collect();
        if self.global.json {
            let plugins: Vec<_> = found.iter().map(|found| found.json(&known)).collect();
            let (gone, accepting) = (gone.iter().map(PluginName::as_str).collect::<Vec<_>>(), project.project.approvals.accept_client);
            output::json(&json!({ "plugins": plugins, "gone": gone, "acceptClient": accepting, "http": project.egress_lines() }));
        } else {
            found.iter().for_each(|found| found.print(&known));
            gone.iter().for_each(|name| output::line(&format!("{HEAD}{name}{HEAD:#}\n  - no longer in `remit.toml`")));
            project.egress_lines().iter().for_each(|line| output::line(&format!("{WARN}{line}{WARN:#}")));
            if project.project.approvals.accept_client {
                output::line(&format!("{WARN}{CLIENTS_APPROVE}{WARN:#}"));
            }
        }
        if arguments.check {
            return Ok(self.checked(&found));
        }
        self.decide(&project, known.lock, found, &gone, Door { via: "review", signing: signing.as_ref() }, arguments.yes)
    }

    /// The key that signs, opened before anything is shown.
    fn signing(&self, project: &OpenProject, file: &Path) -> anyhow::Result<Signing> {
        if project.project.signers.is_empty() {
            let error = Error::invalid("nobody has to sign the approvals of this project");
            return Err(error.hint("name who has to, in `remit.toml` below `[review]`: signers = [\"RW…\"]").into());
        }
        Signing::open(&self.environment.cwd.join(file), &project.project)
    }

    fn find_changes(&self, project: &OpenProject, plugin: &remit_core::project::Plugin, lock: &Lock, start: Start) -> Found {
        let state = self.current(project, plugin, known(Some(lock), plugin), start).map(|current| {
            let changes = diff(lock.plugins.get(&plugin.name), &current.locked);
            let flags = current.flags(self, project, plugin);
            Looked { current, changes, flags }
        });
        Found { name: plugin.name.clone(), state, secrets: self.secret_states(project, plugin, None) }
    }

    fn checked(&self, found: &[Found]) -> Exit {
        let grew = found.iter().any(|found| found.state.as_ref().is_ok_and(|looked| looked.changes.grew()));
        let broken = found.iter().any(|found| found.state.is_err());
        match (grew, broken) {
            (true, _) => Exit::Denied,
            (false, true) => Exit::Usage,
            (false, false) => Exit::Done,
        }
    }

    fn decide(
        &self,
        project: &OpenProject,
        mut lock: Lock,
        found: Vec<Found>,
        gone: &[PluginName],
        door: Door<'_>,
        yes: bool,
    ) -> anyhow::Result<Exit> {
        let mut approved = Vec::new();
        let mut left = 0;
        for found in found {
            let Ok(Looked { current, changes, .. }) = found.state else {
                left += 1;
                continue;
            };
            if changes.is_empty() {
                continue;
            }
            if door.signing.is_none() && !project.project.signers.is_empty() {
                let error = Error::invalid(format!("the approval of `{}` has to be signed, so nothing was written", found.name));
                return Err(error.hint("remit review --sign KEYFILE").into());
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
            self.approve(project, lock, approved, door, None)?;
        }
        let beside = if left > 0 { format!(", {left} left out") } else { String::new() };
        output::note(&format!("{GOOD}reviewed{GOOD:#}: {count} approved{beside}"));
        Ok(if left > 0 { Exit::Usage } else { Exit::Done })
    }
}

impl Known {
    /// What of the lock of `project` counts: all of it or nothing, and no approval that has to be signed and is not.
    fn of(project: &OpenProject, counts: bool) -> Self {
        let mut lock = if counts { project.lock.clone().unwrap_or_default() } else { Lock::default() };
        let mut unsigned = BTreeMap::new();
        lock.plugins.retain(|name, locked| match locked.check_signed(&project.project, name) {
            Ok(()) => true,
            Err(error) => {
                unsigned.insert(name.clone(), error.message);
                false
            }
        });
        Self { lock, unsigned }
    }
}

impl Found {
    fn print(&self, known: &Known) {
        output::line(&format!("{HEAD}{}{HEAD:#}", self.name));
        match &self.state {
            Err(error) => {
                let text = error.downcast_ref::<Error>().map_or_else(|| error.to_string(), with_hints);
                output::line(&format!("  {BAD}not loaded{BAD:#}: {}", text.trim_start_matches("error: ")));
            }
            Ok(Looked { current, changes, flags }) => {
                let locked = known.lock.plugins.get(&self.name);
                print_head(current);
                if let Some(why) = known.unsigned.get(&self.name) {
                    output::line(&format!("  {WARN}shown as new{WARN:#}: {why}"));
                }
                self.secrets.iter().for_each(|(name, state)| print_state("  secret ", name, state, ""));
                if changes.is_empty() {
                    let last = locked.and_then(|locked| locked.approvals.last());
                    output::line(&format!("  as approved{}", last.map(approval).unwrap_or_default()));
                }
                changes.list.iter().for_each(print_change);
                print_definitions(current, locked);
                flags.iter().for_each(print_flag);
            }
        }
    }

    fn json(&self, known: &Known) -> Value {
        let Looked { current, changes, flags } = match &self.state {
            Ok(looked) => looked,
            Err(error) => return json!({ "plugin": self.name.as_str(), "error": error.to_string() }),
        };
        let LockedPlugin { source, digest, kind, imports, declared, granted, ask, limits, isolation, tools, .. } = &current.locked;
        let approvals = known.lock.plugins.get(&self.name).into_iter().flat_map(|locked| &locked.approvals);
        let approvals = approvals
            .map(|one| json!({ "by": one.by, "via": one.via, "at": one.at.to_string(), "signed": one.signature.is_some() }))
            .collect::<Vec<_>>();
        json!({
            "plugin": self.name.as_str(),
            "source": source,
            "digest": digest,
            "kind": kind,
            "imports": imports,
            "declared": declared,
            "granted": granted,
            "ask": ask,
            "limits": limits,
            "isolation": isolation,
            "tools": tools.values().map(|tool| shape::tool(&tool.name, tool, None)).collect::<Vec<_>>(),
            "approvals": approvals,
            "unsigned": known.unsigned.get(&self.name),
            "grew": changes.grew(),
            "secrets": states_json(&self.secrets),
            "changes": changes.list.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "flags": flags,
            "notOffered": current.left_out.iter().map(|(name, reason)| json!({ "name": name, "reason": reason })).collect::<Vec<_>>(),
        })
    }
}

/// Who gave an approval, where and when.
fn approval(approval: &Approval) -> String {
    let signed = if approval.signature.is_some() { ", signed" } else { "" };
    format!(" by {} ({}{signed}), {}", approval.by, visible(&approval.via, 32), when(approval.at))
}
