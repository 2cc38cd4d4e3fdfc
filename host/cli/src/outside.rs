//! Outside servers as the commands see them: looked at without starting or asking them, and asked for their tools when a person says so.

use std::collections::BTreeMap;

use remit_core::{
    Error,
    grant::{Declared, Grants},
    plugin::{
        Effect,
        diff::diff,
        lock::{Lock, LockedPlugin},
        text::visible,
    },
    project::{EnvValue, Plugin, Remote},
};
use remit_runtime::{
    plugin::Source,
    project::{NATIVE_PATH, Native, OpenProject},
};
use remit_server::gateway::Gateway;

use crate::{
    commands::{Run, answer},
    opened::Current,
    output::{self, HEAD, WARN},
};

/// Who lets an outside server be started, or asked, before it is approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Nobody: what is locked of it has to do.
    Never,
    /// The person at the terminal, who is asked.
    Ask,
    /// Who typed the command line, which says so.
    Yes,
}

impl Run {
    /// What runs outside servers, for a host.
    pub fn gateway(&self) -> Gateway {
        Gateway::new(&self.environment.program).home(self.environment.user.clone())
    }

    /// What an outside server is now. Its tools are known from `known`, what was approved of it, or from itself, once it may be started or asked.
    ///
    /// # Errors
    /// `unavailable` when its tools are not known, or it cannot be started or reached; those of finding its files.
    pub fn current_outside(
        &self,
        project: &OpenProject,
        plugin: &Plugin,
        known: Option<&LockedPlugin>,
        start: Start,
    ) -> anyhow::Result<Current> {
        let source = project.outside(plugin)?;
        let (kind, digest) = source.outside().ok_or_else(|| Error::host("a component was taken for an outside server", &plugin.name))?;
        let files = match &source {
            Source::Native(native) => native.files.clone(),
            _ => BTreeMap::new(),
        };
        let now = |tools: BTreeMap<String, _>| LockedPlugin {
            source: plugin.source.to_string(),
            digest,
            kind,
            files: files.clone(),
            imports: Default::default(),
            declared: Default::default(),
            granted: plugin.granted_lines(),
            ask: plugin.ask.iter().cloned().collect(),
            limits: plugin.limits,
            isolation: plugin.isolation,
            tools,
            approvals: Vec::new(),
        };
        if start != Start::Never {
            lines(plugin, &source).iter().for_each(|line| output::note(line));
        }
        if self.may_start(plugin, start)? {
            let secrets = self.given_secrets(project, plugin, &source)?;
            let http = project.gateway()?;
            let listing = async { Ok(self.gateway().list(&plugin.name, &source, &plugin.effects, &secrets, &http).await?) };
            let adopted = self.block_on(listing)?;
            let locked = now(adopted.tools.into_iter().map(|(name, (_, definition))| (name, definition)).collect());
            return Ok(Current { component: None, left_out: adopted.left_out, locked });
        }
        let mut tools = known.map(|known| known.tools.clone()).unwrap_or_default();
        // What the project says of them holds without asking the server.
        for (name, tool) in &mut tools {
            tool.effect = plugin.effects.get(name).copied().unwrap_or(Effect::Once);
        }
        let locked = now(tools);
        if start != Start::Never && (known.is_none() || !diff(known, &locked).is_empty()) {
            let done = if plugin.remote().is_some() { "asked" } else { "started" };
            let error = Error::unavailable(format!("the server of `{}` was not {done}, so its tools are not known", plugin.name));
            return Err(error.hint("once you have read what it is: remit review --start").into());
        }
        Ok(Current { component: None, left_out: Vec::new(), locked })
    }

    fn may_start(&self, plugin: &Plugin, start: Start) -> anyhow::Result<bool> {
        match start {
            Start::Never => Ok(false),
            Start::Yes => Ok(true),
            Start::Ask if !output::interactive() => Ok(false),
            Start::Ask => {
                let what = if plugin.remote().is_some() { "Connect to" } else { "Start" };
                answer(&format!("{what} `{}` now, as shown, to list its tools?", plugin.name))
            }
        }
    }

    /// An outside server ready for a host, when it is still what was approved. Nothing is started or asked.
    ///
    /// # Errors
    /// `unavailable` when it has to be reviewed first, is switched off, or is not there.
    pub fn approved_outside(&self, project: &OpenProject, plugin: &Plugin) -> anyhow::Result<remit_runtime::Plugin> {
        let source = project.outside(plugin)?;
        let (_, digest) = source.outside().ok_or_else(|| Error::host("a component was taken for an outside server", &plugin.name))?;
        let lock = project.lock.clone().unwrap_or_default();
        let locked = lock.admits(&project.project, plugin, digest)?;
        Ok(remit_runtime::Plugin {
            name: plugin.name.clone(),
            source,
            digest: locked.digest,
            kind: locked.kind,
            definitions: locked.tools.values().cloned().collect(),
            declared: Declared::default(),
            granted: Grants::default(),
            limits: plugin.limits,
            isolation: plugin.isolation,
            ask: plugin.ask.clone(),
        })
    }
}

/// What was approved of a plugin.
pub fn known<'a>(lock: Option<&'a Lock>, plugin: &Plugin) -> Option<&'a LockedPlugin> {
    lock.and_then(|lock| lock.plugins.get(&plugin.name))
}

/// What a person should know before an outside server is started or asked, a line each.
pub fn lines(plugin: &Plugin, source: &Source) -> Vec<String> {
    match source {
        Source::Native(native) => native_lines(plugin, native),
        Source::Remote(remote) => remote_lines(plugin, remote),
        Source::Bytes(_) | Source::File(_) => Vec::new(),
    }
}

fn native_lines(plugin: &Plugin, native: &Native) -> Vec<String> {
    let mut lines = vec![
        format!("{HEAD}{}{HEAD:#}  {WARN}NATIVE PROCESS, outside of the sandbox{WARN:#}: it runs with all of your own rights", plugin.name),
        format!("  command    {}", visible(&plugin.source.to_string(), 1000)),
        format!("  program    {}", visible(&native.program.to_string_lossy(), 400)),
        format!("  folder     {}", visible(&native.folder().to_string_lossy(), 400)),
    ];
    lines.extend(native.files.iter().map(|(path, digest)| format!("  file       {}, {digest}", visible(path, 400))));
    let fixed = [("PATH", NATIVE_PATH), ("HOME", "yours"), ("LANG", "C.UTF-8")];
    let fixed = fixed.iter().filter(|(name, _)| !native.command.env.contains_key(*name)).map(|(name, value)| format!("{name} ({value})"));
    let given = native.command.env.iter().map(|(name, value)| match value {
        EnvValue::Fixed(_) => name.clone(),
        EnvValue::Secret(secret) => format!("{name} (the secret `{}`)", secret.name),
    });
    lines.push(format!("  variables  {}", fixed.chain(given).collect::<Vec<_>>().join(", ")));
    lines
}

fn remote_lines(plugin: &Plugin, remote: &Remote) -> Vec<String> {
    let warning = "REMOTE SERVER, outside of the sandbox";
    let mut lines = vec![
        format!(
            "{HEAD}{}{HEAD:#}  {WARN}{warning}{WARN:#}: it is sent what its tools are called with, and does with it what it likes",
            plugin.name
        ),
        format!("  url        {}", visible(remote.url.as_str(), 1000)),
    ];
    lines.extend(remote.lines().iter().map(|line| format!("  given      {}", visible(line, 400))));
    lines
}
