//! JSON Schemas as tool callers like them: 2020-12, without references where none is needed, an object at the top.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// The formats that JSON Schema 2020-12 names; every other one is dropped, since validators and model APIs refuse what they do not know.
const FORMATS: &[&str] = &[
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uuid",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];

/// What the values of a type are, seen from JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Object,
    Other,
    Mixed,
}

/// Returns the schema of what `owner` takes, such as ``tool `greet` ``.
///
/// # Panics
///
/// Where the type is not an object in JSON: `remit build` and the test that the macros add show the words.
pub fn input<T: JsonSchema>(owner: &str) -> Value {
    let mut schema = clean::<T>(SchemaSettings::draft2020_12().for_deserialize());
    let shape = shape(&schema);
    assert!(
        shape == Shape::Object,
        "the {owner} does not take a JSON object; give it one struct with named fields, or an enum whose variants have named fields and `#[serde(tag = \"…\")]`"
    );
    schema.entry("type").or_insert_with(|| json!("object"));
    Value::Object(schema)
}

/// Returns the schema of a tool without arguments: an empty object.
pub fn nothing() -> Value {
    json!({ "type": "object", "properties": {}, "additionalProperties": false })
}

/// Returns the schema of what a tool gives back, or none where the type may be any JSON value.
///
/// What is not an object stands under `result`, as in [`crate::Output::json`].
///
/// # Panics
///
/// Where some values of the type are objects and some are not.
#[allow(clippy::panic, reason = "the author's mistake, shown where definitions are made and never on a call")]
pub fn output<T: JsonSchema>() -> Option<Value> {
    let mut schema = clean::<T>(SchemaSettings::draft2020_12().for_serialize());
    if schema.is_empty() {
        return None;
    }
    match shape(&schema) {
        Shape::Object => {
            schema.entry("type").or_insert_with(|| json!("object"));
            Some(Value::Object(schema))
        }
        Shape::Other => {
            let definitions = schema.remove("$defs");
            let mut wrapped = json!({ "type": "object", "properties": { "result": schema }, "required": ["result"] });
            if let (Some(definitions), Some(object)) = (definitions, wrapped.as_object_mut()) {
                object.insert("$defs".into(), definitions);
            }
            Some(wrapped)
        }
        Shape::Mixed => {
            panic!("the result `{}` is sometimes a JSON object and sometimes not; put it into a field of a struct", T::schema_name())
        }
    }
}

/// Generates the schema of a type and takes out what only Rust knows.
fn clean<T: JsonSchema>(mut settings: SchemaSettings) -> Map<String, Value> {
    settings.meta_schema = None;
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(standardize).transform(&mut schema);
    let mut map = match schema.to_value() {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    if map.get("title").and_then(Value::as_str) == Some(&*T::schema_name()) {
        map.remove("title");
    }
    map
}

/// Replaces a format that only Rust knows by the bounds that it stands for.
fn standardize(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    let Some(format) = object.get("format").and_then(Value::as_str).map(str::to_owned) else { return };
    if FORMATS.contains(&format.as_str()) {
        return;
    }
    object.remove("format");
    let bounds: Option<(i64, i64)> = match format.as_str() {
        "int8" => Some((i8::MIN.into(), i8::MAX.into())),
        "int16" => Some((i16::MIN.into(), i16::MAX.into())),
        "int32" => Some((i32::MIN.into(), i32::MAX.into())),
        "uint8" => Some((0, u8::MAX.into())),
        "uint16" => Some((0, u16::MAX.into())),
        "uint32" => Some((0, u32::MAX.into())),
        _ => None,
    };
    if let Some((minimum, maximum)) = bounds {
        object.entry("minimum").or_insert_with(|| minimum.into());
        object.entry("maximum").or_insert_with(|| maximum.into());
    }
}

/// Tells whether the values that a schema allows are objects.
fn shape(schema: &Map<String, Value>) -> Shape {
    if let Some(kind) = schema.get("type") {
        return match kind {
            Value::String(name) if name == "object" => Shape::Object,
            Value::Array(names) if names.iter().any(|name| name == "object") => Shape::Mixed,
            _ => Shape::Other,
        };
    }
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/"))
        && let Some(Value::Object(target)) = schema.get("$defs").and_then(|all| all.get(name))
    {
        return shape(target);
    }
    if let Some(value) = schema.get("const") {
        return if value.is_object() { Shape::Object } else { Shape::Other };
    }
    let branches = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array);
    let mut shapes = branches.into_iter().flatten().map(|branch| branch.as_object().map_or(Shape::Mixed, shape));
    let Some(first) = shapes.next() else {
        return if schema.contains_key("enum") { Shape::Other } else { Shape::Mixed };
    };
    if shapes.all(|shape| shape == first) { first } else { Shape::Mixed }
}

#[cfg(test)]
mod tests;
