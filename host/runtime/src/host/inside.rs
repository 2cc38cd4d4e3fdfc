//! What sessions ask of a host besides calls.

use std::{path::PathBuf, sync::Arc, time::Duration};

use remit_core::{
    Error, Result,
    grant::Denial,
    halt::Refusal,
    id::CallId,
    identity::Principal,
    label::Labels,
    limit::{HALT_LOOK_MS, MODEL_RESPONSE_MAX_BYTES},
    plugin::{Effect, MODELS, text::visible},
    store::SessionStore,
};
use tokio::sync::watch;

use super::{Inner, Outcome, Request};
use crate::{
    capability::Services,
    plugin::Loaded,
    session::{Agents, AllSeries},
};

impl<T> Outcome<T> {
    /// How a call ended for which nothing ran now.
    pub(crate) fn unrun(call: CallId, result: Result<T>, denials: Vec<Denial>) -> Self {
        let (metering, stdout, stderr) = Default::default();
        let (labels, used) = (Labels::default(), Vec::new());
        Self { call, result, denials, labels, used, metering, backtrace: Vec::new(), stdout, stderr }
    }
}

impl Inner {
    /// Bytes that the plugin of `request` may give as a result.
    ///
    /// # Errors
    /// `not-found`.
    pub(crate) fn output_bytes(&self, request: &Request<'_>) -> Result<usize> {
        if request.plugin == MODELS {
            return Ok(MODEL_RESPONSE_MAX_BYTES);
        }
        Ok(self.find_plugin(request)?.1.spec.limits.output_bytes())
    }

    /// The plain calls of sessions.
    pub(crate) fn series(&self) -> &AllSeries {
        &self.series
    }

    /// Held by whoever asks a person something, so that what waits is counted first.
    pub(crate) fn asking(&self) -> &tokio::sync::Mutex<()> {
        &self.asking
    }

    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    /// Where sessions are kept.
    pub(crate) fn session_store(&self) -> Result<&Arc<dyn SessionStore>> {
        let store = self.services.sessions.as_ref();
        store.ok_or_else(|| Error::invalid("this host keeps no sessions").hint("name a store when building it: `sessions(store)`"))
    }

    /// What runs agents.
    pub(crate) fn agents(&self) -> Result<&Agents> {
        self.agents.get_or_init(|| Agents::new(self.agent_settings.clone())).as_ref().map_err(Clone::clone)
    }

    /// Whether the host takes no new calls any more.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Why `principal` may run nothing of `plugin` for now, when that is so.
    ///
    /// # Errors
    /// When it cannot be found out; then nothing runs.
    pub(crate) fn halted(&self, principal: &Principal, plugin: &str) -> Result<Option<Refusal>> {
        self.services.halts.as_ref().map_or(Ok(None), |source| Ok(source.halts()?.refusal(principal, plugin)))
    }

    /// Ends when what `principal` runs of `plugin` has to end, with the reason.
    pub(crate) async fn until_halted(&self, principal: &Principal, plugin: &str) -> Error {
        if self.services.halts.is_none() {
            std::future::pending().await
        }
        loop {
            tokio::time::sleep(Duration::from_millis(HALT_LOOK_MS)).await;
            match self.halted(principal, plugin) {
                Ok(None) => {}
                Ok(Some(Refusal { reason, hint })) => {
                    return Error::unavailable(format!("`{}` was ended: {reason}", visible(plugin, 64))).hint(hint).code("E-HALTED");
                }
                Err(error) => return error,
            }
        }
    }

    pub(crate) fn random(&self) -> Result<u128> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Error::host("the machine gives no randomness", error))?;
        Ok(u128::from_le_bytes(random))
    }

    /// What is known of a tool without calling it: its component, its effect class, and whether a person has to approve it.
    pub(crate) fn describe(&self, request: &Request<'_>) -> Result<(String, Effect, bool)> {
        let (_, plugin) = self.find(request)?;
        let tool = plugin.tool(request.tool)?;
        Ok((plugin.spec.digest.to_string(), tool.definition.effect, plugin.spec.asks(request.tool)))
    }

    /// A plugin, and the folder that its paths start from.
    pub(crate) fn find_plugin(&self, request: &Request<'_>) -> Result<(PathBuf, Arc<Loaded>)> {
        let (served, plugin) = self.find(request)?;
        Ok((served.root.clone(), plugin))
    }

    /// Counts something that runs, until what is returned is dropped; the second part tells that it has to end.
    ///
    /// # Errors
    /// `unavailable` when the host is shutting down.
    pub(crate) fn enter(&self) -> Result<(watch::Receiver<bool>, watch::Receiver<bool>)> {
        let (in_flight, killed) = (self.stopping.subscribe(), self.killed.subscribe());
        match self.is_stopping() {
            true => Err(Error::unavailable("the host is shutting down")),
            false => Ok((in_flight, killed)),
        }
    }
}
