//! `remit explain` of a session: what became of one of its calls, what it used, and the least that would have been enough.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use remit_core::{
    Error,
    grant::{Asked, Decision, Declared, Denial, Resolved, Scope, decide, granted_at, minimal},
    id::SessionId,
    identity::{Principal, Role},
    journal::{Body, MORE_USES, Outcome, Record, ToolCall},
    limit::FILE_MAX_BYTES,
    plugin::{Effect, MODELS, NO_AGENT, PluginName, declared_from_lines, granted_lines, text::visible},
    project::{Plugin, Project},
    store::SessionRow,
};
use remit_runtime::project::OpenProject;
use serde_json::{Value, json};

use super::{
    explain::{Called, Explain, Places, beside},
    session_show::when,
};
use crate::{
    Exit,
    opened::read_named,
    output::{self, BAD, DIM, GOOD, HEAD, WARN, counted},
    outside::{Start, known},
};

/// A call that a journal tells of.
struct Past<'a> {
    seq: u64,
    call: &'a ToolCall,
    /// How it ended and what it used, once it has.
    end: Option<(&'a Outcome, &'a [String])>,
}

/// What a session used that a project would refuse: the first record of it, the tool, how often, and why.
struct Refused {
    seq: u64,
    tool: String,
    count: usize,
    denial: Denial,
}

/// Who would have to hold what.
struct Asking<'a> {
    project: &'a OpenProject,
    /// The file that is asked.
    against: &'a Project,
    row: &'a SessionRow,
}

impl super::Run {
    pub(super) fn explain_session(&self, arguments: &Explain) -> anyhow::Result<Exit> {
        let id: SessionId = arguments.plugin.parse()?;
        let (project, host) = self.sessions()?;
        let context = host.context(self.environment.principal.clone(), Role::Owner)?;
        let name = project.project.name.clone();
        let (row, records) =
            self.block_on(async { Ok((host.session(&context, &name, id).await?, host.journal(&context, &name, id, 0).await?)) })?;
        let calls = calls(&records);
        if let Some(record) = &arguments.what {
            let seq: u64 = record.parse().map_err(|error| {
                Error::invalid(format!("`{}` is no record of a session: {error}", visible(record, 32)))
                    .hint(format!("remit session show {id}"))
            })?;
            let past = calls.iter().find(|past| past.seq == seq).ok_or_else(|| {
                Error::not_found(format!("record {seq} of `{id}` is no call")).hint(format!("they are numbered in: remit explain {id}"))
            })?;
            return self.explain_past(&project, &row, past);
        }
        let against = arguments.against.as_ref().map(|file| self.read_against(file)).transpose()?;
        let asking = Asking { project: &project, against: against.as_ref().unwrap_or(&project.project), row: &row };
        self.explain_uses(&asking, &calls, against.is_some())
    }

