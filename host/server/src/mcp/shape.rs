//! Remit's definitions and results in MCP's shapes, for this door and for whoever prints them.

use remit_core::{
    Error, Kind,
    plugin::{
        Definition, Effect,
        text::{visible, visible_lines},
    },
    store::WaitRow,
};
use remit_runtime::{Content, Outcome, Output, output::Embedded};
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, MetaObject, Resource, ResourceContents, Tool, ToolAnnotations};
use serde_json::{Value, json};

use super::schema::published;

/// A definition as MCP's `Tool`, under the name that its caller is to use. `open_world` says whether the tool's grants reach other
/// systems, where that is known.
///
/// The annotations are what its effect class lets it do, which the host enforces; the plugin has no say in them.
pub fn tool(name: &str, definition: &Definition, open_world: Option<bool>) -> Tool {
    let read = definition.effect == Effect::Read;
    let mut annotations = ToolAnnotations::new().read_only(read).destructive(!read).idempotent(definition.effect != Effect::Once);
    annotations.open_world_hint = open_world;
    let description = visible_lines(&definition.description, usize::MAX);
    let mut tool = Tool::new(name.to_owned(), description, published(&definition.input_schema)).with_annotations(annotations);
    tool.title = definition.title.as_ref().map(|title| visible(title, usize::MAX));
    tool.output_schema = definition.output_schema.as_ref().map(|schema| published(schema).into());
    tool
}

/// An outcome as MCP's `CallToolResult`.
///
/// What was refused stands in `_meta["remit/denials"]`, whatever the guest made of it, and for a failure also in
/// `structuredContent`, unless `promised` says that the tool promises something else there. A model is told what happened and
/// which grant is missing, and no command.
pub fn result(outcome: Outcome, promised: bool) -> CallToolResult {
    let Outcome { call, result, denials, metering, backtrace, .. } = outcome;
    let mut meta = JsonObject::new();
    meta.insert("remit/call".to_owned(), json!(call));
    meta.insert("remit/metering".to_owned(), json!(metering));
    if !denials.is_empty() {
        meta.insert("remit/denials".to_owned(), json!(denials));
    }
    if !backtrace.is_empty() {
        meta.insert("remit/backtrace".to_owned(), json!(backtrace));
    }
    let told = result.as_ref().err().map(|error| error.message.clone());
    let mut shape = match result {
        Ok(Output { content, structured }) => {
            let mut shape = CallToolResult::success(content.into_iter().map(piece).collect());
            // Some clients show a model the pieces alone.
            if let (true, Some(structured)) = (shape.content.is_empty(), &structured) {
                shape.content.push(ContentBlock::text(structured.to_string()));
            }
            shape.structured_content = structured;
            shape
        }
        Err(error) => {
            meta.insert("remit/error".to_owned(), json!({ "kind": error.kind, "blame": error.blame, "code": error.code }));
            let mut shape = failure(&error);
            if !denials.is_empty() && !promised {
                shape.structured_content = Some(json!({ "kind": error.kind, "denials": denials }));
            }
            shape
        }
    };
    if shape.is_error == Some(true) {
        // A refusal of the call itself is told already.
        let refused = denials.iter().map(ToString::to_string).filter(|refused| Some(refused) != told.as_ref());
        shape.content.extend(refused.map(|denial| ContentBlock::text(format!("denied: {denial}"))));
    }
    shape.meta = Some(MetaObject(meta));
    shape
}

/// A call that waits for a person's approval. The same call, made again, goes on once that is given.
pub fn waiting(wait: &WaitRow, promised: bool) -> CallToolResult {
    let text = format!("not called yet: a person has to approve it as `{}`. Make the very same call again once that is done", wait.id);
    let mut shape = CallToolResult::error(vec![ContentBlock::text(text)]);
    let mut waiting = json!({ "kind": "waiting", "approval": wait.id, "title": wait.title, "until": wait.due });
    if let (Some(call), Value::Object(members)) = (wait.call.as_ref().filter(|call| !call.labels.is_empty()), &mut waiting) {
        members.insert("labels".to_owned(), json!(call.labels));
    }
    let meta = JsonObject::from_iter([("remit/waiting".to_owned(), waiting.clone())]);
    shape.meta = Some(MetaObject(meta));
    shape.structured_content = (!promised).then_some(waiting);
    shape
}

/// A call that could not be made, for the model that asked for it. What a caller can do better is said; what only the project's owner
/// can do is not.
pub fn failure(error: &Error) -> CallToolResult {
    let hints = error.hints.iter().filter(|_| matches!(error.kind, Kind::Invalid | Kind::NotFound));
    let text = hints.fold(error.message.clone(), |text, hint| format!("{text}\nhint: {hint}"));
    CallToolResult::error(vec![ContentBlock::text(text)])
}

/// One piece of a result, or of a message.
pub(super) fn piece(piece: Content) -> ContentBlock {
    match piece {
        Content::Text { text } => ContentBlock::text(text),
        Content::Image { data, mime_type } => ContentBlock::image(data, mime_type),
        Content::Audio { data, mime_type } => ContentBlock::audio(data, mime_type),
        Content::ResourceLink { uri, name, description, mime_type, size } => {
            let mut link = Resource::new(uri, name);
            (link.description, link.mime_type, link.size) = (description, mime_type, size);
            ContentBlock::resource_link(link)
        }
        Content::Resource { resource } => ContentBlock::resource(contents(resource)),
    }
}

/// What a resource holds.
pub(super) fn contents(Embedded { uri, mime_type, text, blob }: Embedded) -> ResourceContents {
    match blob {
        Some(blob) => ResourceContents::BlobResourceContents { uri, mime_type, blob, meta: None },
        None => ResourceContents::TextResourceContents { uri, mime_type, text: text.unwrap_or_default(), meta: None },
    }
}

/// Any of these shapes as JSON, as one finds it inside of a message.
pub fn json(shape: impl serde::Serialize) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(shape)?;
    if let Value::Object(members) = &mut value {
        // It tells the two kinds of answer to a request apart, and this is none.
        members.remove("resultType");
    }
    Ok(value)
}
