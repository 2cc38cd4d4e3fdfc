//! Where in the arguments something stands, built only when an error needs it.

use std::fmt;

use remit_core::{Error, plugin::text::visible};
use serde_json::Value;

/// Longest value or name of the arguments that is shown in an error.
const SHOWN_CHARS: usize = 48;

/// A path into JSON, each step pointing at the one before.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// The whole.
    Root,
    /// A property.
    Field(&'a Place<'a>, &'a str),
    /// An item of an array.
    Index(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    /// As in `items[3].name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(&visible(name, SHOWN_CHARS)),
            Self::Field(parent, name) => write!(f, "{parent}.{}", visible(name, SHOWN_CHARS)),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

impl Place<'_> {
    /// Something else was expected here.
    pub(super) fn expected(&self, what: impl fmt::Display, found: &Value) -> Error {
        self.refuse(format!("expected {what}, found {}", describe(found)))
    }

    /// What stands here is wrong.
    pub(super) fn refuse(&self, why: impl fmt::Display) -> Error {
        match self {
            Self::Root => Error::invalid(format!("invalid arguments: {why}")),
            _ => Error::invalid(format!("invalid arguments: `{self}`: {why}")),
        }
    }
}

/// A value in a few words: short ones as they are, others by their kind.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {}", visible(&number.to_string(), SHOWN_CHARS)),
        Value::String(text) => format!("the text `{}`", visible(text, SHOWN_CHARS)),
        Value::Array(items) => format!("an array of {} items", items.len()),
        Value::Object(fields) => match fields.keys().next() {
            Some(name) => format!("an object with `{}`", visible(name, SHOWN_CHARS)),
            None => "an empty object".to_owned(),
        },
    }
}
