//! The tools of a project as this door offers them.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use remit_core::{
    grant::{MCP, Scope},
    identity::Role,
    limit::{MCP_PAGE_BYTES, MCP_PAGE_TOOLS},
    plugin::{AGENTS, Definition, Digest, Kind, PluginName},
    project::Mcp,
};
use remit_runtime::Plugin;
use rmcp::model::Tool;
use serde_json::Value;

use super::{
    agent,
    name::names,
    schema::asks_for_headers,
    search::{self, Words},
    shape,
};

/// What is offered, in the order of the names: the same project always gives the same list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Catalog {
    offers: Vec<Offer>,
    /// What is still listed where clients search.
    listed: Option<Vec<Offer>>,
    /// Plugins that may have prompts.
    pub(super) prompts: Vec<PluginName>,
    /// Plugins that may have resources.
    pub(super) resources: Vec<PluginName>,
    /// The components that those come from: another one may list others.
    components: Vec<Digest>,
    /// Whether names have no plugin before them.
    pub(super) bare: bool,
}

/// Tools by the names of their plugins and their own.
type Tools<'a> = HashMap<(&'a str, &'a str), (&'a Plugin, &'a Definition)>;

/// A tool that is offered.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// As the client sees it.
    pub tool: Tool,
    /// The plugin that it is of; [`AGENTS`] for an agent.
    pub plugin: String,
    /// What the plugin calls it; the agent's name.
    pub name: String,
    /// Whether it may ask its client.
    pub(super) may_ask: bool,
    /// Whether the project wants an approval of each call.
    pub(super) needs_approval: bool,
    /// What it is found by.
    pub(super) words: Words,
    /// About its size in a list.
    pub(super) bytes: usize,
}

