//! What `#[tool]`, `#[agent]` and `plugin!` write against.

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

/// One tool, or an agent, as it is approved, listed and called.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Unique in its plugin.
    pub name: &'static str,
    /// A name for people.
    pub title: Option<&'static str>,
    /// What it does, for the model that chooses it.
    pub description: &'static str,
    /// JSON Schema 2020-12 of the arguments, or of an agent's input: an object.
    pub input_schema: Value,
    /// JSON Schema 2020-12 of [`Output::structured`].
    pub output_schema: Option<Value>,
    /// What may be repeated.
    pub effect: Effect,
}

/// A function with `#[remit::tool]` or `#[remit::agent]`, as a type of the same name.
pub trait Function {
    /// The name by which it is called.
    const NAME: &'static str;

    /// Describes it.
    fn definition() -> Definition;

    /// Calls the function with arguments in JSON.
    ///
    /// # Errors
    ///
    /// `InvalidArguments` where the JSON does not fit, else what the function answers.
    fn call(arguments: &str) -> Result<Output>;
}

/// A function with `#[remit::tool]`. An agent is none, so that no component offers both:
///
/// ```compile_fail,E0277
/// # extern crate remit_sdk as remit;
/// /// Does nothing.
/// #[remit::agent]
/// fn idle() {}
///
/// remit::plugin!(idle);
/// # fn main() {}
/// ```
#[diagnostic::on_unimplemented(message = "`{Self}` is not a tool", label = "put `#[remit::tool]` on the function")]
pub trait Tool: Function {}

/// What a tool or an agent may take: anything that is `Deserialize + JsonSchema`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be what a tool or an agent takes",
    label = "derive `Deserialize` and `JsonSchema` for it, or put `#[remit::data]` on it"
)]
pub trait Arguments: DeserializeOwned + JsonSchema {}

impl<T: DeserializeOwned + JsonSchema> Arguments for T {}

/// Returns the input schema of `owner`, such as ``tool `greet` ``.
pub fn input_schema<T: Arguments>(owner: &str) -> Value {
    schema::input::<T>(owner)
}

/// Reads what a tool or an agent takes.
///
/// # Errors
///
/// `InvalidArguments` with the words of `misfit` and the place in the JSON.
pub fn parse<T: Arguments>(json: &str, misfit: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| Error::invalid_arguments(format!("{misfit}: {error}")))
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
