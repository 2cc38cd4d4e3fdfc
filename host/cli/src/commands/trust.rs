//! `remit trust`: this user lets a project run exactly as it is.

use super::review::CLIENTS_APPROVE;
use crate::{
    Exit,
    output::{self, WARN},
};

/// Trust the project exactly as its files are now
///
/// Until then nothing of a project runs: no component, no build. Trust is kept outside the project and ends when `remit.toml` or
/// `remit.lock` changes by other hands than Remit's.
///
/// Example: remit trust
#[derive(Debug, clap::Args)]
pub struct Trust {
    /// Answer yes
    #[arg(long)]
    yes: bool,
}

impl super::Run {
    pub(super) fn trust(&self, arguments: &Trust) -> anyhow::Result<Exit> {
        let project = self.open()?;
        let locked = project.lock.as_ref().map_or(0, |lock| lock.plugins.len());
        output::note(&format!(
            "project `{}` in {}: {}, {locked} approved in `remit.lock`",
            project.project.name,
            project.root.display(),
            output::counted(project.project.plugins.len(), "plugin")
        ));
        project.egress_lines().iter().for_each(|line| output::note(&format!("{WARN}{line}{WARN:#}")));
        if project.project.approvals.accept_client {
            output::note(&format!("{WARN}{CLIENTS_APPROVE}{WARN:#}"));
        }
        if !super::confirm("Let it run what is approved, and build its crates?", arguments.yes)? {
            output::note("nothing was changed");
            return Ok(Exit::Denied);
        }
        self.trusted().trust(&project.pins)?;
        if self.global.json {
            output::json(&serde_json::json!({ "trusted": project.root }));
        } else {
            output::line(&format!("trusted: {}", project.root.display()));
        }
        Ok(Exit::Done)
    }
}
