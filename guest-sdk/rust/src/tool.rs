//! What `#[tool]` and `plugin!` write against.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Output, Result, schema};

/// What may be repeated after a crash. It is a claim: the host enforces it, and runs a `read` tool with reading rights only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// May be repeated with the same idempotency key.
    Idempotent,
    /// Must not be repeated; the default.
    Once,
}

/// One tool as it is approved, listed and called.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Unique in its plugin.
    pub name: &'static str,
    /// A name for people.
    pub title: Option<&'static str>,
    /// What it does, for the model that chooses it.
    pub description: &'static str,
    /// JSON Schema 2020-12 of the arguments: an object.
    pub input_schema: Value,
    /// JSON Schema 2020-12 of [`Output::structured`].
    pub output_schema: Option<Value>,
    /// What may be repeated.
    pub effect: Effect,
}

/// A function with `#[remit::tool]`, as a type of the same name.
pub trait Tool {
    /// The tool's name.
    const NAME: &'static str;

    /// Describes the tool.
    fn definition() -> Definition;

    /// Calls the function with arguments in JSON.
    ///
    /// # Errors
    ///
    /// `InvalidArguments` where the JSON does not fit, else what the function answers.
    fn call(arguments: &str) -> Result<Output>;
}

/// What a tool may take: anything that is `Deserialize + JsonSchema`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the arguments of a tool",
    label = "derive `Deserialize` and `JsonSchema` for it, or put `#[remit::data]` on it"
)]
pub trait Arguments: DeserializeOwned + JsonSchema {}

impl<T: DeserializeOwned + JsonSchema> Arguments for T {}

/// Returns the input schema of a tool.
pub fn input_schema<T: Arguments>(tool: &str) -> Value {
    schema::input::<T>(tool)
}

/// Reads arguments.
///
/// # Errors
///
/// `InvalidArguments` with the place in the JSON.
pub fn parse<T: Arguments>(arguments: &str) -> Result<T> {
    serde_json::from_str(arguments).map_err(|error| Error::invalid_arguments(format!("the arguments do not fit: {error}")))
}

/// One tool of a plugin.
#[derive(Clone, Copy)]
pub struct Entry {
    /// The tool's name.
    pub name: &'static str,
    /// Describes the tool.
    pub definition: fn() -> Definition,
    /// Calls the tool.
    pub call: fn(&str) -> Result<Output>,
}

impl Entry {
    /// Makes the entry of a tool.
    pub const fn of<T: Tool>() -> Self {
        Self { name: T::NAME, definition: T::definition, call: T::call }
    }
}

/// What `plugin!` implements.
pub trait Plugin {
    /// The tools in the order of `plugin!`.
    const TOOLS: &'static [Entry];
}

/// Tells at compile time whether each name is used once.
#[allow(clippy::indexing_slicing, reason = "runs in the compiler, which has no `get` here")]
pub const fn names_are_unique(tools: &[Entry]) -> bool {
    let mut i = 0;
    while i < tools.len() {
        let mut j = i + 1;
        while j < tools.len() {
            if same(tools[i].name.as_bytes(), tools[j].name.as_bytes()) {
                return false;
            }
            j += 1;
        }
        i += 1;
    }
    true
}

#[allow(clippy::indexing_slicing, reason = "runs in the compiler, which has no `get` here")]
const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Makes every definition, which panics with words where a type cannot be described; the test that `plugin!` adds.
pub fn check<P: Plugin>() {
    for tool in P::TOOLS {
        let definition = (tool.definition)();
        assert_eq!(definition.name, tool.name);
    }
}

/// Calls a tool of a plugin by name.
///
/// # Errors
///
/// `Failed` where there is no such tool, else what the tool answers.
pub fn dispatch<P: Plugin>(name: &str, arguments: &str) -> Result<Output> {
    match P::TOOLS.iter().find(|tool| tool.name == name) {
        Some(tool) => (tool.call)(arguments),
        None => Err(Error::failed(format!("this plugin has no tool `{name}`"))),
    }
}
