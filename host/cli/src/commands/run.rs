//! `remit run`: an input for an agent, in a session that survives this process.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use remit_core::{
    Error, Kind,
    id::SessionId,
    identity::{Context, Role},
    plugin::{NO_AGENT, text::visible_lines},
    store::{Caller, SessionRow, Status, WaitKind, WaitRow, WaitState},
};
use remit_runtime::{Host, Patience, Project, Ran, RunRequest, TurnEnd, project::OpenProject};
use serde_json::json;

use crate::{
    Exit,
    commands::{call, session_show::when},
    error::{exit_of_call, refuse, with_hints},
    output::{self, GOOD, HEAD, WARN},
};

/// Timers that are this close are waited for.
const TIMER_PATIENCE: Duration = Duration::from_secs(60);

/// Give an agent an input, in a session that outlives this command
///
/// A new session is made, or the one with --session goes on: with a new turn, or, where it waits for an input, with an answer. What
/// the agent did is in the session's journal before it is shown; a turn that was cut off goes on with `remit session resume`.
/// The exit code is 6 when the turn waits: for a person, or for a time that is more than a minute away. Where the session is in another
/// turn, the input is queued: the exit code is 6, or with --wait its result is waited for.
///
/// Examples:
///   remit run triage '{"inbox": "/inbox"}'
///   remit run triage --session desk
///   remit run triage '{"inbox": "/inbox"}' --key monday
///   remit run triage yes --session ses_01k…
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct RunAgent {
    /// The agent's name in `remit.toml`
    agent: String,
    /// Its input: JSON, @FILE, or - for standard input. Without one, a turn of --session goes on; a new turn begins with {}
    input: Option<String>,
    /// Go on with this session, by its id or by a name of yours, which makes it where there is none
    #[arg(long, value_name = "ID|NAME")]
    session: Option<String>,
    /// Names the input: the same key gives the recorded result instead of doing it again
    #[arg(long)]
    key: Option<String>,
    /// Stay until the turn ends, whatever it waits for, and whatever comes before it
    #[arg(long)]
    wait: bool,
}

/// What is served of a project.
pub(super) fn served(project: &OpenProject, plugins: Vec<remit_runtime::Plugin>) -> Project {
    let remit_core::project::Project { name, labels, models, .. } = project.project.clone();
    Project { name, root: project.root.clone(), plugins, labels, models }
}

impl super::Run {
    pub(super) fn run_agent(&self, arguments: &RunAgent) -> anyhow::Result<Exit> {
        let project = self.open_trusted()?;
        let (session, name) = match arguments.session.as_deref() {
            Some(id) if id.starts_with(SessionId::PREFIX) => (Some(id.parse::<SessionId>()?), None),
            name => (None, name),
        };
        let input = arguments.input.as_deref().map(|input| self.text(Some(input))).transpose()?;
        let host = self.agent_host(&project, &arguments.agent)?;
        let asked = RunRequest {
            project: &project.project.name,
            agent: &arguments.agent,
            session,
            name,
            input: input.as_deref().or_else(|| (arguments.session.is_none()).then_some("{}")),
            key: arguments.key.as_deref(),
            patience: Patience { people: arguments.wait, time: TIMER_PATIENCE },
            events: Some(Arc::new(call::show)),
        };
        self.go(&host, &asked, false)
    }

    /// Runs a turn to its end or to where it waits, and shows what came of it. Then come the inputs that wait for this session: `resumes`
    /// says whether they are this command's business, or it was about its own input.
    pub(super) fn go(&self, host: &Host, asked: &RunRequest<'_>, resumes: bool) -> anyhow::Result<Exit> {
        let mut context = host.context(self.environment.principal.clone(), Role::Owner)?;
        context.time_zone.clone_from(&self.environment.time_zone);
        let ran = self.block_on(async {
            let ran = host.run(&context, asked).await;
            // Without an input a turn goes on; between turns, a new one begins with an empty input.
            let begins = matches!(&ran, Err(error) if error.code == Some("E-IDLE")) && !resumes;
            Ok(if begins { host.run(&context, &RunRequest { input: Some("{}"), ..asked.clone() }).await } else { ran })
        })?;
        let ran = match ran {
            // As arguments of a tool that do not fit.
            Err(error) if error.kind == Kind::Invalid => return Ok(refuse(&error, Exit::Failed, self.global.json)),
            ran => ran?,
        };
        let exit = self.print_ran(&ran, asked.agent);
        match ran.end {
            TurnEnd::Done(_) | TurnEnd::Failed(_) => Ok(self.go_on(host, &context, asked, ran.session, resumes)?.unwrap_or(exit)),
            TurnEnd::Waiting(_) | TurnEnd::Queued(_) => Ok(exit),
        }
    }

