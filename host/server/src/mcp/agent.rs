//! Agents as tools: what a call of one says, and what it is answered.

use remit_core::{
    Error, Result,
    id::SessionId,
    journal::Progress,
    limit::KEY_MAX_BYTES,
    plugin::{
        Definition, Effect,
        text::{visible, visible_lines},
    },
    store::{WaitKind, WaitRow, WaitState},
};
use remit_runtime::{Ran, Seen, TurnEnd};
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, MetaObject};
use serde_json::{Value, json};

use super::schema::nested;

/// What a model should know of every agent.
const TURNS: &str = "It works in turns of a session, which is kept. Without `session` a new one begins, and the result names it: give it \
     back to go on. While the status is `running` or `queued`, ask again with `session` alone. While it is `waiting`, somebody has to \
     decide or answer what stands in `waits`; where that is an input, `input` answers it.";

/// What the agent that calls itself `definition` offers here.
pub(super) fn tool(name: &str, definition: &Definition) -> Definition {
    let input = json!({
        "anyOf": [nested(&definition.input_schema, "#/properties/input/anyOf/0"), { "type": "string" }],
        "description": "What the turn begins with; or, where the session waits for an input, the answer. A text is JSON, or an answer.",
    });
    let key = json!({
        "type": "string",
        "maxLength": KEY_MAX_BYTES,
        "description": "Names the input: the same key with the same input gives the recorded result instead of doing it again.",
    });
    let session = json!({ "type": "string", "description": "The session to go on with, as an earlier result named it." });
    Definition {
        name: name.to_owned(),
        title: definition.title.clone(),
        description: format!("{}\n\n{TURNS}", definition.description.trim_end()).trim_start().to_owned(),
        input_schema: json!({
            "type": "object",
            "properties": { "input": input, "session": session, "key": key },
            "additionalProperties": false,
        }),
        output_schema: Some(output_schema(definition.output_schema.as_ref())),
        effect: Effect::Once,
    }
}

fn output_schema(output: Option<&Value>) -> Value {
    let output = output.map_or_else(|| json!({}), |output| nested(output, "#/properties/output"));
    let wait = json!({
        "type": "object",
        "properties": {
            "id": { "type": "string" },
            "kind": { "enum": ["approval", "input", "timer"] },
            "question": { "type": "string" },
            "tool": { "type": "string", "description": "The tool of the exact call that is to be approved." },
            "expires": { "type": "string", "format": "date-time" },
        },
        "required": ["id", "kind", "question"],
    });
    json!({
        "type": "object",
        "properties": {
            "session": { "type": "string" },
            "turn": { "type": "integer", "minimum": 0 },
            "status": { "enum": ["done", "failed", "waiting", "running", "queued"] },
            "output": output,
            "error": { "type": "object", "properties": { "kind": { "type": "string" }, "message": { "type": "string" } } },
            "waits": { "type": "array", "items": wait },
            "steps": { "type": "integer", "minimum": 0, "description": "Calls and waits that a turn has come to that has not ended." },
            "calls": { "type": "array", "items": { "type": "string" }, "description": "The tools that it calls now." },
            "place": { "type": "integer", "minimum": 0, "description": "Of an input that is queued, its place." },
            "denials": { "type": "array", "items": { "type": "object" } },
        },
        "required": ["session", "turn", "status"],
    })
}

/// What a call of an agent asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub session: Option<SessionId>,
    /// JSON, or an answer.
    pub input: Option<String>,
    pub key: Option<String>,
}

impl Asked {
    /// # Errors
    /// `invalid` for an argument that no agent takes, or one that is not what it has to be.
    pub fn read(mut arguments: JsonObject) -> Result<Self> {
        let input = arguments.remove("input").filter(|input| !input.is_null()).map(|input| match input {
            Value::String(text) => text,
            value => value.to_string(),
        });
        let mut text = |name: &str| match arguments.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Error::invalid(format!("`{name}` has to be a text"))),
        };
        let session = text("session")?.map(|id| id.parse()).transpose()?;
        let key = text("key")?;
        if let Some(name) = arguments.keys().next() {
            let text = format!("an agent takes no argument `{}`, but `input`, `session` and `key`", visible(name, 64));
            return Err(Error::invalid(text));
        }
        Ok(Self { session, input, key })
    }
}

/// How it stands with the turn of a call.
#[derive(Debug)]
pub(super) struct Told {
    pub session: SessionId,
    pub turn: u32,
    /// None while it runs.
    pub end: Option<TurnEnd>,
    /// How far it is, of one that was looked at while it had not ended.
    pub progress: Option<Progress>,
    pub denials: Value,
    pub backtrace: Vec<String>,
}

/// Whether a turn goes on without anybody's decision: it runs, sleeps, or its input is queued.
pub(super) fn is_under_way(end: Option<&TurnEnd>) -> bool {
    match end {
        None | Some(TurnEnd::Queued(_)) => true,
        Some(TurnEnd::Waiting(waits)) => waits.iter().all(|wait| wait.kind == WaitKind::Timer),
        Some(TurnEnd::Done(_) | TurnEnd::Failed(_)) => false,
    }
}

