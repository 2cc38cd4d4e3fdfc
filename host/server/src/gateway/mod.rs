//! The gateway: outside MCP servers, whose tools are called like every other, and which nothing holds but their user's rights, or those
//! who run them elsewhere.
//!
//! A server runs, or is connected to, from the first call on, once for each plugin of a project, and is let go when nobody has called for a
//! while. What it says is bounded, held against what was approved, made safe to show, and searched for the secrets that it was given.

mod clean;
mod connection;
mod heard;
mod keeper;
mod line;
mod process;
mod remote;
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
};
use remit_runtime::{
    GivenSecrets, Output, Outside, OutsideCall,
    capability::{http, stdio::Ring},
    plugin::Source,
};

pub use keeper::{KEEPER, keeper_main};
use server::{Server, Start};

/// Longest piece of a server's standard error that an error shows.
const SAID_MAX_CHARS: usize = 800;

/// The servers of a project and a plugin: one for each set of secrets that callers have.
type Servers = HashMap<(String, String), Vec<Arc<Server>>>;

/// Runs outside servers, for a host: `Host::builder().outside(gateway)`.
pub struct Gateway {
    setting: Setting,
    servers: Mutex<Servers>,
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

    /// Stops a server that nobody called for so long, or ends the session with it. Default 5 minutes.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.setting.idle = idle;
        self
    }

    /// Starts the server of `plugin`, or connects to it, to hear which tools it has, and lets it go. Whoever asks has the user's yes to that.
    /// The tools have the effects that the project says.
    ///
    /// # Errors
    /// `unavailable` when it cannot be started or reached; `limit` when it says too much, takes too long or has too
    /// many tools.
    pub async fn list(
        &self,
        plugin: &PluginName,
        source: &Source,
        effects: &BTreeMap<String, Effect>,
        secrets: &GivenSecrets,
        http: &http::Gateway,
    ) -> Result<Adopted> {
        let stderr = Ring::default();
        let listed = async {
            let start = Start { setting: &self.setting, plugin, limits: CallLimits::default(), secrets, http };
            Ok(start.run(source, effects.clone(), &stderr).await?.into_tools().await)
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
    /// with its last call. So does a caller for whom it is given other secrets; there the earlier one ends when nobody calls it.
    fn server(&self, call: &OutsideCall<'_>) -> Arc<Server> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let own = servers.entry((call.project.to_owned(), call.plugin.name.to_string())).or_default();
        own.retain(|server| server.serves(call));
        match own.iter().find(|server| server.is_given(call.secrets)) {
            Some(server) => server.clone(),
            None => {
                own.retain(Server::is_used);
                let server = Arc::new(Server::new(self.setting.clone(), call));
                own.push(server.clone());
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
