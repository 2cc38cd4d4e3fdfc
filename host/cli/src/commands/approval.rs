//! `remit approval`: what sessions want a person to decide.

use remit_core::{
    Error,
    id::WaitId,
    identity::Role,
    plugin::{Digest, NO_AGENT, text::visible_lines},
    store::{WaitKind, WaitRow, WaitState},
};
use remit_runtime::Verdict;
use serde_json::json;

use super::{
    run::{chain, outermost},
    session_show::when,
};
use crate::{
    Exit,
    output::{self, DIM, GOOD, HEAD, WARN},
};

/// See what sessions want approved, and decide it
#[derive(Debug, clap::Subcommand)]
pub enum Approval {
    List(List),
    Show(Show),
    /// Say yes, once: it holds for this very call or question alone
    ///
    /// Examples:
    ///   remit approval approve wait_01k… --note 'as discussed'
    ///   remit approval approve wait_01k… --for-session
    #[command(verbatim_doc_comment)]
    Approve(Approve),
    /// Say no: the agent is told, with your reason
    ///
    /// Example: remit approval deny wait_01k… --note 'not this week'
    Deny(Decide),
}

/// List what waits for a person, oldest first
///
/// Example: remit approval list
#[derive(Debug, clap::Args)]
pub struct List {
    /// Also what was decided
    #[arg(long)]
    all: bool,
}

/// Show exactly what would be approved
///
/// Example: remit approval show wait_01k…
#[derive(Debug, clap::Args)]
pub struct Show {
    /// The approval
    id: String,
}

/// A decision.
#[derive(Debug, clap::Args)]
pub struct Decide {
    /// The approval
    id: String,
    /// What the agent is told with it
    #[arg(long)]
    note: Option<String>,
}

/// A yes.
#[derive(Debug, clap::Args)]
pub struct Approve {
    #[command(flatten)]
    decide: Decide,
    /// Also to each further call of this tool in this session; not where a tool is `once`, or where labels ask
    #[arg(long)]
    for_session: bool,
}

impl super::Run {
    pub(super) fn approval(&self, command: Approval) -> anyhow::Result<Exit> {
        match command {
            Approval::List(arguments) => self.approval_list(&arguments),
            Approval::Show(arguments) => self.approval_show(&arguments),
            Approval::Approve(Approve { decide: Decide { id, note }, for_session: true }) => {
                self.approval_decide(&id, Verdict::ApproveForSession(note), "approved for the rest of the session")
            }
            Approval::Approve(Approve { decide: Decide { id, note }, .. }) => self.approval_decide(&id, Verdict::Approve(note), "approved"),
            Approval::Deny(arguments) => self.approval_decide(&arguments.id, Verdict::Deny(arguments.note), "denied"),
        }
    }

    fn approval_list(&self, arguments: &List) -> anyhow::Result<Exit> {
        let (project, host) = self.sessions()?;
        let context = host.context(self.environment.principal.clone(), Role::Owner)?;
        let waits = self.block_on(async { Ok(host.waits(&context, &project.project.name, None, arguments.all).await?) })?;
        let waits: Vec<_> = waits.into_iter().filter(|wait| wait.kind != WaitKind::Timer).collect();
        if self.global.json {
            output::json(&json!(waits));
        } else if waits.is_empty() {
            output::note("nothing waits for a person");
        } else {
            waits.iter().for_each(print_row);
        }
        Ok(Exit::Done)
    }

    fn approval_show(&self, arguments: &Show) -> anyhow::Result<Exit> {
        let wait = self.find_wait(&arguments.id)?;
        if self.global.json {
            output::json(&json!(wait));
        } else {
            print_wait(&wait);
        }
        Ok(Exit::Done)
    }

    fn find_wait(&self, id: &str) -> anyhow::Result<WaitRow> {
        let id: WaitId = id.parse()?;
        let (project, host) = self.sessions()?;
        let context = host.context(self.environment.principal.clone(), Role::Owner)?;
        self.block_on(async { Ok(host.wait(&context, &project.project.name, id).await?) })
    }

    fn approval_decide(&self, id: &str, verdict: Verdict, word: &str) -> anyhow::Result<Exit> {
        let id: WaitId = id.parse()?;
        let (project, host) = self.sessions()?;
        let context = host.context(self.environment.principal.clone(), Role::Owner)?;
        let wait = self.block_on(async {
            let wait = host.wait(&context, &project.project.name, id).await?;
            if wait.kind != WaitKind::Approval {
                return Err(Error::invalid(format!("`{id}` waits for no approval")).hint(format!("remit approval show {id}")).into());
            }
            host.decide(&context, &project.project.name, id, verdict).await?;
            Ok(wait)
        })?;
        if self.global.json {
            output::json(&json!({ "id": id, "session": wait.session, "decision": word }));
        } else {
            output::note(&format!("{GOOD}{word}{GOOD:#} by {}: {}", self.environment.principal, visible_lines(&wait.title, 200)));
            output::note(&format!("  unless a process waits with it, go on: remit session resume {}", outermost(&wait).0));
        }
        Ok(Exit::Done)
    }
}

fn state(wait: &WaitRow) -> &'static str {
    match wait.state {
        WaitState::Open => "open",
        WaitState::Decided => "decided",
        WaitState::Used => "used",
        WaitState::Cancelled => "cancelled",
    }
}

fn print_row(wait: &WaitRow) {
    let style = if wait.state == WaitState::Open { WARN } else { DIM };
    let kind = if wait.kind == WaitKind::Input { "input" } else { "approval" };
    let due = wait.due.map(|due| format!("  until {}", when(due))).unwrap_or_default();
    let by = wait.caller.as_ref().map(|caller| format!("{}: ", chain(Some(caller), &wait.agent))).unwrap_or_default();
    output::line(&format!("{}  {style}{:<9}{style:#}  {kind:<8}  {by}{}{due}", wait.id, state(wait), visible_lines(&wait.title, 120)));
}

fn print_wait(wait: &WaitRow) {
    output::line(&format!("{HEAD}{}{HEAD:#}  {}", wait.id, state(wait)));
    let agent = if wait.agent == NO_AGENT { "a plain call".to_owned() } else { format!("`{}`", wait.agent) };
    output::line(&format!("  asked by   {agent} in {}, for {}", wait.session, wait.principal));
    if wait.caller.is_some() {
        output::line(&format!("  called as  {}", chain(wait.caller.as_ref(), &wait.agent)));
    }
    output::line(&format!("  asked at   {}", when(wait.asked)));
    if let Some(due) = wait.due {
        output::line(&format!("  until      {}", when(due)));
    }
    output::line(&format!("  question   {}", visible_lines(&wait.title, 1000)));
    if let Some(call) = &wait.call {
        output::line(&format!("  tool       {}\n  component  {}", call.tool, call.digest));
        if !call.labels.is_empty() {
            output::line(&format!("  {WARN}seen{WARN:#}       {}: it may send any of that", call.labels));
        }
        output::line(&format!("  arguments  {} bytes, {}", call.arguments.len(), Digest::of(call.arguments.as_bytes())));
    }
    // Of a call, the very arguments: what is approved is all of them.
    let details = wait.call.as_ref().map_or(&wait.details, |call| &call.arguments);
    visible_lines(details, usize::MAX).lines().for_each(|line| output::line(&format!("  | {line}")));
    if let Some(outcome) = &wait.outcome {
        output::line(&format!("  decision   {}", super::session_show::ending(outcome).1));
    }
}
