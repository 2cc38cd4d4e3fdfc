//! The façade: a host loads projects and calls their tools.

mod admission;
mod errand;
mod inside;
mod isolated;
mod listing;
mod masked;
mod mcp;
mod model;
mod nested;
mod outside;
mod recorded;
mod running;
mod workspace;

pub(crate) use admission::labelled;
pub(crate) use listing::definition;
pub(crate) use running::Running;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    sync::{Arc, OnceLock, PoisonError, RwLock, Weak},
    time::{Duration, Instant},
};

use remit_core::{
    Error, Result,
    audit::Metering,
    grant::{Denial, Grants, Held},
    id::CallId,
    identity::{Context, Principal, Role},
    label::{Label, Labels, Policy},
    limit::{CallLimits, OUTPUT_KEPT_MAX_BYTES},
    plugin::{Definition, Isolation, Kind as PluginKind, MODELS, PluginName, inspect::inspect, section, text::visible},
    project::Model,
};
use tokio::sync::watch;
use tracing::Instrument;
use wasmtime::component::Linker;

use self::{
    errand::{Calling, Errand, Settling},
    masked::Masked,
    running::Metered,
    workspace::written,
};
use crate::{
    builder::{AnyCapability, Builder},
    capability::{
        Call, CallState, Events, Rights, Services, Uses, basics,
        call::now,
        fs, http, sockets,
        spend::{Spend, Spenders},
        stdio::Ring,
    },
    engine::{CpuMeter, Engine, Failed, Limiter, Permit, Settings},
    isolation::Isolated,
    output::Output,
    plugin::{Fate, Loaded, Plugin, Source, plain_definitions},
    quota::Quotas,
    session::{Agents, AllSeries},
};

/// Runs tools. Cheap to clone; every clone is the same host.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

/// A project as an application gives it.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// The folder that relative paths in grants start from.
    pub root: PathBuf,
    /// Its plugins.
    pub plugins: Vec<Plugin>,
    /// What it says of labels; they are not enforced by default.
    pub labels: Policy,
    /// The models that its agents ask, by name.
    pub models: BTreeMap<String, Model>,
}

/// What one call is about.
#[derive(Clone)]
pub struct Request<'a> {
    /// The project.
    pub project: &'a str,
    /// The plugin.
    pub plugin: &'a str,
    /// The tool.
    pub tool: &'a str,
    /// Its arguments: a JSON object.
    pub arguments: &'a str,
    /// Whether a person approved this very call.
    pub approved: bool,
    /// Labels that the person saw and let go with it.
    pub cleared: BTreeSet<Label>,
    /// Takes progress and log lines.
    pub events: Option<Events>,
}

impl<'a> Request<'a> {
    /// A call that nobody has approved and nobody listens to.
    pub fn new(project: &'a str, plugin: &'a str, tool: &'a str, arguments: &'a str) -> Self {
        Self { project, plugin, tool, arguments, approved: false, cleared: BTreeSet::new(), events: None }
    }
}

/// How a call ended, with all that the host knows of it.
#[derive(Debug)]
pub struct Outcome<T = Output> {
    /// The call.
    pub call: CallId,
    /// What it gave.
    pub result: Result<T>,
    /// What was refused on the way, whatever the guest made of it.
    pub denials: Vec<Denial>,
    /// What it brought that its context did not hold.
    pub labels: Labels,
    /// In a session: the requests that it was allowed, as [`Uses`](crate::capability::Uses) says them.
    pub used: Vec<String>,
    /// What it used.
    pub metering: Metering,
    /// After a trap: the guest's functions, innermost first, safe to show.
    pub backtrace: Vec<String>,
    /// The last bytes of its standard output, safe to show.
    pub stdout: String,
    /// The last bytes of its standard error, safe to show.
    pub stderr: String,
}

pub(crate) struct Inner {
    me: Weak<Self>,
    engine: Arc<Engine>,
    linker: Linker<CallState>,
    services: Arc<Services>,
    custom: Vec<Arc<dyn AnyCapability>>,
    interfaces: Vec<&'static str>,
    quotas: Arc<Quotas>,
    spenders: Arc<Spenders>,
    projects: RwLock<HashMap<String, Arc<Served>>>,
    /// What runs agents, made when the first one is run.
    agents: OnceLock<Result<Agents>>,
    agent_settings: Settings,
    /// The processes of isolated plugins.
    isolated: Arc<Isolated>,
    series: AllSeries,
    asking: tokio::sync::Mutex<()>,
    stopping: watch::Sender<bool>,
    killed: watch::Sender<bool>,
}

struct Served {
    root: PathBuf,
    labels: Policy,
    models: BTreeMap<String, Model>,
    plugins: BTreeMap<String, Arc<Loaded>>,
}