impl Catalog {
    /// The tools of `plugins`, and what is not offered of them, as `plugin/tool` with the reason. An agent is a tool of its own.
    pub fn new(plugins: &[Plugin]) -> (Self, Vec<(String, &'static str)>) {
        let tools = by_name(plugins);
        let named = names(tools.keys().copied());
        Self::named(plugins, &tools, named)
    }

    /// The same, the tools of plugins under the names that those give them: for a project with one plugin.
    pub fn bare(plugins: &[Plugin]) -> (Self, Vec<(String, &'static str)>) {
        let tools = by_name(plugins);
        let mut named = names(tools.keys().copied().filter(|id| id.0 == AGENTS));
        let mut hidden = Vec::new();
        for id in tools.keys().filter(|id| id.0 != AGENTS) {
            match named.contains_key(id.1) {
                true => hidden.push((format!("{}/{}", id.0, id.1), "an agent has its name")),
                false => drop(named.insert(id.1.to_owned(), *id)),
            }
        }
        let (catalog, mut left_out) = Self::named(plugins, &tools, named);
        left_out.append(&mut hidden);
        (Self { bare: true, ..catalog }, left_out)
    }

    fn named<'a>(
        plugins: &[Plugin],
        tools: &Tools<'a>,
        named: BTreeMap<String, (&'a str, &'a str)>,
    ) -> (Self, Vec<(String, &'static str)>) {
        let (mut offers, mut left_out) = (Vec::new(), Vec::new());
        for (name, id) in named {
            let Some((plugin, definition)) = tools.get(&id) else { continue };
            match asks_for_headers(&definition.input_schema) {
                true => left_out.push((format!("{}/{}", id.0, id.1), "its schema asks clients to put arguments into headers")),
                false if plugin.kind == Kind::Agent => {
                    let tool = agent::tool(plugin.name.as_str(), definition);
                    offers.push(Offer { plugin: AGENTS.to_owned(), ..Offer::new(&name, plugin, &tool) });
                }
                false => offers.push(Offer::new(&name, plugin, definition)),
            }
        }
        let granted = |scope: &str| {
            let has = |plugin: &&Plugin| {
                plugin.kind == Kind::Tool && plugin.granted.custom.get(MCP).is_some_and(|scopes| scopes.iter().any(|one| one == scope))
            };
            plugins.iter().filter(has).collect::<Vec<_>>()
        };
        let (prompts, resources) = (granted("prompts"), granted("resources"));
        let components = prompts.iter().chain(&resources).map(|plugin| plugin.digest).collect();
        let [mut prompts, mut resources] = [prompts, resources].map(|all| all.iter().map(|plugin| plugin.name.clone()).collect::<Vec<_>>());
        prompts.sort();
        resources.sort();
        (Self { offers, listed: None, prompts, resources, components, bare: false }, left_out)
    }

    /// The same tools, searched rather than listed where the project wants that.
    #[must_use]
    pub fn searched(mut self, mcp: &Mcp) -> Self {
        if self.bare {
            // Its tools may have the names of the search.
            return self;
        }
        let stays = |offer: &&Offer| mcp.listed.iter().any(|pattern| pattern.matches(&offer.plugin, &offer.name));
        self.listed = mcp.search.applies(self.offers.len()).then(|| self.offers.iter().filter(stays).cloned().collect());
        self
    }

    /// Whether clients search.
    pub fn is_searched(&self) -> bool {
        self.listed.is_some()
    }

    /// Every tool that who has `role` may call, listed or not.
    pub fn open_to(&self, role: &Role) -> impl Iterator<Item = &Offer> {
        self.offers.iter().filter(|offer| offer.is_open_to(role))
    }

    /// The tool that clients know as `name`, listed or not, where who has `role` may call it.
    pub fn find(&self, name: &str, role: &Role) -> Option<&Offer> {
        at(&self.offers, name).and_then(|at| self.offers.get(at)).filter(|offer| offer.is_open_to(role))
    }

    /// One page of the list for who has `role`: what follows the tool that is named `after`, and the name to ask with for the next
    /// page. `None` when no tool of the list has that name. Where clients search, the first page begins with what they search by.
    pub fn page(&self, after: Option<&str>, role: &Role) -> Option<(Vec<Tool>, Option<String>)> {
        let shown: Vec<&Offer> = self.listed.as_ref().unwrap_or(&self.offers).iter().filter(|offer| offer.is_open_to(role)).collect();
        let start = after.map_or(Some(0), |name| at(&shown, name).map(|at| at + 1))?;
        let range = room(&shown, start);
        let next = shown.get(range.end).and(shown.get(range.clone()).and_then(<[&Offer]>::last));
        let next = next.map(|last| last.tool.name.clone().into_owned());
        let mut tools = if self.is_searched() && after.is_none() { search::tools().into() } else { Vec::new() };
        tools.extend(shown.get(range)?.iter().map(|offer| offer.tool.clone()));
        Some((tools, next))
    }

    /// How many tools there are.
    pub fn len(&self) -> usize {
        self.offers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.offers.is_empty()
    }
}

/// Whether tools of `plugin` may ask the client, by what it declares or is granted.
fn may_ask(plugin: &Plugin) -> bool {
    let asking = |scopes: &Vec<String>| scopes.iter().any(|scope| !matches!(scope.as_str(), "prompts" | "resources"));
    let declares = |scope: &Scope<Vec<String>>| match scope {
        Scope::Any => true,
        Scope::Only(scopes) => asking(scopes),
    };
    plugin.granted.custom.get(MCP).is_some_and(asking) || plugin.declared.custom.get(MCP).is_some_and(declares)
}

/// The tools of `plugins`. An agent is a tool of its own.
fn by_name(plugins: &[Plugin]) -> Tools<'_> {
    let tools = plugins.iter().flat_map(|plugin| {
        plugin.definitions.iter().map(move |tool| match plugin.kind {
            Kind::Agent => ((AGENTS, plugin.name.as_str()), (plugin, tool)),
            _ => ((plugin.name.as_str(), tool.name.as_str()), (plugin, tool)),
        })
    });
    tools.collect()
}

fn at<O: Borrow<Offer>>(offers: &[O], name: &str) -> Option<usize> {
    offers.binary_search_by(|offer| offer.borrow().tool.name.as_ref().cmp(name)).ok()
}

/// What fits on a page of `offers` from `start`: one tool at least.
fn room(offers: &[&Offer], start: usize) -> Range<usize> {
    let mut bytes = 0;
    let fits = |offer: &&&Offer| {
        let first = bytes == 0;
        bytes += offer.bytes;
        first || bytes <= MCP_PAGE_BYTES
    };
    start..start + offers.iter().skip(start).take(MCP_PAGE_TOOLS).take_while(fits).count()
}

impl Offer {
    fn new(name: &str, plugin: &Plugin, definition: &Definition) -> Self {
        // Whom an agent's tools reach, their own grants say.
        let open_world =
            plugin.kind.is_outside() || plugin.kind == Kind::Agent || !plugin.granted.http.is_empty() || !plugin.granted.sockets.is_empty();
        let tool = shape::tool(name, definition, Some(open_world));
        let schemas = [Some(&tool.input_schema), tool.output_schema.as_ref()];
        let bytes = schemas.into_iter().flatten().map(|schema| Value::Object(schema.as_ref().clone()).to_string().len()).sum::<usize>();
        let bytes = bytes + definition.description.len();
        Self {
            may_ask: may_ask(plugin),
            needs_approval: plugin.asks(&definition.name),
            words: Words::of(&tool),
            tool,
            plugin: plugin.name.to_string(),
            name: definition.name.clone(),
            bytes,
        }
    }

    /// Whether who has `role` may call the tool. To others it is not there.
    pub fn is_open_to(&self, role: &Role) -> bool {
        role.allows(&self.plugin, &self.name)
    }

    /// Whether it is an agent, and no tool of a plugin.
    pub fn is_agent(&self) -> bool {
        self.plugin == AGENTS
    }

    /// Whether the tool promises structured output.
    pub fn promises(&self) -> bool {
        self.tool.output_schema.is_some()
    }
}

#[cfg(test)]
pub(super) mod tests;
