//! `remit explain`: why something is allowed or refused.

use std::collections::BTreeSet;

use remit_core::{
    Error,
    grant::{Access, Decision, Request, Resolved, canonical_url, decide, line},
    halt::HaltSource,
    id::CallId,
    identity::{Principal, Role},
    plugin::{Effect, text::visible},
    project::Project,
};
use remit_runtime::project::{HaltFile, OpenProject};
use serde_json::json;

use crate::{
    Exit,
    opened::revoked_lines,
    output::{self, BAD, DIM, GOOD, HEAD},
    outside::{Start, known},
    secrets::{State, print_state, states_json},
};

/// Explain what a plugin may do, or what became of a call
///
/// Examples:
///   remit explain files search
///   remit explain fetch http 'GET https://example.com/'
///   remit explain files fs 'write /docs/a.md' --as user:ada
///   remit explain call_01k…
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Explain {
    /// A plugin of the project, or a call's id
    plugin: String,
    /// A tool, or a capability: fs, http, env, config, kv, tools, sockets
    what: Option<String>,
    /// For a capability: the request, as in the examples
    request: Option<String>,
    /// As this principal; default: you
    #[arg(long = "as", value_name = "PRINCIPAL")]
    principal: Option<Principal>,
}

impl super::Run {
    pub(super) fn explain(&self, arguments: &Explain) -> anyhow::Result<Exit> {
        let project = self.open_trusted()?;
        if arguments.plugin.starts_with(CallId::PREFIX) {
            return self.explain_call(&project, &arguments.plugin);
        }
        let plugin = project.plugin(&arguments.plugin)?;
        let current = self.current(&project, plugin, known(project.lock.as_ref(), plugin), Start::Never)?;
        let what = arguments.what.as_deref().ok_or_else(|| {
            let names: Vec<_> = current.locked.tools.keys().map(String::as_str).collect();
            Error::invalid("explain what?").hint(format!("name a tool ({}) or a capability and a request", names.join(", ")))
        })?;
        let own = self.environment.principal.clone();
        let principal = arguments.principal.clone().unwrap_or_else(|| own.clone());
        let role = if principal == own { Some(Role::Owner) } else { project.project.role(&principal) };
        let rights =
            |effect| Resolved::new(plugin.name.as_str(), effect, current.declared(), plugin.grants.clone(), &principal, &project.root);
        match current.locked.tools.get(what) {
            Some(tool) => {
                let halted = HaltFile::new(&project.state).halts()?.refusal(&principal, plugin.name.as_str());
                let halted = halted.map(|refusal| format!("{}; {}", refusal.reason, refusal.hint));
                let hindrance = halted.or_else(|| {
                    let has = role.as_ref().is_some_and(|role| role.allows(plugin.name.as_str(), &tool.name));
                    (!has).then(|| "no role has this tool".to_owned())
                });
                let secrets = self.secret_states(&project, plugin, Some(&principal));
                Ok(self.explain_tool(&project.project, plugin, tool, &rights(tool.effect), &principal, hindrance.as_deref(), &secrets))
            }
            None => {
                let enforced = project.project.labels.enforce;
                let revoked = project.revoked(&plugin.name);
                self.explain_request(what, arguments.request.as_deref(), &rights(Effect::Once), &revoked, enforced)
            }
        }
    }