    /// A call as it was, and what is decided of the same call now.
    fn explain_past(&self, project: &OpenProject, row: &SessionRow, past: &Past<'_>) -> anyhow::Result<Exit> {
        let Past { seq, call, end } = past;
        if !self.global.json {
            let by = if row.agent == NO_AGENT { String::new() } else { format!(" by the agent `{}`", row.agent) };
            output::line(&format!("{HEAD}record {seq} of {}{HEAD:#}: `{}`{by} for {}", row.id, visible(&call.tool, 96), row.principal));
            output::line(&format!("  arguments {}", visible(&call.arguments, 300)));
            output::line(&format!("  ended     {}", end.map_or_else(|| "not yet".to_owned(), |(outcome, _)| ending(outcome))));
            let used = end.map(|(_, used)| used).unwrap_or_default();
            used.iter().for_each(|one| output::line(&format!("  used      {}", visible(one, 300))));
            output::line(&format!("{HEAD}now{HEAD:#}"));
        }
        let (agent, refused) = self.agent_now(project, row, &call.tool)?;
        let (plugin, tool) = call.tool.split_once('/').unwrap_or((&call.tool, ""));
        let (now, exit) =
            match project.project.plugins.iter().filter(|_| model_of(&call.tool).is_none()).find(|(name, _)| name.as_str() == plugin) {
                None if project.project.models.contains_key(tool) && model_of(&call.tool).is_some() => {
                    (json!({ "decision": "allow" }), Exit::Done)
                }
                None => {
                    let what = if model_of(&call.tool).is_some() { ("model", tool) } else { ("plugin", plugin) };
                    let reason = format!("the project has no {} `{}`", what.0, visible(what.1, 64));
                    if !self.global.json {
                        output::line(&format!("  {BAD}{reason}{BAD:#}"));
                    }
                    (json!({ "decision": "deny", "reason": reason }), Exit::Denied)
                }
                Some((_, plugin)) => {
                    let current = self.current(project, plugin, known(project.lock.as_ref(), plugin), Start::Never)?;
                    let gone = || Error::not_found(format!("`{}` has no tool `{}` now", plugin.name, visible(tool, 64)));
                    let tool = current.locked.tools.get(tool).ok_or_else(gone)?;
                    let called = Called { tool, principal: &row.principal, arguments: Some(&call.arguments) };
                    let (explained, exit) = self.explain_tool(project, plugin, &current, &called)?;
                    (explained.unwrap_or_default(), exit)
                }
            };
        if self.global.json {
            let (outcome, used) = end.unzip();
            output::json(&json!({
                "session": row.id, "record": seq, "principal": row.principal, "agent": (row.agent != NO_AGENT).then_some(&row.agent),
                "call": call, "outcome": outcome, "used": used, "now": now, "agentNow": agent,
            }));
        }
        Ok(if refused { Exit::Denied } else { exit })
    }

    /// Whether the agent of a session may call the tool now, and by which line; nothing where there is no agent.
    fn agent_now(&self, project: &OpenProject, row: &SessionRow, tool: &str) -> anyhow::Result<(Value, bool)> {
        let Some(agent) = project.project.plugins.values().find(|plugin| plugin.agent && plugin.name.as_str() == row.agent) else {
            return Ok((Value::Null, false));
        };
        let (capability, request) = model_of(tool).map_or(("tools", tool), |name| ("model", name));
        let (asked, rights) = (Asked::parse(capability, request)?, of_agent(agent, &row.principal, &project.root));
        Ok(match decide(&asked.request(), &rights) {
            Decision::Allow(_) => {
                let by = Places::of(project)?.of_grants(agent, &granted_at(&asked.request(), &rights));
                if !self.global.json {
                    output::line(&format!("the agent `{}` {GOOD}may call{GOOD:#} it{}", agent.name, beside(by.as_deref())));
                }
                (json!({ "decision": "allow", "by": by }), false)
            }
            Decision::Deny(denial) => {
                if !self.global.json {
                    output::line(&format!("{BAD}denied{BAD:#}: {denial}"));
                    denial.command().iter().for_each(|command| output::line(&format!("  to allow it: {command}")));
                }
                (json!({ "decision": "deny", "denial": denial, "fix": denial.command() }), true)
            }
        })
    }

