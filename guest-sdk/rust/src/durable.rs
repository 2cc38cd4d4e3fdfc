//! What an agent does to the world. Each call is a step of the session's journal: when the turn runs again, after a crash or a wait,
//! what it did already is answered from there.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::model::{Request, Response};
use crate::{Output, Result};

/// Calls the tool `plugin/tool` and waits for its result. Where the project asks a person first, the session waits for them.
///
/// # Errors
///
/// `Denied` where the right is missing or a person said no, `Limit` where a bound was reached, `InDoubt` where the host stopped in the
/// middle of the call and nobody can tell whether it happened; else what the tool answers.
pub fn call(tool: &str, arguments: &impl Serialize) -> Result<Output> {
    crate::host::call_tool(tool, &serde_json::to_string(arguments)?)
}

/// Gives the project's agent `name` an input and waits for the output of its turn, which runs in a session of its own. That agent may do
/// no more than this one. In a group it is called as the tool `agents/NAME`.
///
/// # Errors
///
/// Those of [`call`]; `Failed` where its turn failed.
pub fn call_agent(name: &str, input: &impl Serialize) -> Result<Output> {
    call(&format!("agents/{name}"), input)
}

/// Asks the project's model `name` and waits for its answer, which is in the session's journal before it is returned. A host that stopped
/// before that asks once more: of a call that was cut off both are paid for, of one that has its answer never.
///
/// # Errors
///
/// `InvalidArguments` where no provider takes the request, `Denied` where the model was not granted, `Limit` where request or answer is too
/// large, `Unavailable` where no model answered.
pub fn call_model(name: &str, request: &Request) -> Result<Response> {
    crate::host::call_model(name, request)
}

/// Calls that run side by side. As an iterator it waits for the next call to end, and gives the call's number with its result, in
/// the order of their ends. Dropping the group cancels what still runs.
///
/// ```no_run
/// # extern crate remit_sdk as remit;
/// # fn main() -> remit::Result<()> {
/// let mut group = remit::durable::Group::new();
/// for path in ["/docs/a.md", "/docs/b.md"] {
///     group.start("files/read", &remit::serde_json::json!({ "path": path }))?;
/// }
/// for (call, outcome) in &mut group {
///     remit::log::info(format!("call {call}: {:?}", outcome?.structured));
/// }
/// # Ok(())
/// # }
/// ```
pub struct Group(crate::host::Group);

impl Group {
    /// Starts without calls.
    #[must_use]
    pub fn new() -> Self {
        Self(crate::host::Group::new())
    }

    /// Starts a call and returns its number in the group, counted from 0.
    ///
    /// # Errors
    ///
    /// `Failed` where the arguments cannot be written as JSON. What becomes of the call is told by the iterator.
    pub fn start(&mut self, tool: &str, arguments: &impl Serialize) -> Result<u32> {
        Ok(self.0.start(tool, &serde_json::to_string(arguments)?))
    }
}

impl Default for Group {
    fn default() -> Self {
        Self::new()
    }
}

impl Iterator for Group {
    type Item = (u32, Result<Output>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// What a person is asked to approve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// In one line.
    pub title: String,
    /// All that a person needs in order to decide.
    pub details: String,
    /// After this time the answer is [`Decision::Expired`]; one day where none is given, at most 30 days.
    pub expires_after: Option<Duration>,
}

impl Question {
    /// Asks in one line, with all that a person needs in order to decide.
    pub fn new(title: impl Into<String>, details: impl Into<String>) -> Self {
        Self { title: title.into(), details: details.into(), expires_after: None }
    }

    /// Sets how long the answer may take.
    #[must_use]
    pub fn expires_after(mut self, time: Duration) -> Self {
        self.expires_after = Some(time);
        self
    }
}

/// How a person decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes, perhaps with a note.
    Approved(Option<String>),
    /// No, perhaps with a reason.
    Denied(Option<String>),
    /// Nobody decided in time.
    Expired,
}

impl Decision {
    /// Tells whether it is a yes.
    pub fn is_approved(&self) -> bool {
        matches!(self, Self::Approved(_))
    }
}

/// Waits until a person decides.
pub fn approve(question: Question) -> Decision {
    crate::host::await_approval(question)
}

/// Waits until somebody gives an input, and returns it.
pub fn input(prompt: impl AsRef<str>) -> String {
    crate::host::await_input(prompt.as_ref())
}

/// Waits for a time; one that no clock can show is cut to what a clock can.
#[allow(clippy::disallowed_methods, reason = "inside a component this is the time of the journal")]
pub fn sleep(time: Duration) {
    #[allow(clippy::disallowed_methods, reason = "the agent's clock is the journal's")]
    let end = SystemTime::now().checked_add(time);
    sleep_until(end.unwrap_or(UNIX_EPOCH + Duration::from_millis(i64::MAX.unsigned_abs())));
}

/// Waits until a moment; one that lies behind is over at once.
pub fn sleep_until(moment: SystemTime) {
    crate::host::sleep_until(moment);
}

/// Tells whether code that came later may run in this turn: `true` when the turn reaches this point for the first time, `false` when
/// it passed here before the change. The same for the same name throughout a turn.
pub fn patch(name: &str) -> bool {
    crate::host::patch(name)
}
