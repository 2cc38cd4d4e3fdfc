use std::time::Duration;

/// Who calls, for whom and under which bounds. Plain data, so that a test may build one: `Context { time_zone: "Asia/Tokyo".into(), ..Default::default() }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The call's id, `call_…`; it appears in the audit log.
    pub call: String,
    /// Who acts: `user:…`, `agent:…` or `service:…`.
    pub principal: String,
    /// Tools that called on the way here, outermost first, as `plugin/tool`.
    pub delegation: Vec<String>,
    /// The project's name.
    pub project: String,
    /// The session's id, `ses_…`, when the call belongs to one.
    pub session: Option<String>,
    /// The same for every repetition of one effect; hand it to outside systems that know such keys.
    pub idempotency_key: Option<String>,
    /// How long the host lets the call go on, counted from its start.
    pub deadline: Duration,
    /// The user's time zone, an IANA name such as `Europe/Berlin`.
    pub time_zone: String,
}

impl Default for Context {
    /// Returns the context of a test: user `test` in project `test`, thirty seconds, UTC.
    fn default() -> Self {
        Self {
            call: "call_test".into(),
            principal: "user:test".into(),
            delegation: Vec::new(),
            project: "test".into(),
            session: None,
            idempotency_key: None,
            deadline: Duration::from_secs(30),
            time_zone: "UTC".into(),
        }
    }
}

impl Context {
    /// Returns the context of the running call; without a host the one of a test, [`Context::default`].
    pub fn current() -> Self {
        crate::host::context()
    }
}