    /// Runs the inputs that wait for a session whose turn has ended. Returns how the last one ended where they are this command's business.
    fn go_on(
        &self,
        host: &Host,
        context: &Context,
        asked: &RunRequest<'_>,
        session: SessionId,
        resumes: bool,
    ) -> anyhow::Result<Option<Exit>> {
        let events = asked.events.clone().filter(|_| resumes);
        let next = RunRequest { session: Some(session), name: None, input: None, key: None, events, ..asked.clone() };
        let mut exit = None;
        loop {
            let ran = self.block_on(async {
                let row = host.session(context, asked.project, session).await?;
                let waits = row.queued > 0 && row.status == Status::Idle;
                Ok(if waits { Some(host.run(context, &next).await) } else { None })
            })?;
            let ran = match ran {
                // Somebody else went on with it, or nothing is left.
                None => return Ok(exit),
                Some(Err(error)) if error.kind == Kind::Conflict => return Ok(exit),
                Some(ran) => ran?,
            };
            if resumes {
                exit = Some(self.print_ran(&ran, asked.agent));
            } else {
                let how = match &ran.end {
                    TurnEnd::Done(_) => "done".to_owned(),
                    TurnEnd::Failed(error) => format!("failed: {}", visible_lines(&error.message, 400)),
                    TurnEnd::Waiting(_) | TurnEnd::Queued(_) => "waits".to_owned(),
                };
                output::note(&format!("{HEAD}{session}{HEAD:#} turn {} of an input that was queued: {how}", ran.turn));
            }
            if let TurnEnd::Waiting(_) | TurnEnd::Queued(_) = ran.end {
                return Ok(exit);
            }
        }
    }

    fn print_ran(&self, ran: &Ran, agent: &str) -> Exit {
        if self.global.json { print_json(ran) } else { print(ran, agent, &self.environment.principal.to_string()) }
    }

    /// A host on the sessions of `project`.
    ///
    /// # Errors
    /// Those of opening the store, and of building a host.
    pub(super) fn session_host(&self, project: &OpenProject) -> anyhow::Result<Host> {
        Ok(self.project_builder(project, Arc::new(self.store(&project.state, true)?))?.build()?)
    }

    /// A host with an agent and the tools that it may call.
    pub(super) fn agent_host(&self, project: &OpenProject, name: &str) -> anyhow::Result<Host> {
        let agent = project.plugin(name)?;
        if !agent.agent {
            let error = Error::invalid(format!("`{name}` is a plugin, not an agent"));
            return Err(error.hint(format!("call one of its tools: remit call {name} TOOL")).into());
        }
        let host = self.session_host(project)?;
        let mut plugins = vec![self.approved(project, agent)?];
        // All of them: agents may call agents, and tools may call tools, that this one itself may not call.
        plugins.extend(self.others(project, agent.name.as_str()));
        let refused = host.load(served(project, plugins));
        match refused.into_iter().next() {
            Some((_, error)) => Err(error.into()),
            None => Ok(host),
        }
    }

    /// What the project serves besides `name`, as far as it is approved.
    pub(super) fn others(&self, project: &OpenProject, name: &str) -> Vec<remit_runtime::Plugin> {
        let mut plugins = Vec::new();
        for plugin in project.project.plugins.values().filter(|plugin| plugin.name.as_str() != name) {
            match self.approved(project, plugin) {
                Ok(plugin) => plugins.push(plugin),
                Err(error) => output::note(&format!("{WARN}`{}` is left out{WARN:#}: {error:#}", plugin.name)),
            }
        }
        plugins
    }

    /// A host on the project's sessions with all that it serves, for sessions without an agent.
    pub(super) fn tools_host(&self, project: &OpenProject) -> anyhow::Result<Host> {
        let host = self.session_host(project)?;
        let plugins = self.others(project, NO_AGENT);
        for (name, error) in host.load(served(project, plugins)) {
            output::note(&format!("{WARN}`{name}` is left out{WARN:#}: {error:#}"));
        }
        Ok(host)
    }

    /// The project and a host on its sessions, for commands that run no agent.
    pub(super) fn sessions(&self) -> anyhow::Result<(OpenProject, Host)> {
        let project = self.open_trusted()?;
        let host = self.session_host(&project)?;
        Ok((project, host))
    }
}