    fn explain_tool(
        &self,
        project: &Project,
        plugin: &remit_core::project::Plugin,
        tool: &remit_core::plugin::Definition,
        rights: &Resolved,
        principal: &Principal,
        hindrance: Option<&str>,
        secrets: &[(String, State)],
    ) -> Exit {
        let allowed = hindrance.is_none();
        let outside = plugin.is_outside();
        let gives = project.labels.gives(plugin.name.as_str(), &tool.name, outside);
        let (closed, ask) = project.labels.sink(plugin.name.as_str(), &tool.name, outside);
        let grants: Vec<_> = line::format(&rights.granted).into_iter().map(|(capability, scope)| format!("{capability} {scope}")).collect();
        if self.global.json {
            output::json(&json!({
                "plugin": plugin.name.as_str(), "tool": tool.name, "principal": principal, "allowed": allowed, "reason": hindrance,
                "effect": tool.effect, "approval": plugin.asks(&tool.name), "limits": plugin.limits, "granted": grants,
                "labels": project.labels.enforce.then(|| json!({ "brings": gives, "closed_when": closed, "ask_when": ask })),
                "secrets": states_json(secrets),
            }));
        } else {
            let (style, word) = match hindrance {
                None => (GOOD, "may call".to_owned()),
                Some(reason) => (BAD, format!("may not call ({reason})")),
            };
            output::line(&format!("{HEAD}{principal}{HEAD:#} {style}{word}{style:#} {HEAD}{}/{}{HEAD:#}", plugin.name, tool.name));
            output::line(&format!(
                "  effect    {}{}",
                super::effect(tool.effect),
                if tool.effect == Effect::Read { ": every right below is narrowed to reading" } else { "" }
            ));
            output::line(&format!("  approval  {}", if plugin.asks(&tool.name) { "a person, each time" } else { "not needed" }));
            if project.labels.enforce {
                let brings: Vec<_> = gives.iter().map(|label| label.name()).collect();
                let brings = if brings.is_empty() { "nothing by itself".to_owned() } else { brings.join(" and ") };
                output::line(&format!("  labels    brings {brings}; closed when: {closed}; asks when: {ask}"));
            }
            if outside {
                let (word, held) = match plugin.command() {
                    Some(_) => ("native", "its process is held to nothing but your own rights"),
                    None => ("remote", "it is sent what its tools are called with, and does with it what it likes"),
                };
                output::line(&format!("  {BAD}{word}{BAD:#}    an outside server: {held}"));
            }
            output::line(&format!(
                "  limits    {} MiB, {} ms, {} KiB of output",
                plugin.limits.memory_mib, plugin.limits.deadline_ms, plugin.limits.output_kib
            ));
            let none = if grants.is_empty() { format!(" {DIM}nothing{DIM:#}") } else { String::new() };
            output::line(&format!("  rights   {none}"));
            grants.iter().for_each(|grant| output::line(&format!("    {grant}")));
            if !secrets.is_empty() {
                output::line("  secrets");
                secrets.iter().for_each(|(name, state)| print_state("    ", name, state, ""));
            }
        }
        if allowed { Exit::Done } else { Exit::Denied }
    }

    fn explain_request(
        &self,
        capability: &str,
        request: Option<&str>,
        rights: &Resolved,
        revoked: &BTreeSet<String>,
        labels: bool,
    ) -> anyhow::Result<Exit> {
        let request = request.ok_or_else(|| wrong(capability))?;
        match decided(capability, request, rights)? {
            None => {
                if self.global.json {
                    output::json(&json!({ "allowed": true }));
                } else {
                    let what = visible(request, 300);
                    let what = if matches!(capability, "fs" | "http") { what } else { format!("{capability} {what}") };
                    output::line(&format!("{GOOD}allowed{GOOD:#}: `{}` may {what}", rights.plugin));
                    if labels && let Some(line) = labels_of(capability, request, rights)? {
                        output::line(&line);
                    }
                }
                Ok(Exit::Done)
            }
            Some(denial) => {
                if self.global.json {
                    output::json(&json!({ "allowed": false, "denial": denial, "fix": denial.command() }));
                } else {
                    output::line(&format!("{BAD}denied{BAD:#}: {denial}"));
                    revoked_lines(revoked, &denial.capability).for_each(|line| output::line(&line));
                    if let Some(command) = denial.command() {
                        output::line(&format!("  to allow it: {command}"));
                    }
                }
                Ok(Exit::Denied)
            }
        }
    }

