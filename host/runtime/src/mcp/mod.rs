//! What a plugin has to do with MCP clients beyond its tools: prompts, resources, and questions to the client; `remit:mcp`.

mod guest;

use remit_core::{
    Error, Result,
    limit::{MCP_QUESTIONS_MAX, MCP_STATE_MAX_BYTES},
};
use serde_json::Value;

pub(crate) use guest::Served;

use crate::output::{Content, Embedded};

/// How a round ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Step<T> {
    /// With the result.
    Done(T),
    /// With questions to the client.
    Asks(Pause),
}

/// What the client has to answer before the work goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Pause {
    /// Each with the key of its answer.
    pub questions: Vec<(String, Question)>,
    /// What the plugin is to be given again.
    pub state: Option<Vec<u8>>,
}

/// What a client is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// Its person.
    Elicit {
        /// Why.
        message: String,
        /// JSON Schema of the form.
        schema: Value,
    },
    /// Its model.
    Sample {
        /// The conversation so far; texts alone.
        messages: Vec<Message>,
        /// What the model is told first.
        system: Option<String>,
        /// Most tokens of the answer.
        max_tokens: u32,
    },
    /// The folders that it works in.
    Roots,
}

impl Question {
    /// The scope of `remit:mcp` that it needs.
    pub fn scope(&self) -> &'static str {
        match self {
            Self::Elicit { .. } => "elicit",
            Self::Sample { .. } => "sample",
            Self::Roots => "roots",
        }
    }
}

/// One message of a conversation with a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Whether the model says it.
    pub assistant: bool,
    /// What is said.
    pub content: Content,
}

/// What a client answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The person filled in the form: an object.
    Accepted(Value),
    /// The person said no.
    Declined,
    /// The person made no choice.
    Cancelled,
    /// The text that the model gave.
    Sampled(String),
    /// The folders: URIs, each with a name where it has one.
    Roots(Vec<(String, Option<String>)>),
}

/// What a client can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// Its person.
    pub elicit: bool,
    /// Its model.
    pub sample: bool,
    /// Its folders.
    pub roots: bool,
}

/// Where a call stands that may ask the client. The default is a first round, with a client that cannot be asked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Round {
    /// The state of the round before.
    pub state: Option<Vec<u8>>,
    /// The answers to its questions.
    pub answers: Vec<(String, Reply)>,
    /// What the client can be asked for.
    pub features: Features,
}

/// A prompt as it is listed; its texts are safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Unique in its plugin.
    pub name: String,
    /// A name for people.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What it takes.
    pub arguments: Vec<PromptArgument>,
}

/// An argument of a prompt: a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptArgument {
    /// Unique in its prompt.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Whether it has to be given.
    pub required: bool,
}

/// A resource as it is listed, or a template of many; its texts are safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceEntry {
    /// A URI, or a template.
    pub uri: String,
    /// A short name.
    pub name: String,
    /// A name for people.
    pub title: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Its media type.
    pub mime_type: Option<String>,
}

impl ResourceEntry {
    /// Whether it stands for many.
    pub fn is_template(&self) -> bool {
        self.uri.contains('{')
    }

    /// Whether `uri` is this one, or fits this template: a name in braces stands for one or more characters but `/`.
    pub fn covers(&self, uri: &str) -> bool {
        fits(&self.uri, uri)
    }
}

fn fits(template: &str, uri: &str) -> bool {
    let Some((literal, rest)) = template.split_once('{') else { return template == uri };
    let Some((_, after)) = rest.split_once('}') else { return false };
    let Some(value) = uri.strip_prefix(literal) else { return false };
    let segment = value.find('/').unwrap_or(value.len());
    let ends = value.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= segment);
    // What follows is literal up to the next name; the shortest value that lets the rest fit is as good as any.
    ends.into_iter().any(|end| value.get(end..).is_some_and(|rest| fits(after, rest)))
}

/// What an MCP client asks of a plugin.
#[derive(Debug, Clone, Copy)]
pub enum Ask<'a> {
    /// A call of a tool.
    Tool {
        /// Where it stands.
        round: &'a Round,
    },
    /// A prompt.
    Prompt {
        /// Its name.
        name: &'a str,
        /// Where it stands.
        round: &'a Round,
    },
    /// Values for an argument of a prompt.
    Complete {
        /// The prompt's name.
        name: &'a str,
        /// The argument's name.
        argument: &'a str,
        /// What they begin with.
        start: &'a str,
    },
    /// A resource.
    Read {
        /// What names it.
        uri: &'a str,
    },
}

impl Ask<'_> {
    /// What the audit log calls it, where it is no call of a tool. No tool has such a name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tool { .. } => "mcp/tool",
            Self::Prompt { .. } => "mcp/prompt",
            Self::Complete { .. } => "mcp/complete",
            Self::Read { .. } => "mcp/read",
        }
    }
}

/// What a plugin gives for an [`Ask`].
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// For a tool.
    Tool(Step<crate::Output>),
    /// For a prompt.
    Prompt(Step<Vec<Message>>),
    /// For an argument.
    Values(Vec<String>),
    /// For a resource; none where there is no such one.
    Contents(Vec<Embedded>),
}

impl Round {
    /// Checks what a client brought.
    ///
    /// # Errors
    /// `limit` for a state over [`MCP_STATE_MAX_BYTES`], or more answers than there may be questions.
    pub fn check(&self) -> Result<()> {
        if self.state.as_ref().is_some_and(|state| state.len() > MCP_STATE_MAX_BYTES) {
            return Err(Error::limit(format!("the state has more than {MCP_STATE_MAX_BYTES} bytes")));
        }
        if self.answers.len() > MCP_QUESTIONS_MAX {
            return Err(Error::limit(format!("there are {} answers; at most {MCP_QUESTIONS_MAX} are taken", self.answers.len())));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
