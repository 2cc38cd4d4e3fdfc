//! Outside servers as the commands see them: looked at without starting them, and started to list their tools when a person says so.

use std::collections::BTreeMap;

use remit_core::{
    Error,
    grant::{Declared, Grants},
    plugin::{
        Effect, Kind,
        diff::diff,
        lock::{Lock, LockedPlugin},
        text::visible,
    },
    project::{EnvValue, Plugin},
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

/// Who lets an outside server be started before it is approved.
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

    /// What an outside server is now. Its tools are known from `known`, what was approved of it, or from its process, once that may be started.
    ///
    /// # Errors
    /// `unavailable` when its tools are not known, or it cannot be started; those of finding its files.
    pub fn current_native(
        &self,
        project: &OpenProject,
        plugin: &Plugin,
        known: Option<&LockedPlugin>,
        start: Start,
    ) -> anyhow::Result<Current> {
        let native = project.native(plugin)?;
        let now = |tools: BTreeMap<String, _>| LockedPlugin {
            source: plugin.source.to_string(),
            digest: native.digest(),
            kind: Kind::Native,
            files: native.files.clone(),
            imports: Default::default(),
            declared: Default::default(),
            granted: plugin.granted_lines(),
            tools,
            approvals: Vec::new(),
        };
        if start != Start::Never {
            describe(plugin, &native);
        }
        if self.may_start(plugin, start)? {
            self.has_secrets(plugin)?;
            let secrets = self.environment.secret_source();
            let listing = async { Ok(self.gateway().list(&plugin.name, &native, &plugin.effects, &secrets).await?) };
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
            let error = Error::unavailable(format!("the server of `{}` was not started, so its tools are not known", plugin.name));
            return Err(error.hint("once you have read what it is: remit review --start").into());
        }
        Ok(Current { component: None, left_out: Vec::new(), locked })
    }

    fn may_start(&self, plugin: &Plugin, start: Start) -> anyhow::Result<bool> {
        match start {
            Start::Never => Ok(false),
            Start::Yes => Ok(true),
            Start::Ask if !output::interactive() => Ok(false),
            Start::Ask => answer(&format!("Start `{}` now, as shown, to list its tools?", plugin.name)),
        }
    }

    /// An outside server ready for a host, when it is still what was approved. Nothing is started.
    ///
    /// # Errors
    /// `unavailable` when it has to be reviewed first, is switched off, or is not there.
    pub fn approved_native(&self, project: &OpenProject, plugin: &Plugin) -> anyhow::Result<remit_runtime::Plugin> {
        let native = project.native(plugin)?;
        let lock = project.lock.clone().unwrap_or_default();
        let locked = lock.admits(&plugin.name, &plugin.source.to_string(), native.digest(), &plugin.granted_lines())?;
        Ok(remit_runtime::Plugin {
            name: plugin.name.clone(),
            source: Source::Native(native),
            digest: locked.digest,
            kind: locked.kind,
            definitions: locked.tools.values().cloned().collect(),
            declared: Declared::default(),
            granted: Grants::default(),
            limits: plugin.limits,
            ask: plugin.ask.clone(),
        })
    }
}

/// What was approved of a plugin.
pub fn known<'a>(lock: Option<&'a Lock>, plugin: &Plugin) -> Option<&'a LockedPlugin> {
    lock.and_then(|lock| lock.plugins.get(&plugin.name))
}

/// Says what would be started, and with what.
fn describe(plugin: &Plugin, native: &Native) {
    lines(plugin, native).iter().for_each(|line| output::note(line));
}

/// What a person should know before an outside server is started, a line each.
pub fn lines(plugin: &Plugin, native: &Native) -> Vec<String> {
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
