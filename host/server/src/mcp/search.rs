//! Finding a tool among many: what stands in place of a long list, and the order in which tools are found.

use std::collections::{BTreeMap, BTreeSet};

use remit_core::{
    Error, Result,
    identity::Role,
    limit::{MCP_FOUND_BYTES, MCP_FOUND_DEFAULT, MCP_FOUND_MAX, MCP_QUERY_MAX_BYTES, MCP_QUERY_WORDS, MCP_SEARCHED_WORDS},
    plugin::text::visible,
};
use rmcp::model::{CallToolResult, JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

use super::{Catalog, Offer, shape};

/// Finds tools. No plugin's tool has this name, nor the next one: theirs hold `__`.
pub const SEARCH: &str = "search_tools";
/// Calls a tool that was found, for clients that call listed tools alone.
pub const CALL: &str = "call_tool";
/// What a model should know besides, where it has to search.
pub const INSTRUCTIONS: &str = " Most tools are not listed: find them with `search_tools`, then call them by their own names, or with \
     `call_tool`.";

/// How much a word of a name or title counts against one of a description or an argument.
const NAME_WEIGHT: u32 = 3;
/// How soon more of the same word stops to count, and how far a long definition is held against a short one: `k1` and `b` of BM25.
const SATURATION: f64 = 1.2;
const LENGTH: f64 = 0.75;

/// What is listed in place of what can be searched.
pub fn tools() -> [Tool; 2] {
    let name = json!({ "type": "string", "description": "Name of the tool, as `search_tools` found it" });
    let arguments = json!({ "type": "object", "description": "Its arguments, as its `inputSchema` wants them" });
    let call = json!({
        "type": "object", "properties": { "name": name, "arguments": arguments }, "required": ["name"], "additionalProperties": false,
    });
    let query = json!({
        "type": "string", "minLength": 1, "maxLength": MCP_QUERY_MAX_BYTES,
        "description": "Words that say what the tool does, or what it is called",
    });
    let limit = json!({
        "type": "integer", "minimum": 1, "maximum": MCP_FOUND_MAX, "default": MCP_FOUND_DEFAULT, "description": "How many to find at most",
    });
    let search = json!({
        "type": "object", "properties": { "query": query, "limit": limit }, "required": ["query"], "additionalProperties": false,
    });
    let found = json!({ "type": "array", "items": { "type": "object" }, "description": "Definitions, the best match first" });
    let more = json!({ "type": "integer", "minimum": 0, "description": "How many others match" });
    let answer = json!({ "type": "object", "properties": { "tools": found, "more": more }, "required": ["tools", "more"] });
    let object = |schema: Value| schema.as_object().cloned().unwrap_or_default();
    // What is called may do anything that a tool may.
    let annotations = ToolAnnotations::new().read_only(false).destructive(true).idempotent(false).open_world(true);
    let call = Tool::new(CALL, "Calls a tool that `search_tools` found. The result is that of the tool.", object(call));
    let about = "Finds tools of this server by what they do. Gives their definitions, with names and input schemas.";
    let found = ToolAnnotations::new().read_only(true).destructive(false).idempotent(true).open_world(false);
    let mut search = Tool::new(SEARCH, about, object(search)).with_annotations(found);
    search.output_schema = Some(object(answer).into());
    [call.with_annotations(annotations), search]
}

/// The answer to a call of [`SEARCH`] by who has `role`.
pub fn answer(catalog: &Catalog, role: &Role, arguments: &JsonObject) -> CallToolResult {
    match asked(arguments) {
        Ok((query, limit)) => CallToolResult::structured(found(&catalog.open_to(role).collect::<Vec<_>>(), query, limit)),
        Err(error) => shape::failure(&error),
    }
}

/// The tool that a call of [`CALL`] is for, and its arguments.
///
/// # Errors
/// `invalid` when they are none; `not-found` when who has `role` knows no such tool.
pub fn called<'a>(catalog: &'a Catalog, role: &Role, mut arguments: JsonObject) -> Result<(&'a Offer, JsonObject)> {
    let hint = "write {\"name\": \"plugin__tool\", \"arguments\": {…}}";
    only(&arguments, &["name", "arguments"])?;
    let inner = match arguments.remove("arguments") {
        None => JsonObject::new(),
        Some(Value::Object(inner)) => inner,
        Some(_) => return Err(Error::invalid("`arguments` is no object").hint(hint)),
    };
    let name = arguments.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| Error::invalid("`name` is missing, or no text").hint(hint))?;
    let unknown = || Error::not_found(format!("unknown tool: `{}`", visible(name, 64))).hint(format!("find one with `{SEARCH}`"));
    Ok((catalog.find(name, role).ok_or_else(unknown)?, inner))
}

fn asked(arguments: &JsonObject) -> Result<(&str, usize)> {
    only(arguments, &["query", "limit"])?;
    let query = arguments.get("query").and_then(Value::as_str).filter(|query| query.len() <= MCP_QUERY_MAX_BYTES);
    let query =
        query.ok_or_else(|| Error::invalid(format!("`query` is missing, no text, or has more than {MCP_QUERY_MAX_BYTES} bytes")))?;
    let limit = match arguments.get("limit") {
        None => Some(MCP_FOUND_DEFAULT),
        Some(limit) => limit.as_u64().and_then(|limit| limit.try_into().ok()).filter(|limit| (1..=MCP_FOUND_MAX).contains(limit)),
    };
    Ok((query, limit.ok_or_else(|| Error::invalid(format!("`limit` is no number from 1 to {MCP_FOUND_MAX}")))?))
}

