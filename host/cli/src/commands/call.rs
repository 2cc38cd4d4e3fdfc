//! `remit call`: one tool call.

use std::{
    collections::BTreeSet,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use remit_core::{
    Error,
    grant::{Denial, Grants, line},
    id::SessionId,
    identity::Role,
    label::Policy,
    limit::ARGUMENTS_MAX_BYTES,
    plugin::text::visible_lines,
};
use remit_runtime::{Content, Host, Outcome, Project, Request, capability::Event};
use remit_server::mcp::shape;
use serde_json::json;

use crate::{
    Exit,
    commands::{add, answer, call_session::InSession},
    error::{exit_of_call, with_hints},
    opened, output,
};

/// Call a tool, once, in its sandbox
///
/// PLUGIN is a plugin of the project, or the path of a component; PLUGIN/TOOL is understood too. What the tool was refused stands on
/// standard error, with the grant that would allow it.
///
/// Examples:
///   remit call files search '{"path": "/docs", "pattern": "lock"}'
///   remit call ./greet.wasm greet '{"name": "Ada"}'
///   remit call mail send '{"to": "ada@example.com"}' --session desk --key monday
///   remit call ./fetch.wasm get '{"url": "https://example.com/"}' --grant 'http GET https://example.com/'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Call {
    /// A plugin's name in `remit.toml`, or the path of a `.wasm`
    plugin: String,
    /// The tool; not needed where the plugin has one tool
    tool: Option<String>,
    /// Its arguments: JSON, @FILE, or - for standard input; default {}
    arguments: Option<String>,
    /// Grant this for the one call: a capability and its scope
    #[arg(long, value_name = "GRANT")]
    grant: Vec<String>,
    /// Make the call in this session, by its id or by a name of yours, which makes it where there is none
    #[arg(long, value_name = "ID|NAME")]
    session: Option<String>,
    /// Names the call: in a session, the same key gives the recorded result; without one, it names the effect for outside systems
    #[arg(long)]
    key: Option<String>,
    /// Say yes where the project asks for an approval of this call
    #[arg(long)]
    yes: bool,
}

/// What is called, and where.
struct Target {
    host: Host,
    plugin: remit_runtime::Plugin,
    /// What else the project serves, for calls of a session that were cut off.
    others: Vec<remit_runtime::Plugin>,
    /// The folder that paths in grants start from.
    root: PathBuf,
    /// The project's name.
    project: String,
    /// What the project says of labels.
    labels: Policy,
    /// Grants that `remit.local.toml` takes away.
    revoked: BTreeSet<String>,
}

impl super::Run {
    pub(super) fn call(&self, mut arguments: Call) -> anyhow::Result<Exit> {
        split(&mut arguments);
        let mut grants = Grants::default();
        for grant in &arguments.grant {
            grants.merge(line::parse_pair(grant)?)?;
        }
        let Target { host, mut plugin, others, root, project, labels, revoked } =
            self.target(&arguments.plugin, arguments.session.is_some())?;
        if plugin.kind.is_outside() && grants != Grants::default() {
            let error = Error::invalid(format!("`{}` is an outside server and cannot be held to grants", plugin.name));
            return Err(error.hint("leave --grant out; what it is given stands in its table in `remit.toml`").into());
        }
        plugin.granted.merge(grants)?;
        let tool = match (&arguments.tool, plugin.definitions.as_slice()) {
            (Some(tool), _) => tool.clone(),
            (None, [only]) => only.name.clone(),
            (None, tools) => {
                let names: Vec<_> = tools.iter().map(|tool| tool.name.as_str()).collect();
                return Err(Error::invalid("which tool?").hint(format!("it has: {}", names.join(", "))).into());
            }
        };
        let text = self.text(arguments.arguments.as_deref())?;
        let in_session = arguments.session.is_some();
        let approved = !plugin.asks(&tool) || (!in_session && self.asked(&plugin, &tool, &text, arguments.yes)?);
        let name = plugin.name.to_string();
        let promised = plugin.definitions.iter().any(|one| one.name == tool && one.output_schema.is_some());
        let plugins = std::iter::once(plugin).chain(others).collect();
        let served = Project { name: project.clone(), root, plugins, labels, ..Project::default() };
        if let Some((_, error)) = host.load(served).into_iter().find(|(out, _)| out.as_str() == name) {
            return Err(error.into());
        }
        let mut context = host.context(self.environment.principal.clone(), Role::Owner)?;
        context.time_zone.clone_from(&self.environment.time_zone);
        let request = Request { approved, events: Some(Arc::new(show)), ..Request::new(&project, &name, &tool, &text) };
        if let Some(session) = &arguments.session {
            let asked = InSession { host: &host, context: &context, request: &request, session, key: arguments.key.as_deref() };
            return self.call_in(&asked, arguments.yes, promised, &revoked);
        }
        context.idempotency_key = arguments.key;
        let outcome = self.block_on(async { Ok(host.call(&context, &request).await) })?;
        if self.global.json { print_json(outcome, promised, None) } else { Ok(print(&outcome, &revoked)) }
    }

