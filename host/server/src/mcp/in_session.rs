//! The session that a client's calls belong to.

use remit_core::{Result, id::SessionId, identity::Context, limit::SESSION_ARGUMENTS_MAX_BYTES};
use rmcp::model::{CallToolResult, MetaObject};
use serde_json::json;
use tokio::sync::OnceCell;

use super::Door;

/// Names a session: in the request, the one to call in; in the result, the one that was called in.
pub const META: &str = "remit/session";

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

    /// The session for a call that names `handle`, if it names one; none where it belongs to no session. What is too large for the
    /// client's own session, which it did not ask for, belongs to none.
    ///
    /// # Errors
    /// Those of [`remit_runtime::Host::session_for_calls`].
    pub async fn of_call(&self, door: &Door, context: &Context, handle: Option<&str>, arguments: &str) -> Result<Option<SessionId>> {
        let setup = &door.0.setup;
        let find = async |handle: Option<&str>| setup.host.session_for_calls(context, &setup.project, handle).await;
        let own = self.own && setup.host.keeps_sessions() && arguments.len() <= SESSION_ARGUMENTS_MAX_BYTES;
        match (setup.session.as_deref(), handle) {
            (named, None) if named.is_some() || own => self.session.get_or_try_init(|| find(named)).await.copied().map(Some),
            (_, None) => Ok(None),
            (_, handle) => find(handle).await.map(Some),
        }
    }
}

/// Says in a result which session it belongs to.
pub fn tell(shape: &mut CallToolResult, session: Option<SessionId>) {
    if let Some(session) = session {
        shape.meta.get_or_insert_with(MetaObject::default).0.insert(META.to_owned(), json!(session));
    }
}
