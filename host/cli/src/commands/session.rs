//! `remit session`: what there is of sessions, and what becomes of them.

use std::time::Duration;

use remit_core::{
    id::SessionId,
    identity::{Context, Principal, Role},
    plugin::NO_AGENT,
    store::{Called, SessionFilter, SessionRow, Status},
};
use remit_runtime::{Host, Patience, RunRequest};
use serde_json::json;

use super::{
    run::{chain, status},
    session_output, session_past, session_show,
    session_show::when,
};
use crate::{
    Exit,
    output::{self, BAD, DIM, HEAD, WARN, counted},
};

/// Look at sessions, go on with them, end them
#[derive(Debug, clap::Subcommand)]
pub enum Session {
    List(List),
    Show(session_show::Show),
    Output(session_output::Output),
    Resume(Resume),
    Fork(session_past::Fork),
    Revert(session_past::Revert),
    Abandon(session_past::Abandon),
    Kill(Kill),
    Erase(Erase),
    Export(session_past::Export),
    Import(session_past::Import),
}

/// List the project's sessions, newest first
///
/// Example: remit session list --status waiting
#[derive(Debug, clap::Args)]
pub struct List {
    /// Only those in this status: idle, running, waiting, quarantined, killed
    #[arg(long, value_parser = parse_status)]
    status: Vec<Status>,
    /// Also those that agents called, each with the agents above it
    #[arg(long)]
    called: bool,
    /// At most this many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Those before this one, for the next page
    #[arg(long, value_name = "ID")]
    before: Option<String>,
}

/// Go on with a turn that was cut off or waits, and then with the inputs that were queued
///
/// A turn goes on with the component that it began with, also where the project serves another one by now.
///
/// Example: remit session resume ses_01k…
#[derive(Debug, clap::Args)]
pub struct Resume {
    /// The session
    session: String,
    /// Try a turn that is quarantined once more, with this component: the one that it began with
    #[arg(long, value_name = "DIGEST")]
    component: Option<String>,
    /// Stay until the turn ends, whatever it waits for
    #[arg(long)]
    wait: bool,
}

/// End a session for good, wherever it hangs
///
/// Example: remit session kill ses_01k…
#[derive(Debug, clap::Args)]
pub struct Kill {
    /// The session
    session: String,
}

/// Remove a session with its journal, its state and its workspaces, or all that belongs to somebody
///
/// Examples:
///   remit session erase ses_01k… --yes
///   remit session erase --principal user:ada
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Erase {
    /// The session
    #[arg(required_unless_present = "principal")]
    session: Option<String>,
    /// All sessions of this principal instead, and its own key-value data and workspaces
    #[arg(long, conflicts_with = "session")]
    principal: Option<Principal>,
    /// Answer yes
    #[arg(long)]
    yes: bool,
}

fn parse_status(text: &str) -> Result<Status, String> {
    serde_json::from_value(json!(text)).map_err(|_unknown| "one of idle, running, waiting, quarantined, killed".to_owned())
}

impl super::Run {
    pub(super) fn session(&self, command: &Session) -> anyhow::Result<Exit> {
        match command {
            Session::List(arguments) => self.session_list(arguments),
            Session::Show(arguments) => self.session_show(arguments),
            Session::Output(arguments) => self.session_output(arguments),
            Session::Resume(arguments) => self.session_resume(arguments),
            Session::Fork(arguments) => self.session_fork(arguments),
            Session::Revert(arguments) => self.session_revert(arguments),
            Session::Abandon(arguments) => self.session_abandon(arguments),
            Session::Kill(arguments) => self.session_kill(arguments),
            Session::Erase(arguments) => self.session_erase(arguments),
            Session::Export(arguments) => self.session_export(arguments),
            Session::Import(arguments) => self.session_import(arguments),
        }
    }

    fn session_list(&self, arguments: &List) -> anyhow::Result<Exit> {
        let (project, host) = self.sessions()?;
        let filter = SessionFilter {
            project: project.project.name,
            principal: None,
            status: arguments.status.clone(),
            called: if arguments.called { Called::Any } else { Called::No },
            before: arguments.before.as_deref().map(str::parse).transpose()?,
            until: None,
            limit: arguments.limit,
        };
        let context = host.context(self.environment.principal.clone(), Role::Owner)?;
        let rows = self.block_on(async { Ok(host.sessions(&context, filter).await?) })?;
        if self.global.json {
            output::json(&json!(rows));
        } else if rows.is_empty() {
            output::note("no sessions; to begin one: remit run AGENT INPUT   or: remit call PLUGIN TOOL --session NAME");
        } else {
            rows.iter().for_each(print_row);
        }
        Ok(Exit::Done)
    }

