//! What only an agent reaches.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::agent_bindings::remit::agent::durable as wit;
use crate::agent_bindings::remit::session::{outputs, state};
use crate::durable::{Decision, Question};
use crate::host::convert::{from_guest_decision, from_guest_output, from_guest_problem};
use crate::{Error, ErrorKind, Output, Result};

fn outcome(outcome: std::result::Result<wit::Output, wit::Problem>) -> Result<Output> {
    from_guest_output(outcome.map_err(from_guest_problem)?)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

pub fn call_tool(tool: &str, arguments: &str) -> Result<Output> {
    outcome(wit::call_tool(tool, arguments))
}

pub struct Group(wit::CallGroup);

impl Group {
    pub fn new() -> Self {
        Self(wit::CallGroup::new())
    }

    pub fn start(&mut self, tool: &str, arguments: &str) -> u32 {
        self.0.start(tool, arguments)
    }

    pub fn next(&mut self) -> Option<(u32, Result<Output>)> {
        self.0.next().map(|completion| (completion.call, outcome(completion.outcome)))
    }
}

pub fn await_approval(question: Question) -> Decision {
    let Question { title, details, expires_after } = question;
    from_guest_decision(wit::await_approval(&wit::Question { title, details, expires_after_ms: expires_after.map(milliseconds) }))
}

pub fn await_input(prompt: &str) -> String {
    wit::await_input(prompt)
}

pub fn sleep_until(moment: SystemTime) {
    wit::sleep_until(moment.duration_since(UNIX_EPOCH).map_or(0, milliseconds));
}

pub fn patch(name: &str) -> bool {
    wit::patch(name)
}

pub fn state_get(key: &str) -> Option<Vec<u8>> {
    state::get(key)
}

pub fn state_put(key: &str, value: &[u8]) -> Result<()> {
    state::put(key, value).map_err(|state::Error::TooLarge(message)| Error::new(ErrorKind::Limit, message))
}

pub fn state_delete(key: &str) {
    state::delete(key);
}

pub fn state_keys(prefix: &str) -> Vec<String> {
    state::list_keys(prefix)
}

pub fn output_read(uri: &str, offset: u64, length: u32) -> Result<Vec<u8>> {
    outputs::read(uri, offset, length).map_err(|outputs::Error::Absent(message)| Error::failed(message))
}
