//! A host that keeps sessions: a scripted agent, a tool that leaves a trace of each execution, a store on disk.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use remit_core::{
    Result,
    audit::AuditSink,
    clock::{Clock, Timestamp},
    grant::{Grants, line},
    halt::HaltSource,
    id::SessionId,
    identity::{Context, Role},
    label::Policy,
    limit::CallLimits,
    plugin::{Definition, Digest, manifest::Manifest, section::Section},
    project::Model,
    secret::SecretSource,
    store::{Called, SessionFilter, SessionRow, SessionStore, WaitRow},
};
use remit_runtime::{Host, Patience, Plugin, Project, Ran, RunRequest, TurnEnd, project::embed, services::SystemClock};
use remit_store::Sqlite;
use serde_json::{Value, json};

use crate::build;

/// The machine's clock, and what a test adds to it.
#[derive(Default)]
pub struct Shifted(AtomicU64);

impl Shifted {
    /// Moves the clock on.
    pub fn forward(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).expect("milliseconds"), Ordering::SeqCst);
    }

    /// Moves the clock back.
    pub fn back(&self, by: Duration) {
        self.0.fetch_sub(u64::try_from(by.as_millis()).expect("milliseconds"), Ordering::SeqCst);
    }
}

impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0.wrapping_add(self.0.load(Ordering::SeqCst)))
    }
}

/// What differs between desks.
#[derive(Clone, Default)]
pub struct Setup {
    /// Tools of `counter` that need an approval.
    pub ask: Vec<String>,
    /// Bounds of the agent.
    pub limits: Option<CallLimits>,
    /// What the agent may call, a grant a line; default `tools counter/*`.
    pub tools: Option<String>,
    /// Bytes put behind the counter's component, so that it is another one.
    pub changed: bool,
    /// Where audit records go.
    pub audit: Option<Arc<dyn AuditSink>>,
    /// The agent's component, in place of the fixture as it is.
    pub agent: Option<Arc<[u8]>>,
    /// What `counter` is granted besides `/work`, a grant a line.
    pub counter: Vec<String>,
    /// Bounds of `counter`.
    pub counter_limits: Option<CallLimits>,
    /// More agents of the same component, each with what it may call, a grant a line.
    pub agents: Vec<(String, String)>,
    /// Turns in flight at once, in a pool; without it, as many as come.
    pub pool: Option<u32>,
    /// What the guest `hostile` is granted; without it, the guest is not there.
    pub hostile: Option<Vec<String>>,
    /// What is halted; without it, nothing can be.
    pub halts: Option<Arc<dyn HaltSource>>,
    /// What the project says of labels.
    pub labels: Policy,
    /// The models of the project.
    pub models: BTreeMap<String, Model>,
    /// Its secrets; without it, there are none.
    pub secrets: Option<Arc<dyn SecretSource>>,
}

/// One process's view of a project with sessions.
pub struct Desk {
    /// The host.
    pub host: Host,
    /// Its clock.
    pub clock: Arc<Shifted>,
    /// Its store.
    pub store: Arc<dyn SessionStore>,
    folder: PathBuf,
}

impl Desk {
    /// A desk in `folder`, which may have been used before, with its own connection to the store there.
    pub async fn open(folder: &Path, setup: Setup) -> Self {
        let store = Sqlite::open(&folder.join("state")).expect("a store");
        Self::with_store(folder, setup, Arc::new(store)).await
    }

