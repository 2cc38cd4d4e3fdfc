//! What an agent asks models: as a call of `models/NAME`, which is journaled, replayed and made again like every other call that may be
//! repeated. A call whose answer is in the journal is never made again; one that was cut off is, so that it may be paid for twice.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use remit_bindings::agent::remit::agent::{durable::Problem, model as wit};
use remit_core::{
    Error, Result,
    grant::Denial,
    journal::Outcome,
    model::{Choice, Form, Item, Message, Part, Reasoning, Request, Response, Role, Stop as End, Tool, ToolCall, ToolResult},
    plugin::MODELS,
};
use serde_json::Value;

use super::{AgentState, durable::problem, stop::Stop, turn::Turn};
use crate::output::Output;

impl wit::Host for AgentState {}

impl Turn {
    /// Why the agent may not ask the model `name` what the text `request` says; none when it may.
    ///
    /// # Errors
    /// `invalid` when that is no request.
    pub(super) fn model_refusal(&self, name: &str, request: &str) -> Result<Option<Denial>> {
        let tokens = Request::parse(request)?.max_output_tokens.unwrap_or(1);
        let agent = self.agent.as_deref().unwrap_or_default();
        Ok(self.held().model(agent, name, tokens).err().map(|denial| *denial))
    }

    /// Asks the model `name`; the outer failure ends the turn. What cannot be asked at all is refused without a record: it is the same
    /// whenever the agent runs.
    pub(super) async fn ask_model(&self, name: &str, request: wit::Request) -> Result<Result<wit::Response, Problem>, Stop> {
        let text = match asked(request).and_then(|request| request.written()) {
            Ok(text) => text,
            Err(error) => return Ok(Err(problem(error.kind, said(error)))),
        };
        Ok(match self.call(&format!("{MODELS}/{name}"), &text).await? {
            Outcome::Output { output, .. } => answered(&output).map_err(|error| Problem::Failed(error.message)),
            other => Err(super::durable::refusal(other)),
        })
    }
}

/// Whether what an agent calls as a tool is a model, which it is not.
pub(super) fn is_model(tool: &str) -> bool {
    tool.split_once('/').is_some_and(|(plugin, _)| plugin == MODELS)
}

/// The refusal of a model that is called as a tool.
pub(super) fn no_tool() -> Error {
    Error::invalid("a model is no tool: it is asked by `call-model`")
}

fn said(error: Error) -> String {
    error.hints.iter().fold(error.message, |all, hint| format!("{all}; {hint}"))
}

fn json(text: &str, what: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| Error::invalid(format!("{what} is no JSON")).internal(error))
}

fn asked(request: wit::Request) -> Result<Request> {
    let tool = |tool: wit::Tool| -> Result<Tool> {
        let parameters = json(&tool.parameters, "the schema of a tool")?;
        Ok(Tool { name: tool.name, description: tool.description, parameters })
    };
    let form = |form: wit::Form| -> Result<Form> { Ok(Form { schema: json(&form.schema, "the form of the answer")?, name: form.name }) };
    Ok(Request {
        items: request.items.into_iter().map(item).collect(),
        max_output_tokens: request.max_output_tokens,
        tools: request.tools.into_iter().map(tool).collect::<Result<_>>()?,
        choice: match request.choice {
            wit::Choice::Auto => Choice::Auto,
            wit::Choice::None => Choice::None,
            wit::Choice::Required => Choice::Required,
            wit::Choice::Named(name) => Choice::Named(name),
        },
        temperature: request.temperature,
        form: request.form.map(form).transpose()?,
    })
}

fn item(item: wit::Item) -> Item {
    match item {
        wit::Item::Message(message) => Item::Message(Message {
            role: match message.role {
                wit::Role::System => Role::System,
                wit::Role::User => Role::User,
                wit::Role::Assistant => Role::Assistant,
            },
            parts: parts(message.parts),
        }),
        wit::Item::ToolCall(wit::ToolCall { id, name, arguments }) => Item::ToolCall(ToolCall { id, name, arguments }),
        wit::Item::ToolResult(wit::ToolResult { id, parts: all, failed }) => Item::ToolResult(ToolResult { id, parts: parts(all), failed }),
        wit::Item::Reasoning(wit::Reasoning { text, sealed }) => Item::Reasoning(Reasoning { text, sealed }),
    }
}

fn parts(parts: Vec<wit::Part>) -> Vec<Part> {
    let part = |part: wit::Part| match part {
        wit::Part::Text(text) => Part::Text { text },
        wit::Part::Image(image) => Part::Image { mime_type: image.mime_type, data: STANDARD.encode(image.data) },
    };
    parts.into_iter().map(part).collect()
}

/// A recorded answer, as its agent is given it.
fn answered(output: &str) -> Result<wit::Response> {
    let unread = |error: serde_json::Error| Error::host("a recorded answer cannot be read", error);
    let output: Output = serde_json::from_str(output).map_err(unread)?;
    let Response { items, stop, usage, model } = serde_json::from_value(output.structured.unwrap_or_default()).map_err(unread)?;
    let stop = match stop {
        End::End => wit::Stop::End,
        End::ToolCalls => wit::Stop::ToolCalls,
        End::MaxTokens => wit::Stop::MaxTokens,
        End::Refused => wit::Stop::Refused,
    };
    let usage = wit::Usage { input: usage.input, cached: usage.cached, output: usage.output, reasoning: usage.reasoning };
    Ok(wit::Response { items: items.into_iter().filter_map(given).collect(), stop, usage, model })
}

/// An item of an answer, which holds no results and no pictures.
fn given(item: Item) -> Option<wit::Item> {
    Some(match item {
        Item::Message(message) => {
            let text = |part| if let Part::Text { text } = part { Some(wit::Part::Text(text)) } else { None };
            wit::Item::Message(wit::Message { role: wit::Role::Assistant, parts: message.parts.into_iter().filter_map(text).collect() })
        }
        Item::ToolCall(ToolCall { id, name, arguments }) => wit::Item::ToolCall(wit::ToolCall { id, name, arguments }),
        Item::Reasoning(Reasoning { text, sealed }) => wit::Item::Reasoning(wit::Reasoning { text, sealed }),
        Item::ToolResult(_) => return None,
    })
}