impl Told {
    pub fn seen(session: SessionId, Seen { turn, end, .. }: Seen) -> Self {
        Self { session, turn, end, progress: None, denials: json!([]), backtrace: Vec::new() }
    }

    pub fn ran(Ran { session, turn, end, denials, backtrace, .. }: Ran) -> Self {
        Self { session, turn, end: Some(end), progress: None, denials: json!(denials), backtrace }
    }

    /// The decisions that it waits for.
    pub fn waits(&self) -> &[WaitRow] {
        if let Some(TurnEnd::Waiting(waits)) = &self.end { waits } else { &[] }
    }

    /// How it stands with a turn that has not ended, for a person.
    pub fn in_words(&self) -> Option<String> {
        match &self.end {
            None => self.progress.as_ref().map(ToString::to_string),
            Some(TurnEnd::Queued(place)) => Some(format!("the input is queued as no. {place}")),
            Some(TurnEnd::Waiting(waits)) => Some(open(waits).map(in_words).collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty()),
            Some(TurnEnd::Done(_) | TurnEnd::Failed(_)) => None,
        }
    }

    /// What the client is answered.
    pub fn result(self) -> CallToolResult {
        let Self { session, turn, end, progress, denials, backtrace } = self;
        let (status, member, mut texts) = ending(end);
        let so_far = progress.as_ref().filter(|_| status == "running").map_or_else(String::new, |progress| format!(", {progress}"));
        let steps = progress.into_iter().flat_map(|progress| [("steps", json!(progress.steps)), ("calls", json!(progress.calls))]);
        let lists = [("denials", denials), ("backtrace", json!(backtrace))];
        let lists = lists.into_iter().filter(|(_, list)| list.as_array().is_some_and(|list| !list.is_empty()));
        let meta: JsonObject = lists.map(|(name, list)| (format!("remit/{name}"), list)).collect();
        let own = [("session", json!(session)), ("turn", json!(turn)), ("status", json!(status))];
        let denials = meta.get("remit/denials").map(|denials| ("denials", denials.clone()));
        let said = own.into_iter().chain(member).chain(steps).chain(denials).map(|(name, value)| (name.to_owned(), value));
        let said: JsonObject = said.collect();
        texts.push(format!("[session {session}, turn {turn}: {status}{so_far}]"));
        let content = texts.into_iter().map(ContentBlock::text).collect();
        let mut result = if status == "failed" { CallToolResult::error(content) } else { CallToolResult::success(content) };
        result.structured_content = Some(Value::Object(said));
        result.meta = (!meta.is_empty()).then_some(MetaObject(meta));
        result
    }
}

/// The status, what is said with it, and both in words.
fn ending(end: Option<TurnEnd>) -> (&'static str, Option<(&'static str, Value)>, Vec<String>) {
    match end {
        Some(TurnEnd::Done(output)) => {
            let value = serde_json::from_str(&output).unwrap_or_else(|_no_json| json!(output));
            let text = value.as_str().map_or(output, str::to_owned);
            ("done", Some(("output", value)), vec![text])
        }
        Some(TurnEnd::Failed(error)) => {
            let said = json!({ "kind": error.kind, "message": error.message });
            ("failed", Some(("error", said)), vec![error.message])
        }
        Some(TurnEnd::Waiting(waits)) => {
            ("waiting", Some(("waits", open(&waits).map(wait).collect())), open(&waits).map(in_words).collect())
        }
        Some(TurnEnd::Queued(place)) => ("queued", Some(("place", json!(place))), Vec::new()),
        None => ("running", None, Vec::new()),
    }
}

/// What is still waited for.
fn open(waits: &[WaitRow]) -> impl Iterator<Item = &WaitRow> {
    waits.iter().filter(|wait| wait.state == WaitState::Open)
}

fn kind(wait: &WaitRow) -> &'static str {
    match wait.kind {
        WaitKind::Approval => "approval",
        WaitKind::Input => "input",
        WaitKind::Timer => "timer",
    }
}

fn wait(wait: &WaitRow) -> Value {
    let own = [("id", json!(wait.id)), ("kind", json!(kind(wait))), ("question", json!(visible_lines(&wait.title, usize::MAX)))];
    let tool = wait.call.as_ref().map(|call| ("tool", json!(call.tool)));
    let expires = wait.due.map(|due| ("expires", json!(due.to_string())));
    let said = own.into_iter().chain(tool).chain(expires);
    Value::Object(said.map(|(name, value)| (name.to_owned(), value)).collect())
}

fn in_words(wait: &WaitRow) -> String {
    match wait.kind {
        WaitKind::Timer => "It sleeps for now.".to_owned(),
        _ => format!("It waits for an {}, {}: {}", kind(wait), wait.id, visible_lines(&wait.title, usize::MAX)),
    }
}

#[cfg(test)]
mod tests;
