//! What a call gave, without the secrets that were attached for it (M22).
//!
//! Every response was searched before the guest saw it. This second search is for what the guest made of a form that nobody knows.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use remit_core::{Error, grant::Denial};
use serde_json::Value;

use crate::{
    capability::scrub::Masks,
    engine::Failed,
    mcp::{Given, Message, Pause, Question, Step},
    output::{Content, Embedded, Output},
    plugin::Fate,
};

/// Something that a caller, an audit log or a journal is given.
pub(crate) trait Masked: Sized {
    /// The same with every secret of `masks` masked. Lengths stay.
    fn masked(self, masks: &Masks) -> Self;
}

impl Masked for String {
    fn masked(self, masks: &Masks) -> Self {
        masks.scrub(self)
    }
}

impl<T: Masked> Masked for Option<T> {
    fn masked(self, masks: &Masks) -> Self {
        self.map(|some| some.masked(masks))
    }
}

impl<T: Masked> Masked for Vec<T> {
    fn masked(self, masks: &Masks) -> Self {
        self.into_iter().map(|one| one.masked(masks)).collect()
    }
}

impl<T: Masked> Masked for (String, T) {
    fn masked(self, masks: &Masks) -> Self {
        (self.0.masked(masks), self.1.masked(masks))
    }
}

impl<T: Masked> Masked for Result<(T, usize), Failed> {
    fn masked(self, masks: &Masks) -> Self {
        match self {
            Ok((answer, bytes)) => Ok((answer.masked(masks), bytes)),
            Err(mut failed) => {
                failed.error = failed.error.masked(masks);
                Err(failed)
            }
        }
    }
}

impl Masked for Value {
    fn masked(self, masks: &Masks) -> Self {
        match self {
            Self::String(text) => Self::String(text.masked(masks)),
            Self::Array(values) => Self::Array(values.masked(masks)),
            Self::Object(members) => Self::Object(members.into_iter().map(|member| member.masked(masks)).collect()),
            other => other,
        }
    }
}

impl Masked for Error {
    fn masked(self, masks: &Masks) -> Self {
        Self { message: self.message.masked(masks), hints: self.hints.masked(masks), internal: self.internal.masked(masks), ..self }
    }
}

impl Masked for Denial {
    fn masked(self, masks: &Masks) -> Self {
        Self { request: self.request.masked(masks), reason: self.reason.masked(masks), fix: self.fix.masked(masks), ..self }
    }
}

impl Masked for Output {
    fn masked(self, masks: &Masks) -> Self {
        Self { content: self.content.masked(masks), structured: self.structured.masked(masks) }
    }
}

impl Masked for Content {
    fn masked(self, masks: &Masks) -> Self {
        match self {
            Self::Text { text } => Self::Text { text: text.masked(masks) },
            Self::Image { data, mime_type } => Self::Image { data: base64(data, masks), mime_type: mime_type.masked(masks) },
            Self::Audio { data, mime_type } => Self::Audio { data: base64(data, masks), mime_type: mime_type.masked(masks) },
            Self::ResourceLink { uri, name, description, mime_type, size } => Self::ResourceLink {
                uri: uri.masked(masks),
                name: name.masked(masks),
                description: description.masked(masks),
                mime_type: mime_type.masked(masks),
                size,
            },
            Self::Resource { resource } => Self::Resource { resource: resource.masked(masks) },
        }
    }
}

impl Masked for Embedded {
    fn masked(self, masks: &Masks) -> Self {
        Self {
            uri: self.uri.masked(masks),
            mime_type: self.mime_type.masked(masks),
            text: self.text.masked(masks),
            blob: self.blob.map(|blob| base64(blob, masks)),
        }
    }
}

/// Bytes in base64, searched as bytes, so that they stay base64. What is none is searched as text.
fn base64(text: String, masks: &Masks) -> String {
    match STANDARD.decode(&text) {
        Ok(bytes) => STANDARD.encode(masks.scrub_bytes(&bytes)),
        Err(_) => text.masked(masks),
    }
}

impl Masked for Fate {
    fn masked(self, masks: &Masks) -> Self {
        match self {
            Self::Done(output) => Self::Done(output.masked(masks)),
            other => other,
        }
    }
}

impl Masked for Given {
    fn masked(self, masks: &Masks) -> Self {
        match self {
            Self::Tool(step) => Self::Tool(step.masked(masks)),
            Self::Prompt(step) => Self::Prompt(step.masked(masks)),
            Self::Values(values) => Self::Values(values.masked(masks)),
            Self::Contents(contents) => Self::Contents(contents.masked(masks)),
        }
    }
}

impl<T: Masked> Masked for Step<T> {
    fn masked(self, masks: &Masks) -> Self {
        match self {
            Self::Done(done) => Self::Done(done.masked(masks)),
            Self::Asks(Pause { questions, state }) => {
                Self::Asks(Pause { questions: questions.masked(masks), state: state.map(|state| masks.scrub_bytes(&state)) })
            }
        }
    }
}

impl Masked for Question {
    fn masked(self, masks: &Masks) -> Self {
        match self {
            Self::Elicit { message, schema } => Self::Elicit { message: message.masked(masks), schema: schema.masked(masks) },
            Self::Sample { messages, system, max_tokens } => {
                Self::Sample { messages: messages.masked(masks), system: system.masked(masks), max_tokens }
            }
            Self::Roots => Self::Roots,
        }
    }
}

impl Masked for Message {
    fn masked(self, masks: &Masks) -> Self {
        Self { content: self.content.masked(masks), ..self }
    }
}
