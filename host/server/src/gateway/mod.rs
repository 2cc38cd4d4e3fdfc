//! The gateway: outside MCP servers, whose tools are called like every other, and whose processes nothing holds but their user's rights.
//!
//! A server runs from the first call on, one process for each plugin of a project, and is stopped when nobody has called for a while. What
//! it says is bounded, held against what was approved, made safe to show, and searched for the secrets that it was given.

mod clean;
mod connection;
mod keeper;
mod line;
mod process;
mod server;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use remit_core::{
    Result,
    limit::{CallLimits, OUTSIDE_IDLE_MS},
    plugin::{Adopted, Effect, PluginName, text::visible_lines},
    secret::SecretSource,
};
use remit_runtime::{Output, Outside, OutsideCall, capability::stdio::Ring, project::Native};

pub use keeper::{KEEPER, keeper_main};
use server::Server;

/// Longest piece of a server's standard error that an error shows.
const SAID_MAX_CHARS: usize = 800;

/// Runs outside servers, for a host: `Host::builder().outside(gateway)`.
pub struct Gateway {
    setting: Setting,
    servers: Mutex<HashMap<(String, String), Arc<Server>>>,
}

/// What every process of a gateway is started with.
#[derive(Debug, Clone)]
struct Setting {
    keeper: PathBuf,
    home: Option<PathBuf>,
    idle: Duration,
}

impl Gateway {
    /// A gateway whose processes are started by `keeper`: a program that calls [`keeper_main`] when its first argument is [`KEEPER`], as
    /// `remit` does.
    pub fn new(keeper: impl Into<PathBuf>) -> Self {
        let setting = Setting { keeper: keeper.into(), home: None, idle: Duration::from_millis(OUTSIDE_IDLE_MS) };
        Self { setting, servers: Mutex::default() }
    }

    /// Gives the processes this `HOME`.
    #[must_use]
    pub fn home(mut self, home: Option<PathBuf>) -> Self {
        self.setting.home = home;
        self
    }

    /// Stops a server that nobody called for so long. Default 5 minutes.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.setting.idle = idle;
        self
    }

    /// Starts the server of `plugin` to hear which tools it has, and stops it. Whoever asks has the user's yes to that. The tools have the
    /// effects that the project says.
    ///
    /// # Errors
    /// `unavailable` when it cannot be started or a secret is missing; `limit` when it says too much, takes too long or has too many tools.
    pub async fn list(
        &self,
        plugin: &PluginName,
        native: &Native,
        effects: &BTreeMap<String, Effect>,
        secrets: &dyn SecretSource,
    ) -> Result<Adopted> {
        let stderr = Ring::default();
        let listed = async {
            let connection = server::start(&self.setting, plugin, native, CallLimits::default(), effects.clone(), secrets, &stderr).await?;
            Ok(connection.into_tools())
        };
        listed.await.map_err(|mut error: remit_core::Error| {
            let said = stderr.text();
            let skipped = said.chars().count().saturating_sub(SAID_MAX_CHARS);
            let tail: String = said.trim().chars().skip(skipped).collect();
            if !tail.is_empty() {
                error.message = format!("{}; it said:\n{}", error.message, visible_lines(&tail, SAID_MAX_CHARS));
            }
            error
        })
    }

    /// The server of a call. One that was loaded with other definitions, files or limits gets a process of its own; the earlier one ends
    /// with its last call.
    fn server(&self, call: &OutsideCall<'_>) -> Arc<Server> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (call.project.to_owned(), call.plugin.name.to_string());
        match servers.get(&key).filter(|server| server.serves(call)) {
            Some(server) => server.clone(),
            None => {
                let server = Arc::new(Server::new(self.setting.clone(), call));
                servers.insert(key, server.clone());
                server
            }
        }
    }
}

#[async_trait::async_trait]
impl Outside for Gateway {
    async fn call(&self, call: OutsideCall<'_>) -> Result<Output> {
        self.server(&call).call(&call).await
    }
}
