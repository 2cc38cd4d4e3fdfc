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
    secret::SecretSource,
};
use remit_runtime::{
    Output, OutsideCall,
    capability::{call::now, stdio::Ring},
    project::Native,
};
use tokio::sync::Mutex;

use super::{Setting, connection::Connection, process::Process};

/// The server of one plugin of one project.
pub(super) struct Server {
    setting: Setting,
    plugin: PluginName,
    native: Native,
    limits: CallLimits,
    tools: BTreeMap<String, Definition>,
    state: Mutex<State>,
    /// Failures since a call ended with an answer.
    failures: AtomicU32,
}

#[derive(Default)]
struct State {
    running: Option<Arc<Connection>>,
    not_before: Option<Instant>,
}

/// Starts the process, greets it and lists its tools.
///
/// # Errors
/// Those of starting a process and of opening the conversation; `limit` when both take longer than [`OUTSIDE_START_MS`]. What the process
/// said by then goes to `stderr`.
pub(super) async fn start(
    setting: &Setting,
    plugin: &PluginName,
    native: &Native,
    limits: CallLimits,
    effects: BTreeMap<String, Effect>,
    secrets: &dyn SecretSource,
    stderr: &Ring,
) -> Result<Connection> {
    let (process, stdin, stdout) = Process::start(setting, plugin, native, secrets)?;
    let mut process = Some(process);
    let opening = Connection::open(plugin, limits, effects, &mut process, stdin, stdout);
    let opened = tokio::time::timeout(Duration::from_millis(OUTSIDE_START_MS), opening).await;
    let late = |_| Error::limit(format!("`{plugin}` took longer than {OUTSIDE_START_MS} ms to start"));
    let opened = opened.map_err(late).and_then(|opened| opened);
    if let (Err(_), Some(mut process)) = (&opened, process) {
        stderr.push(process.said().await.as_bytes());
    }
    opened
}

impl Server {
    pub(super) fn new(setting: Setting, call: &OutsideCall<'_>) -> Self {
        Self {
            setting,
            plugin: call.plugin.name.clone(),
            native: call.native.clone(),
            limits: call.plugin.limits,
            tools: call.plugin.definitions.iter().map(|tool| (tool.name.clone(), tool.clone())).collect(),
            state: Mutex::default(),
            failures: AtomicU32::new(0),
        }
    }

    /// Whether it was made for the plugin of this call, as that is loaded now.
    pub(super) fn serves(&self, call: &OutsideCall<'_>) -> bool {
        let definitions = &call.plugin.definitions;
        self.native == *call.native
            && self.limits == call.plugin.limits
            && self.tools.len() == definitions.len()
            && definitions.iter().all(|tool| self.tools.get(&tool.name) == Some(tool))
    }

    /// Calls a tool. See [`remit_runtime::Outside::call`].
    pub(super) async fn call(self: &Arc<Self>, call: &OutsideCall<'_>) -> Result<Output> {
        let locked = self.tools.get(call.tool).ok_or_else(|| Error::not_found(format!("`{}` has no tool `{}`", self.plugin, call.tool)))?;
        let arguments = call.arguments.as_object().ok_or_else(|| Error::invalid("the arguments are not a JSON object"))?;
        let connection = self.connection(call).await?;
        let called = connection.call(&self.plugin, locked, arguments).await;
        if !connection.is_closed() {
            self.failures.store(0, Ordering::Relaxed);
            return called;
        }
        call.stderr.push(connection.said().await.as_bytes());
        called
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
        let (plugin, native) = (self.plugin.clone(), self.native.clone());
        let checked = tokio::task::spawn_blocking(move || native.check(&plugin)).await;
        checked.map_err(|error| Error::host("the files of an outside server could not be read", error))??;
        let effects = self.tools.iter().map(|(name, tool)| (name.clone(), tool.effect)).collect();
        match start(&self.setting, &self.plugin, &self.native, self.limits, effects, call.secrets, call.stderr).await {
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
