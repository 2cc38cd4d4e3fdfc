//! What every call carries.

use super::{Principal, Role};
use crate::id::{CallId, SessionId};

/// Who calls, for whom, and under which bounds: the first argument of everything that acts.
#[derive(Debug, Clone)]
pub struct Context {
    /// This call.
    pub call: CallId,
    /// Who acts.
    pub principal: Principal,
    /// What the principal may call.
    pub role: Role,
    /// Tools that called on the way here, outermost first, as `plugin/tool`.
    pub delegation: Vec<String>,
    /// The session, when the call belongs to one.
    pub session: Option<SessionId>,
    /// Names the call's effect for outside systems that can recognise a repetition.
    pub idempotency_key: Option<String>,
    /// A bound that is shorter than the plugin's own deadline, in milliseconds from the start of the call.
    pub deadline_ms: Option<u64>,
    /// The user's time zone as an IANA name.
    pub time_zone: String,
}
