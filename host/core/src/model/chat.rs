//! Chat completions, as OpenAI made them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Api, Choice, Item, Part, Reasoning, Request, Response, Role, Sending, Stop, ToolCall, Usage, count, list, text, unread};
use crate::{Error, Result};

/// The body of a request.
pub(super) fn body(request: &Request, sending: Sending<'_>) -> Result<Value> {
    let mut body = Map::new();
    let mut set = |key: &str, value: Value| drop(body.insert(key.to_owned(), value));
    set("model", sending.model.into());
    set("messages", messages(&request.items)?.into());
    set("max_tokens", sending.max_tokens.into());
    if sending.stream {
        set("stream", json!(true));
        set("stream_options", json!({ "include_usage": true }));
    }
    if let Some(temperature) = request.temperature {
        set("temperature", json!(temperature));
    }
    if !request.tools.is_empty() {
        let tool = |tool: &super::Tool| json!({ "type": "function", "function": { "name": tool.name, "description": tool.description, "parameters": tool.parameters } });
        set("tools", request.tools.iter().map(tool).collect());
        let choice = match &request.choice {
            Choice::Auto => json!("auto"),
            Choice::None => json!("none"),
            Choice::Required => json!("required"),
            Choice::Named(name) => json!({ "type": "function", "function": { "name": name } }),
        };
        set("tool_choice", choice);
    }
    if let Some(form) = &request.form {
        set(
            "response_format",
            json!({ "type": "json_schema", "json_schema": { "name": form.name, "schema": form.schema, "strict": true } }),
        );
    }
    Ok(Value::Object(body))
}

/// The items as messages: what the model said and the calls that it wanted then are one.
fn messages(items: &[Item]) -> Result<Vec<Value>> {
    let mut messages: Vec<Value> = Vec::new();
    for item in items {
        match item {
            Item::Message(message) if message.role == Role::Assistant => {
                let Some(last) = assistant(&mut messages) else { continue };
                let said = format!("{}{}", last.get("content").and_then(Value::as_str).unwrap_or_default(), words(&message.parts));
                last.insert("content".to_owned(), said.into());
            }
            Item::Message(message) => {
                let role = if message.role == Role::System { "system" } else { "user" };
                messages.push(json!({ "role": role, "content": content(&message.parts) }));
            }
            Item::ToolCall(call) => {
                let one = json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": call.arguments } });
                let calls = assistant(&mut messages).map(|last| last.entry("tool_calls").or_insert_with(|| json!([])));
                if let Some(Value::Array(calls)) = calls {
                    calls.push(one);
                }
            }
            Item::ToolResult(result) => {
                if result.parts.iter().any(|part| matches!(part, Part::Image { .. })) {
                    let error = Error::invalid("a result of a tool with a picture cannot be given to a model of `openai-chat`");
                    return Err(error.hint("put the picture into a message of the role `user`"));
                }
                let mark = if result.failed { "error: " } else { "" };
                messages.push(json!({ "role": "tool", "tool_call_id": result.id, "content": format!("{mark}{}", words(&result.parts)) }));
            }
            Item::Reasoning(_) => {}
        }
    }
    Ok(messages)
}

/// The message of the model that the next thing it did belongs to.
fn assistant(messages: &mut Vec<Value>) -> Option<&mut Map<String, Value>> {
    if messages.last().is_none_or(|last| text(last, "role") != "assistant") {
        messages.push(json!({ "role": "assistant", "content": Value::Null }));
    }
    messages.last_mut()?.as_object_mut()
}

fn words(parts: &[Part]) -> String {
    parts.iter().filter_map(|part| if let Part::Text { text } = part { Some(text.as_str()) } else { None }).collect()
}

fn content(parts: &[Part]) -> Value {
    if parts.iter().all(|part| matches!(part, Part::Text { .. })) {
        return words(parts).into();
    }
    let part = |part: &Part| match part {
        Part::Text { text } => json!({ "type": "text", "text": text }),
        Part::Image { mime_type, data } => {
            json!({ "type": "image_url", "image_url": { "url": format!("data:{mime_type};base64,{data}") } })
        }
    };
    parts.iter().map(part).collect()
}

/// Reads an answer that came whole: its message is one large piece.
pub(super) fn read(value: &Value) -> Result<Response> {
    let mut draft = Draft::default();
    draft.take(value, "message", &mut String::new())?;
    draft.response()
}

/// What came of an answer.
#[derive(Default)]
pub(super) struct Draft {
    said: String,
    thought: String,
    refused: bool,
    calls: BTreeMap<u64, ToolCall>,
    ended: Option<String>,
    usage: Usage,
    model: String,
}

impl Draft {
    /// Takes a piece; adds what the model said in it to `said`.
    pub(super) fn event(&mut self, event: &Value, said: &mut String) -> Result<()> {
        self.take(event, "delta", said)
    }

    fn take(&mut self, value: &Value, key: &str, said: &mut String) -> Result<()> {
        if self.model.is_empty() {
            self.model = text(value, "model").to_owned();
        }
        if value.get("usage").is_some_and(Value::is_object) {
            self.usage = Usage {
                input: count(value, "/usage/prompt_tokens"),
                cached: count(value, "/usage/prompt_tokens_details/cached_tokens"),
                output: count(value, "/usage/completion_tokens"),
                reasoning: count(value, "/usage/completion_tokens_details/reasoning_tokens"),
            };
        }
        let none = Value::Object(Map::new());
        let Some(choice) = list(value, "choices").next() else { return Ok(()) };
        let piece = choice.get(key).unwrap_or(&none);
        said.push_str(text(piece, "content"));
        self.said.push_str(text(piece, "content"));
        self.thought.push_str(text(piece, "reasoning_content"));
        if let Some(refusal) = piece.get("refusal").and_then(Value::as_str) {
            self.refused = true;
            self.said.push_str(refusal);
        }
        for (place, call) in list(piece, "tool_calls").enumerate() {
            let index = call.get("index").and_then(Value::as_u64).unwrap_or(place as u64);
            let empty = || ToolCall { id: String::new(), name: String::new(), arguments: String::new() };
            let function = call.get("function").unwrap_or(&none);
            let kept = self.calls.entry(index).or_insert_with(empty);
            kept.id.push_str(text(call, "id"));
            kept.name.push_str(text(function, "name"));
            kept.arguments.push_str(text(function, "arguments"));
        }
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
            self.ended = Some(reason.to_owned());
        }
        Ok(())
    }

    /// The answer.
    ///
    /// # Errors
    /// `unavailable` when it does not say why it ended.
    pub(super) fn response(self) -> Result<Response> {
        let ended = self.ended.ok_or_else(|| unread(Api::OpenaiChat, "it does not say why it ended"))?;
        let stop = match ended.as_str() {
            "content_filter" => Stop::Refused,
            _ if self.refused => Stop::Refused,
            "length" => Stop::MaxTokens,
            _ if !self.calls.is_empty() => Stop::ToolCalls,
            _ => Stop::End,
        };
        let thought = (!self.thought.is_empty()).then_some(Item::Reasoning(Reasoning { text: self.thought, sealed: None }));
        let said = (!self.said.is_empty()).then(|| Item::text(Role::Assistant, self.said));
        let items = thought.into_iter().chain(said).chain(self.calls.into_values().map(Item::ToolCall)).collect();
        Ok(Response { items, stop, usage: self.usage, model: self.model })
    }
}
