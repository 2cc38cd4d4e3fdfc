//! JSON ↔ component values, by the rules that `remit_core::plugin::schema` states and derives schemas from.
//!
//! Both directions are driven by the type, never by what a guest sends, and stay within a bound while they convert: arguments in
//! the number of values, results in bytes of JSON.

mod decode;
mod encode;
mod place;

#[cfg(test)]
mod tests;

use remit_core::{
    Error, Result, limit,
    plugin::{
        schema::RESULT,
        text::{visible, visible_lines},
    },
};
use serde_json::{Map, Value};
use wasmtime::component::{
    Type, Val,
    types::{ComponentFunc, ResultType},
};

use place::Place;

/// What a plain function gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It did its work: the structured result, an object; none for a function that gives nothing.
    Output(Option<Value>),
    /// It returned the error side of its `result`: a text of the guest, at most [`limit::GUEST_TEXT_MAX_CHARS`] characters, safe to show.
    Failure(String),
}

impl Outcome {
    /// The structured result as JSON text, or the text of the failure.
    pub(crate) fn into_json(self) -> Result<Option<String>, String> {
        match self {
            Self::Output(structured) => Ok(structured.map(|value| value.to_string())),
            Self::Failure(text) => Err(text),
        }
    }
}

/// The value of type `ty` that `json` stands for.
///
/// # Errors
/// `invalid`: says where (`items[3].name`), what was expected and what was found. `limit` for more than
/// [`limit::ARGUMENT_VALUES_MAX`] values.
pub fn from_json(json: &Value, ty: &Type) -> Result<Val> {
    decode::Decoder::new().value(json, ty, &Place::Root)
}

/// The arguments of `function` from an object with one property for each parameter.
///
/// # Errors
/// As [`from_json`], and `invalid` for a property that is no parameter.
pub fn arguments(json: &Value, function: &ComponentFunc) -> Result<Vec<Val>> {
    let fields = match json {
        Value::Object(fields) => fields,
        other => return Err(Place::Root.expected("an object with the arguments", other)),
    };
    let params: Vec<(&str, Type)> = function.params().collect();
    decode::Decoder::new().fields(fields, params.iter().map(|(name, ty)| (*name, ty)), &Place::Root)
}

/// The JSON of `value`, which has type `ty`, in at most `max_bytes`.
///
/// # Errors
/// `limit` when it would be longer; `host` when `value` is not of type `ty`.
pub fn to_json(value: &Val, ty: &Type, max_bytes: usize) -> Result<Value> {
    encode::Encoder::new(max_bytes).value(value, ty)
}

/// What `function` gave, in at most `max_bytes` of JSON.
///
/// # Errors
/// As [`to_json`].
pub fn outcome(results: &[Val], function: &ComponentFunc, max_bytes: usize) -> Result<Outcome> {
    let (Some(ty), Some(value)) = (function.results().next(), results.first()) else {
        return Ok(Outcome::Output(None));
    };
    match (value, &ty) {
        (Val::Result(Ok(payload)), Type::Result(sides)) => match (payload, sides.ok()) {
            (Some(value), Some(ty)) => output(value, &ty, max_bytes),
            _ => Ok(Outcome::Output(None)),
        },
        (Val::Result(Err(payload)), Type::Result(sides)) => failure(payload.as_deref(), sides, max_bytes),
        _ => output(value, &ty, max_bytes),
    }
}

/// Whether every value of `ty` is a JSON object; the twin of `remit_core::plugin::schema::is_object`.
fn is_object(ty: &Type) -> bool {
    match ty {
        Type::Record(_) => true,
        Type::Map(map) => map.key() == Type::String,
        _ => false,
    }
}

fn output(value: &Val, ty: &Type, max_bytes: usize) -> Result<Outcome> {
    if is_object(ty) {
        return to_json(value, ty, max_bytes).map(|json| Outcome::Output(Some(json)));
    }
    let json = to_json(value, ty, max_bytes.saturating_sub(r#"{"result":}"#.len()))?;
    Ok(Outcome::Output(Some(Value::Object(Map::from_iter([(RESULT.to_owned(), json)])))))
}

fn failure(payload: Option<&Val>, sides: &ResultType, max_bytes: usize) -> Result<Outcome> {
    let text = match (payload, sides.err()) {
        (Some(Val::String(text)), _) => text.clone(),
        (Some(value), Some(ty)) => match to_json(value, &ty, max_bytes)? {
            Value::String(text) => text,
            json => json.to_string(),
        },
        _ => "the function failed and gave no reason".to_owned(),
    };
    Ok(Outcome::Failure(visible_lines(&text, limit::GUEST_TEXT_MAX_CHARS)))
}

/// The error of a value that the engine gave and that is not of its type, or a type that no tool has.
fn foreign(what: &str) -> Error {
    Error::host("a component's value does not fit its type", visible(what, 64))
}
