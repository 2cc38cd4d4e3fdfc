//! The port to plugins that are no components: outside MCP servers, which run beside the sandbox and not in it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use remit_core::{
    Error, Result,
    grant::Denial,
    identity::Principal,
    plugin::PluginName,
    project::Remote,
    secret::{ExposeSecret as _, Place, SecretSource, SecretString, Wanted},
};
use serde_json::Value;

use crate::{
    Output, Plugin,
    capability::{http, stdio::Ring},
    plugin::Source,
    secrets,
};

/// The secrets that an outside server is given for one principal, by name.
#[derive(Debug, Clone, Default)]
pub struct GivenSecrets(BTreeMap<String, SecretString>);

impl GivenSecrets {
    /// Those that the server of `plugin` is to be given when `principal` calls it.
    ///
    /// # Errors
    /// The denial that says which one it is not given, and why.
    pub fn find(
        source: &Source,
        plugin: &PluginName,
        (project, principal): (&str, &Principal),
        secrets: &dyn SecretSource,
    ) -> Result<Self, Box<Denial>> {
        let (names, place): (Vec<&str>, _) = match source {
            Source::Native(native) => (native.command.secrets().collect(), Place::Process(plugin)),
            Source::Remote(Remote { url, secret, .. }) => (secret.iter().map(|secret| secret.name.as_str()).collect(), Place::Url(url)),
            Source::Bytes(_) | Source::File(_) => return Ok(Self::default()),
        };
        let one = |name: &str| match secrets::ask(secrets, &Wanted { name, project, principal, place }) {
            Ok(value) => Ok((name.to_owned(), value)),
            Err(error) => {
                let request = format!("be given the secret {name}");
                Err(Box::new(Denial::secret(plugin.as_str(), "secret", &request, name, place, error.message)))
            }
        };
        names.into_iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// One of them.
    ///
    /// # Errors
    /// `host` when it is not among them.
    pub fn get(&self, name: &str) -> Result<&SecretString> {
        self.0.get(name).ok_or_else(|| Error::host("an outside server was not given one of its secrets", name))
    }

    /// Whether they are the same, value by value.
    pub fn are(&self, others: &Self) -> bool {
        fn exposed(secrets: &GivenSecrets) -> impl Iterator<Item = (&str, &str)> {
            secrets.0.iter().map(|(name, value)| (name.as_str(), value.expose_secret()))
        }
        exposed(self).eq(exposed(others))
    }
}

/// One call of a tool of an outside server. What a host decides about a call was decided.
pub struct OutsideCall<'a> {
    /// The project.
    pub project: &'a str,
    /// The plugin, with the definitions that were approved; its source says what it is started from, or where it is.
    pub plugin: &'a Plugin,
    /// The tool.
    pub tool: &'a str,
    /// Its arguments, checked against the approved schema.
    pub arguments: &'a Value,
    /// The secrets that it is given for whoever calls. A server that was given others is another one.
    pub secrets: &'a GivenSecrets,
    /// Name lookup and TLS, for servers behind a URL.
    pub http: &'a http::Gateway,
    /// Takes what its process said on its standard error, where the call fails.
    pub stderr: &'a Ring,
}

/// Runs outside servers. Every text that it gives back is safe to show and holds no secret of the server.
#[async_trait]
pub trait Outside: Send + Sync {
    /// Calls a tool; starts the server where it does not run. Cancel-safe: dropping the future tells the server to stop working on it.
    ///
    /// # Errors
    /// `denied` when the tool is no longer the approved one; `unavailable` when the server cannot be started or reached, is not the
    /// approved one, or has no such tool; `in-doubt` when it ended, or did not answer, during a `once` call; `limit` when it says too much; `invalid` and `guest` as the server says.
    async fn call(&self, call: OutsideCall<'_>) -> Result<Output>;
}
