//! What a server says, made fit for people, models and programs: hidden characters shown, secrets masked, shapes checked.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use remit_core::{
    Error, Result,
    limit::GUEST_TEXT_MAX_CHARS,
    plugin::{ForeignTool, text::visible_lines},
};
use remit_runtime::{Content, Output, capability::scrub::Needles};
use rmcp::model::{CallToolResult, ErrorCode, ErrorData, JsonObject, Tool};
use serde::Serialize;
use serde_json::Value;

/// A tool without the secrets that its server may have written into it.
pub(super) fn tool(tool: &Tool, secrets: &Needles) -> ForeignTool {
    let text = |text: &str| secrets.scrub(text);
    let schema = |schema: &JsonObject| {
        let mut value = Value::Object(schema.clone());
        each_text(&mut value, &text);
        value
    };
    ForeignTool {
        name: text(&tool.name),
        title: tool.title.as_deref().map(text),
        description: tool.description.as_deref().map(text).unwrap_or_default(),
        input_schema: schema(&tool.input_schema),
        output_schema: tool.output_schema.as_deref().map(schema),
    }
}

/// A result as tools give it.
///
/// # Errors
/// `guest` when the server says that the tool failed, with its words; or when it gave something else than a result.
pub(super) fn output(result: &CallToolResult, secrets: &Needles) -> Result<Output> {
    let clean = |text: &str| visible_lines(&secrets.scrub(text), usize::MAX);
    let mut value = as_value(result)?;
    each_text(&mut value, &clean);
    let output: Output = serde_json::from_value(value)
        .map_err(|error| Error::guest("the server's result is not one that tools can give").internal(error))?;
    if result.is_error == Some(true) {
        let text = output.text();
        let text = if text.is_empty() { "the tool failed and did not say why" } else { &text };
        return Err(Error::guest(visible_lines(text, GUEST_TEXT_MAX_CHARS)));
    }
    match output.structured.as_ref().is_some_and(|structured| !structured.is_object()) || !output.content.iter().all(is_sound) {
        true => Err(Error::guest("the server's result is not one that tools can give")
            .hint("structured output is one JSON object; pictures, sound and bytes are base64")),
        false => Ok(output),
    }
}

/// An error as the server says it.
pub(super) fn failure(error: &ErrorData, secrets: &Needles) -> Error {
    let text = visible_lines(&secrets.scrub(&error.message), GUEST_TEXT_MAX_CHARS);
    match error.code {
        ErrorCode::INVALID_PARAMS => Error::invalid(text),
        _ => Error::guest(format!("the server answered with an error: {text}")),
    }
}

fn is_sound(piece: &Content) -> bool {
    match piece {
        Content::Image { data, .. } | Content::Audio { data, .. } => STANDARD.decode(data).is_ok(),
        Content::Resource { resource } => resource.blob.as_ref().is_none_or(|blob| STANDARD.decode(blob).is_ok()),
        Content::Text { .. } | Content::ResourceLink { .. } => true,
    }
}

fn as_value(what: &impl Serialize) -> Result<Value> {
    serde_json::to_value(what).map_err(|error| Error::host("a server's words cannot be taken apart", error))
}

/// Changes every text of `value`, names of members included.
fn each_text(value: &mut Value, change: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Value::Object(entries) => {
            let taken = std::mem::take(entries);
            entries.extend(taken.into_iter().map(|(key, mut item)| {
                each_text(&mut item, change);
                (change(&key), item)
            }));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
