//! Chains of callers: who stands in one, which tools each may call, and the decision about a call at its end.

use serde::{Deserialize, Serialize};

use super::{Decision, Declared, Denial, Grants, Request, Resolved, Scope, ToolPattern, decide};
use crate::{
    identity::{Principal, Role},
    plugin::{AGENTS, Effect},
};

/// A member of a chain of callers, with the tools that it may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Holder {
    /// The principal that all of the chain acts for.
    Principal {
        /// Who.
        name: Principal,
        /// What it may call.
        role: Role,
    },
    /// An agent, or the plugin of a tool.
    Plugin {
        /// Its name.
        name: String,
        /// Tools that it declares; `*/*` where it declares them all.
        declared: Vec<ToolPattern>,
        /// Tools that it was granted.
        granted: Vec<ToolPattern>,
    },
}

impl Holder {
    /// A plugin that may call what it declares and was granted.
    pub fn plugin(name: &str, declared: &Declared, granted: &Grants) -> Self {
        let declared = match &declared.tools {
            None => Vec::new(),
            Some(Scope::Any) => vec![ToolPattern::any()],
            Some(Scope::Only(tools)) => tools.clone(),
        };
        Self::Plugin { name: name.to_owned(), declared, granted: granted.tools.clone() }
    }

    /// A plugin that may call nothing, such as one that is not there any more.
    pub fn nothing(name: &str) -> Self {
        Self::Plugin { name: name.to_owned(), declared: Vec::new(), granted: Vec::new() }
    }

    /// Why it may not call `plugin/tool`; none when it may.
    fn refusal(&self, plugin: &str, tool: &str) -> Option<Denial> {
        match self {
            Self::Principal { role, .. } if role.allows(plugin, tool) => None,
            Self::Principal { name, .. } => {
                let plugin = if plugin == AGENTS { tool } else { plugin };
                Some(Denial::role(plugin, tool, &name.to_string()))
            }
            Self::Plugin { name, declared, granted } => {
                let tools = (!declared.is_empty()).then(|| Scope::Only(declared.clone()));
                let rights = Resolved {
                    plugin: name.clone(),
                    effect: Effect::Once,
                    declared: Declared { tools, ..Declared::default() },
                    granted: Grants { tools: granted.clone(), ..Grants::default() },
                    mounts: Vec::new(),
                };
                match decide(&Request::Tool { plugin, tool }, &rights) {
                    Decision::Allow(_) => None,
                    Decision::Deny(denial) => Some(denial),
                }
            }
        }
    }
}

/// The members of a chain of callers. A call has to be allowed by each, so that one more member never widens anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Chain(Vec<Holder>);

impl Chain {
    /// What a turn of `agent` begins with: what its callers hold, the principal's role, and what it was granted itself.
    pub fn start(callers: &Held, principal: &Principal, role: &Role, agent: Holder) -> Self {
        callers.both().with(Holder::Principal { name: principal.clone(), role: role.clone() }).with(agent)
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The chain with one more member. The same one is not there twice.
    #[must_use]
    pub fn with(mut self, holder: Holder) -> Self {
        if !self.0.contains(&holder) {
            self.0.push(holder);
        }
        self
    }

    fn refusal(&self, plugin: &str, tool: &str) -> Option<Denial> {
        self.0.iter().find_map(|holder| holder.refusal(plugin, tool))
    }

    fn plugins(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|holder| match holder {
            Holder::Plugin { name, .. } => Some(name.as_str()),
            Holder::Principal { .. } => None,
        })
    }
}

/// What a chain of callers may call: what its members held when their turn began, and what they hold now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Held {
    start: Chain,
    now: Chain,
}

impl Held {
    /// What is left now of what a turn of `agent` began with. `holder` says what an agent holds now.
    pub fn since(start: Chain, agent: &str, principal: &Principal, role: &Role, holder: impl Fn(&str) -> Holder) -> Self {
        let role = Holder::Principal { name: principal.clone(), role: role.clone() };
        let now = start.plugins().chain([agent]).fold(Chain::default().with(role), |now, name| now.with(holder(name)));
        Self { start, now }
    }

    /// What is left for what `tool` calls, a tool that this chain called.
    #[must_use]
    pub fn through(&self, tool: Holder) -> Self {
        Self { start: self.start.clone(), now: self.now.clone().with(tool) }
    }

    /// Decides whether the end of the chain may call `plugin/tool`; returns the denial of the first member that may not. Every member has
    /// to hold it now, and to have held it when the turn began: what was taken away counts at once, what was given counts from the next
    /// turn.
    pub fn refusal(&self, plugin: &str, tool: &str) -> Option<Denial> {
        self.now.refusal(plugin, tool).or_else(|| self.start.refusal(plugin, tool).map(Denial::when_the_turn_began))
    }

    /// Both at once, which is what a turn that is called begins with.
    fn both(&self) -> Chain {
        self.now.0.iter().fold(self.start.clone(), |both, holder| both.with(holder.clone()))
    }
}
