//! What is checked of a request before it is sent, and of an answer before anybody has it.

use std::collections::BTreeSet;

use super::{Api, Choice, Item, Part, Request, Response, Role, unread};
use crate::{
    Error, Result,
    limit::{
        MODEL_CALLS_MAX, MODEL_ITEMS_MAX, MODEL_REQUEST_MAX_BYTES, MODEL_RESPONSE_MAX_BYTES, MODEL_TOKENS_MAX, MODEL_TOOLS_MAX,
        MODEL_WORD_MAX_BYTES,
    },
    plugin::text::visible,
};

/// What a model may be given as a name: what all providers take.
const WORD_CHARS: usize = 64;

impl Request {
    /// Its canonical JSON text, once it is checked: bounds, names, and that a provider can take the conversation.
    ///
    /// # Errors
    /// `limit` over a bound; `invalid`, with what to change.
    pub fn written(&self) -> Result<String> {
        self.check()?;
        let text = serde_json::to_string(self).map_err(|error| Error::host("a request cannot be written as JSON", error))?;
        if text.len() > MODEL_REQUEST_MAX_BYTES {
            let error =
                Error::limit(format!("a request of {} bytes is too large for a model; its bound is {MODEL_REQUEST_MAX_BYTES}", text.len()));
            return Err(error.hint("ask with fewer items, and refer to what is large"));
        }
        Ok(text)
    }

    /// Reads a text that [`Request::written`] made.
    ///
    /// # Errors
    /// `invalid` when it is none.
    pub fn parse(text: &str) -> Result<Self> {
        let unread = |error| Error::invalid("what a model is asked cannot be read").internal(error);
        let request: Self = serde_json::from_str(text).map_err(unread)?;
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<()> {
        let over = [("items", self.items.len(), MODEL_ITEMS_MAX), ("tools", self.tools.len(), MODEL_TOOLS_MAX)];
        if let Some((what, count, most)) = over.into_iter().find(|(_, count, most)| count > most) {
            return Err(Error::limit(format!("a request with {count} {what} is too large for a model; its bound is {most}")));
        }
        self.settings()?;
        self.conversation()
    }

    fn settings(&self) -> Result<()> {
        if self.max_output_tokens.is_some_and(|tokens| tokens == 0 || tokens > MODEL_TOKENS_MAX) {
            return Err(Error::invalid("`max-output-tokens` is out of bounds").hint(format!("say a number from 1 to {MODEL_TOKENS_MAX}")));
        }
        if self.temperature.is_some_and(|temperature| !(0.0..=2.0).contains(&temperature)) {
            return Err(Error::invalid("`temperature` is out of bounds").hint("say a number from 0 to 2"));
        }
        let mut names = BTreeSet::new();
        for tool in &self.tools {
            word(&tool.name, "a tool")?;
            if !names.insert(tool.name.as_str()) {
                return Err(Error::invalid(format!("the tool `{}` is offered twice", tool.name)));
            }
            if !tool.parameters.is_object() {
                return Err(Error::invalid(format!("the parameters of the tool `{}` are no JSON Schema", tool.name)).hint("give an object"));
            }
        }
        if let Some(form) = &self.form {
            word(&form.name, "a form")?;
            if !form.schema.is_object() {
                return Err(Error::invalid("the form of the answer is no JSON Schema").hint("give an object"));
            }
        }
        match &self.choice {
            Choice::Named(name) if !names.contains(name.as_str()) => {
                Err(Error::invalid(format!("the tool `{}` has to be called and is not offered", visible(name, WORD_CHARS))))
            }
            Choice::Required if names.is_empty() => Err(Error::invalid("a tool has to be called and none is offered")),
            _ => Ok(()),
        }
    }

    /// Each call has its result before anybody says anything else, and each result its call: no provider takes anything else.
    fn conversation(&self) -> Result<()> {
        let (mut known, mut open) = (BTreeSet::new(), BTreeSet::new());
        let mut asks = false;
        for item in &self.items {
            match item {
                Item::ToolCall(call) => {
                    if call.id.is_empty() || !known.insert(call.id.as_str()) {
                        return Err(Error::invalid(format!("two calls among the items have the id `{}`", visible(&call.id, 64))));
                    }
                    open.insert(call.id.as_str());
                }
                Item::ToolResult(result) if !open.remove(result.id.as_str()) => {
                    let message = format!("the result `{}` stands behind no call of that id that waits for one", visible(&result.id, 64));
                    return Err(Error::invalid(message));
                }
                Item::ToolResult(_) | Item::Reasoning(_) => {}
                Item::Message(message) => {
                    if message.role != Role::User && message.parts.iter().any(|part| matches!(part, Part::Image { .. })) {
                        return Err(Error::invalid("only what a user says, and what a tool gives, can have a picture"));
                    }
                    // What the model says beside its calls stands before them or behind, in the order in which it said it.
                    if message.role != Role::Assistant {
                        unanswered(&open)?;
                    }
                    asks |= message.role == Role::User;
                }
            }
        }
        unanswered(&open)?;
        if !asks {
            return Err(Error::invalid("nobody asks the model anything").hint("add a message of the role `user`"));
        }
        Ok(())
    }
}

fn unanswered(open: &BTreeSet<&str>) -> Result<()> {
    let Some(id) = open.first() else { return Ok(()) };
    let error = Error::invalid(format!("the call `{}` has no result", visible(id, 64)));
    Err(error.hint("put what became of each call behind it, before the next message: `failed` where it could not be made"))
}

/// Checks a name that a model is given.
fn word(name: &str, what: &str) -> Result<()> {
    let fits = !name.is_empty()
        && name.len() <= WORD_CHARS
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if fits {
        return Ok(());
    }
    let error = Error::invalid(format!("`{}` is no name of {what} for a model", visible(name, WORD_CHARS)));
    Err(error.hint(format!("use letters, digits, `_` and `-`, at most {WORD_CHARS}: `plugin__tool` for `plugin/tool`")))
}

impl Response {
    /// The same, once it is known to fit.
    pub(super) fn checked(self, api: Api) -> Result<Self> {
        let calls = self.calls().count();
        if calls > MODEL_CALLS_MAX {
            return Err(Error::limit(format!("the model wants {calls} tools called at once; the bound is {MODEL_CALLS_MAX}")));
        }
        let mut ids = BTreeSet::new();
        for call in self.calls() {
            if call.id.is_empty() || call.id.len() > MODEL_WORD_MAX_BYTES || !ids.insert(call.id.as_str()) {
                return Err(unread(api, "a call of a tool has no id of its own"));
            }
            if call.name.is_empty() || call.name.len() > MODEL_WORD_MAX_BYTES {
                return Err(unread(api, "a call of a tool names no tool"));
            }
        }
        let bytes = serde_json::to_vec(&self).map_err(|error| Error::host("an answer cannot be written as JSON", error))?.len();
        if bytes > MODEL_RESPONSE_MAX_BYTES {
            return Err(Error::limit(format!("the model answered {bytes} bytes; the bound is {MODEL_RESPONSE_MAX_BYTES}")));
        }
        Ok(self)
    }
}
