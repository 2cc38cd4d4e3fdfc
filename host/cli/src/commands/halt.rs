//! `remit disable`, `enable`, `stop` and `start`: what may not run for now, for every process of the project.

use remit_core::{
    audit::{AuditRecord, Decision, DecisionRecord},
    clock::Clock,
    halt::{Halt, HaltSource, Target},
};
use remit_runtime::{
    project::{HaltFile, OpenProject, StateFolder, find},
    services::SystemClock,
};
use serde_json::json;

use crate::{
    Exit,
    output::{self, BAD},
};

/// Disable a plugin, an agent or a principal at once, in every process
///
/// Its next call is refused, and its calls that run end within a second. That lasts until `remit enable`. An agent's turn stops where
/// it is and can be gone on with. Without a name: list what is disabled.
///
/// Examples:
///   remit disable fetch --reason 'asks for odd addresses'
///   remit disable user:ada
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Disable {
    /// A plugin or an agent of the project, or a principal such as `user:ada`
    name: Option<Target>,
    /// Why, in one line, for those who meet it
    #[arg(long, requires = "name")]
    reason: Option<String>,
}

/// Let a plugin, an agent or a principal run again
///
/// Example: remit enable fetch
#[derive(Debug, clap::Args)]
pub struct Enable {
    /// What was disabled
    name: Target,
}

/// Stop everything of the project at once, in every process
///
/// Calls are refused and those that run end within a second, until `remit start`. Turns stop where they are and can be gone on with.
/// Works where `remit.toml` has mistakes and where the project is not trusted.
///
/// Example: remit stop --reason 'looking into it'
#[derive(Debug, clap::Args)]
pub struct Stop {
    /// Why, in one line, for those who meet it
    #[arg(long)]
    reason: Option<String>,
}

/// Let the project run again after `remit stop`; what is disabled stays so
///
/// Example: remit start
#[derive(Debug, clap::Args)]
pub struct Start {}

impl super::Run {
    pub(super) fn disable(&self, arguments: Disable) -> anyhow::Result<Exit> {
        match arguments.name {
            None => self.halted(),
            Some(Target::Everything) => self.halt(Target::Everything, arguments.reason, Decision::Stop),
            Some(target) => self.halt(target, arguments.reason, Decision::Disable),
        }
    }

    pub(super) fn enable(&self, arguments: Enable) -> anyhow::Result<Exit> {
        match arguments.name {
            Target::Everything => self.resume(Target::Everything, Decision::Start),
            target => self.resume(target, Decision::Enable),
        }
    }

    pub(super) fn stop(&self, arguments: Stop) -> anyhow::Result<Exit> {
        self.halt(Target::Everything, arguments.reason, Decision::Stop)
    }

    pub(super) fn start(&self) -> anyhow::Result<Exit> {
        self.resume(Target::Everything, Decision::Start)
    }

    /// Halts `target`. It takes effect before it is recorded: a full disk, say, keeps nobody from stopping what fills it.
    fn halt(&self, target: Target, reason: Option<String>, decision: Decision) -> anyhow::Result<Exit> {
        let (state, project) = self.state_folder()?;
        if let (Target::Plugin(name), Some(project)) = (&target, &project) {
            project.plugin(name.as_str())?;
        }
        let halt = Halt { by: self.environment.principal.clone(), at: SystemClock.now(), reason };
        let new = HaltFile::new(&state).change(|halts| halts.halt(target.clone(), halt))?;
        let (what, is) = in_words(&target);
        match new {
            true => output::note(&format!("{what} is {BAD}{is}{BAD:#}: the next call is refused, and what runs ends within a second")),
            false => output::note(&format!("{what} is {is} already")),
        }
        self.record_halt(&state, project.as_ref(), &target, decision)?;
        self.tell_halt(&target, true)
    }

    /// Lets `target` run again. It is recorded before it takes effect.
    fn resume(&self, target: Target, decision: Decision) -> anyhow::Result<Exit> {
        let (state, project) = self.state_folder()?;
        self.record_halt(&state, project.as_ref(), &target, decision)?;
        let was = HaltFile::new(&state).change(|halts| Ok(halts.resume(&target)))?;
        let (what, is) = in_words(&target);
        output::note(&format!(
            "{what} {}",
            if was { "runs again, where nothing else halts it".to_owned() } else { format!("was not {is}") }
        ));
        self.tell_halt(&target, false)
    }

    fn tell_halt(&self, target: &Target, halted: bool) -> anyhow::Result<Exit> {
        if self.global.json {
            output::json(&json!({ "target": target.to_string(), "halted": halted }));
        }
        Ok(Exit::Done)
    }

    /// Lists what is halted.
    fn halted(&self) -> anyhow::Result<Exit> {
        let halts = HaltFile::new(&self.state_folder()?.0).halts()?;
        if self.global.json {
            let one = |(target, halt): (&Target, &Halt)| json!({ "target": target.to_string(), "by": halt.by, "at": halt.at.to_string(), "reason": halt.reason });
            output::json(&json!({ "halted": halts.iter().map(one).collect::<Vec<_>>() }));
            return Ok(Exit::Done);
        }
        if halts.iter().next().is_none() {
            output::note("nothing is disabled");
        }
        for (target, halt) in halts.iter() {
            let (what, is) = in_words(target);
            output::line(&format!("{what} is {BAD}{is}{BAD:#} {halt}"));
        }
        Ok(Exit::Done)
    }

    fn record_halt(&self, state: &StateFolder, project: Option<&OpenProject>, target: &Target, decision: Decision) -> anyhow::Result<()> {
        let (plugin, of) = match target {
            Target::Everything => (None, None),
            Target::Plugin(name) => (Some(name.as_str()), None),
            Target::Principal(principal) => (None, Some(principal)),
        };
        let (at, principal, project) = (SystemClock.now(), &self.environment.principal, project.map_or("", |open| &open.project.name));
        let delegation = &[];
        let record = DecisionRecord { at, decision, principal, delegation, project, session: None, wait: None, of, plugin, refused: None };
        self.record(state, &AuditRecord::Decision(record))
    }

    /// The state folder of the project, and the project where it can be read: an emergency does not wait for a mistake to be mended.
    pub(super) fn state_folder(&self) -> anyhow::Result<(StateFolder, Option<OpenProject>)> {
        match self.open() {
            Ok(project) => Ok((project.state.clone(), Some(project))),
            Err(error) => {
                let root = find(self.global.project.as_deref(), self.environment.project.as_deref(), &self.environment.cwd)?;
                match &self.environment.home {
                    None => Ok((StateFolder::new(&root, "", None), None)),
                    // Its name is a part of where its state lies.
                    Some(_) => Err(error),
                }
            }
        }
    }
}

/// A target, and what is said of it, in words.
fn in_words(target: &Target) -> (String, &'static str) {
    match target {
        Target::Everything => ("everything".to_owned(), "stopped"),
        target => (format!("`{target}`"), "disabled"),
    }
}