fn only(arguments: &JsonObject, known: &[&str]) -> Result<()> {
    let other = arguments.keys().find(|name| !known.contains(&name.as_str()));
    other.map_or(Ok(()), |name| {
        let names = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
        Err(Error::invalid(format!("`{}` is no argument", visible(name, 64))).hint(format!("write {names}")))
    })
}

/// The best `limit` definitions, as far as they fit into [`MCP_FOUND_BYTES`], and how many others match.
fn found(offers: &[&Offer], query: &str, limit: usize) -> Value {
    let ranked = ranked(offers, query);
    let mut bytes = 0;
    let fits = |offer: &&&Offer| {
        let first = bytes == 0;
        bytes += offer.bytes;
        first || bytes <= MCP_FOUND_BYTES
    };
    let shown: Vec<&Tool> = ranked.iter().take(limit).take_while(fits).map(|offer| &offer.tool).collect();
    json!({ "more": ranked.len() - shown.len(), "tools": shown })
}

/// The offers that have a word of `query`, the best first, and in the order of their names where they are as good.
///
/// BM25, as in Robertson and Zaragoza, \"The Probabilistic Relevance Framework: BM25 and Beyond\" (2009), with the weight of a word that
/// Lucene uses, which is never negative: the sum over the words of `ln(1 + (N - n + ½) / (n + ½)) · f · (k1 + 1) / (f + k1 · (1 - b + b ·
/// length / average))`, where `n` of `N` offers have the word, and this one has it `f` times.
fn ranked<'a>(offers: &[&'a Offer], query: &str) -> Vec<&'a Offer> {
    let asked: BTreeSet<String> = words(query).take(MCP_QUERY_WORDS).collect();
    let all = offers.len() as f64;
    let average = offers.iter().map(|offer| f64::from(offer.words.length)).sum::<f64>() / all.max(1.0);
    let mut scores = vec![0.0; offers.len()];
    for word in asked {
        let times = |offer: &Offer| f64::from(offer.words.times.get(&word).copied().unwrap_or_default());
        let having = offers.iter().filter(|offer| times(offer) > 0.0).count() as f64;
        let weight = (1.0 + (all - having + 0.5) / (having + 0.5)).ln();
        for (offer, score) in offers.iter().zip(&mut scores) {
            let (times, length) = (times(offer), f64::from(offer.words.length) / average.max(1.0));
            *score += weight * times * (SATURATION + 1.0) / (times + SATURATION * (1.0 - LENGTH + LENGTH * length));
        }
    }
    let mut ranked: Vec<(&Offer, f64)> = offers.iter().copied().zip(scores).filter(|(_, score)| *score > 0.0).collect();
    ranked.sort_by(|(a, of_a), (b, of_b)| of_b.total_cmp(of_a).then_with(|| a.tool.name.cmp(&b.tool.name)));
    ranked.into_iter().map(|(offer, _)| offer).collect()
}

/// The words that a tool is found by.
#[derive(Debug, Clone, PartialEq)]
pub struct Words {
    /// How often each is there.
    times: BTreeMap<String, u32>,
    /// How many there are.
    length: u32,
}

impl Words {
    /// Those of its name and title, of its description, and of the names and descriptions of its arguments.
    pub fn of(tool: &Tool) -> Self {
        let mut words = Self { times: BTreeMap::new(), length: 0 };
        let mut room = MCP_SEARCHED_WORDS;
        words.add(&tool.name, NAME_WEIGHT, &mut room);
        words.add(tool.title.as_deref().unwrap_or_default(), NAME_WEIGHT, &mut room);
        words.add(tool.description.as_deref().unwrap_or_default(), 1, &mut room);
        words.arguments(&tool.input_schema, &mut room);
        words
    }

    fn arguments(&mut self, schema: &JsonObject, room: &mut usize) {
        for (name, argument) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            self.add(name, 1, room);
            self.add(argument.get("description").and_then(Value::as_str).unwrap_or_default(), 1, room);
        }
    }

    fn add(&mut self, text: &str, weight: u32, room: &mut usize) {
        for word in words(text).take(*room) {
            *room -= 1;
            self.length += weight;
            *self.times.entry(word).or_default() += weight;
        }
    }
}

/// The words of a text: runs of letters and digits, those in `camelCase` apart, in lower case, and without the `s` of a plural.
fn words(text: &str) -> impl Iterator<Item = String> {
    let runs = text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty());
    runs.flat_map(humps).map(|word| {
        let word = word.to_lowercase();
        match word.strip_suffix('s') {
            Some(one) if one.len() > 2 && !one.ends_with('s') => one.to_owned(),
            _ => word,
        }
    })
}

/// `listOpenTickets` in its three words.
fn humps(run: &str) -> Vec<&str> {
    let starts = run.char_indices().zip(run.chars().skip(1)).filter(|((_, one), next)| one.is_lowercase() && next.is_uppercase());
    let mut words = Vec::new();
    let mut rest = run;
    // From the end, so that places stay what they are.
    for ((at, one), _) in starts.collect::<Vec<_>>().into_iter().rev() {
        if let Some((before, word)) = rest.split_at_checked(at + one.len_utf8()) {
            words.push(word);
            rest = before;
        }
    }
    words.push(rest);
    words
}

#[cfg(test)]
mod tests;
