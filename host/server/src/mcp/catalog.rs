//! The tools of a project as this door offers them.

use std::{collections::HashMap, ops::Range};

use remit_core::{
    identity::Role,
    limit::{MCP_PAGE_BYTES, MCP_PAGE_TOOLS},
    plugin::{Definition, Kind},
};
use remit_runtime::Plugin;
use rmcp::model::Tool;
use serde_json::Value;

use super::{name::names, schema::asks_for_headers, shape};

/// What is offered, in the order of the names: the same project always gives the same list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Catalog(Vec<Offer>);

/// A tool that is offered.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// As the client sees it.
    pub tool: Tool,
    /// The plugin that it is of.
    pub plugin: String,
    /// What the plugin calls it.
    pub name: String,
    /// About its size in a list.
    bytes: usize,
}

impl Catalog {
    /// The tools of `plugins`, and what is not offered of them, as `plugin/tool` with the reason. Agents offer no tools.
    pub fn new(plugins: &[Plugin]) -> (Self, Vec<(String, &'static str)>) {
        let tools = plugins
            .iter()
            .filter(|plugin| plugin.kind != Kind::Agent)
            .flat_map(|plugin| plugin.definitions.iter().map(move |tool| ((plugin.name.as_str(), tool.name.as_str()), (plugin, tool))));
        let tools: HashMap<(&str, &str), (&Plugin, &Definition)> = tools.collect();
        let (mut offers, mut left_out) = (Vec::new(), Vec::new());
        for (name, id) in names(tools.keys().copied()) {
            let Some((plugin, definition)) = tools.get(&id) else { continue };
            match asks_for_headers(&definition.input_schema) {
                true => left_out.push((format!("{}/{}", id.0, id.1), "its schema asks clients to put arguments into headers")),
                false => offers.push(Offer::new(&name, plugin, definition)),
            }
        }
        (Self(offers), left_out)
    }

    /// The tool that clients know as `name`.
    pub fn find(&self, name: &str) -> Option<&Offer> {
        self.0.binary_search_by(|offer| offer.tool.name.as_ref().cmp(name)).ok().and_then(|at| self.0.get(at))
    }

    /// One page of the list for who has `role`: what follows the tool that is named `after`, and the name to ask with for the next
    /// page. `None` when no tool of the list has that name.
    pub fn page(&self, after: Option<&str>, role: &Role) -> Option<(Vec<Tool>, Option<String>)> {
        let open: Vec<&Offer> = self.0.iter().filter(|offer| offer.is_open_to(role)).collect();
        let at = |name: &str| open.binary_search_by(|offer| offer.tool.name.as_ref().cmp(name)).ok();
        let start = after.map_or(Some(0), |name| at(name).map(|at| at + 1))?;
        let range = room(&open, start);
        let next = open.get(range.end).and(open.get(range.clone()).and_then(<[&Offer]>::last));
        let next = next.map(|last| last.tool.name.clone().into_owned());
        Some((open.get(range)?.iter().map(|offer| offer.tool.clone()).collect(), next))
    }

    /// How many tools there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What fits on a page of `open` from `start`: one tool at least.
fn room(open: &[&Offer], start: usize) -> Range<usize> {
    let mut bytes = 0;
    let fits = |offer: &&&Offer| {
        let first = bytes == 0;
        bytes += offer.bytes;
        first || bytes <= MCP_PAGE_BYTES
    };
    start..start + open.iter().skip(start).take(MCP_PAGE_TOOLS).take_while(fits).count()
}

impl Offer {
    fn new(name: &str, plugin: &Plugin, definition: &Definition) -> Self {
        let open_world = plugin.kind == Kind::Native || !plugin.granted.http.is_empty();
        let tool = shape::tool(name, definition, Some(open_world));
        let schemas = [Some(&tool.input_schema), tool.output_schema.as_ref()];
        let bytes = schemas.into_iter().flatten().map(|schema| Value::Object(schema.as_ref().clone()).to_string().len()).sum::<usize>();
        let bytes = bytes + definition.description.len();
        Self { tool, plugin: plugin.name.to_string(), name: definition.name.clone(), bytes }
    }

    /// Whether who has `role` may call the tool. To others it is not there.
    pub fn is_open_to(&self, role: &Role) -> bool {
        role.allows(&self.plugin, &self.name)
    }

    /// Whether the tool promises structured output.
    pub fn promises(&self) -> bool {
        self.tool.output_schema.is_some()
    }
}

#[cfg(test)]
mod tests;
