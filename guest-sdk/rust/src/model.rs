//! What an agent asks models with [`crate::durable::call_model`], and what they answer.
//!
//! A conversation is a list of items. An answer is some more of them: put behind the items that it answers, and behind those the results
//! of the calls that it wants, it is what the model is asked next.
//!
//! ```
//! # extern crate remit_sdk as remit;
//! use remit::durable;
//! use remit::model::{Item, Request};
//!
//! /// What to sum up.
//! #[remit::data]
//! struct Text {
//!     /// The text.
//!     text: String,
//! }
//!
//! /// Sums up a text.
//! #[remit::agent]
//! fn sum_up(input: Text) -> remit::Result<String> {
//!     let items = vec![Item::system("Sum up what you are given in one sentence."), Item::user(input.text)];
//!     Ok(durable::call_model("default", &Request::new(items))?.text())
//! }
//! # fn main() {
//! #     remit::testing::on_model(|_, request| Ok(remit::model::Response::said(format!("{} items", request.items.len()))));
//! #     assert_eq!(sum_up(Text { text: "tea".into() }).unwrap(), "2 items");
//! # }
//! ```

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Text.
    Text(String),
    /// A picture.
    Image {
        /// Its media type, such as `image/png`.
        mime_type: String,
        /// Its bytes.
        data: Vec<u8>,
    },
}

/// A call that the model wants. Nothing is called by that alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Names it among the items.
    pub id: String,
    /// The tool, as the model wrote it: it need not be one that was offered.
    pub name: String,
    /// The arguments, as the model wrote them: they need not be JSON.
    pub arguments: String,
}

/// One item of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// Something that is said.
    Message {
        /// By whom.
        role: Role,
        /// In these parts.
        parts: Vec<Part>,
    },
    /// A call that the model wants.
    ToolCall(ToolCall),
    /// What became of it. It stands behind its call, before anybody says anything else.
    ToolResult {
        /// The call's id.
        id: String,
        /// What the tool gave, or why it gave nothing.
        parts: Vec<Part>,
        /// Whether it failed.
        failed: bool,
    },
    /// What the model thought.
    Reasoning {
        /// In words, as far as they are shown.
        text: String,
        /// The same as its provider wants it back.
        sealed: Option<String>,
    },
}

impl Item {
    fn message(role: Role, text: impl Into<String>) -> Self {
        Self::Message { role, parts: vec![Part::Text(text.into())] }
    }

    /// Says what the model is to do.
    pub fn system(text: impl Into<String>) -> Self {
        Self::message(Role::System, text)
    }

    /// Says something for whoever the agent works for.
    pub fn user(text: impl Into<String>) -> Self {
        Self::message(Role::User, text)
    }

    /// Gives what became of a call that the model wanted.
    pub fn result(call: &ToolCall, outcome: crate::Result<String>) -> Self {
        let failed = outcome.is_err();
        let text = outcome.unwrap_or_else(|error| error.message().to_owned());
        Self::ToolResult { id: call.id.clone(), parts: vec![Part::Text(text)], failed }
    }
}

/// A tool that the model is offered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name for the model: letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// What it does.
    pub description: String,
    /// JSON Schema of its arguments: an object.
    pub parameters: Value,
}

/// Whether a tool has to be called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// The form that an answer in words has to have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Form {
    /// What it is called: letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// Its JSON Schema: an object.
    pub schema: Value,
}

/// What a model is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// The conversation so far.
    pub items: Vec<Item>,
    /// Tokens that the answer has at most; as many as the project and the grant allow where nothing is said.
    pub max_output_tokens: Option<u32>,
    /// Tools that are offered.
    pub tools: Vec<Tool>,
    /// Whether one of them has to be called.
    pub choice: Choice,
    /// How much chance is in the answer, from 0 to 2.
    pub temperature: Option<f64>,
    /// The form of the answer.
    pub form: Option<Form>,
}

impl Request {
    /// Asks with these items and nothing else.
    #[must_use]
    pub fn new(items: Vec<Item>) -> Self {
        Self { items, ..Self::default() }
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// Tokens of one call, as the provider counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// What was asked, the cached ones included.
    pub input: u64,
    /// Of those, what the provider had from an earlier call.
    pub cached: u64,
    /// What was answered, the reasoning included.
    pub output: u64,
    /// Of those, what the model thought with.
    pub reasoning: u64,
}

/// What a model answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// What it said, thought and wants called, in its order.
    pub items: Vec<Item>,
    /// Why it ended.
    pub stop: Stop,
    /// What it took.
    pub usage: Usage,
    /// The model that answered, as its provider calls it.
    pub model: String,
}

impl Response {
    /// Makes an answer in words, for tests.
    pub fn said(text: impl Into<String>) -> Self {
        let items = vec![Item::message(Role::Assistant, text)];
        Self { items, stop: Stop::End, usage: Usage::default(), model: "test".to_owned() }
    }

    /// Returns what it says in words.
    pub fn text(&self) -> String {
        let parts = self.items.iter().filter_map(|item| if let Item::Message { parts, .. } = item { Some(parts) } else { None });
        parts.flatten().filter_map(|part| if let Part::Text(text) = part { Some(text.as_str()) } else { None }).collect()
    }

    /// Returns the calls that it wants.
    pub fn calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.items.iter().filter_map(|item| if let Item::ToolCall(call) = item { Some(call) } else { None })
    }
}
