//! For unit tests of tools, without a host. A tool's function is called as it is; these go through JSON, as a caller does.

use serde_json::Value;

use crate::tool::Tool;
use crate::{Definition, Output, Result};

/// Describes a tool: `testing::definition::<greet>()`.
pub fn definition<T: Tool>() -> Definition {
    T::definition()
}

/// Calls a tool with arguments in JSON: `testing::call::<greet>(json!({ "name": "Ada" }))`.
///
/// # Errors
///
/// `InvalidArguments` where they do not fit, else what the tool answers.
pub fn call<T: Tool>(arguments: Value) -> Result<Output> {
    T::call(&arguments.to_string())
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
