//! The JSON Schema of one type.

use serde_json::{Map, Value, json};

use crate::plugin::inspect::Shape;

/// JSON Schema 2020-12 of `shape`.
pub(super) fn schema(shape: &Shape) -> Value {
    match shape {
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Integer { signed, bits } => integer(*signed, *bits),
        Shape::Float { .. } => json!({ "anyOf": [{ "type": "number" }, { "type": "string", "enum": ["NaN", "Infinity", "-Infinity"] }] }),
        Shape::Char => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
        Shape::String => json!({ "type": "string" }),
        Shape::List(element) if element.is_byte() => json!({ "type": "string", "contentEncoding": "base64" }),
        Shape::List(element) => json!({ "type": "array", "items": schema(element) }),
        Shape::FixedList(element, length) if element.is_byte() => {
            let chars = u64::from(*length).div_ceil(3) * 4;
            json!({ "type": "string", "contentEncoding": "base64", "minLength": chars, "maxLength": chars })
        }
        Shape::FixedList(element, length) => json!({ "type": "array", "items": schema(element), "minItems": length, "maxItems": length }),
        Shape::Map(key, value) if **key == Shape::String => json!({ "type": "object", "additionalProperties": schema(value) }),
        Shape::Map(key, value) => json!({ "type": "array", "items": tuple([&**key, &**value].into_iter()) }),
        Shape::Tuple(items) => tuple(items.iter()),
        Shape::Record(fields) => record(fields.iter().map(|(name, shape)| (name.as_str(), shape))),
        Shape::Variant(cases) => variant(cases.iter().map(|(name, payload)| (name.as_str(), payload.as_ref()))),
        Shape::Enum(names) => json!({ "type": "string", "enum": names }),
        Shape::Flags(names) => json!({ "type": "array", "items": { "type": "string", "enum": names }, "uniqueItems": true }),
        Shape::Option(inner) => option(inner),
        Shape::Result(ok, err) => variant([("ok", ok.as_deref()), ("err", err.as_deref())].into_iter()),
    }
}

/// An object with these fields, of which those of type `option` may be left out.
pub(super) fn record<'a>(fields: impl Iterator<Item = (&'a str, &'a Shape)>) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, shape) in fields {
        properties.insert(name.to_owned(), schema(shape));
        if !matches!(shape, Shape::Option(_)) {
            required.push(Value::from(name));
        }
    }
    let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if let (Some(object), false) = (object.as_object_mut(), required.is_empty()) {
        object.insert("required".to_owned(), Value::Array(required));
    }
    object
}

fn integer(signed: bool, bits: u8) -> Value {
    match (signed, bits) {
        (false, 64) => json!({ "type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]{1,20}$" }),
        (true, 64) => json!({ "type": ["integer", "string"], "pattern": "^-?[0-9]{1,19}$" }),
        (false, bits) => json!({ "type": "integer", "minimum": 0, "maximum": (1_i64 << bits) - 1 }),
        (true, bits) => json!({ "type": "integer", "minimum": -(1_i64 << (bits - 1)), "maximum": (1_i64 << (bits - 1)) - 1 }),
    }
}

fn tuple<'a>(items: impl ExactSizeIterator<Item = &'a Shape>) -> Value {
    let length = items.len();
    let items: Vec<Value> = items.map(schema).collect();
    json!({ "type": "array", "prefixItems": items, "items": false, "minItems": length, "maxItems": length })
}

/// The names of the cases without payload, or an object with one property for each of the others.
fn variant<'a>(cases: impl Iterator<Item = (&'a str, Option<&'a Shape>)>) -> Value {
    let (mut names, mut choices) = (Vec::new(), Vec::new());
    for (name, payload) in cases {
        match payload {
            Some(shape) => choices.push(wrapped(name, shape)),
            None => names.push(name),
        }
    }
    if !names.is_empty() {
        choices.insert(0, json!({ "type": "string", "enum": names }));
    }
    match <[Value; 1]>::try_from(choices) {
        Ok([only]) => only,
        Err(choices) => json!({ "anyOf": choices }),
    }
}

fn option(inner: &Shape) -> Value {
    let some = if matches!(inner, Shape::Option(_)) { wrapped("some", inner) } else { schema(inner) };
    match some {
        // A type without a list of values takes `null` beside it.
        Value::Object(mut fields) if !fields.contains_key("enum") && fields.get("type").is_some() => {
            let mut kinds = match fields.remove("type") {
                Some(Value::Array(kinds)) => kinds,
                kind => kind.into_iter().collect(),
            };
            kinds.push("null".into());
            fields.insert("type".to_owned(), Value::Array(kinds));
            Value::Object(fields)
        }
        some => json!({ "anyOf": [some, { "type": "null" }] }),
    }
}

fn wrapped(name: &str, shape: &Shape) -> Value {
    json!({ "type": "object", "properties": { name: schema(shape) }, "required": [name], "additionalProperties": false })
}