    /// A desk in `folder` with this store.
    pub async fn with_store(folder: &Path, setup: Setup, store: Arc<dyn SessionStore>) -> Self {
        let clock = Arc::new(Shifted::default());
        let cache = build::workspace().join("target/test-cache");
        let kept = folder.join("components");
        std::fs::create_dir_all(&kept).expect("a folder");
        let component = setup.agent.clone().unwrap_or_else(|| build::fixture("agent"));
        std::fs::write(kept.join(Digest::of(&component).hex()), &component).expect("kept");
        let components = move |digest: &Digest| Ok(std::fs::read(kept.join(digest.hex())).ok());
        let builder = Host::builder().cache_dir(cache).worker(build::remit()).sessions(store.clone()).clock(clock.clone());
        let builder = setup.audit.clone().into_iter().fold(builder, |builder, audit| builder.audit(audit));
        let builder = builder.components(Arc::new(components)).workspaces(folder.join("workspace"));
        let builder = setup.halts.clone().into_iter().fold(builder, |builder, halts| builder.halts(halts));
        let builder = setup.secrets.clone().into_iter().fold(builder, |builder, secrets| builder.secrets(secrets));
        let builder = if let Some(calls) = setup.pool { builder.pool(calls) } else { builder };
        let host = builder.build().expect("a host");
        std::fs::create_dir_all(folder.join("work")).expect("a folder");
        let tools = setup.tools.clone().unwrap_or_else(|| "tools counter/*".to_owned());
        let tools: Vec<&str> = tools.split('\n').collect();
        let mut plugins = Vec::new();
        for (name, tools) in &setup.agents {
            let tools: Vec<&str> = tools.split('\n').collect();
            plugins.push(host.plugin(name, build::fixture("agent")).await.expect("an agent").granted(grants(&tools)));
        }
        let mut agent = host.plugin("scripted", component).await.expect("an agent").granted(grants(&tools));
        agent.limits = setup.limits.unwrap_or(agent.limits);
        let granted: Vec<&str> = ["fs work:/work:write"].into_iter().chain(setup.counter.iter().map(String::as_str)).collect();
        let mut counter = plugin(&host, setup.changed).await.granted(grants(&granted));
        counter.ask = setup.ask;
        counter.limits = setup.counter_limits.unwrap_or(counter.limits);
        plugins.extend([agent, counter]);
        if let Some(granted) = &setup.hostile {
            let granted: Vec<&str> = granted.iter().map(String::as_str).collect();
            plugins.push(host.plugin("hostile", build::fixture("hostile")).await.expect("a plugin").granted(grants(&granted)));
        }
        let refused =
            host.load(Project { name: "desk".to_owned(), root: folder.to_owned(), plugins, labels: setup.labels, models: setup.models });
        assert!(refused.is_empty(), "{refused:?}");
        Self { host, clock, store, folder: folder.to_owned() }
    }

    /// `user:ada`, who owns the project.
    pub fn ada(&self) -> Context {
        self.host.context("user:ada".parse().expect("a principal"), Role::Owner).expect("a context")
    }

    /// Runs a new session through these steps.
    pub async fn run(&self, steps: Value) -> Result<Ran> {
        self.go(None, Some(&script(steps)), None).await
    }

    /// Gives a session steps for its next turn.
    pub async fn more(&self, session: SessionId, steps: Value) -> Result<Ran> {
        self.go(Some(session), Some(&script(steps)), None).await
    }

    /// Goes on with the turn that a session is in.
    pub async fn resume(&self, session: SessionId) -> Result<Ran> {
        self.go(Some(session), None, None).await
    }

    /// Runs as it is told, and waits for nothing.
    pub async fn go(&self, session: Option<SessionId>, input: Option<&str>, key: Option<&str>) -> Result<Ran> {
        self.go_as(Role::Owner, session, input, key).await
    }

    /// The same, with `user:ada` in this role.
    pub async fn go_as(&self, role: Role, session: Option<SessionId>, input: Option<&str>, key: Option<&str>) -> Result<Ran> {
        let context = self.host.context("user:ada".parse().expect("a principal"), role)?;
        self.go_with(&context, "scripted", session, input, key).await
    }

    /// Runs as it is told, and waits for whatever it has to.
    pub async fn stay(&self, session: Option<SessionId>, input: Option<&str>, key: Option<&str>) -> Result<Ran> {
        self.host.run(&self.ada(), &request(session, input, key, true)).await
    }

    /// The same with another agent, for whomever.
    pub async fn go_with(
        &self,
        context: &Context,
        agent: &str,
        session: Option<SessionId>,
        input: Option<&str>,
        key: Option<&str>,
    ) -> Result<Ran> {
        self.host.run(context, &RunRequest { agent, ..request(session, input, key, false) }).await
    }

    /// The sessions that a session called.
    pub async fn called_by(&self, session: SessionId) -> Vec<SessionRow> {
        let filter = SessionFilter { project: "desk".to_owned(), called: Called::By(session), limit: 1000, ..SessionFilter::default() };
        self.host.sessions(&self.ada(), filter).await.expect("sessions")
    }