    /// What the session used, what of it would be refused, and the least that would do.
    fn explain_uses(&self, asking: &Asking<'_>, calls: &[Past<'_>], asked_file: bool) -> anyhow::Result<Exit> {
        let mut refused: Vec<Refused> = Vec::new();
        let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut cut: BTreeSet<String> = BTreeSet::new();
        for past in calls {
            for one in asking.uses(past) {
                if one == MORE_USES {
                    cut.insert(past.call.tool.clone());
                    continue;
                }
                let (plugin, request) = one.split_once(' ').unwrap_or((&one, ""));
                if let Some(denial) = asking.refusal(plugin, request)? {
                    add(&mut refused, past, denial);
                }
                used.entry(plugin.to_owned()).or_default().insert(request.to_owned());
            }
        }
        let mut least = BTreeMap::new();
        for (plugin, requests) in &used {
            if let Some(lines) = asking.least(plugin, requests)? {
                least.insert(plugin.clone(), lines);
            }
        }
        let exit = if refused.is_empty() { Exit::Done } else { Exit::Denied };
        if self.global.json {
            output::json(&json!({
                "session": asking.row.id, "calls": calls.len(), "used": used, "incomplete": cut,
                "refused": refused.iter().map(|one| json!({ "record": one.seq, "tool": one.tool, "count": one.count, "denial": one.denial })).collect::<Vec<_>>(),
                "minimal": least.iter().map(|(plugin, (_, least))| (plugin.clone(), json!(least))).collect::<serde_json::Map<_, _>>(),
            }));
            return Ok(exit);
        }
        print_head(asking.row, calls);
        for (plugin, requests) in &used {
            output::line(&format!("  {HEAD}{plugin}{HEAD:#} used"));
            requests.iter().for_each(|request| output::line(&format!("    {}", visible(request, 300))));
        }
        let whose = if asked_file { "that file" } else { "`remit.toml` as it is now" };
        match refused.is_empty() {
            true => output::line(&format!("{GOOD}allowed{GOOD:#}: {whose} allows all of it")),
            false => output::line(&format!("{BAD}denied{BAD:#} by {whose}")),
        }
        for Refused { seq, tool, count, denial } in &refused {
            let times = if *count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            output::line(&format!("  record {seq}{times}, `{}`: {denial}", visible(tool, 96)));
        }
        print_least(&least, &cut);
        Ok(exit)
    }

    fn read_against(&self, file: &Path) -> anyhow::Result<Project> {
        let read = read_named("file", &self.environment.cwd.join(file), FILE_MAX_BYTES);
        let bytes = read.map_err(|error| error.hint("name a file like `remit.toml`"))?;
        Ok(Project::parse(&file.display().to_string(), &bytes)?)
    }
}

impl Asking<'_> {
    /// What a call used, in words: the tool itself, as its agent's right, and what the tool was allowed.
    fn uses(&self, past: &Past<'_>) -> Vec<String> {
        // A model is no tool: what was asked of it stands among what was used.
        let is_tool = self.row.agent != NO_AGENT && model_of(&past.call.tool).is_none();
        let called = is_tool.then(|| format!("{} tools {}", self.row.agent, past.call.tool));
        let used = past.end.map(|(_, used)| used.to_vec()).unwrap_or_default();
        // What was refused before it ran used nothing; its digest is empty.
        called.into_iter().filter(|_| !past.call.digest.is_empty()).chain(used).collect()
    }

    /// Why the file that is asked refuses a request of a plugin, when it does.
    fn refusal(&self, plugin: &str, request: &str) -> anyhow::Result<Option<Denial>> {
        let asked = read(request)?;
        let Some((_, rights)) = self.rights(plugin)? else {
            let (capability, _) = request.split_once(' ').unwrap_or((request, ""));
            return Ok(Some(Denial::forbidden(plugin, capability, request, "it is no plugin of that project")));
        };
        Ok(match decide(&asked.request(), &rights) {
            Decision::Allow(_) => None,
            Decision::Deny(denial) => Some(denial),
        })
    }

    /// What is granted to a plugin, and the least of it that is enough for what it used, a line each.
    fn least(&self, plugin: &str, requests: &BTreeSet<String>) -> anyhow::Result<Option<(BTreeSet<String>, BTreeSet<String>)>> {
        let Some((plugin, rights)) = self.rights(plugin)? else { return Ok(None) };
        let asked = requests.iter().map(|request| read(request)).collect::<anyhow::Result<Vec<_>>>()?;
        let least = granted_lines(&minimal(&asked, &rights, &plugin.grants)?);
        Ok(Some((granted_lines(&plugin.grants), least)))
    }

    /// A plugin of the file that is asked, with its rights for the session's principal, as far as was approved that it declares them.
    fn rights(&self, name: &str) -> anyhow::Result<Option<(&Plugin, Resolved)>> {
        let Some((known, plugin)) = self.against.plugins.iter().find(|(known, _)| known.as_str() == name) else { return Ok(None) };
        let (principal, root) = (&self.row.principal, &self.project.root);
        if plugin.agent {
            return Ok(Some((plugin, of_agent(plugin, principal, root))));
        }
        let declared = self.declared(known)?;
        Ok(Some((plugin, Resolved::new(name, Effect::Once, declared, plugin.grants.clone(), principal, root))))
    }

    fn declared(&self, name: &PluginName) -> anyhow::Result<Declared> {
        let locked = self.project.lock.as_ref().and_then(|lock| lock.plugins.get(name));
        Ok(locked.map(|locked| declared_from_lines(&locked.declared)).transpose()?.unwrap_or_default())
    }
}

