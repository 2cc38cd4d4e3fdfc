//! `remit explain`: why something is allowed or refused, by which line of which file, and what would turn it.

use std::{collections::BTreeSet, path::PathBuf};

use remit_core::{
    Error,
    grant::{Asked, Decision, Denial, Request, Resolved, Rule, decide, granted_at, line, placed, wrong},
    halt::HaltSource,
    id::{CallId, SessionId},
    identity::{Principal, Role},
    label::{Label, When},
    limit::CallLimits,
    plugin::{
        Definition, Effect,
        diff::{Relock, relock},
        text::visible,
    },
    project::{Plugin, Project, Source, Step, line_of},
};
use remit_runtime::{
    plugin::check_arguments,
    project::{HaltFile, MANIFEST_FILE, OpenProject},
};
use serde_json::{Value, json};

use super::audit::newest;
use crate::{
    Exit,
    opened::{Current, revoked_lines},
    output::{self, BAD, DIM, GOOD, HEAD, WARN},
    outside::{Start, known},
    secrets::{print_state, states_json},
};

/// Explain what a plugin may do, what became of a call, or what a session used
///
/// Says allow, ask or deny, by which line of which file, and the smallest change that would turn it. Calls nothing.
///
/// Examples:
///   remit explain files search '{"path": "/docs", "pattern": "x"}' --as user:ada
///   remit explain fetch http 'GET https://example.com/'
///   remit explain files fs 'write /docs/a.md'
///   remit explain call_01k…
///   remit explain ses_01k… 12
///   remit explain ses_01k… --against narrower.toml
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Explain {
    /// A plugin of the project, the id of a call, or of a session
    pub(super) plugin: String,
    /// A tool, or a capability: fs, http, env, config, kv, workspace, tools, sockets; of a session: the record of a call
    pub(super) what: Option<String>,
    /// For a tool: its arguments, as JSON; for a capability: the request, as in the examples
    request: Option<String>,
    /// As this principal; default: you
    #[arg(long = "as", value_name = "PRINCIPAL")]
    principal: Option<Principal>,
    /// For a session: what this file, in place of `remit.toml`, would have refused of what it used
    #[arg(long, value_name = "FILE")]
    pub(super) against: Option<PathBuf>,
}

/// A call that is explained.
pub(super) struct Called<'a> {
    /// The tool.
    pub(super) tool: &'a Definition,
    /// Who calls.
    pub(super) principal: &'a Principal,
    /// What with, where that is asked too.
    pub(super) arguments: Option<&'a str>,
}

/// What is decided of a call before it runs.
struct Verdict {
    /// `allow`, `ask` or `deny`.
    decision: &'static str,
    /// Why, unless it is allowed.
    reason: Option<String>,
    /// The line of the file that says so.
    by: Option<String>,
    /// The smallest change that would turn it.
    change: Option<String>,
}

/// The text of `remit.toml`, to name lines of it.
pub(super) struct Places(String);

impl Places {
    /// As the project was read: its size was checked then.
    #[allow(clippy::disallowed_methods, reason = "the file whose lines are named is read here")]
    pub(super) fn of(project: &OpenProject) -> anyhow::Result<Self> {
        Ok(Self(std::fs::read_to_string(project.root.join(MANIFEST_FILE))?))
    }

