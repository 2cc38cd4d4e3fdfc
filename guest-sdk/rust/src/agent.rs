//! What `#[agent]` writes against.

use serde_json::{Value, json};

use crate::tool::Function;
use crate::{Content, Error, Output, Result};

/// A function with `#[remit::agent]`.
pub trait Agent: Function {}

/// An agent that can bring the state of another version to its own form; `#[agent]` implements it.
pub trait Migrate {
    /// Changes the state, which a component of the version `from` left.
    ///
    /// # Errors
    ///
    /// The agent's own.
    fn migrate(from: &str) -> Result<()>;
}

/// Runs one turn: from the input to the output, both in JSON.
///
/// # Errors
///
/// `InvalidArguments` where the input does not fit, else what the function answers.
#[cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "a component's export calls it; natively only tests do"))]
pub fn turn<A: Agent>(input: &str) -> Result<String> {
    Ok(data(A::call(input)?)?.to_string())
}

/// Makes data of what the function returned: text stands under `result`, nothing is an empty object.
fn data(output: Output) -> Result<Value> {
    if let Some(structured) = output.structured {
        return Ok(structured);
    }
    if output.content.is_empty() {
        return Ok(json!({}));
    }
    let text = |content: Content| match content {
        Content::Text(text) => Ok(text),
        _ => Err(Error::failed("the output of an agent is data or text; a picture, sound or resource has no place in it")),
    };
    let texts: Vec<String> = output.content.into_iter().map(text).collect::<Result<_>>()?;
    Ok(json!({ "result": texts.join("\n") }))
}

/// Makes the definition, which panics with words where a type cannot be described; the test that `#[agent]` adds.
pub fn check_agent<A: Agent>() {
    assert_eq!(A::definition().name, A::NAME);
}

#[cfg(test)]
mod tests;