    /// What a session waits for.
    pub async fn waits(&self, session: SessionId) -> Vec<WaitRow> {
        self.host.waits(&self.ada(), "desk", Some(session), false).await.expect("waits")
    }

    /// How a session stands.
    pub async fn row(&self, session: SessionId) -> SessionRow {
        self.host.session(&self.ada(), "desk", session).await.expect("a session")
    }

    /// The executions of the tool so far: lines of `tool key note`.
    pub fn executions(&self) -> Vec<String> {
        executions(&self.folder)
    }
}

/// What the agent of a desk is asked.
pub fn request<'a>(session: Option<SessionId>, input: Option<&'a str>, key: Option<&'a str>, people: bool) -> RunRequest<'a> {
    let patience = Patience { people, time: Duration::ZERO };
    RunRequest { project: "desk", agent: "scripted", session, name: None, input, key, patience, events: None }
}

/// The scripted agent as its version `version`, which says this of itself.
pub async fn versioned(version: &str, definition: impl FnMut(&mut Definition)) -> Arc<[u8]> {
    let raw = build::fixture("agent");
    let mut definitions = Host::builder().build().expect("a host").definitions("scripted", &raw).await.expect("what it says");
    definitions.iter_mut().take(1).for_each(definition);
    let manifest = format!(
        "version = 1\n[plugin]\nname = \"scripted\"\nversion = \"{version}\"\ndescription = \"Does steps.\"\n[declares]\ntools = [{{ allow = [\"counter/*\"], reason = \"steps\" }}]\n"
    );
    let manifest = Manifest::parse("plugin.toml", manifest.as_bytes()).expect("a manifest");
    embed(&raw, &Section::new(&manifest, definitions).expect("a section")).expect("a component").into()
}

/// The scripted agent with another prompt at its step `marked`: code that does something else at the same place.
pub fn marked() -> Arc<[u8]> {
    let (one, other) = (b"the first component asks", b"the other component asks");
    let mut bytes = build::fixture("agent").to_vec();
    let places: Vec<usize> = bytes.windows(one.len()).enumerate().filter(|(_, part)| part == one).map(|(place, _)| place).collect();
    let [place] = places[..] else { panic!("the prompt stands at {places:?}") };
    bytes[place..place + one.len()].copy_from_slice(other);
    bytes.into()
}

/// The executions in a desk's folder.
pub fn executions(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("work/executions.log")).unwrap_or_default();
    text.lines().map(|line| line.trim_end().to_owned()).collect()
}

async fn plugin(host: &Host, changed: bool) -> Plugin {
    let component = build::fixture("counter");
    if !changed {
        return host.plugin("counter", component).await.expect("a plugin");
    }
    // A custom section of two bytes: the same code, another component.
    let longer: Vec<u8> = component.iter().copied().chain([0, 2, 1, b'x']).collect();
    host.plugin("counter", longer).await.expect("a plugin")
}

fn grants(lines: &[&str]) -> Grants {
    let mut granted = Grants::default();
    lines.iter().for_each(|text| granted.merge(line::parse_pair(text).expect("a grant")).expect("one more"));
    granted
}

/// An input for the agent.
pub fn script(steps: Value) -> String {
    json!({ "steps": steps }).to_string()
}

/// A step that calls a tool of `counter`.
pub fn call(tool: &str, note: &str) -> Value {
    let arguments = if tool == "read_count" { json!({}) } else { json!({ "note": note }) };
    json!({ "call": { "tool": format!("counter/{tool}"), "arguments": arguments } })
}

/// A step that has an agent do steps.
pub fn call_agent(agent: &str, steps: Value) -> Value {
    json!({ "call": { "tool": format!("agents/{agent}"), "arguments": { "steps": steps } } })
}

/// The log of a turn that ended well.
pub fn log(ran: &Ran) -> Vec<Value> {
    match &ran.end {
        TurnEnd::Done(output) => {
            let output: Value = serde_json::from_str(output).expect("JSON");
            output["log"].as_array().expect("a log").clone()
        }
        other => panic!("the turn did not end well: {other:?}"),
    }
}
