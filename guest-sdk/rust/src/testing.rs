//! For unit tests of tools and agents, without a host. A function is called as it is; these go through JSON, as a caller does.
//!
//! What a test sets, and what an agent keeps in [`crate::state`], holds for its thread.

use serde_json::Value;

use crate::tool::Function;
use crate::{Definition, Output, Result};

/// Describes a tool or an agent: `testing::definition::<greet>()`.
pub fn definition<F: Function>() -> Definition {
    F::definition()
}

/// Calls a tool with arguments, or an agent with its input, in JSON: `testing::call::<greet>(json!({ "name": "Ada" }))`.
///
/// # Errors
///
/// `InvalidArguments` where they do not fit, else what the function answers.
pub fn call<F: Function>(arguments: Value) -> Result<Output> {
    F::call(&arguments.to_string())
}

/// Sets the context that [`crate::Context::current`] returns on this thread.
#[cfg(not(target_family = "wasm"))]
pub fn set_context(context: crate::Context) {
    crate::host::set_context(context);
}

/// Sets a value that [`crate::config::get`] returns on this thread.
#[cfg(not(target_family = "wasm"))]
pub fn set_config(key: &str, value: &str) {
    crate::host::set_config(key, value);
}

/// Sets what answers calls of tools on this thread: [`crate::durable::call`], a [`crate::durable::Group`] and [`crate::invoke()`].
///
/// It gets the tool's id and the arguments. Without it, calls are `Unavailable`.
#[cfg(not(target_family = "wasm"))]
pub fn on_call(answer: impl FnMut(&str, Value) -> Result<Output> + 'static) {
    crate::host::on_call(Box::new(answer));
}

/// Sets what answers for models on this thread: [`crate::durable::call_model`].
///
/// It gets the model's name and the request. Without it, models are `Unavailable`.
#[cfg(not(target_family = "wasm"))]
pub fn on_model(model: impl FnMut(&str, &crate::model::Request) -> Result<crate::model::Response> + 'static) {
    crate::host::on_model(Box::new(model));
}

/// Queues what a person will decide: the next [`crate::durable::approve`] of this thread returns it.
#[cfg(not(target_family = "wasm"))]
pub fn decide(decision: crate::durable::Decision) {
    crate::host::decide(decision);
}

/// Queues what somebody will say: the next [`crate::durable::input`] of this thread returns it.
#[cfg(not(target_family = "wasm"))]
pub fn say(input: impl Into<String>) {
    crate::host::say(input.into());
}

/// Returns what the agent asked people to approve on this thread, oldest first.
#[cfg(not(target_family = "wasm"))]
pub fn questions() -> Vec<crate::durable::Question> {
    crate::host::questions()
}

/// Returns the prompts of the agent's [`crate::durable::input`] on this thread, oldest first.
#[cfg(not(target_family = "wasm"))]
pub fn prompts() -> Vec<String> {
    crate::host::prompts()
}

/// Returns until when the agent slept on this thread, oldest first. Without a host, a sleep ends at once.
#[cfg(not(target_family = "wasm"))]
pub fn sleeps() -> Vec<std::time::SystemTime> {
    crate::host::sleeps()
}

/// Keeps a result under an address, for [`crate::outputs`] on this thread.
#[cfg(not(target_family = "wasm"))]
pub fn keep(uri: &str, bytes: impl AsRef<[u8]>) {
    crate::host::keep(uri, bytes.as_ref());
}