impl From<Arc<Inner>> for Host {
    fn from(inner: Arc<Inner>) -> Self {
        Self(inner)
    }
}

impl Host {
    /// Starts building one.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Serves `project`, in place of an earlier one of that name; calls that run go on with what they started with. A plugin whose
    /// definitions are not acceptable is left out and returned with the reason; the rest serves.
    pub fn load(&self, project: Project) -> Vec<(PluginName, Error)> {
        let mut refused = Vec::new();
        let mut plugins = BTreeMap::new();
        for plugin in project.plugins {
            let name = plugin.name.clone();
            match self.0.isolated.accepts(&plugin).and_then(|()| Loaded::new(plugin)) {
                Ok(loaded) => {
                    plugins.insert(name.to_string(), Arc::new(loaded));
                }
                Err(error) => refused.push((name, error)),
            }
        }
        let served = Arc::new(Served { root: project.root, labels: project.labels, models: project.models, plugins });
        self.0.projects.write().unwrap_or_else(PoisonError::into_inner).insert(project.name, served);
        refused
    }

    /// Stops serving a project; calls that run go on.
    pub fn unload(&self, project: &str) {
        self.0.projects.write().unwrap_or_else(PoisonError::into_inner).remove(project);
    }

    /// A context for a call that starts now.
    ///
    /// # Errors
    /// `host` when the machine gives no randomness.
    pub fn context(&self, principal: Principal, role: Role) -> Result<Context> {
        self.0.context(principal, role)
    }

    /// Calls a tool. Cancel-safe: dropping the future ends the guest, and its instance is thrown away.
    ///
    /// Every ending is an [`Outcome`]: `not-found` (project, plugin, tool), `invalid` (arguments), `denied` (the role, or a right that
    /// is missing), `limit` (deadline, memory, output, quota), `unavailable`, `guest` (a trap, a failure of its own), `host`.
    pub async fn call(&self, context: &Context, request: &Request<'_>) -> Outcome {
        let span = tracing::info_span!("call", call = %context.call, principal = %context.principal, project = request.project,
            plugin = request.plugin, tool = request.tool);
        self.0.call(context, request, true).instrument(span).await
    }

    /// A plugin from a component, with nothing granted yet. Its definitions come from its section `remit:plugin` or, for plain
    /// functions, from their types; a tool component without the section is asked for them as [`Host::definitions`] does.
    ///
    /// # Errors
    /// `invalid` when `name` or the component is not acceptable, or it imports what this host does not serve; those of asking it.
    pub async fn plugin(&self, name: &str, component: impl Into<Arc<[u8]>>) -> Result<Plugin> {
        let component = component.into();
        let inspection = inspect(&component, self.interfaces())?;
        inspection.require_tools()?;
        let section = section::find(&component)?;
        let definitions = match (&section, inspection.kind) {
            (Some(section), _) => section.tools.clone(),
            (None, PluginKind::Plain) => plain_definitions(&inspection, &BTreeMap::new(), &BTreeMap::new()),
            (None, _) => self.definitions(name, &component).await?,
        };
        Ok(Plugin {
            name: name.parse()?,
            digest: inspection.digest,
            kind: inspection.kind,
            definitions,
            declared: section.map_or_else(|| inspection.unscoped(), |section| section.declared),
            source: Source::Bytes(component),
            granted: Grants::default(),
            limits: CallLimits::default(),
            isolation: Isolation::None,
            ask: Vec::new(),
        })
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }

    /// Calls that run now.
    pub fn in_flight(&self) -> usize {
        self.0.stopping.receiver_count()
    }

    /// Asks a component that exports `remit:tool/tools` for its definitions, in an instance that is granted nothing.
    ///
    /// # Errors
    /// Those of compiling and running it; `invalid` when a definition is not acceptable.
    pub async fn definitions(&self, name: &str, component: &[u8]) -> Result<Vec<Definition>> {
        self.0.definitions(name, component).await
    }

    /// The WIT interfaces of the application's own capabilities.
    pub fn interfaces(&self) -> &[&'static str] {
        &self.0.interfaces
    }

    /// Refuses new calls, waits until those that run have ended, and ends the rest at `deadline`.
    pub async fn shutdown(&self, deadline: Duration) {
        self.0.stopping.send_replace(true);
        if tokio::time::timeout(deadline, self.0.stopping.closed()).await.is_err() {
            self.0.killed.send_replace(true);
            self.0.stopping.closed().await;
        }
        self.rest().await;
    }
}

