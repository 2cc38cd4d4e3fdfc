//! A plugin's server over its lives: started when it is called, started again after a pause when it failed, stopped when nobody calls.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use remit_core::{
    Error, Result,
    limit::{CallLimits, OUTSIDE_PAUSE_MAX_MS, OUTSIDE_PAUSE_MS, OUTSIDE_START_MS},
    plugin::{Definition, Effect, PluginName},
};
use remit_runtime::{
    GivenSecrets, Output, OutsideCall,
    capability::{call::now, http, stdio::Ring},
    plugin::Source,
};
use tokio::sync::Mutex;

use super::{
    Setting,
    connection::{Connection, Stopped},
    process::Process,
    remote::Sender,
};

/// The server of one plugin of one project.
pub(super) struct Server {
    setting: Setting,
    plugin: PluginName,
    source: Source,
    limits: CallLimits,
    tools: BTreeMap<String, Definition>,
    secrets: GivenSecrets,
    state: Mutex<State>,
    /// Failures since a call ended with an answer.
    failures: AtomicU32,
}

#[derive(Default)]
struct State {
    running: Option<Arc<Connection>>,
    not_before: Option<Instant>,
}

/// What a server is started, or connected to, with.
pub(super) struct Start<'a> {
    pub(super) setting: &'a Setting,
    pub(super) plugin: &'a PluginName,
    pub(super) limits: CallLimits,
    pub(super) secrets: &'a GivenSecrets,
    pub(super) http: &'a http::Gateway,
}

impl Start<'_> {
    /// Starts the process of `source`, or connects to its URL, greets the server and lists its tools, which have these effects.
    ///
    /// # Errors
    /// Those of starting a process and of opening the conversation; `limit` when both take longer than [`OUTSIDE_START_MS`]. What a process
    /// said by then goes to `stderr`.
    pub(super) async fn run(&self, source: &Source, effects: BTreeMap<String, Effect>, stderr: &Ring) -> Result<Connection> {
        let late = |_| Error::limit(format!("`{}` took longer than {OUTSIDE_START_MS} ms to start", self.plugin));
        let patience = Duration::from_millis(OUTSIDE_START_MS);
        let (plugin, limits) = (self.plugin, self.limits);
        match source {
            Source::Native(native) => {
                let (process, stdin, stdout) = Process::start(self.setting, plugin, native, self.secrets)?;
                let mut process = Some(process);
                let opening = Connection::open(plugin, limits, effects, &mut process, stdin, stdout);
                let opened = tokio::time::timeout(patience, opening).await.map_err(late).and_then(|opened| opened);
                if let (Err(_), Some(mut process)) = (&opened, process) {
                    stderr.push(process.said().await.as_bytes());
                }
                opened
            }
            Source::Remote(remote) => {
                let sender = |bound| Sender::new(plugin, remote, limits, (self.secrets, self.http), bound);
                let opening = Connection::reach(plugin, limits, effects, remote, sender);
                tokio::time::timeout(patience, opening).await.map_err(late).and_then(|opened| opened)
            }
            Source::Bytes(_) | Source::File(_) => Err(Error::invalid(format!("`{plugin}` is no outside server"))),
        }
    }
}

impl Server {
    pub(super) fn new(setting: Setting, call: &OutsideCall<'_>) -> Self {
        Self {
            setting,
            plugin: call.plugin.name.clone(),
            source: call.plugin.source.clone(),
            limits: call.plugin.limits,
            tools: call.plugin.definitions.iter().map(|tool| (tool.name.clone(), tool.clone())).collect(),
            secrets: call.secrets.clone(),
            state: Mutex::default(),
            failures: AtomicU32::new(0),
        }
    }

    /// Whether it was made for the plugin of this call, as that is loaded now.
    pub(super) fn serves(&self, call: &OutsideCall<'_>) -> bool {
        let definitions = &call.plugin.definitions;
        self.source == call.plugin.source
            && self.limits == call.plugin.limits
            && self.tools.len() == definitions.len()
            && definitions.iter().all(|tool| self.tools.get(&tool.name) == Some(tool))
    }