    fn target(&self, plugin: &str, in_session: bool) -> anyhow::Result<Target> {
        if is_path(plugin) && in_session {
            let error = Error::invalid("a session belongs to a project, and a component that is named by its path to none");
            return Err(error.hint("add it to the project first: remit add PATH").into());
        }
        if is_path(plugin) {
            let host = self.host()?;
            let plugin = opened::plugin_from_file(self, &host, &self.environment.cwd.join(plugin))?;
            let (root, project) = (self.environment.cwd.clone(), "command-line".to_owned());
            return Ok(Target { host, plugin, others: Vec::new(), root, project, labels: Policy::default(), revoked: BTreeSet::new() });
        }
        let project = self.open_trusted()?;
        let plugin = self.approved(&project, project.plugin(plugin)?)?;
        // What the one call gives is shown once its record is durable, even where it only reads: it costs the same one write.
        let store = Arc::new(self.store(&project.state, in_session)?);
        let host = self.project_builder(&project, store)?.build()?;
        let others = if in_session { self.others(&project, plugin.name.as_str()) } else { Vec::new() };
        let revoked = project.revoked(&plugin.name);
        let remit_core::project::Project { name, labels, .. } = project.project;
        Ok(Target { host, plugin, others, root: project.root, project: name, labels, revoked })
    }

    /// The arguments as text, from where they are.
    #[allow(clippy::disallowed_methods, reason = "arguments are read here, bounded")]
    pub(super) fn text(&self, arguments: Option<&str>) -> anyhow::Result<String> {
        let bad = |error: &dyn std::fmt::Display, from: &str| {
            Error::invalid(format!("the arguments in {from} cannot be read: {error}"))
                .hint("give JSON in UTF-8: as text, as @FILE, or - for standard input")
        };
        let read = |source: &mut dyn Read, from: &str| {
            let mut bytes = Vec::new();
            source.take(ARGUMENTS_MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| bad(&error, from))?;
            match String::from_utf8(bytes) {
                // Cut off in the middle of a character: too long is what it is.
                Err(error) if error.as_bytes().len() > ARGUMENTS_MAX_BYTES => Ok(String::from_utf8_lossy(error.as_bytes()).into_owned()),
                text => text.map_err(|error| bad(&error, from)),
            }
        };
        match arguments {
            None => Ok("{}".to_owned()),
            Some("-") => Ok(read(&mut std::io::stdin(), "standard input")?),
            Some(given) => match given.strip_prefix('@') {
                None => Ok(given.to_owned()),
                Some(path) => {
                    let mut file = std::fs::File::open(self.environment.cwd.join(path)).map_err(|error| bad(&error, path))?;
                    Ok(read(&mut file, path)?)
                }
            },
        }
    }

