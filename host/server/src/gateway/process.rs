//! The process of an outside server: what it gets, and what it says beside the protocol.

use std::{path::Path, process::Stdio, sync::Arc, time::Duration};

use remit_core::{Error, Result, plugin::PluginName, project::EnvValue, secret::ExposeSecret as _};
use remit_runtime::{
    GivenSecrets,
    capability::{scrub::Needles, stdio::Ring},
    project::Native,
};
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
};

use super::{Setting, keeper::KEEPER};

/// How long the last words of a process that ended are waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A running server, with its keeper. It ends when its input is closed.
pub(super) struct Process {
    // Kept so that it is reaped.
    _keeper: Child,
    stderr: Ring,
    /// Reads its standard error, until that ends.
    reading: Option<JoinHandle<()>>,
    /// What is masked in everything that it says.
    pub(super) secrets: Arc<Needles>,
}

impl Process {
    /// Starts it. It gets `PATH`, `HOME`, `LANG=C.UTF-8`, what its command says, and nothing of the host's own environment.
    ///
    /// # Errors
    /// `host` when the keeper cannot be started.
    pub(super) fn start(
        setting: &Setting,
        plugin: &PluginName,
        native: &Native,
        secrets: &GivenSecrets,
    ) -> Result<(Self, ChildStdin, ChildStdout)> {
        let mut command = Command::new(&setting.keeper);
        command.arg(KEEPER).arg(&native.program).args(native.command.argv.iter().skip(1)).current_dir(native.folder());
        command.env_clear().env("PATH", native.search_path()).env("LANG", "C.UTF-8");
        command.envs(setting.home.iter().map(|home| ("HOME", home)));
        let mut needles = Needles::default();
        for (name, value) in &native.command.env {
            match value {
                EnvValue::Fixed(text) => command.env(name, text),
                EnvValue::Secret(used) => {
                    let secret = secrets.get(&used.name)?;
                    needles.add_secret(secret.expose_secret());
                    command.env(name, used.format.replacen("{}", secret.expose_secret(), 1))
                }
            };
        }
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut keeper = command.spawn().map_err(|error| unstarted(plugin, &setting.keeper, &error))?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (keeper.stdin.take(), keeper.stdout.take(), keeper.stderr.take()) else {
            return Err(unstarted(plugin, &setting.keeper, &"its pipes are missing"));
        };
        let ring = Ring::default();
        let reading = tokio::spawn(keep(stderr, ring.clone()));
        Ok((Self { _keeper: keeper, stderr: ring, reading: Some(reading), secrets: Arc::new(needles) }, stdin, stdout))
    }

    /// What it said on its standard error, at the end of it where it ended; safe to show and without its secrets.
    pub(super) async fn said(&mut self) -> String {
        if let Some(reading) = &mut self.reading {
            match tokio::time::timeout(LAST_WORDS, reading).await {
                Ok(_ended) => self.reading = None,
                Err(_elapsed) => tracing::debug!("a server that was given up still runs"),
            }
        }
        self.secrets.scrub(&self.stderr.text())
    }
}

async fn keep(mut from: ChildStderr, ring: Ring) {
    let mut chunk = [0; 4096];
    // An error ends it like the end itself: nothing more will be said.
    while let Ok(count @ 1..) = from.read(&mut chunk).await {
        ring.push(chunk.get(..count).unwrap_or_default());
    }
}

fn unstarted(plugin: &PluginName, keeper: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::host(format!("`{plugin}` cannot be started: its keeper `{}` does not run", keeper.display()), why)
}