    /// Whether it was started, or is to be, with these secrets.
    pub(super) fn is_given(&self, secrets: &GivenSecrets) -> bool {
        self.secrets.are(secrets)
    }

    /// Whether it runs, or somebody is about to call it.
    pub(super) fn is_used(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1 || self.state.try_lock().map_or(true, |state| state.running.is_some())
    }

    /// Calls a tool. See [`remit_runtime::Outside::call`].
    pub(super) async fn call(self: &Arc<Self>, call: &OutsideCall<'_>) -> Result<Output> {
        let locked = self.tools.get(call.tool).ok_or_else(|| Error::not_found(format!("`{}` has no tool `{}`", self.plugin, call.tool)))?;
        let arguments = call.arguments.as_object().ok_or_else(|| Error::invalid("the arguments are not a JSON object"))?;
        let connection = self.connection(call).await?;
        let mut called = connection.call(&self.plugin, locked, arguments).await;
        if let Err(Stopped::Forgotten { sent }) = called
            && (!sent || locked.effect != Effect::Once)
        {
            let again = self.connection(call).await?;
            called = again.call(&self.plugin, locked, arguments).await;
        }
        if !connection.is_closed() {
            self.failures.store(0, Ordering::Relaxed);
        }
        call.stderr.push(connection.said().await.as_bytes());
        called.map_err(|stopped| stopped.error(&self.plugin))
    }

    /// The running server, started where there is none. One that failed before is not started again before its pause is over.
    async fn connection(self: &Arc<Self>, call: &OutsideCall<'_>) -> Result<Arc<Connection>> {
        let mut state = self.state.lock().await;
        match &state.running {
            Some(running) if !running.is_closed() => return Ok(running.clone()),
            Some(_) => {
                state.running = None;
                state.not_before = Some(now() + self.pause());
            }
            None => {}
        }
        if let Some(not_before) = state.not_before {
            tokio::time::sleep_until(not_before.into()).await;
        }
        if let Source::Native(native) = self.source.clone() {
            let plugin = self.plugin.clone();
            let checked = tokio::task::spawn_blocking(move || native.check(&plugin)).await;
            checked.map_err(|error| Error::host("the files of an outside server could not be read", error))??;
        }
        let effects = self.tools.iter().map(|(name, tool)| (name.clone(), tool.effect)).collect();
        let start = Start { setting: &self.setting, plugin: &self.plugin, limits: self.limits, secrets: &self.secrets, http: call.http };
        match start.run(&self.source, effects, call.stderr).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                state.running = Some(connection.clone());
                tokio::spawn(watch(Arc::downgrade(self), Arc::downgrade(&connection), self.setting.idle));
                Ok(connection)
            }
            Err(error) => {
                state.not_before = Some(now() + self.pause());
                Err(error)
            }
        }
    }

    /// The pause after one more failure.
    fn pause(&self) -> Duration {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).min(16);
        Duration::from_millis((OUTSIDE_PAUSE_MS << failures).min(OUTSIDE_PAUSE_MAX_MS))
    }

    /// Stops `connection` when nobody called it for `idle`; says how long it may go on otherwise.
    async fn stop_idle(&self, connection: &Connection, idle: Duration) -> Option<Duration> {
        let mut state = self.state.lock().await;
        let running = state.running.as_ref().filter(|running| std::ptr::eq(running.as_ref(), connection))?;
        let left = idle.saturating_sub(now().saturating_duration_since(running.used()));
        // Whoever calls holds it, and takes it only under the lock.
        match Arc::strong_count(running) > 2 || !left.is_zero() {
            true => Some(left.max(Duration::from_millis(OUTSIDE_PAUSE_MS))),
            false => {
                state.running = None;
                None
            }
        }
    }
}

async fn watch(server: std::sync::Weak<Server>, connection: std::sync::Weak<Connection>, idle: Duration) {
    let mut left = idle;
    loop {
        tokio::time::sleep(left).await;
        let (Some(server), Some(connection)) = (server.upgrade(), connection.upgrade()) else { return };
        match server.stop_idle(&connection, idle).await {
            Some(more) => left = more,
            None => return,
        }
    }
}