    fn session_resume(&self, arguments: &Resume) -> anyhow::Result<Exit> {
        let id: SessionId = arguments.session.parse()?;
        let (project, host) = self.sessions()?;
        let context = host.context(self.environment.principal.clone(), Role::Owner)?;
        let row = self.block_on(async { Ok(host.session(&context, &project.project.name, id).await?) })?;
        drop(host);
        if row.agent == NO_AGENT {
            return self.calls_resume(&project, id, arguments.component.as_deref());
        }
        let host = self.agent_host(&project, &row.agent)?;
        if let Some(component) = &arguments.component {
            self.block_on(async { Ok(host.retry(&context, &project.project.name, id, component).await?) })?;
        }
        let asked = RunRequest {
            project: &project.project.name,
            agent: &row.agent,
            session: Some(id),
            name: None,
            input: None,
            key: None,
            patience: Patience { people: arguments.wait, time: Duration::from_secs(60) },
            events: Some(std::sync::Arc::new(super::call::show)),
        };
        self.go(&host, &asked, true)
    }

    fn session_kill(&self, arguments: &Kill) -> anyhow::Result<Exit> {
        let id: SessionId = arguments.session.parse()?;
        let (project, host) = self.sessions()?;
        let context = host.context(self.environment.principal.clone(), Role::Owner)?;
        self.block_on(async { Ok(host.kill(&context, &project.project.name, id).await?) })?;
        if self.global.json {
            output::json(&json!({ "session": id, "status": "killed" }));
        } else {
            output::note(&format!("{id} is killed: a process that runs it stops at once, and it takes no more inputs"));
        }
        Ok(Exit::Done)
    }

    fn session_erase(&self, arguments: &Erase) -> anyhow::Result<Exit> {
        let (project, host) = self.sessions()?;
        let context = host.context(self.environment.principal.clone(), Role::Owner)?;
        let Some(session) = &arguments.session else {
            let principal = arguments.principal.as_ref().unwrap_or(&self.environment.principal);
            return self.principal_erase(&host, &context, &project.project.name, principal, arguments.yes);
        };
        let id: SessionId = session.parse()?;
        let row = self.block_on(async { Ok(host.session(&context, &project.project.name, id).await?) })?;
        output::note(&format!(
            "{id}: {} of `{}` for {}, begun {}",
            counted(row.turns as usize, "turn"),
            row.agent,
            row.principal,
            when(row.created)
        ));
        if !super::confirm("Remove its journal, its state and its workspaces for good?", arguments.yes)? {
            output::note("nothing was removed");
            return Ok(Exit::Denied);
        }
        self.block_on(async { Ok(host.erase(&context, &project.project.name, id).await?) })?;
        if self.global.json {
            output::json(&json!({ "session": id, "status": "erased" }));
        } else {
            output::note(&format!("{id} is erased"));
        }
        Ok(Exit::Done)
    }
}

impl super::Run {
    fn principal_erase(&self, host: &Host, context: &Context, project: &str, principal: &Principal, yes: bool) -> anyhow::Result<Exit> {
        output::note(&format!(
            "all sessions of {principal} in this project, with their journals, state and workspaces, and its own `kv` data and workspaces"
        ));
        if !super::confirm("Remove all of it for good?", yes)? {
            output::note("nothing was removed");
            return Ok(Exit::Denied);
        }
        let sessions = self.block_on(async { Ok(host.erase_principal(context, project, principal).await?) })?;
        if self.global.json {
            output::json(&json!({ "principal": principal, "sessions": sessions }));
        } else {
            output::note(&format!("erased for {principal}: {}", counted(sessions as usize, "session")));
        }
        Ok(Exit::Done)
    }
}

pub(super) fn print_row(row: &SessionRow) {
    let style = match row.status {
        Status::Waiting => WARN,
        Status::Quarantined => BAD,
        Status::Running => HEAD,
        Status::Idle | Status::Killed => DIM,
    };
    let detail = remit_core::plugin::text::visible(&row.detail, 80);
    let agent = match row.agent.as_str() {
        NO_AGENT => "plain calls".to_owned(),
        agent => chain(row.caller.as_ref(), agent),
    };
    let (status, turns) = (status(row), counted(row.turns as usize, "turn"));
    let queued = if row.queued > 0 { format!("{} queued  ", row.queued) } else { String::new() };
    output::line(&format!("{}  {style}{status:<11}{style:#}  {agent:<16}  {turns:>9}  {}  {queued}{detail}", row.id, when(row.updated)));
}
