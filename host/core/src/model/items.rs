//! Requests and answers as a journal keeps them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Whoever wrote the agent.
    System,
    /// Whoever the agent works for.
    User,
    /// The model.
    Assistant,
}

/// A part of what is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Part {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A picture.
    Image {
        /// Its media type.
        mime_type: String,
        /// Its bytes, in base64.
        data: String,
    },
}

/// Something that is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// By whom.
    pub role: Role,
    /// In these parts.
    pub parts: Vec<Part>,
}

/// A call that the model wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Names it among the items.
    pub id: String,
    /// The tool, as the model wrote it.
    pub name: String,
    /// The arguments, as the model wrote them.
    pub arguments: String,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The call's id.
    pub id: String,
    /// What the tool gave.
    pub parts: Vec<Part>,
    /// Whether it failed.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub failed: bool,
}

/// What the model thought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reasoning {
    /// In words, as far as they are shown.
    pub text: String,
    /// The same as its provider wants it back, a JSON text with one key: the API.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sealed: Option<String>,
}

/// One item of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Item {
    /// Something that is said.
    Message(Message),
    /// A call that the model wants.
    ToolCall(ToolCall),
    /// What became of it.
    ToolResult(ToolResult),
    /// What the model thought.
    Reasoning(Reasoning),
}

/// A tool that is offered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Its name for the model.
    pub name: String,
    /// What it does.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
}

/// Whether a tool has to be called.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// As the model likes.
    #[default]
    Auto,
    /// None.
    None,
    /// One at least.
    Required,
    /// This one.
    Named(String),
}

impl Choice {
    fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

/// The form of an answer in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// What it is called.
    pub name: String,
    /// Its JSON Schema.
    pub schema: Value,
}

/// What a model is asked. Its JSON text is canonical: the same request gives the same text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Request {
    /// The conversation so far.
    pub items: Vec<Item>,
    /// Tokens that the answer has at most.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_output_tokens: Option<u32>,
    /// Tools that are offered.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tools: Vec<Tool>,
    /// Whether one has to be called.
    #[serde(skip_serializing_if = "Choice::is_auto", default)]
    pub choice: Choice,
    /// How much chance is in the answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub temperature: Option<f64>,
    /// The form of the answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub form: Option<Form>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// All was said.
    End,
    /// It waits for the results of tools.
    ToolCalls,
    /// It had as many tokens as it may have.
    MaxTokens,
    /// The model, or its provider, would not.
    Refused,
}

/// Tokens, as the provider counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// What was asked.
    pub input: u64,
    /// Of those, what the provider had already.
    pub cached: u64,
    /// What was answered.
    pub output: u64,
    /// Of those, what the model thought.
    pub reasoning: u64,
}

/// What a model answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// What it said, thought and wants called.
    pub items: Vec<Item>,
    /// Why it ended.
    pub stop: Stop,
    /// What it took.
    pub usage: Usage,
    /// The model that answered, as its provider calls it.
    pub model: String,
}

impl Item {
    /// Text that somebody says.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self::Message(Message { role, parts: vec![Part::Text { text: text.into() }] })
    }
}

impl Request {
    /// A request of these items and nothing else.
    pub fn new(items: Vec<Item>) -> Self {
        Self { items, max_output_tokens: None, tools: Vec::new(), choice: Choice::Auto, temperature: None, form: None }
    }
}

impl Response {
    /// What it says in words.
    pub fn text(&self) -> String {
        let messages = self.items.iter().filter_map(|item| if let Item::Message(message) = item { Some(&message.parts) } else { None });
        messages.flatten().filter_map(|part| if let Part::Text { text } = part { Some(text.as_str()) } else { None }).collect()
    }

    /// The calls that it wants.
    pub fn calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.items.iter().filter_map(|item| if let Item::ToolCall(call) = item { Some(call) } else { None })
    }
}
