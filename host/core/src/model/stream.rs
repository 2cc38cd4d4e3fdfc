//! An answer that comes in pieces.

use serde_json::Value;

use super::{Api, Response, anthropic, chat, refusal, responses, sse::Events, unread};
use crate::{Error, Result};

/// Puts an answer together as its events come.
pub struct Stream {
    api: Api,
    events: Events,
    draft: Draft,
    over: bool,
}

/// What came so far.
enum Draft {
    Chat(Box<chat::Draft>),
    Responses(Option<Value>),
    Anthropic(anthropic::Draft),
}

impl Stream {
    /// The beginning of an answer.
    pub fn new(api: Api) -> Self {
        let draft = match api {
            Api::OpenaiChat => Draft::Chat(Box::default()),
            Api::OpenaiResponses => Draft::Responses(None),
            Api::Anthropic => Draft::Anthropic(anthropic::Draft::default()),
        };
        Self { api, events: Events::default(), draft, over: false }
    }

    /// Takes bytes as they come; returns what the model said in them, which is a hint.
    ///
    /// # Errors
    /// `unavailable` when they are no events of this API, or tell of a failure; `limit` when one is too large.
    pub fn push(&mut self, bytes: &[u8]) -> Result<String> {
        let mut said = String::new();
        for data in self.events.push(bytes)? {
            if self.over {
                break;
            }
            if self.api == Api::OpenaiChat && data == "[DONE]" {
                self.over = true;
                break;
            }
            let event: Value = serde_json::from_str(&data).map_err(|error| unread(self.api, "an event is no JSON").internal(error))?;
            if event.get("error").is_some_and(|error| !error.is_null()) {
                return Err(failed(&event));
            }
            match &mut self.draft {
                Draft::Chat(draft) => draft.event(&event, &mut said)?,
                Draft::Responses(whole) => self.over = responses::event(event, whole, &mut said)?,
                Draft::Anthropic(draft) => self.over = draft.event(event, &mut said)?,
            }
        }
        Ok(said)
    }

    /// Whether all of the answer is there.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The answer.
    ///
    /// # Errors
    /// `unavailable` when it broke off; those of [`Api::read`].
    pub fn finish(self) -> Result<Response> {
        let cut = || Error::unavailable("its answer broke off");
        if !self.over {
            return Err(cut());
        }
        let response = match self.draft {
            Draft::Chat(draft) => draft.response()?,
            Draft::Responses(whole) => responses::read(&whole.ok_or_else(cut)?)?,
            Draft::Anthropic(draft) => anthropic::read(&draft.message())?,
        };
        response.checked(self.api)
    }
}

/// A failure that a provider tells of in the middle of an answer.
pub(super) fn failed(event: &Value) -> Error {
    let why = refusal(event).unwrap_or_else(|| "it does not say why".to_owned());
    Error::unavailable(format!("it failed in the middle of its answer: {why}"))
}
