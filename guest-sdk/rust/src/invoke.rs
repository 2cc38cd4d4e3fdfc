use serde::Serialize;

use crate::{Output, Result};

/// Calls another tool by its id `plugin/tool`, within what the caller holds; capability `tools`.
///
/// # Errors
///
/// `Denied` where the right is missing, else what the tool answers.
pub fn invoke(tool: &str, arguments: &impl Serialize) -> Result<Output> {
    crate::host::invoke(tool, &serde_json::to_string(arguments)?)
}
