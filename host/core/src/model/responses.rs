//! OpenAI's Responses.

use serde_json::{Map, Value, json};

use super::{
    Api, Choice, Item, Part, Reasoning, Request, Response, Role, Sending, Stop, ToolCall, Usage, count, list, stream::failed, text, unread,
};
use crate::Result;

/// The body of a request. Nothing is kept by the provider.
pub(super) fn body(request: &Request, sending: Sending<'_>) -> Result<Value> {
    let input: Vec<Value> = request.items.iter().filter_map(item).collect();
    let mut body = Map::new();
    let mut set = |key: &str, value: Value| drop(body.insert(key.to_owned(), value));
    set("model", sending.model.into());
    set("input", input.into());
    set("max_output_tokens", sending.max_tokens.into());
    set("store", false.into());
    if sending.stream {
        set("stream", json!(true));
    }
    if let Some(temperature) = request.temperature {
        set("temperature", json!(temperature));
    }
    if !request.tools.is_empty() {
        let tool = |tool: &super::Tool| json!({ "type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters, "strict": false });
        set("tools", request.tools.iter().map(tool).collect());
        let choice = match &request.choice {
            Choice::Auto => json!("auto"),
            Choice::None => json!("none"),
            Choice::Required => json!("required"),
            Choice::Named(name) => json!({ "type": "function", "name": name }),
        };
        set("tool_choice", choice);
    }
    if let Some(form) = &request.form {
        set("text", json!({ "format": { "type": "json_schema", "name": form.name, "schema": form.schema, "strict": true } }));
    }
    Ok(Value::Object(body))
}

/// One item. What the model thought goes back only in its provider's own form, and only where that holds all of it: nothing of it is kept
/// there.
fn item(item: &Item) -> Option<Value> {
    Some(match item {
        Item::Message(message) => {
            let role = match message.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            json!({ "type": "message", "role": role, "content": parts(&message.parts, message.role == Role::Assistant) })
        }
        Item::ToolCall(call) => json!({ "type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments }),
        Item::ToolResult(result) => {
            let mut output = parts(&result.parts, false);
            if result.failed {
                output.insert(0, json!({ "type": "input_text", "text": "error:" }));
            }
            json!({ "type": "function_call_output", "call_id": result.id, "output": output })
        }
        Item::Reasoning(reasoning) => reasoning.opened(Api::OpenaiResponses)?,
    })
}

fn parts(parts: &[Part], of_model: bool) -> Vec<Value> {
    let part = |part: &Part| match part {
        Part::Text { text } => json!({ "type": if of_model { "output_text" } else { "input_text" }, "text": text }),
        Part::Image { mime_type, data } => json!({ "type": "input_image", "image_url": format!("data:{mime_type};base64,{data}") }),
    };
    parts.iter().map(part).collect()
}

/// Takes an event; whether it is the last one, which holds the whole answer.
pub(super) fn event(mut event: Value, whole: &mut Option<Value>, said: &mut String) -> Result<bool> {
    match text(&event, "type") {
        "response.output_text.delta" => said.push_str(text(&event, "delta")),
        "response.completed" | "response.incomplete" => {
            *whole = event.get_mut("response").map(Value::take);
            return Ok(true);
        }
        "response.failed" => return Err(failed(event.get("response").unwrap_or(&Value::Null))),
        "error" => return Err(failed(&json!({ "error": event }))),
        _ => {}
    }
    Ok(false)
}

/// Reads an answer.
pub(super) fn read(value: &Value) -> Result<Response> {
    let odd = |why: &str| unread(Api::OpenaiResponses, why);
    let cut = text(value, "status") == "incomplete";
    match text(value, "status") {
        "completed" | "incomplete" => {}
        "failed" | "cancelled" => return Err(failed(value)),
        _ => return Err(odd("it does not say how it ended")),
    }
    if !value.get("output").is_some_and(Value::is_array) {
        return Err(odd("it has no `output`"));
    }
    let mut items = Vec::new();
    let mut refused = cut && value.pointer("/incomplete_details/reason").and_then(Value::as_str) == Some("content_filter");
    for output in list(value, "output") {
        match text(output, "type") {
            "message" => {
                let mut said = String::new();
                for part in list(output, "content") {
                    refused |= text(part, "type") == "refusal";
                    said.push_str(text(part, "text"));
                    said.push_str(text(part, "refusal"));
                }
                items.push(Item::text(Role::Assistant, said));
            }
            "function_call" => items.push(Item::ToolCall(ToolCall {
                id: text(output, "call_id").to_owned(),
                name: text(output, "name").to_owned(),
                arguments: text(output, "arguments").to_owned(),
            })),
            "reasoning" => {
                let words: Vec<&str> = list(output, "summary").map(|part| text(part, "text")).collect();
                let whole = output.get("encrypted_content").is_some_and(Value::is_string);
                let sealed = whole.then(|| Reasoning::seal(Api::OpenaiResponses, output));
                items.push(Item::Reasoning(Reasoning { text: words.join("\n"), sealed }));
            }
            _ => {}
        }
    }
    let calls = items.iter().any(|item| matches!(item, Item::ToolCall(_)));
    let stop = match (refused, cut, calls) {
        (true, ..) => Stop::Refused,
        (_, true, _) => Stop::MaxTokens,
        (.., true) => Stop::ToolCalls,
        _ => Stop::End,
    };
    let usage = Usage {
        input: count(value, "/usage/input_tokens"),
        cached: count(value, "/usage/input_tokens_details/cached_tokens"),
        output: count(value, "/usage/output_tokens"),
        reasoning: count(value, "/usage/output_tokens_details/reasoning_tokens"),
    };
    Ok(Response { items, stop, usage, model: text(value, "model").to_owned() })
}

impl Reasoning {
    /// What the provider of `api` said, so that it alone is given it back.
    pub(super) fn seal(api: Api, value: &Value) -> String {
        json!({ api.name(): value }).to_string()
    }

    /// What was sealed for `api`.
    pub(super) fn opened(&self, api: Api) -> Option<Value> {
        let mut sealed: Value = serde_json::from_str(self.sealed.as_deref()?).ok()?;
        sealed.get_mut(api.name()).map(Value::take)
    }
}
