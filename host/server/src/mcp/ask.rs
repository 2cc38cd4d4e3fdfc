//! Asking the person behind a client, where the project accepts an answer from there.
//!
//! What is asked is what a session waits for. A yes goes through [`Host::decide`](remit_runtime::Host::decide) like that of every door;
//! everything else, silence included, leaves the wait as it is.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use remit_core::{
    Error, Result,
    id::{SessionId, WaitId},
    identity::Context,
    limit::{MCP_ASK_DEADLINE_MS, MCP_ASKED_MAX, MCP_ASKS_MAX, MCP_QUESTION_MAX_BYTES},
    plugin::{
        Digest, NO_AGENT,
        text::{visible, visible_lines},
    },
    store::{WaitKind, WaitRow, WaitState},
};
use remit_runtime::Verdict;
use rmcp::{
    ErrorData, RoleServer,
    model::{
        BooleanSchema, ClientResult, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, InputRequest,
        InputRequiredResult, InputResponses, ServerRequest, StringSchema,
    },
    service::{PeerRequestOptions, RequestContext},
};
use serde::{Deserialize, Serialize};

use super::{Door, talk::foreign, turn::Following, visitor::stateless};

/// How often each decision was asked for here.
#[derive(Default)]
pub(super) struct Asks(Mutex<BTreeMap<WaitId, u32>>);

impl Asks {
    /// Counts one more question; whether it may be asked.
    fn take(&self, wait: WaitId) -> bool {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = asked.entry(wait).or_default();
        if *times >= MCP_ASKS_MAX {
            return false;
        }
        *times += 1;
        if asked.len() > MCP_ASKED_MAX {
            // Ids sort by age.
            asked.pop_first();
        }
        true
    }
}

/// What a client gives back with its answers: whose they are.
#[derive(Debug, Serialize, Deserialize)]
struct Sealed {
    session: SessionId,
    key: Option<String>,
    waits: Vec<WaitId>,
}

/// What became of the questions of a request.
pub(super) enum Put {
    /// Something was decided.
    Decided,
    /// Nobody could be asked, or nothing was decided.
    Left,
    /// The client is to make its request again, with answers.
    Required(InputRequiredResult),
}

/// What the answers to an earlier request came to.
pub(super) struct Answered {
    /// What was asked for: the session, and the key of its turn's input.
    pub session: SessionId,
    pub key: Option<String>,
    /// Whether something was decided.
    pub decided: bool,
}

/// A question that is put to a person.
pub(super) struct Question {
    wait: WaitId,
    params: ElicitRequestParams,
}

impl Question {
    /// What `wait` asks; `None` when nobody has to be asked, or it is too large to be read in a client.
    fn of(wait: &WaitRow) -> Option<Self> {
        if wait.state != WaitState::Open {
            return None;
        }
        let title = visible_lines(&wait.title, usize::MAX);
        let (message, schema) = match wait.kind {
            WaitKind::Timer => return None,
            WaitKind::Approval => {
                let mut message = match wait.agent.as_str() {
                    NO_AGENT => format!("Your approval is asked for: {title}"),
                    agent => format!("The agent `{agent}` asks for your approval: {title}"),
                };
                match &wait.call {
                    Some(call) => {
                        let arguments = visible_lines(&call.arguments, usize::MAX);
                        message += &format!("\n\nThis calls `{}` with exactly these arguments:\n{arguments}", visible(&call.tool, 256));
                        if !call.labels.is_empty() {
                            message += &format!("\n\nIt may send what was seen before: {}", call.labels);
                        }
                    }
                    None if !wait.details.is_empty() => message += &format!("\n\n{}", visible_lines(&wait.details, usize::MAX)),
                    None => {}
                }
                let approve = BooleanSchema::new().title("Approve").description("Yes holds once, for exactly this");
                (message, ElicitationSchema::builder().required_bool_property("approve", |_| approve))
            }
            WaitKind::Input => {
                let message = format!("The agent `{}` asks: {title}", wait.agent);
                let answer = StringSchema::new().title("Answer");
                (message, ElicitationSchema::builder().required_string_property("answer", |_| answer))
            }
        };
        if message.len() > MCP_QUESTION_MAX_BYTES {
            return None;
        }
        let requested_schema = schema.build().ok()?;
        Some(Self { wait: wait.id, params: ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema } })
    }
}

