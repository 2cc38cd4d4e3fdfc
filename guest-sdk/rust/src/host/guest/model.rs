//! What is asked of models, both ways.

use crate::Result;
use crate::agent_bindings::remit::agent::durable as agent;
use crate::agent_bindings::remit::agent::model as wit;
use crate::bindings::remit::tool::types::Media;
use crate::host::convert::from_guest_problem;
use crate::model::{Choice, Form, Item, Part, Request, Response, Role, Stop, Tool, ToolCall, Usage};

pub fn call_model(name: &str, request: &Request) -> Result<Response> {
    let answer = agent::call_model(name, &asked(request)).map_err(from_guest_problem)?;
    Ok(Response {
        items: answer.items.into_iter().map(given).collect(),
        stop: match answer.stop {
            wit::Stop::End => Stop::End,
            wit::Stop::ToolCalls => Stop::ToolCalls,
            wit::Stop::MaxTokens => Stop::MaxTokens,
            wit::Stop::Refused => Stop::Refused,
        },
        usage: Usage {
            input: answer.usage.input,
            cached: answer.usage.cached,
            output: answer.usage.output,
            reasoning: answer.usage.reasoning,
        },
        model: answer.model,
    })
}

fn asked(request: &Request) -> wit::Request {
    let tool =
        |tool: &Tool| wit::Tool { name: tool.name.clone(), description: tool.description.clone(), parameters: tool.parameters.to_string() };
    wit::Request {
        items: request.items.iter().map(item).collect(),
        max_output_tokens: request.max_output_tokens,
        tools: request.tools.iter().map(tool).collect(),
        choice: match &request.choice {
            Choice::Auto => wit::Choice::Auto,
            Choice::None => wit::Choice::None,
            Choice::Required => wit::Choice::Required,
            Choice::Named(name) => wit::Choice::Named(name.clone()),
        },
        temperature: request.temperature,
        form: request.form.as_ref().map(|Form { name, schema }| wit::Form { name: name.clone(), schema: schema.to_string() }),
    }
}

fn item(item: &Item) -> wit::Item {
    match item {
        Item::Message { role, parts } => wit::Item::Message(wit::Message {
            role: match role {
                Role::System => wit::Role::System,
                Role::User => wit::Role::User,
                Role::Assistant => wit::Role::Assistant,
            },
            parts: to_parts(parts),
        }),
        Item::ToolCall(ToolCall { id, name, arguments }) => {
            wit::Item::ToolCall(wit::ToolCall { id: id.clone(), name: name.clone(), arguments: arguments.clone() })
        }
        Item::ToolResult { id, parts, failed } => {
            wit::Item::ToolResult(wit::ToolResult { id: id.clone(), parts: to_parts(parts), failed: *failed })
        }
        Item::Reasoning { text, sealed } => wit::Item::Reasoning(wit::Reasoning { text: text.clone(), sealed: sealed.clone() }),
    }
}

fn to_parts(parts: &[Part]) -> Vec<wit::Part> {
    let part = |part: &Part| match part {
        Part::Text(text) => wit::Part::Text(text.clone()),
        Part::Image { mime_type, data } => wit::Part::Image(Media { data: data.clone(), mime_type: mime_type.clone() }),
    };
    parts.iter().map(part).collect()
}

fn from_parts(parts: Vec<wit::Part>) -> Vec<Part> {
    let part = |part| match part {
        wit::Part::Text(text) => Part::Text(text),
        wit::Part::Image(Media { data, mime_type }) => Part::Image { mime_type, data },
    };
    parts.into_iter().map(part).collect()
}

fn given(item: wit::Item) -> Item {
    match item {
        wit::Item::Message(message) => Item::Message {
            role: match message.role {
                wit::Role::System => Role::System,
                wit::Role::User => Role::User,
                wit::Role::Assistant => Role::Assistant,
            },
            parts: from_parts(message.parts),
        },
        wit::Item::ToolCall(wit::ToolCall { id, name, arguments }) => Item::ToolCall(ToolCall { id, name, arguments }),
        wit::Item::ToolResult(wit::ToolResult { id, parts, failed }) => Item::ToolResult { id, parts: from_parts(parts), failed },
        wit::Item::Reasoning(wit::Reasoning { text, sealed }) => Item::Reasoning { text, sealed },
    }
}