impl Inner {
    pub fn new(
        me: Weak<Self>,
        engine: Arc<Engine>,
        linker: Linker<CallState>,
        services: Arc<Services>,
        custom: Vec<Arc<dyn AnyCapability>>,
        quotas: Arc<Quotas>,
        agent_settings: Settings,
    ) -> Self {
        let interfaces = custom.iter().flat_map(|custom| custom.interfaces()).copied().collect();
        let (stopping, killed) = (watch::Sender::new(false), watch::Sender::new(false));
        let isolated = Arc::new(Isolated::new(agent_settings.worker.clone()));
        Self {
            me,
            engine,
            linker,
            services,
            custom,
            interfaces,
            quotas,
            spenders: Arc::default(),
            projects: RwLock::default(),
            agents: OnceLock::new(),
            agent_settings,
            isolated,
            series: AllSeries::default(),
            asking: tokio::sync::Mutex::default(),
            stopping,
            killed,
        }
    }

    pub(crate) fn context(&self, principal: Principal, role: Role) -> Result<Context> {
        Ok(Context {
            call: CallId::new(self.services.clock.now(), self.random()?),
            principal,
            role,
            key: None,
            delegation: Vec::new(),
            held: Held::default(),
            labels: Labels::default(),
            session: None,
            turn: None,
            idempotency_key: None,
            deadline_ms: None,
            time_zone: "UTC".to_owned(),
        })
    }

    pub(crate) async fn call(&self, context: &Context, request: &Request<'_>, outermost: bool) -> Outcome {
        self.perform(context, request, &Calling { most_bytes: 0 }, outermost).await
    }

    /// Calls a tool for an agent. Its result may be larger than the bound of its plugin: the session keeps what is too large.
    pub(crate) async fn call_for_agent(&self, context: &Context, request: &Request<'_>) -> Outcome {
        if request.plugin == MODELS {
            return self.ask_model(context, request).await;
        }
        self.perform(context, request, &Calling { most_bytes: OUTPUT_KEPT_MAX_BYTES }, true).await
    }

    /// Asks the plugin of `request` what became of the call with `key` that was cut off.
    pub(crate) async fn settle(&self, context: &Context, request: &Request<'_>, key: &str) -> Outcome<Fate> {
        self.perform(context, request, &Settling { key }, true).await
    }

    async fn perform<E: Errand>(&self, context: &Context, request: &Request<'_>, errand: &E, outermost: bool) -> Outcome<E::Answer> {
        let started = now();
        if let Err(error) = self.services.audit.ready().await {
            return Outcome::unrun(context.call, Err(error), Vec::new());
        }
        let mut running = Running { settles: E::SETTLES, uses: Uses::kept(context.session.is_some()), ..Running::default() };
        let result = self.attempt(context, request, errand, outermost, started, &mut running).await;
        self.conclude(context, request, (started, running), result).await
    }

    /// What becomes of a call that has ended: what it wrote is synced, secrets are masked, and it is recorded.
    async fn conclude<T: Masked>(
        &self,
        context: &Context,
        request: &Request<'_>,
        (started, mut running): (Instant, Running),
        result: Result<(T, usize), Failed>,
    ) -> Outcome<T> {
        let result = written(&mut running).await.map_err(Failed::from).and(result).map_err(|failed| running.over.explain(failed));
        let result = if running.masks.is_empty() { result } else { result.masked(&running.masks) };
        let metering = &mut running.metering;
        metering.wall_us = micros(started.elapsed());
        metering.bytes_in = request.arguments.len() as u64;
        let (result, backtrace) = match result {
            Ok((answer, bytes)) => {
                metering.bytes_out = bytes as u64;
                (Ok(answer), Vec::new())
            }
            Err(failed) => (Err(failed.error), failed.backtrace),
        };
        let (denials, used) = (running.denials.take().masked(&running.masks), running.uses.take().masked(&running.masks));
        let result = self.audit(context, request, &running, &denials, result).await;
        let labels = running.seen.held().beyond(&context.labels);
        let Running { metering, stdout, stderr, masks, .. } = running;
        let said = |ring: Ring| ring.text().masked(&masks);
        Outcome { call: context.call, result, denials, labels, used, metering, backtrace, stdout: said(stdout), stderr: said(stderr) }
    }