/// What an answer decides. Only a clear yes, or an answer, decides anything.
fn verdict(kind: WaitKind, answer: &ElicitResult, client: &str) -> Option<Verdict> {
    if answer.action != ElicitationAction::Accept {
        return None;
    }
    let content = answer.content.as_ref()?;
    match kind {
        WaitKind::Approval => {
            let yes = content.get("approve")?.as_bool()?;
            yes.then(|| Verdict::Approve(Some(format!("through the MCP client `{client}`"))))
        }
        WaitKind::Input => Some(Verdict::Input(content.get("answer")?.as_str()?.to_owned())),
        WaitKind::Timer => None,
    }
}

/// What the client calls itself, safe to show.
fn client(context: &RequestContext<RoleServer>) -> String {
    let info = context.meta.client_info().or_else(|| context.peer.peer_info().map(|info| info.client_info.clone()));
    info.map_or_else(|| "unknown".to_owned(), |info| format!("{} {}", visible(&info.name, 64), visible(&info.version, 32)))
}

/// Whether the client can show a form.
fn shows_forms(context: &RequestContext<RoleServer>) -> bool {
    let asks = context.client_capabilities().and_then(|capabilities| capabilities.elicitation);
    asks.is_some_and(|asks| asks.form.is_some() || asks.url.is_none())
}

impl Door {
    /// The questions that the person behind the client may be asked, none where the project does not accept answers from there.
    pub(super) fn questions(&self, waits: &[WaitRow], context: &RequestContext<RoleServer>) -> Vec<Question> {
        if !self.accepts_client() || !shows_forms(context) {
            return Vec::new();
        }
        waits.iter().filter_map(Question::of).collect()
    }

    /// Puts what `waits` ask to the person behind the client, each a few times at most. `session`, and the `key` of its turn's input, say
    /// what it is asked for, and `call` is what a sealed state is good for.
    ///
    /// # Errors
    /// Those of deciding, `conflict` when a decision was made meanwhile.
    pub(super) async fn put(
        &self,
        acting: &Context,
        (session, key): (SessionId, Option<&str>),
        waits: &[WaitRow],
        call: &[u8],
        context: &RequestContext<RoleServer>,
    ) -> Result<Put> {
        let mut questions = self.questions(waits, context);
        questions.retain(|question| self.0.asks.take(question.wait));
        if questions.is_empty() {
            return Ok(Put::Left);
        }
        if stateless(context) {
            let waits = questions.iter().map(|question| question.wait).collect();
            return self.input_required(Sealed { session, key: key.map(str::to_owned), waits }, questions, call).map(Put::Required);
        }
        Ok(if self.ask(acting, questions, context).await? { Put::Decided } else { Put::Left })
    }

    /// Whether the project takes approvals and inputs from a client's person, now.
    pub(super) fn accepts_client(&self) -> bool {
        *self.0.setup.accept_client.borrow()
    }

    /// Asks a client of the handshake era; whether something was decided.
    async fn ask(&self, acting: &Context, questions: Vec<Question>, context: &RequestContext<RoleServer>) -> Result<bool> {
        let mut decided = false;
        for Question { wait, params } in questions {
            let options = PeerRequestOptions::with_timeout(Duration::from_millis(MCP_ASK_DEADLINE_MS));
            let request = ServerRequest::ElicitRequest(ElicitRequest::new(params));
            let asked = context.peer.send_request_with_option(request, options).await;
            let answer = match asked {
                Ok(asked) => asked.await_response().await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(ClientResult::ElicitResult(answer)) => decided |= self.decide(acting, wait, &answer, context).await?,
                Ok(_) => tracing::debug!(%wait, "a client answered a question with something else"),
                Err(error) => tracing::debug!(%wait, %error, "a client answered no question"),
            }
        }
        Ok(decided)
    }

