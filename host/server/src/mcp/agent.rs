//! Agents as tools: what a call of one says, and what it is answered.

use remit_core::{
    Error, Result,
    id::SessionId,
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
    pub denials: Value,
    pub backtrace: Vec<String>,
}

impl Told {
    pub fn seen(session: SessionId, Seen { turn, end, .. }: Seen) -> Self {
        Self { session, turn, end, denials: json!([]), backtrace: Vec::new() }
    }

    pub fn ran(Ran { session, turn, end, denials, backtrace, .. }: Ran) -> Self {
        Self { session, turn, end: Some(end), denials: json!(denials), backtrace }
    }

    /// Whether it goes on without anybody's decision: it runs, sleeps, or its input is queued.
    pub fn is_under_way(&self) -> bool {
        match &self.end {
            None | Some(TurnEnd::Queued(_)) => true,
            Some(TurnEnd::Waiting(waits)) => waits.iter().all(|wait| wait.kind == WaitKind::Timer),
            Some(TurnEnd::Done(_) | TurnEnd::Failed(_)) => false,
        }
    }

    /// The decisions that it waits for.
    pub fn waits(&self) -> &[WaitRow] {
        if let Some(TurnEnd::Waiting(waits)) = &self.end { waits } else { &[] }
    }

    /// What the client is answered.
    pub fn result(self) -> CallToolResult {
        let Self { session, turn, end, denials, backtrace } = self;
        let (status, member, mut texts) = ending(end);
        let lists = [("denials", denials), ("backtrace", json!(backtrace))];
        let lists = lists.into_iter().filter(|(_, list)| list.as_array().is_some_and(|list| !list.is_empty()));
        let meta: JsonObject = lists.map(|(name, list)| (format!("remit/{name}"), list)).collect();
        let own = [("session", json!(session)), ("turn", json!(turn)), ("status", json!(status))];
        let denials = meta.get("remit/denials").map(|denials| ("denials", denials.clone()));
        let said = own.into_iter().chain(member).chain(denials).map(|(name, value)| (name.to_owned(), value));
        let said: JsonObject = said.collect();
        texts.push(format!("[session {session}, turn {turn}: {status}]"));
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
            let open = || waits.iter().filter(|wait| wait.state == WaitState::Open);
            ("waiting", Some(("waits", open().map(wait).collect())), open().map(in_words).collect())
        }
        Some(TurnEnd::Queued(place)) => ("queued", Some(("place", json!(place))), Vec::new()),
        None => ("running", None, Vec::new()),
    }
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
