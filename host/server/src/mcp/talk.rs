//! The rounds of one request in which a plugin asks the client. Over a connection with a handshake the client is asked at once; without
//! one, the answer to its request says what is to be answered, and the client asks again with the answers and the sealed state.

#![allow(deprecated, reason = "the protocol advises against sampling and roots by now, and clients of every revision have them")]

use std::time::Duration;

use remit_core::{
    Error,
    identity::Principal,
    limit::{MCP_ANSWER_MS, MCP_ROUNDS_MAX, MCP_STATE_TTL_MS},
    plugin::Digest,
};
use remit_runtime::{
    Content,
    mcp::{Features, Message, Pause, Question, Reply, Round},
};
use rmcp::{
    ErrorData, RoleServer,
    model::{
        ClientCapabilities, CreateMessageRequest, CreateMessageRequestParams, CreateMessageResult, ElicitRequest, ElicitRequestParams,
        ElicitResult, ElicitationAction, InputRequest, InputRequiredResult, InputResponses, ListRootsRequest, ListRootsResult, Role,
        SamplingMessage, SamplingMessageContentBlock, ServerRequest,
    },
    service::RequestContext,
};
use serde_json::Value;

use super::{Door, visitor::stateless};

/// What a client brings to a request that it makes again.
#[derive(Default)]
pub(super) struct Brought {
    pub answers: Option<InputResponses>,
    pub state: Option<String>,
}

/// Why a request with questions goes no further.
pub(super) enum Stuck {
    /// The client did not keep to the protocol, or cannot be asked.
    Protocol(ErrorData),
    /// For whoever made the request, in words.
    Told(Error),
}

/// The rounds of one request.
pub(super) struct Talk<'a> {
    door: &'a Door,
    context: &'a RequestContext<RoleServer>,
    /// Who asks.
    plugin: &'a str,
    /// What the state belongs to.
    request: String,
    /// Where it stands.
    pub round: Round,
    rounds: usize,
}

/// A request came with a state that was not made here for it.
pub(super) fn foreign() -> ErrorData {
    ErrorData::invalid_params("the request state was not given for this request, or is too old: make the request without it", None)
}

impl<'a> Talk<'a> {
    /// Begins, or goes on, with a request of `method` for `name` of `plugin` with these arguments.
    ///
    /// # Errors
    /// `invalid params` when the state was not made here for this request of this principal, was changed or is too old; or an answer has
    /// no form that there is.
    pub fn new(
        door: &'a Door,
        principal: &Principal,
        context: &'a RequestContext<RoleServer>,
        plugin: &'a str,
        (method, name, arguments): (&str, &str, &str),
        brought: Brought,
    ) -> Result<Self, ErrorData> {
        let digest = Digest::of(arguments.as_bytes()).hex();
        let request = format!("{}\n{method}\n{plugin}\n{name}\n{digest}", principal);
        let mut round = Round { features: features(context.client_capabilities()), ..Round::default() };
        if let Some(sealed) = brought.state {
            let opened = door.0.seal.open(request.as_bytes(), &sealed);
            round.state = Some(opened.ok_or_else(foreign)?);
        }
        for (key, value) in brought.answers.unwrap_or_default() {
            let reply = reply(&value).ok_or_else(|| ErrorData::invalid_params("an input response has no form that there is", None))?;
            round.answers.push((key, reply));
        }
        Ok(Self { door, context, plugin, request, round, rounds: 0 })
    }

    /// Puts the questions of `pause` to the client. Either the next round is ready, or the request is to be answered with what is given
    /// back here.
    ///
    /// # Errors
    /// When the client cannot be asked, does not answer, or was asked often enough.
    pub async fn put(&mut self, pause: Pause) -> Result<Option<InputRequiredResult>, Stuck> {
        let stateless = stateless(self.context);
        if let Some(missing) = missing(self.round.features, &pause) {
            return Err(match stateless {
                true => Stuck::Protocol(ErrorData::missing_required_client_capability(missing.1)),
                false => {
                    Stuck::Told(Error::unavailable(format!("`{}` asks for what this client does not offer: {}", self.plugin, missing.0)))
                }
            });
        }
        let mut requests = Vec::new();
        for (key, question) in pause.questions {
            requests.push((key, self.request_of(question).map_err(Stuck::Told)?));
        }
        if stateless {
            let sealed =
                pause.state.map(|state| self.door.0.seal.seal(self.request.as_bytes(), &state, Duration::from_millis(MCP_STATE_TTL_MS)));
            return Ok(Some(InputRequiredResult::new(Some(requests.into_iter().collect()), sealed)));
        }
        self.rounds += 1;
        if self.rounds > MCP_ROUNDS_MAX {
            return Err(Stuck::Told(Error::limit(format!("`{}` asked in {MCP_ROUNDS_MAX} rounds, and wants to ask again", self.plugin))));
        }
        self.round.state = pause.state;
        self.round.answers.clear();
        for (key, request) in requests {
            let answer = self.answer(request).await.map_err(Stuck::Told)?;
            self.round.answers.push((key, answer));
        }
        Ok(None)
    }