    /// Makes the decision that `answer` is; whether it is one.
    async fn decide(&self, acting: &Context, wait: WaitId, answer: &ElicitResult, context: &RequestContext<RoleServer>) -> Result<bool> {
        let setup = &self.0.setup;
        let row = setup.host.wait(acting, &setup.project, wait).await?;
        let Some(verdict) = verdict(row.kind, answer, &client(context)) else { return Ok(false) };
        // The project may have changed while somebody thought about it.
        if !self.accepts_client() {
            return Err(Error::denied("this project takes no approvals from a client any more"));
        }
        setup.host.decide(acting, &setup.project, wait, verdict).await?;
        Ok(true)
    }

    /// The same questions for a client of the revision without a handshake: it calls again, with answers and what is sealed here.
    fn input_required(&self, sealed: Sealed, questions: Vec<Question>, call: &[u8]) -> Result<InputRequiredResult> {
        let sealed = serde_json::to_vec(&sealed).map_err(|error| Error::host("a question could not be sealed", error))?;
        let state = self.0.seal.seal(call, &sealed, Duration::from_millis(MCP_ASK_DEADLINE_MS));
        Ok(InputRequiredResult::new(Some(requests(questions)), Some(state)))
    }

    /// What comes back of it: the decisions are made. What was asked for goes on with that.
    ///
    /// # Errors
    /// An error of the protocol when the state is not one that was given to this client, principal and call, or is too old, or the answers
    /// are none; otherwise those of deciding, `conflict` when a decision was made before.
    pub(super) async fn answered(
        &self,
        acting: &Context,
        (state, answers): (&str, Option<InputResponses>),
        call: &[u8],
        context: &RequestContext<RoleServer>,
    ) -> std::result::Result<Result<Answered>, ErrorData> {
        if !self.accepts_client() {
            return Err(foreign());
        }
        let sealed = self.0.seal.open(call, state).ok_or_else(|| {
            tracing::warn!(principal = %acting.principal, "a request state was refused");
            foreign()
        })?;
        let Sealed { session, key, waits } = serde_json::from_slice(&sealed).map_err(|_other| foreign())?;
        let answers = parsed(answers.unwrap_or_default())?;
        Ok(async {
            self.own_session(acting, session).await?;
            let mut decided = false;
            for wait in waits {
                if let Some(answer) = answers.get(&wait.to_string()) {
                    decided |= self.decide(acting, wait, answer, context).await?;
                }
            }
            Ok(Answered { session, key, decided })
        }
        .await)
    }

    /// Makes the decisions that a client gives to the questions of a task.
    pub(super) async fn decide_all(
        &self,
        of: &Following,
        waits: &[WaitRow],
        answers: InputResponses,
        context: &RequestContext<RoleServer>,
    ) -> std::result::Result<Result<()>, ErrorData> {
        let answers = parsed(answers)?;
        Ok(async {
            if !self.accepts_client() {
                return Err(Error::denied("this project takes no approvals from a client"));
            }
            for wait in waits {
                if let Some(answer) = answers.get(&wait.id.to_string()) {
                    self.decide(&of.acting, wait.id, answer, context).await?;
                }
            }
            Ok(())
        }
        .await)
    }
}

/// The questions as they stand in an answer, by what they decide.
pub(super) fn requests(questions: Vec<Question>) -> BTreeMap<String, InputRequest> {
    let request = |Question { wait, params }| (wait.to_string(), InputRequest::Elicitation(ElicitRequest::new(params)));
    questions.into_iter().map(request).collect()
}

fn parsed(answers: InputResponses) -> std::result::Result<BTreeMap<String, ElicitResult>, ErrorData> {
    let parsed = answers.into_iter().map(|(id, answer)| Ok((id, serde_json::from_value(answer)?)));
    parsed
        .collect::<serde_json::Result<_>>()
        .map_err(|_other| ErrorData::invalid_params("the input responses are no answers to questions", None))
}

/// What a sealed state is good for: this principal, this client, and exactly this call. Members of `arguments` have to be in the order of
/// their names.
pub(super) fn bound_to(acting: &Context, tool: &str, arguments: &str, context: &RequestContext<RoleServer>) -> Vec<u8> {
    let arguments = Digest::of(arguments.as_bytes());
    serde_json::json!([acting.principal, client(context), tool, arguments.hex()]).to_string().into_bytes()
}

#[cfg(test)]
mod tests;
