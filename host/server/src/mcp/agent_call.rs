//! One call of an agent: a turn of a session, until it ended, waits, or takes too long to be waited for.

use std::{sync::Arc, time::Duration};

use remit_core::{
    Error, Kind, Result,
    identity::Context,
    limit::{MCP_ASK_ROUNDS_MAX, MCP_TASK_WAIT_MS, MCP_TURN_WAIT_MS},
};
use remit_runtime::{Patience, RunRequest, capability::Events};
use rmcp::{
    ErrorData, RoleServer,
    model::{CallToolRequestParams, CallToolResponse, CallToolResult},
    service::RequestContext,
};
use tokio::time::Instant;

use super::{
    Door, Offer, Who,
    agent::{Asked, is_under_way},
    ask::{Answered, Put, bound_to},
    call::Listener,
    shape, task,
    turn::{Acting, Following},
    visitor::Level,
};

/// What is done for a request.
enum Work {
    /// A turn begins with this input.
    Begin(Following, String),
    /// A turn is waited for. Unless it is `asks`, the person has just decided nothing, and is not asked again at once.
    Follow { of: Following, asks: bool },
}

impl Door {
    /// Calls the agent of `offer`.
    ///
    /// A client that takes its request back stops the turn that this began, where it is; it goes on when it is asked after. Taking back a
    /// request that only asked after a turn ends the asking.
    ///
    /// # Errors
    /// When the request was taken back, or came with a state that was not given for it: whatever else fails is a result that a model can read.
    pub(super) async fn call_agent(
        &self,
        who: &Arc<Who>,
        offer: &Offer,
        request: CallToolRequestParams,
        level: Option<Level>,
        context: RequestContext<RoleServer>,
    ) -> std::result::Result<CallToolResponse, ErrorData> {
        let Ok(_room) = self.0.calls.try_acquire() else {
            return Ok(shape::failure(&Error::limit("too many calls are in flight: call again when some have ended")).into());
        };
        let acting = Acting { context: self.acting(who)?, who: who.clone() };
        let listener = Listener::new(&context, level, offer);
        let (events, told) = listener.channel();
        let work = listener.during(told, self.attend(offer, acting, request, events, &context));
        tokio::select! {
            biased;
            () = context.ct.cancelled() => Err(ErrorData::internal_error("the request was taken back", None)),
            () = who.withdrawn() => Err(ErrorData::internal_error("what let this client in was withdrawn", None)),
            response = work => response,
        }
    }

    async fn attend(
        &self,
        offer: &Offer,
        acting: Acting,
        request: CallToolRequestParams,
        events: Option<Events>,
        context: &RequestContext<RoleServer>,
    ) -> std::result::Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let call = bound_to(&acting, &offer.tool.name, &serde_json::Value::Object(arguments.clone()).to_string(), context);
        let work = match &request.request_state {
            Some(state) => {
                let answered = self.answered(&acting, (state.as_str(), request.input_responses), &call, context).await?;
                answered.map(|Answered { session, key, decided }| Work::Follow {
                    of: Following { acting, agent: offer.name.clone(), session, key },
                    asks: decided,
                })
            }
            None => match Asked::read(arguments) {
                Ok(asked) => self.opened(offer, acting, asked).await,
                Err(error) => Err(error),
            },
        };
        let response = match work {
            Ok(work) => self.taken_on(work, events, &call, context).await,
            Err(error) => Err(error),
        };
        Ok(response.unwrap_or_else(|error| failure(&error).into()))
    }

    /// The session that is asked for; a new one where none is named.
    async fn opened(&self, offer: &Offer, acting: Acting, Asked { session, input, key }: Asked) -> Result<Work> {
        let agent = offer.name.clone();
        if let Some(id) = session {
            let row = self.own_session(&acting, id).await?;
            if row.agent != agent {
                return Err(Error::invalid(format!("`{id}` is a session of `{}`", row.agent)));
            }
            return Ok(match input {
                Some(input) => Work::Begin(Following { key: Some(named(key, &acting)), acting, agent, session: id }, input),
                None => Work::Follow { of: Following { acting, agent, session: id, key }, asks: true },
            });
        }
        let input = input.unwrap_or_else(|| "{}".to_owned());
        let request = RunRequest {
            project: &self.0.setup.project,
            agent: &agent,
            session: None,
            name: None,
            input: Some(&input),
            key: key.as_deref(),
            patience: Patience::default(),
            events: None,
        };
        let session = self.0.setup.host.open_session(&acting, &request).await?.id;
        Ok(Work::Begin(Following { key: Some(named(key, &acting)), acting, agent, session }, input))
    }

    /// Waits for the turn, and has the client's person decide what it waits for, where that is allowed.
    async fn taken_on(
        &self,
        work: Work,
        events: Option<Events>,
        call: &[u8],
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse> {
        let patience = Duration::from_millis(if task::is_known_to(context) { MCP_TASK_WAIT_MS } else { MCP_TURN_WAIT_MS });
        let steps = events.clone().filter(|_| context.meta.get_progress_token().is_some());
        let (of, mut told, asks) = match work {
            Work::Begin(of, input) => {
                let begun = self.begin(of.clone(), input, events, Instant::now() + patience);
                let (of, told) = self.telling(&of, steps.as_ref(), begun).await?;
                (of, told, true)
            }
            Work::Follow { of, asks } => {
                let told = self.telling(&of, steps.as_ref(), self.follow(&of, Instant::now() + patience)).await?;
                (of, told, asks)
            }
        };
        let rounds = if asks { MCP_ASK_ROUNDS_MAX } else { 0 };
        for _ in 0..rounds {
            match self.put(&of.acting, (of.session, of.key.as_deref()), told.waits(), call, context).await? {
                Put::Left => break,
                Put::Required(required) => return Ok(required.into()),
                Put::Decided => {}
            }
            told = self.telling(&of, steps.as_ref(), self.follow(&of, Instant::now() + patience)).await?;
        }
        if is_under_way(told.end.as_ref()) && task::is_known_to(context) { self.task(&of, told).await } else { Ok(told.result().into()) }
    }
}

/// The key of an input: what it was given, or else one of its own, by which its turn is found.
fn named(key: Option<String>, acting: &Context) -> String {
    key.unwrap_or_else(|| acting.call.to_string())
}

/// A call that came to no turn. What only a person at a terminal can do is not said here.
pub(super) fn failure(error: &Error) -> CallToolResult {
    if matches!(error.kind, Kind::Host) {
        tracing::error!(internal = error.internal, "{error}");
    }
    shape::failure(&Error { hints: Vec::new(), ..error.clone() })
}