    async fn attempt<E: Errand>(
        &self,
        context: &Context,
        request: &Request<'_>,
        errand: &E,
        outermost: bool,
        started: Instant,
        running: &mut Running,
    ) -> Result<(E::Answer, usize), Failed> {
        let (_in_flight, mut killed) = self.enter()?;
        let (served, plugin) = self.find(request)?;
        running.digest = Some(plugin.spec.digest);
        if plugin.spec.kind == PluginKind::Agent {
            let error = Error::invalid(format!("`{}` is an agent: it runs in a session", plugin.spec.name));
            return Err(error.hint(format!("remit run {}", plugin.spec.name)).into());
        }
        let tool = &*errand.tool(&plugin, request.tool)?;
        running.effect = Some(errand.effect(tool));
        self.admissible(context, request, (&*served, &*plugin), &running.denials)?;
        running.seen = served.seen(context, request);
        let arguments = errand.arguments(tool, request.arguments)?;
        let limits = plugin.spec.limits;
        running.limits = limits;
        let principal = context.principal.to_string();
        let _place = self.quotas.take(&principal, request.project, limits.memory_mib)?;
        let deadline_ms = context.deadline_ms.map_or(limits.deadline_ms, |deadline_ms| deadline_ms.min(limits.deadline_ms));
        let deadline = started + Duration::from_millis(deadline_ms);
        let late = || Error::limit(format!("the call took longer than its deadline of {deadline_ms} ms")).hint(DEADLINE_HINT);
        let work = async {
            if plugin.spec.source.is_outside() {
                let secrets = self.given(context, request, &plugin.spec, &running.denials)?;
                let (outside, call) = self.outside(request, &plugin.spec, &arguments, &secrets, &running.stderr)?;
                return errand.ask(outside, tool, call).await;
            }
            self.ready(&plugin).await?;
            // A nested call runs within the permit of the call that made it: two that wait for each other would never end.
            let _permit: Option<Permit> = if outermost { Some(self.engine.admit(deadline).await?) } else { None };
            let rights = plugin.rights(&context.principal, errand.effect(tool), &served.root)?;
            let rights = self.with_workspace(context, request.project, rights, running).await?;
            let call = self.prepare(context, request, rights, running, deadline);
            let room = self.room(&plugin, &call, running, errand.effect(tool)).await?;
            let Metering { cpu_us, memory_peak_bytes, .. } = &mut running.metering;
            let mut metered = Metered { room, memory_peak_bytes };
            let run = errand.run(&plugin, tool, request.arguments, &arguments, &mut metered.room);
            let ended = CpuMeter::new(run, cpu_us).await;
            *cpu_us = cpu_us.saturating_add(metered.room.elsewhere_us());
            ended.map_err(|failed| metered.room.explain(failed))
        };
        let ended = tokio::select! {
            biased;
            result = tokio::time::timeout_at(deadline.into(), work) => match result {
                Ok(result) => result,
                Err(_elapsed) => Err(late().into()),
            },
            _ = killed.wait_for(|killed| *killed) => Err(Error::unavailable("the host shut down during the call").into()),
            halted = self.until_halted(&context.principal, request.plugin) => Err(halted.into()),
        };
        running.seen.see(&served.brings(&plugin, request, E::SETTLES));
        ended
    }

    fn find(&self, request: &Request<'_>) -> Result<(Arc<Served>, Arc<Loaded>)> {
        let projects = self.projects.read().unwrap_or_else(PoisonError::into_inner);
        let served = projects.get(request.project);
        let served = served.ok_or_else(|| Error::not_found(format!("no project `{}` is loaded", visible(request.project, 64))))?;
        let plugin = served.plugins.get(request.plugin).ok_or_else(|| {
            let names: Vec<_> = served.plugins.keys().map(String::as_str).collect();
            Error::not_found(format!("the project serves no plugin `{}`", visible(request.plugin, 64)))
                .hint(format!("it serves: {}", names.join(", ")))
        })?;
        Ok((served.clone(), plugin.clone()))
    }

    fn prepare(&self, context: &Context, request: &Request<'_>, rights: Arc<Rights>, running: &Running, deadline: Instant) -> Arc<Call> {
        let spend = Spend::new(&self.spenders, context, request.project, request.plugin, running.limits, &running.over);
        Arc::new(Call {
            context: context.clone(),
            project: request.project.to_owned(),
            tool: request.tool.to_owned(),
            rights,
            denials: running.denials.clone(),
            seen: running.seen.clone(),
            masks: running.masks.clone(),
            uses: running.uses.clone(),
            spend: Arc::new(spend),
            deadline,
            services: self.services.clone(),
            events: request.events.clone(),
            dispatch: self.me.clone(),
        })
    }

    fn state(&self, call: &Arc<Call>, memory_bytes: usize, running: &Running) -> CallState {
        let mut table = wasmtime::component::ResourceTable::new();
        table.set_max_capacity(remit_core::limit::RESOURCE_TABLE_MAX);
        let sockets = sockets::State::default();
        CallState {
            table,
            wasi: basics::wasi(call, &sockets, &running.stdout, &running.stderr),
            limiter: Limiter::new(memory_bytes),
            fs: fs::State::new(&call.rights.mounts),
            http: http::State::new(call.clone()),
            sockets,
            custom: self.custom.iter().map(|custom| custom.state(call)).collect(),
            call: call.clone(),
        }
    }
}

const DEADLINE_HINT: &str = "raise `limits.deadline_ms` of the plugin in `remit.toml`, or ask the tool for less";

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
