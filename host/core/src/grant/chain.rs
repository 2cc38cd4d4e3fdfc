//! Chains of callers: who stands in one, which tools each may call, and the decision about a call at its end.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Allowed, Decision, Declared, Denial, Grants, Request, Resolved, Scope, ToolPattern, decide};
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
        /// Models that it may ask. A journal that was made before this was recorded has none.
        #[serde(skip_serializing_if = "HeldModels::is_empty", default)]
        models: HeldModels,
    },
}

/// The models that a plugin may ask.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldModels {
    /// Names that it declares; `*` where it declares them all.
    declared: BTreeSet<String>,
    /// Names that it was granted, each with the tokens that one answer may have.
    granted: BTreeMap<String, Option<u32>>,
}

/// Stands for all models in what is declared.
const ANY: &str = "*";

impl HeldModels {
    fn of(declared: &Declared, granted: &Grants) -> Self {
        let declared = match &declared.model {
            None => BTreeSet::new(),
            Some(Scope::Any) => BTreeSet::from([ANY.to_owned()]),
            Some(Scope::Only(names)) => names.clone(),
        };
        Self { declared, granted: granted.model.clone() }
    }

    fn is_empty(&self) -> bool {
        self.declared.is_empty() && self.granted.is_empty()
    }

    fn rights(&self, plugin: &str) -> Resolved {
        let model = match &self.declared {
            none if none.is_empty() => None,
            all if all.contains(ANY) => Some(Scope::Any),
            names => Some(Scope::Only(names.clone())),
        };
        Resolved {
            plugin: plugin.to_owned(),
            effect: Effect::Once,
            declared: Declared { model, ..Declared::default() },
            granted: Grants { model: self.granted.clone(), ..Grants::default() },
            mounts: Vec::new(),
        }
    }
}

impl Holder {
    /// A plugin that may call what it declares and was granted.
    pub fn plugin(name: &str, declared: &Declared, granted: &Grants) -> Self {
        let models = HeldModels::of(declared, granted);
        let declared = match &declared.tools {
            None => Vec::new(),
            Some(Scope::Any) => vec![ToolPattern::any()],
            Some(Scope::Only(tools)) => tools.clone(),
        };
        Self::Plugin { name: name.to_owned(), declared, granted: granted.tools.clone(), models }
    }

    /// A plugin that may call nothing, such as one that is not there any more.
    pub fn nothing(name: &str) -> Self {
        Self::Plugin { name: name.to_owned(), declared: Vec::new(), granted: Vec::new(), models: HeldModels::default() }
    }

    /// Why it may not call `plugin/tool`; none when it may.
    fn refusal(&self, plugin: &str, tool: &str) -> Option<Denial> {
        match self {
            Self::Principal { role, .. } if role.allows(plugin, tool) => None,
            Self::Principal { name, .. } => {
                let plugin = if plugin == AGENTS { tool } else { plugin };
                Some(Denial::role(plugin, tool, &name.to_string()))
            }
            Self::Plugin { name, declared, granted, .. } => {
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

    /// What `agent` itself may ask of a model; all of it where the chain does not say what anybody holds.
    fn model(&self, agent: &str, name: &str, max_tokens: u32) -> Result<Option<u32>, Box<Denial>> {
        let of = self.0.iter().rev().find_map(|holder| match holder {
            Holder::Plugin { name, models, .. } if name == agent => Some(models),
            _ => None,
        });
        if self.is_empty() {
            return Ok(None);
        }
        match decide(&Request::Model { name, max_tokens }, &of.cloned().unwrap_or_default().rights(agent)) {
            Decision::Allow(Allowed::Model(most)) => Ok(most),
            Decision::Allow(_) => Ok(None),
            Decision::Deny(denial) => Err(Box::new(denial)),
        }
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

    /// Decides whether `agent`, the end of the chain, may ask the model `name` for `max_tokens` tokens; the most that it may have. Like its
    /// tools, it has to hold that now and when the turn began. Its callers need not: a model is what it thinks with, as requests are what a tool
    /// acts with.
    ///
    /// # Errors
    /// The denial.
    pub fn model(&self, agent: &str, name: &str, max_tokens: u32) -> Result<Option<u32>, Box<Denial>> {
        let now = self.now.model(agent, name, max_tokens)?;
        let start = self.start.model(agent, name, max_tokens).map_err(|denial| Box::new(denial.when_the_turn_began()))?;
        Ok(now.into_iter().chain(start).min())
    }

    /// Both at once, which is what a turn that is called begins with.
    fn both(&self) -> Chain {
        self.now.0.iter().fold(self.start.clone(), |both, holder| both.with(holder.clone()))
    }
}
