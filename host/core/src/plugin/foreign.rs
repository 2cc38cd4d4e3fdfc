//! Tools as an outside server tells them → definitions, with what cannot be one left out and named.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Definition, Effect,
    lock::sorted,
    text::{visible, visible_lines},
};
use crate::limit::{SCHEMA_MAX_BYTES, TOOLS_MAX};

/// A tool as its server tells it. Its annotations are not here: they change nothing (M5).
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignTool {
    /// Its name there.
    pub name: String,
    /// A name for people.
    pub title: Option<String>,
    /// What it does.
    pub description: String,
    /// Schema of the arguments.
    pub input_schema: Value,
    /// Schema of the structured result.
    pub output_schema: Option<Value>,
}

/// What becomes of a server's tools.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Adopted {
    /// Those that can be offered, by their name here; the text is the name there.
    pub tools: BTreeMap<String, (String, Definition)>,
    /// Those that cannot, each with the reason; safe to show.
    pub left_out: Vec<(String, String)>,
}

/// Takes over a server's tools, each `once` unless `effects` says otherwise (M5).
///
/// A name is written in lower case, with `_` for `.`, `/`, `:` and space; what is then no name for a tool, or the name of two, is left
/// out (M4, M6). In texts for people and models, characters that do not show are written as `\u{…}` (M3); where they stand in what a
/// program reads of a schema, the tool is left out, as it is for every other mistake that [`Definition::check`] finds (M7).
pub fn adopt(tools: Vec<ForeignTool>, effects: &BTreeMap<String, Effect>) -> Adopted {
    let mut adopted = Adopted::default();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    tools.iter().for_each(|tool| *names.entry(own_name(&tool.name)).or_default() += 1);
    for tool in tools {
        let name = own_name(&tool.name);
        let shown = visible(&tool.name, 96);
        if names.get(&name).is_some_and(|count| *count > 1) {
            adopted.left_out.push((shown, format!("another one would be named `{}` as well", visible(&name, 64))));
            continue;
        }
        if adopted.tools.len() >= TOOLS_MAX {
            adopted.left_out.push((shown, format!("the server has more than {TOOLS_MAX} tools")));
            continue;
        }
        let definition = Definition {
            name: name.clone(),
            title: tool.title.as_deref().map(|title| visible(title, usize::MAX)),
            description: visible_lines(&tool.description, usize::MAX),
            input_schema: shown_schema(tool.input_schema),
            output_schema: tool.output_schema.map(shown_schema),
            effect: effects.get(&name).copied().unwrap_or(Effect::Once),
        };
        match definition.check() {
            Ok(()) => drop(adopted.tools.insert(name, (tool.name, definition))),
            Err(error) => adopted.left_out.push((shown, error.message)),
        }
    }
    adopted
}

fn own_name(name: &str) -> String {
    name.chars().map(|c| if matches!(c, '.' | '/' | ':' | ' ') { '_' } else { c.to_ascii_lowercase() }).collect()
}

/// A schema whose texts for readers show as what they are.
fn shown_schema(mut schema: Value) -> Value {
    show_texts(&mut schema);
    sorted(schema)
}

fn show_texts(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(show_texts),
        Value::Object(entries) => entries.iter_mut().for_each(|(key, item)| match item {
            Value::String(text) if matches!(key.as_str(), "title" | "description" | "$comment") => {
                *text = visible_lines(text, SCHEMA_MAX_BYTES)
            }
            other => show_texts(other),
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
