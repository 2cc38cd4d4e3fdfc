//! What a definition must be before anybody sees it or it is approved.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Definition,
    text::{visible, visible_lines},
};
use crate::{
    Error, Result,
    limit::{JSON_MAX_DEPTH, SCHEMA_MAX_BYTES, TOOL_NAME_MAX_CHARS, TOOLS_MAX},
};

/// Longest description of a tool, in bytes: what a model reads of it stays small.
pub const DESCRIPTION_MAX_BYTES: usize = 4 << 10;
/// Longest title of a tool, in bytes.
pub const TITLE_MAX_BYTES: usize = 128;
/// Largest compiled pattern of a schema, in bytes: a short pattern can mean a huge machine.
const PATTERN_MAX_BYTES: usize = 1 << 20;

/// Checks the name of a tool: `[a-z0-9][a-z0-9_-]*`, at most [`TOOL_NAME_MAX_CHARS`] characters.
///
/// # Errors
/// `invalid`, with the accepted form.
pub fn check_tool_name(name: &str) -> Result<()> {
    let body = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let fits = name.len() <= TOOL_NAME_MAX_CHARS
        && name.bytes().next().is_some_and(body)
        && name.bytes().all(|b| body(b) || b == b'_' || b == b'-');
    if fits {
        return Ok(());
    }
    Err(Error::invalid(format!("`{}` is not a name for a tool", visible(name, 64))).hint(format!(
        "use lowercase letters, digits, `-` and `_`, starting with a letter or digit, at most {TOOL_NAME_MAX_CHARS} characters"
    )))
}

/// Checks all tools of a plugin: each by [`Definition::check`], their number, and that no two share a name.
///
/// # Errors
/// `limit` when there are more than [`TOOLS_MAX`]; `invalid` otherwise, naming the tool.
pub fn check_definitions(tools: &[Definition]) -> Result<()> {
    check_names(tools)?;
    tools.iter().try_for_each(Definition::check)
}

/// The part of [`check_definitions`] that holds for every list of tools, new or already approved.
pub(super) fn check_names(tools: &[Definition]) -> Result<()> {
    if tools.len() > TOOLS_MAX {
        return Err(Error::limit(format!("it offers {} tools, more than {TOOLS_MAX}", tools.len())).hint("divide it into several plugins"));
    }
    let mut seen = BTreeSet::new();
    for tool in tools {
        check_tool_name(&tool.name)?;
        if !seen.insert(tool.name.as_str()) {
            return Err(Error::invalid(format!("it offers two tools named `{}`", tool.name)).hint("names of tools are unique in a plugin"));
        }
    }
    Ok(())
}

/// Compiles a JSON Schema 2020-12. It never fetches anything: a `$ref` leads to a place in the same schema or is refused.
///
/// # Errors
/// `limit` when the schema is larger than [`SCHEMA_MAX_BYTES`] or deeper than [`JSON_MAX_DEPTH`]; `invalid` when it is not an object, refers to
/// something outside itself, holds hidden characters, or means nothing as a schema.
pub fn compile_schema(schema: &Value) -> Result<jsonschema::Validator> {
    check_depth(schema, JSON_MAX_DEPTH)?;
    let size = serde_json::to_string(schema).map_err(|error| Error::host("the schema could not be measured", error))?.len();
    if size > SCHEMA_MAX_BYTES {
        return Err(Error::limit(format!("its schema has {size} bytes, more than {SCHEMA_MAX_BYTES}")));
    }
    if !schema.is_object() {
        return Err(Error::invalid("its schema is not an object").hint("write `{\"type\": \"object\"}` for a tool without arguments"));
    }
    check_contents(schema)?;
    let patterns = jsonschema::PatternOptions::fancy_regex().backtrack_limit(100_000).size_limit(PATTERN_MAX_BYTES);
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .offline()
        .with_pattern_options(patterns)
        .build(schema)
        .map_err(|error| Error::invalid(format!("its schema is not a JSON Schema 2020-12: {}", visible(&error.to_string(), 240))))
}

impl Definition {
    /// Checks the definition: its name, that every text can be seen as it is, that both schemas compile, and every bound.
    ///
    /// # Errors
    /// `limit` and `invalid`, naming the tool and what is wrong with it.
    pub fn check(&self) -> Result<()> {
        check_tool_name(&self.name)?;
        let about = |error: Error, what: &str| {
            let message = format!("tool `{}`, {what}: {}", self.name, error.message);
            Error { message, ..error }
        };
        if let Some(title) = &self.title {
            check_text(title, TITLE_MAX_BYTES, visible).map_err(|error| about(error, "title"))?;
        }
        check_text(&self.description, DESCRIPTION_MAX_BYTES, visible_lines).map_err(|error| about(error, "description"))?;
        compile_schema(&self.input_schema).map_err(|error| about(error, "input schema"))?;
        match &self.output_schema {
            Some(schema) => compile_schema(schema).map(drop).map_err(|error| about(error, "output schema")),
            None => Ok(()),
        }
    }
}

/// Checks that `text` is within its bound and shows as what it is (M3).
pub(super) fn check_text(text: &str, max_bytes: usize, show: fn(&str, usize) -> String) -> Result<()> {
    if text.len() > max_bytes {
        return Err(Error::limit(format!("it has {} bytes, more than {max_bytes}", text.len())));
    }
    let plain = text.replace("\r\n", "\n");
    match show(&plain, usize::MAX) == plain {
        true => Ok(()),
        false => Err(Error::invalid(format!("it holds characters that do not show: `{}`", visible(text, 80)))
            .hint("remove control, bidirectional and zero-width characters")),
    }
}

fn check_depth(value: &Value, left: usize) -> Result<()> {
    let Some(left) = left.checked_sub(1) else {
        return Err(Error::limit(format!("its schema is nested deeper than {JSON_MAX_DEPTH} levels")));
    };
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| check_depth(item, left)),
        Value::Object(entries) => entries.values().try_for_each(|item| check_depth(item, left)),
        _ => Ok(()),
    }
}

/// Checks texts and references anywhere in a schema whose depth is bounded.
fn check_contents(value: &Value) -> Result<()> {
    match value {
        Value::String(text) => check_text(text, SCHEMA_MAX_BYTES, visible_lines),
        Value::Array(items) => items.iter().try_for_each(check_contents),
        Value::Object(entries) => entries.iter().try_for_each(|(key, item)| {
            check_text(key, SCHEMA_MAX_BYTES, visible)?;
            match item.as_str() {
                Some(target) if matches!(key.as_str(), "$ref" | "$dynamicRef") && !target.starts_with('#') => {
                    Err(Error::invalid(format!("its schema refers to `{}`, outside itself", visible(target, 96)))
                        .hint("copy what it refers to into `$defs` and write `#/$defs/…`"))
                }
                _ => check_contents(item),
            }
        }),
        _ => Ok(()),
    }
}