/// The rights of an agent: the tools that it may call, and the models that it may ask.
fn of_agent(agent: &Plugin, principal: &Principal, root: &Path) -> Resolved {
    let declared = Declared { tools: Some(Scope::Any), model: Some(Scope::Any), ..Declared::default() };
    Resolved::new(agent.name.as_str(), Effect::Once, declared, agent.grants.clone(), principal, root)
}

/// The model that a call asked, where it asked one.
fn model_of(tool: &str) -> Option<&str> {
    tool.split_once('/').filter(|(plugin, _)| *plugin == MODELS).map(|(_, name)| name)
}

/// A request as a journal writes it.
fn read(request: &str) -> anyhow::Result<Asked> {
    let (capability, text) = request.split_once(' ').unwrap_or((request, ""));
    Ok(Asked::parse(capability, text)?)
}

/// The calls of a journal, in their order.
fn calls(records: &[Record]) -> Vec<Past<'_>> {
    let mut calls: Vec<Past<'_>> = Vec::new();
    let mut open: BTreeMap<u32, usize> = BTreeMap::new();
    for record in records {
        match &record.body {
            Body::TurnStart(_) => open.clear(),
            Body::Call { op, call } => {
                open.insert(*op, calls.len());
                calls.push(Past { seq: record.seq, call, end: None });
            }
            Body::End { op, outcome, used, .. } => {
                if let Some(past) = open.remove(op).and_then(|index| calls.get_mut(index)) {
                    past.end = Some((outcome, used));
                }
            }
            _ => {}
        }
    }
    calls
}

fn add(refused: &mut Vec<Refused>, past: &Past<'_>, denial: Denial) {
    match refused.iter_mut().find(|one| one.denial == denial) {
        Some(known) => known.count += 1,
        None => refused.push(Refused { seq: past.seq, tool: past.call.tool.clone(), count: 1, denial }),
    }
}

fn ending(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Output { .. } => "with a result".to_owned(),
        Outcome::Failed { message, .. } => format!("failed: {}", visible(message, 300)),
        _ => "without a result".to_owned(),
    }
}

fn print_head(row: &SessionRow, calls: &[Past<'_>]) {
    let agent = if row.agent == NO_AGENT { "plain calls".to_owned() } else { format!("`{}`", row.agent) };
    output::line(&format!(
        "{HEAD}{}{HEAD:#}  {agent} for {}, begun {}: {}",
        row.id,
        row.principal,
        when(row.created),
        counted(calls.len(), "call")
    ));
    for past in calls {
        let end = past.end.map_or_else(|| "not ended".to_owned(), |(outcome, _)| ending(outcome));
        output::line(&format!("  {DIM}record {}{DIM:#}  {}  {end}", past.seq, visible(&past.call.tool, 96)));
    }
}

/// Where less would do: what could go, and what would stand in its place.
fn print_least(least: &BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>, cut: &BTreeSet<String>) {
    if !cut.is_empty() {
        let tools = cut.iter().map(|tool| format!("`{}`", visible(tool, 96))).collect::<Vec<_>>().join(", ");
        output::line(&format!(
            "{WARN}not all is known{WARN:#}: {tools} used more than a record holds, so less than is granted may not be enough"
        ));
        return;
    }
    for (plugin, (granted, least)) in least {
        if granted == least {
            output::line(&format!("{HEAD}{plugin}{HEAD:#} needs all that it is granted"));
            continue;
        }
        output::line(&format!("{HEAD}{plugin}{HEAD:#} needs less than it is granted"));
        granted.difference(least).for_each(|line| output::line(&format!("  {BAD}- granted {}{BAD:#}", visible(line, 300))));
        least.difference(granted).for_each(|line| output::line(&format!("  {GOOD}+ granted {}{GOOD:#}", visible(line, 300))));
    }
}
