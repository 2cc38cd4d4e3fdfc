//! Models: what is asked of one and what it answers, in items, and how each sort of API writes that. Nothing here sends anything.

mod anthropic;
mod chat;
mod check;
mod items;
mod responses;
mod sse;
mod stream;

#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::Value;

pub use items::{Choice, Form, Item, Message, Part, Reasoning, Request, Response, Role, Stop, Tool, ToolCall, ToolResult, Usage};
pub use stream::Stream;

use crate::{Error, Result, limit::MODEL_NAME_MAX_CHARS, plugin::text::visible};

/// How a provider is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Api {
    /// Chat completions, as OpenAI made them and many servers have them.
    #[serde(alias = "openai")]
    OpenaiChat,
    /// OpenAI's Responses.
    OpenaiResponses,
    /// Anthropic's messages.
    Anthropic,
}

/// What a request is sent with beside its items.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// The model, as its provider calls it.
    pub model: &'a str,
    /// Tokens that the answer has at most.
    pub max_tokens: u32,
    /// Whether the answer comes in pieces.
    pub stream: bool,
}

impl Api {
    /// Its name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenaiChat => "openai-chat",
            Self::OpenaiResponses => "openai-responses",
            Self::Anthropic => "anthropic",
        }
    }

    /// What stands behind the URL of a model in the URL of its requests.
    pub fn path(self) -> &'static str {
        match self {
            Self::OpenaiChat => "chat/completions",
            Self::OpenaiResponses => "responses",
            Self::Anthropic => "messages",
        }
    }

    /// The header that its secret goes to, and how it is written there.
    pub fn credential(self) -> (&'static str, &'static str) {
        match self {
            Self::OpenaiChat | Self::OpenaiResponses => ("authorization", "Bearer {}"),
            Self::Anthropic => ("x-api-key", "{}"),
        }
    }

    /// Headers that each of its requests has.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::OpenaiChat | Self::OpenaiResponses => &[],
            Self::Anthropic => &[("anthropic-version", "2023-06-01")],
        }
    }

    /// The body of a request that was checked.
    ///
    /// # Errors
    /// `invalid` when it holds what this API does not take.
    pub fn body(self, request: &Request, sending: Sending<'_>) -> Result<Value> {
        match self {
            Self::OpenaiChat => chat::body(request, sending),
            Self::OpenaiResponses => responses::body(request, sending),
            Self::Anthropic => anthropic::body(request, sending),
        }
    }

    /// Reads an answer that came as one body.
    ///
    /// # Errors
    /// `unavailable` when it is none, or says that there is none; `limit` when it is more than may be answered.
    pub fn read(self, body: &[u8]) -> Result<Response> {
        let value: Value = serde_json::from_slice(body).map_err(|error| unread(self, "it is no JSON").internal(error))?;
        self.read_value(&value)?.checked(self)
    }

    fn read_value(self, value: &Value) -> Result<Response> {
        match self {
            Self::OpenaiChat => chat::read(value),
            Self::OpenaiResponses => responses::read(value),
            Self::Anthropic => anthropic::read(value),
        }
    }
}

impl std::fmt::Display for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Checks the name of a model in a project.
///
/// # Errors
/// `invalid`.
pub fn check_name(name: &str) -> Result<()> {
    let fits = !name.is_empty()
        && name.len() <= MODEL_NAME_MAX_CHARS
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'));
    if fits {
        return Ok(());
    }
    Err(Error::invalid(format!("`{}` is not the name of a model", visible(name, 64))).hint(format!(
        "use lowercase letters, digits, `-` and `_`, starting with a letter or digit, at most {MODEL_NAME_MAX_CHARS} characters"
    )))
}

/// The error of an answer that is none.
fn unread(api: Api, why: &str) -> Error {
    Error::unavailable(format!("its answer is none of `{api}`: {why}"))
}

/// What a provider says instead of an answer, safe to show.
pub fn refusal(body: &Value) -> Option<String> {
    let error = body.get("error")?;
    let text = error.get("message").and_then(Value::as_str).or_else(|| error.as_str())?;
    Some(visible(text, crate::limit::MODEL_REFUSAL_SHOWN_CHARS))
}

/// A text of an answer; empty where there is none.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A count of an answer; 0 where there is none.
fn count(value: &Value, at: &str) -> u64 {
    value.pointer(at).and_then(Value::as_u64).unwrap_or_default()
}

/// The members of a list of an answer.
fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}
