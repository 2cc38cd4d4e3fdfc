//! What every call carries.

use super::{Principal, Role};
use crate::{
    grant::Held,
    id::{CallId, KeyId, SessionId},
    label::Labels,
};

/// Where a turn stands in the journal of its session: no other turn of it has the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TurnPlace {
    /// The line of records.
    pub branch: u32,
    /// The turn's first record.
    pub seq: u64,
}

/// Who calls, for whom, and under which bounds: the first argument of everything that acts.
#[derive(Debug, Clone)]
pub struct Context {
    /// This call.
    pub call: CallId,
    /// Who acts.
    pub principal: Principal,
    /// What the principal may call.
    pub role: Role,
    /// The key that it showed, when it was let in by one.
    pub key: Option<KeyId>,
    /// Who called on the way here, outermost first: agents by their names, tools as `plugin/tool`.
    pub delegation: Vec<String>,
    /// What those may call; none where nobody called.
    pub held: Held,
    /// What was seen in the session, or by those on the way here.
    pub labels: Labels,
    /// The session, when the call belongs to one.
    pub session: Option<SessionId>,
    /// The turn of the session that the call belongs to.
    pub turn: Option<TurnPlace>,
    /// Names the call's effect for outside systems that can recognise a repetition.
    pub idempotency_key: Option<String>,
    /// A bound that is shorter than the plugin's own deadline, in milliseconds from the start of the call.
    pub deadline_ms: Option<u64>,
    /// The user's time zone as an IANA name.
    pub time_zone: String,
}