    /// Whether a person says yes to this very call.
    pub(super) fn asked(&self, plugin: &remit_runtime::Plugin, tool: &str, arguments: &str, yes: bool) -> anyhow::Result<bool> {
        if yes || !output::interactive() {
            return Ok(yes);
        }
        output::note(&format!("`{}/{tool}` needs your approval. It will be called with:\n{}", plugin.name, visible_lines(arguments, 4096)));
        answer("Call it?")
    }
}

/// `PLUGIN/TOOL` as two words; a path stays one.
fn split(arguments: &mut Call) {
    if is_path(&arguments.plugin) {
        return;
    }
    if let Some((plugin, tool)) = arguments.plugin.clone().split_once('/') {
        arguments.arguments = arguments.tool.replace(tool.to_owned()).or(arguments.arguments.take());
        arguments.plugin = plugin.to_owned();
    }
}

/// Whether the plugin was named by a path.
pub fn is_path(plugin: &str) -> bool {
    Path::new(plugin).extension().is_some_and(|extension| extension == "wasm")
}

/// What a running tool tells.
pub(super) fn show(event: Event) {
    match event {
        Event::Progress { fraction: Some(fraction), message } => output::note(&format!("{:3.0} % {message}", fraction * 100.0)),
        Event::Progress { fraction: None, message } => output::note(&message),
        Event::Log { level, message } => output::note(&format!("{level}: {message}")),
        Event::Said { text } => output::piece(&text),
    }
}

/// Prints an outcome for a person.
pub(super) fn print(outcome: &Outcome, revoked: &BTreeSet<String>) -> Exit {
    if !outcome.stdout.is_empty() {
        output::note(outcome.stdout.trim_end());
    }
    if !outcome.stderr.is_empty() {
        output::note(outcome.stderr.trim_end());
    }
    let exit = match &outcome.result {
        Ok(result) => {
            result.content.iter().for_each(print_piece);
            Exit::Done
        }
        Err(error) => {
            output::error(&with_hints(error));
            outcome.backtrace.iter().for_each(|frame| output::note(&format!("    at {frame}")));
            exit_of_call(error, !outcome.denials.is_empty())
        }
    };
    // A refusal of the call itself is told already.
    let told = outcome.result.as_ref().err().map(|error| &error.message);
    let others = outcome.denials.iter().filter(|denial| Some(&denial.to_string()) != told);
    others.for_each(|denial| print_denial(denial, revoked));
    exit
}

fn print_piece(piece: &Content) {
    match piece {
        Content::Text { text } => output::line(&visible_lines(text, usize::MAX)),
        other => match serde_json::to_value(other) {
            Ok(value) => output::json(&value),
            Err(error) => output::error(&format!("error: a piece of the result cannot be shown: {error}")),
        },
    }
}

/// One refusal, and what would allow it.
pub(super) fn print_denial(denial: &Denial, revoked: &BTreeSet<String>) {
    output::error(&format!("denied: {denial}"));
    opened::revoked_lines(revoked, &denial.capability).for_each(|line| output::note(&line));
    if let Some(command) = denial.command() {
        output::note(&format!("  to allow it: {command}"));
    }
}

/// Prints an outcome in the shape of MCP's `CallToolResult`, with the hints, which are for people.
pub(super) fn print_json(outcome: Outcome, promised: bool, session: Option<SessionId>) -> anyhow::Result<Exit> {
    let (exit, hints) = match &outcome.result {
        Ok(_) => (Exit::Done, Vec::new()),
        Err(error) => (exit_of_call(error, !outcome.denials.is_empty()), error.hints.clone()),
    };
    let mut document = shape::json(shape::result(outcome, promised))?;
    if let Some(error) = document.pointer_mut("/_meta/remit~1error") {
        add(error, "hints", json!(hints));
    }
    if let (Some(session), Some(meta)) = (session, document.pointer_mut("/_meta")) {
        add(meta, "remit/session", json!(session));
    }
    output::json(&document);
    Ok(exit)
}