    /// `remit.toml:12`, where `path` leads to something.
    pub(super) fn line(&self, path: &[Step<'_>]) -> Option<String> {
        line_of(&self.0, path).map(|line| format!("{MANIFEST_FILE}:{line}"))
    }

    /// The same, below the table of a plugin.
    fn of_plugin(&self, plugin: &Plugin, path: &[Step<'_>]) -> Option<String> {
        let table = [Step::Key(plugin.table()), Step::Key(plugin.name.as_str())];
        self.line(&table.iter().chain(path).copied().collect::<Vec<_>>())
    }

    /// The same, below its grants; those of an agent stand in its table itself.
    pub(super) fn of_grants(&self, plugin: &Plugin, path: &[Step<'_>]) -> Option<String> {
        let grants = [Step::Key("grants")];
        let above: &[Step<'_>] = if plugin.agent { &[] } else { &grants };
        self.of_plugin(plugin, &above.iter().chain(path).copied().collect::<Vec<_>>())
    }
}

impl super::Run {
    pub(super) fn explain(&self, arguments: &Explain) -> anyhow::Result<Exit> {
        let project = self.open_trusted()?;
        if arguments.plugin.starts_with(CallId::PREFIX) {
            return self.explain_call(&project, &arguments.plugin);
        }
        if arguments.plugin.starts_with(SessionId::PREFIX) {
            return self.explain_session(arguments);
        }
        let plugin = project.plugin(&arguments.plugin)?;
        let current = self.current(&project, plugin, known(project.lock.as_ref(), plugin), Start::Never)?;
        let what = arguments.what.as_deref().ok_or_else(|| {
            let names: Vec<_> = current.locked.tools.keys().map(String::as_str).collect();
            Error::invalid("explain what?").hint(format!("name a tool ({}) or a capability and a request", names.join(", ")))
        })?;
        let principal = arguments.principal.clone().unwrap_or_else(|| self.environment.principal.clone());
        match current.locked.tools.get(what) {
            Some(tool) => {
                let asked = Called { tool, principal: &principal, arguments: arguments.request.as_deref() };
                let (explained, exit) = self.explain_tool(&project, plugin, &current, &asked)?;
                explained.iter().for_each(output::json);
                Ok(exit)
            }
            None => {
                let request = arguments.request.as_deref().ok_or_else(|| wrong(what))?;
                self.explain_request(&project, plugin, &current, &Asked::parse(what, request)?, &principal)
            }
        }
    }

    /// What is decided of a call, and what it would run with: printed, or returned as JSON where that is wanted.
    pub(super) fn explain_tool(
        &self,
        project: &OpenProject,
        plugin: &Plugin,
        current: &Current,
        called: &Called<'_>,
    ) -> anyhow::Result<(Option<Value>, Exit)> {
        let Called { tool, principal, arguments } = *called;
        let places = Places::of(project)?;
        let verdict = self.verdict(project, plugin, current, called, &places)?;
        let misfit = arguments.and_then(|arguments| check_arguments(tool, arguments).err());
        let written = project.written.plugins.get(&plugin.name).unwrap_or(plugin);
        let granted = plugin.granted_lines();
        let placed = placed(&written.grants).into_iter();
        let grants: Vec<(String, Option<String>)> = placed
            .map(|(capability, scope, place)| (format!("{capability} {scope}"), places.of_grants(plugin, &place)))
            .filter(|(grant, _)| granted.contains(grant))
            .collect();
        let secrets = self.secret_states(project, plugin, Some(principal));
        let labels = project.project.labels.enforce.then(|| Flow::of(&project.project, plugin, tool));
        let exit = match (verdict.decision, &misfit) {
            ("deny", _) => Exit::Denied,
            (_, Some(_)) => Exit::Failed,
            _ => Exit::Done,
        };
        if self.global.json {
            let explained = json!({
                "plugin": plugin.name.as_str(), "tool": tool.name, "principal": principal,
                "allowed": verdict.decision == "allow", "decision": verdict.decision, "reason": verdict.reason, "by": verdict.by, "change": verdict.change,
                "arguments": misfit.as_ref().map(ToString::to_string),
                "effect": tool.effect, "approval": plugin.asks(&tool.name), "limits": plugin.limits, "isolation": plugin.isolation,
                "granted": grants.iter().map(|(grant, by)| json!({ "grant": grant, "by": by })).collect::<Vec<_>>(),
                "labels": labels.map(|flow| json!({ "brings": flow.brings, "closed_when": flow.closed, "ask_when": flow.ask })),
                "secrets": states_json(&secrets),
            });
            return Ok((Some(explained), exit));
        }
        print_verdict(&verdict, principal, plugin, tool);
        misfit.iter().for_each(|error| output::line(&format!("  {BAD}arguments{BAD:#} {error}")));
        print_terms(plugin, tool);
        if let Some(Flow { brings, closed, ask }) = labels {
            let brings = if brings.is_empty() { "nothing by itself".to_owned() } else { named(&brings) };
            output::line(&format!("  labels    brings {brings}; closed when: {closed}; asks when: {ask}"));
        }
        let none = if grants.is_empty() { format!(" {DIM}nothing{DIM:#}") } else { String::new() };
        output::line(&format!("  rights   {none}"));
        grants.iter().for_each(|(grant, by)| output::line(&format!("    {grant}{}", beside(by.as_deref()))));
        if !secrets.is_empty() {
            output::line("  secrets");
            secrets.iter().for_each(|(name, state)| print_state("    ", name, state, ""));
        }
        Ok((None, exit))
    }

    /// What stands between a caller and a tool, in the order in which a call meets it.
    fn verdict(
        &self,
        project: &OpenProject,
        plugin: &Plugin,
        current: &Current,
        called: &Called<'_>,
        places: &Places,
    ) -> anyhow::Result<Verdict> {
        let Called { tool, principal, .. } = *called;
        let deny =
            |reason: String, by: Option<String>, change: Option<String>| Verdict { decision: "deny", reason: Some(reason), by, change };
        if let Some(error) = self.not_loaded(project, plugin, current) {
            let change = error.hints.first().cloned();
            return Ok(deny(error.message, places.of_plugin(plugin, &[]), change));
        }
        if let Some(refusal) = HaltFile::new(&project.state).halts()?.refusal(principal, plugin.name.as_str()) {
            return Ok(deny(format!("{}; {}", refusal.reason, refusal.hint), None, None));
        }
        let name = plugin.name.as_str();
        if *principal != self.environment.principal {
            let id = format!("{name}/{}", tool.name);
            let own = principal.to_string();
            let by = places.line(&[Step::Key("principals"), Step::Key(&own)]);
            match project.project.role(principal) {
                None => {
                    let change =
                        format!("write `\"{principal}\" = [\"<role>\"]` below [principals] in `{MANIFEST_FILE}`, then: remit review");
                    return Ok(deny(format!("`{principal}` has no role in this project"), by, Some(change)));
                }
                Some(role) if !role.allows(name, &tool.name) => {
                    let reason = format!("no role of `{principal}` has this tool");
                    return Ok(deny(reason, by, Some(role_change(&project.project, principal, &id, places))));
                }
                Some(_) => {}
            }
        }
        Ok(match plugin.ask.iter().position(|asked| asked == "*" || *asked == tool.name) {
            Some(index) => Verdict {
                decision: "ask",
                reason: Some("a person has to approve each call".to_owned()),
                by: places.of_plugin(plugin, &[Step::Key("ask"), Step::Item(index)]),
                change: Some(format!("take `{}` from `ask` there, then: remit review", plugin.ask.get(index).map_or("*", String::as_str))),
            },
            None => Verdict {
                decision: "allow",
                reason: None,
                by: role_line(&project.project, principal, name, &tool.name, places),
                change: None,
            },
        })
    }

    /// Why the plugin would not be loaded for a call.
    fn not_loaded(&self, project: &OpenProject, plugin: &Plugin, current: &Current) -> Option<Error> {
        let lock = project.lock.clone().unwrap_or_default();
        let refused = lock.admits(&project.project, plugin, current.locked.digest).err().filter(|_| {
            let follows = matches!(plugin.source, Source::Crate(_)) && project.project.signers.is_empty();
            !follows || matches!(relock(&plugin.source, lock.plugins.get(&plugin.name), &current.locked), Relock::NeedsReview(_))
        });
        refused.or_else(|| self.has_secrets(project, plugin).err().and_then(|error| error.downcast().ok()))
    }

    fn explain_request(
        &self,
        project: &OpenProject,
        plugin: &Plugin,
        current: &Current,
        asked: &Asked,
        principal: &Principal,
    ) -> anyhow::Result<Exit> {
        let places = Places::of(project)?;
        let rights =
            |of: &Plugin| Resolved::new(of.name.as_str(), Effect::Once, current.declared(), of.grants.clone(), principal, &project.root);
        let (own, request) = (rights(plugin), asked.request());
        let written = project.written.plugins.get(&plugin.name).unwrap_or(plugin);
        match decide(&request, &own) {
            Decision::Allow(_) => {
                let place = granted_at(&request, &rights(written));
                let by = places.of_grants(plugin, &place);
                let granting = placed(&written.grants).into_iter().find(|(_, _, own)| *own == place);
                let change =
                    granting.map(|(capability, scope, _)| format!("remit revoke {} {capability} {}", plugin.name, line::quote(&scope)));
                if self.global.json {
                    output::json(&json!({ "allowed": true, "decision": "allow", "by": by, "change": change }));
                } else {
                    let what = match &request {
                        Request::Fs { path, access } => format!("{access} {path}"),
                        Request::Http { method, url } => format!("{method} {url}"),
                        other => other.written(),
                    };
                    output::line(&format!("{GOOD}allowed{GOOD:#}: `{}` may {}{}", plugin.name, visible(&what, 300), beside(by.as_deref())));
                    if project.project.labels.enforce
                        && let Some(line) = labels_of(&request, &own)
                    {
                        output::line(&line);
                    }
                    change.iter().for_each(|change| output::line(&format!("  to refuse it: {change}")));
                }
                Ok(Exit::Done)
            }
            Decision::Deny(denial) => Ok(self.print_denial(&denial, denied_by(&denial, plugin, &places), &project.revoked(&plugin.name))),
        }
    }

    fn print_denial(&self, denial: &Denial, by: Option<String>, revoked: &BTreeSet<String>) -> Exit {
        if self.global.json {
            output::json(&json!({ "allowed": false, "decision": "deny", "denial": denial, "by": by, "fix": denial.command() }));
            return Exit::Denied;
        }
        output::line(&format!("{BAD}denied{BAD:#}: {denial}{}", beside(by.as_deref())));
        revoked_lines(revoked, &denial.capability).for_each(|line| output::line(&line));
        denial.command().iter().for_each(|command| output::line(&format!("  to allow it: {command}")));
        Exit::Denied
    }

    /// What the audit log of the project says of a call.
    fn explain_call(&self, project: &OpenProject, call: &str) -> anyhow::Result<Exit> {
        let call: CallId = call.parse()?;
        let id = call.to_string();
        let store = self.store(&project.state, false)?;
        let found = self.block_on(async { newest(&store, 1, |record| record.is_about(&id)).await })?;
        let record = found.first().ok_or_else(|| Error::not_found(format!("no call `{call}` in the audit log of this project")))?;
        output::line(&if self.global.json { record.text.clone() } else { serde_json::to_string_pretty(&record.value)? });
        Ok(Exit::Done)
    }
}

/// Where the layer stands that refused a request.
fn denied_by(denial: &Denial, plugin: &Plugin, places: &Places) -> Option<String> {
    match denial.rule {
        Rule::NotDeclared => Some(format!("`plugin.toml` of `{}`", plugin.name)),
        Rule::NotGranted => places.of_plugin(plugin, &[]),
        _ => places.of_grants(plugin, &[Step::Key(&denial.capability)]).or_else(|| places.of_plugin(plugin, &[])),
    }
}

/// What the project says of a tool's labels.
struct Flow {
    brings: BTreeSet<Label>,
    closed: When,
    ask: When,
}

impl Flow {
    fn of(project: &Project, plugin: &Plugin, tool: &Definition) -> Self {
        let (name, outside) = (plugin.name.as_str(), plugin.is_outside());
        let (closed, ask) = project.labels.sink(name, &tool.name, outside);
        Self { brings: project.labels.gives(name, &tool.name, outside), closed, ask }
    }
}

fn named(labels: &BTreeSet<Label>) -> String {
    labels.iter().map(|label| label.name()).collect::<Vec<_>>().join(" and ")
}

/// What an allowed request brings, and what closes it.
fn labels_of(request: &Request<'_>, rights: &Resolved) -> Option<String> {
    let (labels, closed) = match request {
        Request::Http { method, url } => {
            let (labels, closed) = rights.http_labels(method, url);
            (labels, Some(closed))
        }
        Request::Fs { path, .. } => (rights.mount_of(path).map(|mount| mount.labels.clone()).unwrap_or_default(), None),
        _ => return None,
    };
    let brings = if labels.is_empty() { "nothing".to_owned() } else { named(&labels) };
    let closed = closed.map_or_else(String::new, |closed| format!("; closed when: {closed}"));
    Some(format!("  labels: brings {brings}{closed}"))
}

/// The line that gives `principal` the tool: of a role, or of the principal itself.
fn role_line(project: &Project, principal: &Principal, plugin: &str, tool: &str, places: &Places) -> Option<String> {
    let own = principal.to_string();
    let giving = project.principals.get(principal)?.iter().find_map(|name| match project.roles.get(name) {
        Some(Role::Tools(patterns)) => patterns.iter().position(|pattern| pattern.matches(plugin, tool)).map(|index| (name, index)),
        _ => None,
    });
    match giving {
        Some((role, index)) => places.line(&[Step::Key("roles"), Step::Key(role), Step::Key("tools"), Step::Item(index)]),
        None => places.line(&[Step::Key("principals"), Step::Key(&own)]),
    }
}

/// What would give `principal` the tool `id`: one of its roles, with one tool more.
fn role_change(project: &Project, principal: &Principal, id: &str, places: &Places) -> String {
    let role = project.principals.get(principal).and_then(|roles| roles.iter().find(|role| project.roles.contains_key(*role)));
    match role {
        None => format!("give `{principal}` a role that has `{id}`, below [principals] in `{MANIFEST_FILE}`, then: remit review"),
        Some(role) => {
            let at = places.line(&[Step::Key("roles"), Step::Key(role), Step::Key("tools")]);
            format!("add \"{id}\" to `tools` of [roles.{role}]{}, then: remit review", beside(at.as_deref()))
        }
    }
}

/// ` (remit.toml:12)`, where there is one.
pub(super) fn beside(by: Option<&str>) -> String {
    by.map(|by| format!(" {DIM}({by}){DIM:#}")).unwrap_or_default()
}

fn print_verdict(verdict: &Verdict, principal: &Principal, plugin: &Plugin, tool: &Definition) {
    let (style, word) = match (verdict.decision, &verdict.reason) {
        ("deny", Some(reason)) => (BAD, format!("may not call ({reason})")),
        ("ask", _) => (WARN, "may call, once a person approves,".to_owned()),
        _ => (GOOD, "may call".to_owned()),
    };
    let by = beside(verdict.by.as_deref());
    output::line(&format!("{HEAD}{principal}{HEAD:#} {style}{word}{style:#} {HEAD}{}/{}{HEAD:#}{by}", plugin.name, tool.name));
    if let Some(change) = &verdict.change {
        output::line(&format!("  to change that: {change}"));
    }
}

/// Under which terms the tool runs.
fn print_terms(plugin: &Plugin, tool: &Definition) {
    let narrowed = if tool.effect == Effect::Read { ": every right below is narrowed to reading" } else { "" };
    output::line(&format!("  effect    {}{narrowed}", super::effect(tool.effect)));
    output::line(&format!("  approval  {}", if plugin.asks(&tool.name) { "a person, each time" } else { "not needed" }));
    if plugin.is_outside() {
        let (word, held) = match plugin.command() {
            Some(_) => ("native", "its process is held to nothing but your own rights"),
            None => ("remote", "it is sent what its tools are called with, and does with it what it likes"),
        };
        output::line(&format!("  {BAD}{word}{BAD:#}    an outside server: {held}"));
    }
    let limits = plugin.limits;
    output::line(&format!("  limits    {} MiB, {} ms, {} KiB of output", limits.memory_mib, limits.deadline_ms, limits.output_kib));
    if !plugin.is_outside() {
        let CallLimits { requests_per_minute, sent_kib_per_minute, received_kib_per_minute, .. } = limits;
        let traffic = format!("{sent_kib_per_minute} KiB sent, {received_kib_per_minute} KiB received");
        output::line(&format!("  a minute  {requests_per_minute} requests, {traffic}"));
    }
    if !plugin.isolation.is_none() {
        output::line("  isolation process: in a process of its own, without files, network and system calls but those of computing");
    }
}