/// Says what to do about what a session waits for.
pub(super) fn print_wait(wait: &WaitRow) {
    let left = wait.due.map(|due| format!(", until {}", when(due))).unwrap_or_default();
    let (session, agent) = outermost(wait);
    if wait.caller.is_some() {
        output::note(&format!("{} in {}", chain(wait.caller.as_ref(), &wait.agent), wait.session));
    }
    match wait.kind {
        WaitKind::Timer => output::note(&format!("{WARN}sleeps{WARN:#}{}", left.trim_start_matches(','))),
        WaitKind::Approval | WaitKind::Input => output::note(&format!("{WARN}waits{WARN:#} for {}{left}", wait.title)),
    }
    let details = visible_lines(&wait.details, 4096);
    details.lines().for_each(|line| output::note(&format!("  | {line}")));
    match wait.kind {
        WaitKind::Approval => output::note(&format!(
            "  to decide: remit approval approve {id}   or: remit approval deny {id}\n  then: remit session resume {session}",
            id = wait.id
        )),
        WaitKind::Input => output::note(&format!("  to answer: remit run {agent} ANSWER --session {session}")),
        WaitKind::Timer => output::note(&format!("  then: remit session resume {session}")),
    }
}

fn print(ran: &Ran, agent: &str, principal: &str) -> Exit {
    if let TurnEnd::Queued(place) = ran.end {
        print_queued(ran.session, place);
        return Exit::Waiting;
    }
    output::note(&format!("{HEAD}{}{HEAD:#} turn {} of `{agent}` as {principal} (owner)", ran.session, ran.turn));
    if !ran.output.is_empty() {
        output::note(ran.output.trim_end());
    }
    let exit = match &ran.end {
        TurnEnd::Done(text) => {
            output::note(&format!("{GOOD}done{GOOD:#}"));
            output::line(&pretty(text));
            Exit::Done
        }
        TurnEnd::Failed(error) => {
            output::error(&with_hints(error));
            ran.backtrace.iter().for_each(|frame| output::note(&format!("    at {frame}")));
            exit_of_call(error, !ran.denials.is_empty())
        }
        TurnEnd::Waiting(waits) => {
            waits.iter().filter(|wait| wait.state == WaitState::Open).for_each(print_wait);
            Exit::Waiting
        }
        TurnEnd::Queued(_) => Exit::Waiting,
    };
    ran.denials.iter().for_each(|denial| call::print_denial(denial, &BTreeSet::new()));
    exit
}

/// Says what becomes of an input that has to wait.
fn print_queued(session: SessionId, place: u32) {
    match place {
        0 => output::note("taken by the process that runs the session"),
        place => output::note(&format!("queued as no. {place}")),
    }
    output::note(&format!(
        "  to follow it: remit session show {session}   or, where nobody runs the session: remit session resume {session}"
    ));
}

/// JSON on several lines, safe to show.
pub(super) fn pretty(text: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(text);
    let text = match value {
        Ok(serde_json::Value::String(text)) => text,
        Ok(value) => format!("{value:#}"),
        Err(_no_json) => text.to_owned(),
    };
    visible_lines(&text, usize::MAX)
}

fn print_json(ran: &Ran) -> Exit {
    let mut document = json!({ "session": ran.session, "turn": ran.turn });
    let exit = match &ran.end {
        TurnEnd::Done(text) => {
            super::add(&mut document, "status", json!("done"));
            super::add(&mut document, "output", serde_json::from_str(text).unwrap_or_else(|_no_json| json!(text)));
            Exit::Done
        }
        TurnEnd::Failed(error) => {
            super::add(&mut document, "status", json!("failed"));
            super::add(&mut document, "error", json!({ "kind": error.kind, "message": error.message, "hints": error.hints }));
            exit_of_call(error, !ran.denials.is_empty())
        }
        TurnEnd::Waiting(waits) => {
            super::add(&mut document, "status", json!("waiting"));
            super::add(&mut document, "waits", json!(waits));
            Exit::Waiting
        }
        TurnEnd::Queued(place) => {
            super::add(&mut document, "status", json!("queued"));
            super::add(&mut document, "place", json!(place));
            Exit::Waiting
        }
    };
    super::add(&mut document, "denials", json!(ran.denials));
    output::json(&document);
    exit
}

/// An agent with those that called it, outermost first.
pub(super) fn chain(caller: Option<&Caller>, agent: &str) -> String {
    let callers = caller.map_or_else(Vec::new, |caller| caller.chain.clone());
    callers.iter().map(String::as_str).chain([agent]).collect::<Vec<_>>().join(" → ")
}

/// The session that a person goes on with after a wait, and its agent: the outermost one.
pub(super) fn outermost(wait: &WaitRow) -> (SessionId, &str) {
    let caller = wait.caller.as_ref();
    let agent = caller.and_then(|caller| caller.chain.first());
    (caller.map_or(wait.session, |caller| caller.root), agent.unwrap_or(&wait.agent))
}

/// How a session stands, in a word.
pub(super) fn status(row: &SessionRow) -> &'static str {
    match row.status {
        Status::Idle => "idle",
        Status::Running => "running",
        Status::Waiting => "waiting",
        Status::Quarantined => "quarantined",
        Status::Killed => "killed",
    }
}
