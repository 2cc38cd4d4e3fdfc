//! The session that a client's calls belong to, and the calls of tools that ask nothing back, in theirs.

use std::slice;

use remit_core::{
    Result,
    id::SessionId,
    identity::Context,
    limit::{MCP_ASK_ROUNDS_MAX, SESSION_ARGUMENTS_MAX_BYTES},
};
use remit_runtime::{CallEnd, Request, capability::Events};
use rmcp::{
    ErrorData, RoleServer,
    model::{CallToolResponse, CallToolResult, MetaObject},
    service::RequestContext,
};
use serde_json::json;
use tokio::sync::OnceCell;

use super::{
    Door, Offer,
    ask::{Answered, Put, bound_to},
    call::Listener,
    shape,
    talk::Brought,
};

/// Names a session: in the request, the one to call in; in the result, the one that was called in.
const META: &str = "remit/session";

/// The principal's session in which calls wait for an approval that would belong to no session: all of them in one, so that the bounds on
/// what waits and on questions hold, and the same call finds what became of it.
const APPROVALS: &str = "approvals of calls without a session";

/// Where the calls of one client belong that name no session.
#[derive(Default)]
pub struct InSession {
    /// Whether the client has a session of its own. It is made at its first call.
    own: bool,
    session: OnceCell<SessionId>,
}

impl InSession {
    /// A session of the client's own.
    pub fn own() -> Self {
        Self { own: true, session: OnceCell::new() }
    }

    /// The session for `call`: the one that it names, the server's, the client's own, or where it waits for an approval; otherwise none.
    /// What is too large for a session that it did not ask for belongs to none.
    ///
    /// # Errors
    /// Those of [`remit_runtime::Host::session_for_calls`].
    async fn of_call(&self, door: &Door, call: &Plain<'_>) -> Result<Option<SessionId>> {
        let setup = &door.0.setup;
        let find = async |handle: Option<&str>| setup.host.session_for_calls(call.acting, &setup.project, handle).await;
        let fits = setup.host.keeps_sessions() && call.arguments.len() <= SESSION_ARGUMENTS_MAX_BYTES;
        match (setup.session.as_deref(), call.handle().as_deref()) {
            (named, None) if named.is_some() || (self.own && fits) => self.session.get_or_try_init(|| find(named)).await.copied().map(Some),
            (_, None) if call.offer.needs_approval && fits => find(Some(APPROVALS)).await.map(Some),
            (_, None) => Ok(None),
            (_, handle) => find(handle).await.map(Some),
        }
    }
}

/// A call of a tool that asks nothing back.
pub(super) struct Plain<'a> {
    pub acting: &'a Context,
    pub offer: &'a Offer,
    pub arguments: &'a str,
    pub place: &'a InSession,
    pub listener: &'a Listener<'a>,
    pub context: &'a RequestContext<RoleServer>,
}

impl Plain<'_> {
    /// The session that the request names. What is no text is none that there is.
    fn handle(&self) -> Option<String> {
        let handle = self.context.meta.get(META)?;
        Some(handle.as_str().map_or_else(|| handle.to_string(), str::to_owned))
    }

    /// What a sealed state is good for that is given for it.
    fn bound(&self) -> Vec<u8> {
        bound_to(self.acting, &self.offer.tool.name, self.arguments, self.context)
    }

    fn request<'a>(&'a self, door: &'a Door, events: Option<Events>) -> Request<'a> {
        Request { events, ..Request::new(&door.0.setup.project, &self.offer.plugin, &self.offer.name, self.arguments) }
    }

    /// Makes it in this session.
    async fn made_in(&self, door: &Door, session: SessionId) -> Result<CallEnd> {
        let (events, told) = self.listener.channel();
        let request = self.request(door, events);
        self.listener.during(told, door.0.setup.host.call_in(self.acting, &request, session, None)).await
    }

    /// Makes it in no session.
    async fn made_alone(&self, door: &Door) -> CallToolResult {
        let (events, told) = self.listener.channel();
        let request = self.request(door, events);
        shape::result(self.listener.during(told, door.0.setup.host.call(self.acting, &request)).await, self.offer.promises())
    }
}

impl Door {
    /// Makes a call in the session that it belongs to, or goes on with one that `brought` answers.
    ///
    /// # Errors
    /// When what was brought is not for this call: whatever else fails is a result.
    pub(super) async fn at_once(&self, call: &Plain<'_>, brought: Brought) -> std::result::Result<CallToolResponse, ErrorData> {
        let begun = match &brought.state {
            // A person who has just decided nothing is not asked again at once.
            Some(state) => {
                let answered = self.answered(call.acting, (state.as_str(), brought.answers), &call.bound(), call.context).await?;
                answered.map(|Answered { session, decided, .. }| (Some(session), decided))
            }
            None => call.place.of_call(self, call).await.map(|session| (session, true)),
        };
        let (session, asks) = match begun {
            Ok((Some(session), asks)) => (session, asks),
            Ok((None, _)) => return Ok(call.made_alone(self).await.into()),
            Err(error) => return Ok(shape::failure(&error).into()),
        };
        let mut shape = match self.with_approval(call, session, asks).await {
            Ok(CallToolResponse::Complete(shape)) => shape,
            Ok(asked) => return Ok(asked),
            Err(error) => shape::failure(&error),
        };
        shape.meta.get_or_insert_with(MetaObject::default).0.insert(META.to_owned(), json!(session));
        Ok(shape.into())
    }

    /// Makes a call in a session. Where it waits for an approval, the client's person is asked if it `asks` and they may be; with a yes it
    /// is made.
    async fn with_approval(&self, call: &Plain<'_>, session: SessionId, asks: bool) -> Result<CallToolResponse> {
        let promises = call.offer.promises();
        let mut rounds = if asks { MCP_ASK_ROUNDS_MAX } else { 0 };
        loop {
            let wait = match call.made_in(self, session).await? {
                CallEnd::Ended(outcome) => return Ok(shape::result(*outcome, promises).into()),
                CallEnd::Waiting(wait) => wait,
            };
            let put = match rounds {
                0 => Put::Left,
                _ => self.put(call.acting, (session, None), slice::from_ref(&*wait), &call.bound(), call.context).await?,
            };
            match put {
                Put::Decided => rounds -= 1,
                Put::Left => return Ok(shape::waiting(&wait, promises).into()),
                Put::Required(required) => return Ok(required.into()),
            }
        }
    }
}
