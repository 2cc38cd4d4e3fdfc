//! A project as its file says it, checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Deserialize;

use super::{Auth, Command, Egress, Model, Remote};
use crate::{
    grant::{Grants, ToolPattern},
    identity::{Principal, Role},
    label::Policy,
    limit::{CallLimits, MCP_LISTED_TOOLS},
    plugin::{Effect, Isolation, PluginName, granted_lines, signature::Signer},
    secret::Destination,
};

/// Where a plugin comes from; paths are as written: relative to the project's folder, or absolute.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// The folder of a crate that `remit build` makes a component of.
    Crate(String),
    /// A component's file.
    Wasm(String),
    /// An outside MCP server: a native process, outside of the sandbox.
    Command(Command),
    /// An outside MCP server elsewhere.
    Url(Remote),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crate(path) | Self::Wasm(path) => f.write_str(path),
            Self::Command(command) => command.fmt(f),
            Self::Url(remote) => remote.fmt(f),
        }
    }
}

/// One plugin of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// Its name in this project.
    pub name: PluginName,
    /// Where it comes from.
    pub source: Source,
    /// Tools that always need an approval; `*` stands for all.
    pub ask: Vec<String>,
    /// Bounds of its calls.
    pub limits: CallLimits,
    /// Where its calls run.
    pub isolation: Isolation,
    /// What it may do.
    pub grants: Grants,
    /// Effect classes that the project sets for tools of a plain component, or of an outside server.
    pub effects: BTreeMap<String, Effect>,
    /// `remit.local.toml` switched it off.
    pub disabled: bool,
    /// Whether it stands under `[agents]`: an agent, which runs in sessions, and is granted tools and models alone.
    pub agent: bool,
}

impl Plugin {
    /// The table of `remit.toml` that it stands in.
    pub fn table(&self) -> &'static str {
        if self.agent { "agents" } else { "plugins" }
    }

    /// Whether each call of `tool` needs an approval.
    pub fn asks(&self, tool: &str) -> bool {
        self.ask.iter().any(|name| name == "*" || name == tool)
    }

    /// The secrets that its grants use, or that its server gets, by name, each with where it goes.
    pub fn secrets(&self) -> BTreeMap<&str, BTreeSet<Destination>> {
        let used = self.grants.http.iter().flat_map(|http| {
            let name = http.secret.as_ref().map(|secret| secret.name.as_str());
            name.into_iter().flat_map(|name| http.allow.iter().map(move |pattern| (name, Destination::of(pattern))))
        });
        let sent = self.remote().and_then(|remote| Some((remote.secret.as_ref()?.name.as_str(), Destination::of_url(&remote.url)?)));
        let given = self.command().into_iter().flat_map(Command::secrets).map(|name| (name, Destination::Process(self.name.clone())));
        let mut secrets = BTreeMap::<_, BTreeSet<_>>::new();
        for (name, destination) in used.chain(sent).chain(given) {
            secrets.entry(name).or_default().insert(destination);
        }
        secrets
    }

    /// The command of an outside MCP server.
    pub fn command(&self) -> Option<&Command> {
        match &self.source {
            Source::Command(command) => Some(command),
            Source::Crate(_) | Source::Wasm(_) | Source::Url(_) => None,
        }
    }

    /// Where an outside MCP server is that is reached by a URL.
    pub fn remote(&self) -> Option<&Remote> {
        match &self.source {
            Source::Url(remote) => Some(remote),
            Source::Crate(_) | Source::Wasm(_) | Source::Command(_) => None,
        }
    }

    /// Whether it is an outside MCP server, and no component.
    pub fn is_outside(&self) -> bool {
        matches!(self.source, Source::Command(_) | Source::Url(_))
    }

    /// What it is granted, or what its server is given, a line each, as the lock holds it.
    pub fn granted_lines(&self) -> BTreeSet<String> {
        let given = self.command().map(Command::lines).or_else(|| self.remote().map(Remote::lines));
        granted_lines(&self.grants).into_iter().chain(given.into_iter().flatten()).collect()
    }
}

/// Where approvals may come from, besides `remit approval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Approvals {
    /// A client of the MCP door may ask its person, and give the answer as this project's principal.
    pub accept_client: bool,
}

/// How long what has ended is kept. Each is a number of days without anything new, and never when it is not said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Sessions that are idle or killed.
    pub sessions_days: Option<u32>,
    /// Sessions that are quarantined.
    pub quarantined_days: Option<u32>,
}

/// How clients of the MCP door are shown the project's tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mcp {
    /// Whether they get a search in place of the list.
    pub search: ToolSearch,
    /// Tools that are listed where they are searched, too.
    pub listed: Vec<ToolPattern>,
}

/// When a search stands in place of a list of tools.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolSearch {
    /// When there are more than [`MCP_LISTED_TOOLS`].
    #[default]
    Auto,
    /// However few there are.
    Always,
    /// However many there are.
    Never,
}

impl ToolSearch {
    /// Whether so many tools are searched.
    pub fn applies(self, tools: usize) -> bool {
        match self {
            Self::Auto => tools > MCP_LISTED_TOOLS,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// A project, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its name: lowercase letters, digits, `-`, `_` and `.`, starting with a letter or digit.
    pub name: String,
    /// Its plugins and agents; a name is one or the other.
    pub plugins: BTreeMap<PluginName, Plugin>,
    /// The models that its agents ask, by name.
    pub models: BTreeMap<String, Model>,
    /// Roles by name; `owner` is built in and not here.
    pub roles: BTreeMap<String, Role>,
    /// Roles of each principal; every one exists.
    pub principals: BTreeMap<Principal, Vec<String>>,
    /// What `remit prune` removes.
    pub retention: Retention,
    /// What `remit mcp` lists.
    pub mcp: Mcp,
    /// Whose tokens let clients in over HTTP.
    pub auth: Option<Auth>,
    /// Where approvals may come from.
    pub approvals: Approvals,
    /// What may not be sent any more once it was seen.
    pub labels: Policy,
    /// The keys of which one has to sign each approval in the lock; none: nobody has to.
    pub signers: Vec<Signer>,
    /// How requests leave the host.
    pub egress: Egress,
}

impl Project {
    /// Longest name, in bytes.
    pub const NAME_MAX_BYTES: usize = 64;
    /// The role that may call every tool.
    pub const OWNER: &str = "owner";

    /// What the roles of `principal` allow together; `None` when the project does not know it.
    pub fn role(&self, principal: &Principal) -> Option<Role> {
        let names = self.principals.get(principal)?;
        let mut tools = Vec::new();
        for name in names {
            match self.roles.get(name) {
                Some(Role::Tools(patterns)) => tools.extend(patterns.iter().cloned()),
                Some(Role::Owner) => return Some(Role::Owner),
                None if name == Self::OWNER => return Some(Role::Owner),
                None => {}
            }
        }
        Some(Role::Tools(tools))
    }
}