    /// Asks over the connection.
    async fn answer(&self, request: InputRequest) -> Result<Reply, Error> {
        let request = match request {
            InputRequest::Elicitation(request) => ServerRequest::ElicitRequest(request),
            InputRequest::CreateMessage(request) => ServerRequest::CreateMessageRequest(request),
            InputRequest::ListRoots(request) => ServerRequest::ListRootsRequest(request),
            other => return Err(Error::host("a question of a kind that is not known", format!("{other:?}"))),
        };
        let asked = tokio::time::timeout(Duration::from_millis(MCP_ANSWER_MS), self.context.peer.send_request(request)).await;
        let none = || Error::unavailable("the client did not answer a question of the plugin");
        let answered = asked.map_err(|elapsed| none().internal(elapsed))?.map_err(|error| none().internal(error))?;
        serde_json::to_value(&answered).ok().as_ref().and_then(reply).ok_or_else(none)
    }

    /// A question as the protocol has it. Whoever is asked can see which plugin asks.
    fn request_of(&self, question: Question) -> Result<InputRequest, Error> {
        Ok(match question {
            Question::Roots => InputRequest::ListRoots(ListRootsRequest::default()),
            Question::Elicit { message, schema } => {
                let requested_schema = serde_json::from_value(schema).map_err(|error| {
                    Error::guest(format!("the form of `{}` is none that clients can show", self.plugin)).internal(error)
                })?;
                let message = format!("{}: {message}", self.plugin);
                let params = ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema };
                InputRequest::Elicitation(ElicitRequest::new(params))
            }
            Question::Sample { messages, system, max_tokens } => {
                let mut params = CreateMessageRequestParams::new(messages.into_iter().map(message).collect(), max_tokens);
                params.system_prompt = system;
                InputRequest::CreateMessage(CreateMessageRequest::new(params))
            }
        })
    }
}

fn message(message: Message) -> SamplingMessage {
    let text = if let Content::Text { text } = message.content { text } else { String::new() };
    match message.assistant {
        true => SamplingMessage::assistant_text(text),
        false => SamplingMessage::user_text(text),
    }
}

/// What a client with these capabilities can be asked for.
fn features(capabilities: Option<ClientCapabilities>) -> Features {
    let Some(ClientCapabilities { elicitation, sampling, roots, .. }) = capabilities else { return Features::default() };
    // A client of an older revision names no kind of elicitation, and means forms.
    let forms = elicitation.is_some_and(|kinds| kinds.form.is_some() || kinds.url.is_none());
    Features { elicit: forms, sample: sampling.is_some(), roots: roots.is_some() }
}

/// The first thing that is asked of a client that does not offer it: in words, and as capabilities.
fn missing(features: Features, pause: &Pause) -> Option<(&'static str, ClientCapabilities)> {
    pause.questions.iter().find_map(|(_, question)| match question {
        Question::Elicit { .. } if !features.elicit => Some(("elicitation", ClientCapabilities::builder().enable_elicitation().build())),
        Question::Sample { .. } if !features.sample => Some(("sampling", ClientCapabilities::builder().enable_sampling().build())),
        Question::Roots if !features.roots => Some(("roots", ClientCapabilities::builder().enable_roots().build())),
        _ => None,
    })
}

/// What a client answered, told by its form.
fn reply(value: &Value) -> Option<Reply> {
    let members = value.as_object()?;
    if members.contains_key("action") {
        let answer: ElicitResult = serde_json::from_value(value.clone()).ok()?;
        return match answer.action {
            ElicitationAction::Accept => match answer.content {
                Some(content @ Value::Object(_)) => Some(Reply::Accepted(content)),
                Some(_) => None,
                None => Some(Reply::Accepted(Value::Object(serde_json::Map::new()))),
            },
            ElicitationAction::Decline => Some(Reply::Declined),
            _ => Some(Reply::Cancelled),
        };
    }
    if members.contains_key("roots") {
        let answer: ListRootsResult = serde_json::from_value(value.clone()).ok()?;
        return Some(Reply::Roots(answer.roots.into_iter().map(|root| (root.uri, root.name)).collect()));
    }
    let answer: CreateMessageResult = serde_json::from_value(value.clone()).ok()?;
    if answer.message.role != Role::Assistant {
        return None;
    }
    let pieces = answer.message.content.into_vec().into_iter();
    let texts = pieces.filter_map(|piece| if let SamplingMessageContentBlock::Text(text) = piece { Some(text.text) } else { None });
    Some(Reply::Sampled(texts.collect::<Vec<_>>().join("\n")))
}

#[cfg(test)]
mod tests;
