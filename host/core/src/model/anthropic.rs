//! Anthropic's messages.

use serde_json::{Map, Value, json};

use super::{Api, Choice, Item, Part, Reasoning, Request, Response, Role, Sending, Stop, ToolCall, Usage, count, list, text, unread};
use crate::Result;

/// The body of a request.
pub(super) fn body(request: &Request, sending: Sending<'_>) -> Result<Value> {
    let mut body = Map::new();
    let mut set = |key: &str, value: Value| drop(body.insert(key.to_owned(), value));
    set("model", sending.model.into());
    set("messages", messages(&request.items).into());
    set("max_tokens", sending.max_tokens.into());
    let system: Vec<Value> = request.items.iter().filter_map(system).flatten().collect();
    if !system.is_empty() {
        set("system", system.into());
    }
    if sending.stream {
        set("stream", json!(true));
    }
    if let Some(temperature) = request.temperature {
        set("temperature", json!(temperature));
    }
    if !request.tools.is_empty() {
        let tool = |tool: &super::Tool| json!({ "name": tool.name, "description": tool.description, "input_schema": tool.parameters });
        set("tools", request.tools.iter().map(tool).collect());
        let choice = match &request.choice {
            Choice::Auto => json!({ "type": "auto" }),
            Choice::None => json!({ "type": "none" }),
            Choice::Required => json!({ "type": "any" }),
            Choice::Named(name) => json!({ "type": "tool", "name": name }),
        };
        set("tool_choice", choice);
    }
    if let Some(form) = &request.form {
        set("output_config", json!({ "format": { "type": "json_schema", "schema": form.schema } }));
    }
    Ok(Value::Object(body))
}

/// What the system says, which stands apart from the conversation.
fn system(item: &Item) -> Option<Vec<Value>> {
    match item {
        Item::Message(message) if message.role == Role::System => Some(parts(&message.parts)),
        _ => None,
    }
}

/// The items as messages of two who take turns: what one of them says in a row is one message.
fn messages(items: &[Item]) -> Vec<Value> {
    let mut messages: Vec<(&str, Vec<Value>)> = Vec::new();
    for item in items {
        let (role, blocks) = match item {
            Item::Message(message) => match message.role {
                Role::System => continue,
                Role::User => ("user", parts(&message.parts)),
                Role::Assistant => ("assistant", parts(&message.parts)),
            },
            Item::ToolCall(call) => {
                ("assistant", vec![json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input(call) })])
            }
            Item::ToolResult(result) => {
                let content = parts(&result.parts);
                ("user", vec![json!({ "type": "tool_result", "tool_use_id": result.id, "content": content, "is_error": result.failed })])
            }
            Item::Reasoning(reasoning) => ("assistant", reasoning.opened(Api::Anthropic).into_iter().collect()),
        };
        match messages.last_mut() {
            Some((last, all)) if *last == role => all.extend(blocks),
            _ if blocks.is_empty() => {}
            _ => messages.push((role, blocks)),
        }
    }
    messages.into_iter().map(|(role, content)| json!({ "role": role, "content": content })).collect()
}

/// The arguments as an object, which the API wants even of what the model wrote wrong; the result of the call says what was wrong.
fn input(call: &ToolCall) -> Value {
    match serde_json::from_str(&call.arguments) {
        Ok(object @ Value::Object(_)) => object,
        _ => json!({ "unreadable": call.arguments }),
    }
}

/// Empty texts are left out: the API refuses them.
fn parts(parts: &[Part]) -> Vec<Value> {
    let part = |part: &Part| match part {
        Part::Text { text } => (!text.is_empty()).then(|| json!({ "type": "text", "text": text })),
        Part::Image { mime_type, data } => {
            Some(json!({ "type": "image", "source": { "type": "base64", "media_type": mime_type, "data": data } }))
        }
    };
    parts.iter().filter_map(part).collect()
}

