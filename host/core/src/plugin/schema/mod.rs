//! Tools of plain components: JSON Schemas derived from WIT types.
//!
//! The same rules hold for values, in both directions:
//!
//! | WIT | JSON |
//! |---|---|
//! | `bool`, `string` | as they are |
//! | `u8`…`u32`, `s8`…`s32` | an integer in range |
//! | `u64`, `s64` | an integer, or a string of digits; beyond ±(2⁵³ − 1) always given back as a string |
//! | `f32`, `f64` | a number, or `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | `char` | a string of one code point |
//! | `list<u8>` | a string in base64 (standard alphabet; padding may be left out where the length is free) |
//! | `list<T>`, `list<T, N>` | an array; of exactly N items. `list<u8, N>` is base64 too |
//! | `tuple<A, B>` | an array with one item for each type |
//! | `record` | an object; fields of type `option` may be left out, other keys are refused |
//! | `option<T>` | `null` or T; where T may itself be `null`, `{"some": T}` |
//! | `enum` | its name |
//! | `flags` | an array of the names that are set |
//! | `variant` | the name of a case without payload, else `{"name": payload}` |
//! | `result<T, E>` inside a value | like a variant with the cases `ok` and `err` |
//! | `map<string, V>` | an object; the last one of two equal keys counts |
//! | `map<K, V>` | an array of pairs `[key, value]` |
//!
//! Arguments are an object with one property for each parameter. A result that is a record or a `map<string, V>` stands as it is,
//! every other one as `{"result": …}`. Of a function that returns `result<T, E>`, T is the result and E the text of a failure.

mod description;
mod types;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Definition, Effect,
    inspect::{Inspection, NotOffered, PlainFunction, Shape},
};
use crate::limit;

/// The property that holds a result which is no object.
pub const RESULT: &str = "result";

/// Derives a definition for each plain function of `inspection`.
///
/// `descriptions` and `effects` go by the name of the tool, as `[tools.<name>]` in `plugin.toml` and `remit.toml` do. A description
/// that is missing is made of names and types; an effect that is missing is [`Effect::Once`].
///
/// Gives the tools, each with the function that it calls, and the functions that are none, those of the inspection included.
pub fn definitions(
    inspection: &Inspection,
    descriptions: &BTreeMap<String, String>,
    effects: &BTreeMap<String, Effect>,
) -> (Vec<(Definition, PlainFunction)>, Vec<NotOffered>) {
    let (mut tools, mut not_offered) = (Vec::new(), inspection.not_offered.clone());
    for function in &inspection.functions {
        let input_schema = input(function);
        let output_schema = output(function);
        if let Some(reason) = too_large(&input_schema).or_else(|| output_schema.as_ref().and_then(too_large)) {
            not_offered.push(NotOffered { name: function.tool.clone(), reason });
            continue;
        }
        let definition = Definition {
            name: function.tool.clone(),
            title: None,
            description: descriptions.get(&function.tool).cloned().unwrap_or_else(|| description::of(function)),
            input_schema,
            output_schema,
            effect: effects.get(&function.tool).copied().unwrap_or(Effect::Once),
        };
        tools.push((definition, function.clone()));
    }
    (tools, not_offered)
}

/// JSON Schema of the arguments.
pub fn input(function: &PlainFunction) -> Value {
    types::record(function.params.iter().map(|param| (param.name.as_str(), &param.shape)))
}

/// JSON Schema of the result; none for a function that gives nothing.
pub fn output(function: &PlainFunction) -> Option<Value> {
    let shape = match function.result.as_ref()? {
        Shape::Result(ok, _) => ok.as_deref()?,
        other => other,
    };
    let schema = types::schema(shape);
    if is_object(shape) {
        return Some(schema);
    }
    Some(json!({ "type": "object", "properties": { RESULT: schema }, "required": [RESULT], "additionalProperties": false }))
}

/// Whether every value of `shape` is a JSON object, so that it can be a result as it stands.
pub fn is_object(shape: &Shape) -> bool {
    match shape {
        Shape::Record(_) => true,
        Shape::Map(key, _) => **key == Shape::String,
        _ => false,
    }
}

/// Why a schema cannot be offered, if so.
fn too_large(schema: &Value) -> Option<String> {
    if depth(schema) > limit::JSON_MAX_DEPTH {
        return Some(format!("its schema is nested deeper than {} levels", limit::JSON_MAX_DEPTH));
    }
    let bytes = schema.to_string().len();
    (bytes > limit::SCHEMA_MAX_BYTES).then(|| format!("its schema is larger than {} KiB", limit::SCHEMA_MAX_BYTES >> 10))
}

/// Levels of arrays and objects. The recursion is bounded by the depth of types that an inspection lets through.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}