    /// Finds a call in the audit log.
    #[allow(clippy::disallowed_methods, reason = "the audit log is read here, line by line")]
    fn explain_call(&self, project: &OpenProject, call: &str) -> anyhow::Result<Exit> {
        use std::io::BufRead;
        let call: CallId = call.parse()?;
        let log = std::fs::File::open(project.state.audit()?)?;
        for line in std::io::BufReader::new(log).lines() {
            let record: serde_json::Value = serde_json::from_str(&line?).unwrap_or(serde_json::Value::Null);
            if record.get("call").and_then(serde_json::Value::as_str) == Some(call.to_string().as_str()) {
                let text = if self.global.json { record.to_string() } else { serde_json::to_string_pretty(&record)? };
                output::line(&text);
                return Ok(Exit::Done);
            }
        }
        Err(Error::not_found(format!("no call `{call}` in the audit log of this project")).into())
    }
}

/// The denial of a request, or `None` when it is allowed.
fn decided(capability: &str, request: &str, rights: &Resolved) -> anyhow::Result<Option<remit_core::grant::Denial>> {
    let two = || request.split_once(' ').ok_or_else(|| wrong(capability));
    let access = |word: &str| match word {
        "read" => Ok(Access::Read),
        "write" => Ok(Access::Write),
        _ => Err(wrong(capability)),
    };
    let url;
    let request = match capability {
        "fs" => {
            let (word, path) = two()?;
            Request::Fs { path, access: access(word)? }
        }
        "http" => {
            let (method, text) = two()?;
            url = canonical_url(text)?;
            Request::Http { method, url: &url }
        }
        "env" => Request::Env { name: request },
        "config" => Request::Config { name: request },
        "kv" => Request::Kv { access: access(request)? },
        "workspace" => Request::Fs { path: remit_core::grant::WORKSPACE_MOUNT, access: access(request)? },
        "tools" => {
            let (plugin, tool) = request.split_once('/').ok_or_else(|| wrong(capability))?;
            Request::Tool { plugin, tool }
        }
        "sockets" => Request::Socket { target: request },
        custom if custom.contains(':') => Request::Custom { capability: custom, request },
        _ => return Err(wrong(capability).into()),
    };
    Ok(match decide(&request, rights) {
        Decision::Allow(_) => None,
        Decision::Deny(denial) => Some(denial),
    })
}

/// What an allowed request brings, and what closes it.
fn labels_of(capability: &str, request: &str, rights: &Resolved) -> anyhow::Result<Option<String>> {
    let (labels, closed) = match (capability, request.split_once(' ')) {
        ("http", Some((method, url))) => {
            let (labels, closed) = rights.http_labels(method, &canonical_url(url)?);
            (labels, Some(closed))
        }
        ("fs", Some((_, path))) => (rights.mount_of(path).map(|mount| mount.labels.clone()).unwrap_or_default(), None),
        _ => return Ok(None),
    };
    let brings: Vec<_> = labels.iter().map(|label| label.name()).collect();
    let brings = if brings.is_empty() { "nothing".to_owned() } else { brings.join(" and ") };
    let closed = closed.map_or_else(String::new, |closed| format!("; closed when: {closed}"));
    Ok(Some(format!("  labels: brings {brings}{closed}")))
}

fn wrong(capability: &str) -> Error {
    let form = match capability {
        "fs" => "fs 'read /docs/a.md'",
        "http" => "http 'GET https://example.com/'",
        "env" => "env NAME",
        "config" => "config NAME",
        "kv" => "kv read",
        "workspace" => "workspace read",
        "tools" => "tools PLUGIN/TOOL",
        "sockets" => "sockets HOST:PORT",
        _ => {
            return Error::invalid(format!("`{}` is neither a tool of this plugin nor a capability", visible(capability, 64)))
                .hint("see its tools: remit inspect PLUGIN");
        }
    };
    Error::invalid(format!("which request of `{capability}`?")).hint(format!("write it as in: {form}"))
}