/// Reads an answer.
pub(super) fn read(value: &Value) -> Result<Response> {
    let odd = |why: &str| unread(Api::Anthropic, why);
    if !value.get("content").is_some_and(Value::is_array) {
        return Err(odd("it has no `content`"));
    }
    let mut items = Vec::new();
    for block in list(value, "content") {
        match text(block, "type") {
            "text" => items.push(Item::text(Role::Assistant, text(block, "text"))),
            "tool_use" => items.push(Item::ToolCall(ToolCall {
                id: text(block, "id").to_owned(),
                name: text(block, "name").to_owned(),
                arguments: block.get("input").map_or_else(|| "{}".to_owned(), written),
            })),
            "thinking" | "redacted_thinking" => {
                let sealed = Some(Reasoning::seal(Api::Anthropic, block));
                items.push(Item::Reasoning(Reasoning { text: text(block, "thinking").to_owned(), sealed }));
            }
            _ => {}
        }
    }
    let stop = match text(value, "stop_reason") {
        "end_turn" | "stop_sequence" | "pause_turn" => Stop::End,
        "tool_use" => Stop::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => Stop::MaxTokens,
        "refusal" => Stop::Refused,
        _ => return Err(odd("it does not say why it ended")),
    };
    let cached = count(value, "/usage/cache_read_input_tokens");
    let input = count(value, "/usage/input_tokens") + cached + count(value, "/usage/cache_creation_input_tokens");
    let usage = Usage { input, cached, output: count(value, "/usage/output_tokens"), reasoning: 0 };
    Ok(Response { items, stop, usage, model: text(value, "model").to_owned() })
}

/// Arguments as text: what could not be read as JSON is one already.
fn written(input: &Value) -> String {
    input.as_str().map_or_else(|| input.to_string(), str::to_owned)
}

/// What came of an answer: the message, and its blocks with the arguments that are not whole yet.
#[derive(Default)]
pub(super) struct Draft {
    message: Value,
    blocks: Vec<(Value, String)>,
}

impl Draft {
    /// Takes an event; whether it is the last one. Adds what the model said in it to `said`.
    pub(super) fn event(&mut self, mut event: Value, said: &mut String) -> Result<bool> {
        match text(&event, "type") {
            "message_start" => self.message = event.get_mut("message").map(Value::take).unwrap_or_default(),
            "content_block_start" => {
                self.blocks.push((event.get_mut("content_block").map(Value::take).unwrap_or_default(), String::new()));
            }
            "content_block_delta" => self.delta(&event, said)?,
            "message_delta" => {
                if let Some(message) = self.message.as_object_mut() {
                    message.insert("stop_reason".to_owned(), event.pointer_mut("/delta/stop_reason").map(Value::take).unwrap_or_default());
                    let usage = event.get_mut("usage").map(Value::take);
                    let kept = message.entry("usage").or_insert_with(|| json!({})).as_object_mut();
                    if let (Some(kept), Some(Value::Object(usage))) = (kept, usage) {
                        kept.extend(usage.into_iter().filter(|(_, count)| !count.is_null()));
                    }
                }
            }
            "message_stop" => return Ok(true),
            _ => {}
        }
        Ok(false)
    }

    fn delta(&mut self, event: &Value, said: &mut String) -> Result<()> {
        let index = event.get("index").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok());
        let block = index.and_then(|index| self.blocks.get_mut(index));
        let (block, arguments) = block.ok_or_else(|| unread(Api::Anthropic, "a piece of it belongs to no block"))?;
        let delta = event.get("delta").unwrap_or(&Value::Null);
        let mut append = |key: &str| {
            let kept = block.as_object_mut().map(|block| block.entry(key).or_insert_with(|| "".into()));
            if let Some(Value::String(kept)) = kept {
                kept.push_str(text(delta, key));
            }
        };
        match text(delta, "type") {
            "text_delta" => {
                said.push_str(text(delta, "text"));
                append("text");
            }
            "thinking_delta" => append("thinking"),
            "signature_delta" => append("signature"),
            "input_json_delta" => arguments.push_str(text(delta, "partial_json")),
            _ => {}
        }
        Ok(())
    }

    /// The message as it would have come whole.
    pub(super) fn message(mut self) -> Value {
        let block = |(mut block, arguments): (Value, String)| {
            if let Some(block) = block.as_object_mut().filter(|_| !arguments.is_empty()) {
                block.insert("input".to_owned(), serde_json::from_str(&arguments).unwrap_or(Value::String(arguments)));
            }
            block
        };
        if let Some(message) = self.message.as_object_mut() {
            message.insert("content".to_owned(), self.blocks.into_iter().map(block).collect());
        }
        self.message
    }
}
