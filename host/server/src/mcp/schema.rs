//! JSON Schemas as clients get them.

use serde_json::{Map, Value};

/// Formats that JSON Schema 2020-12 knows. Clients warn of others, such as `uint32`, or refuse the tool.
const FORMATS: [&str; 19] = [
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
/// Keywords whose value is a schema, or a list of them.
const NESTED: [&str; 15] = [
    "items",
    "prefixItems",
    "contains",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
    "if",
    "then",
    "else",
    "not",
    "allOf",
    "anyOf",
    "oneOf",
];
/// Keywords whose value maps names to schemas.
const NAMED: [&str; 5] = ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"];
/// Asks a client to repeat an argument as a header of HTTP.
const HEADER: &str = "x-mcp-header";

/// `schema` as it is published: it says that it is of an object, and has no formats that are not standard.
///
/// The recursion here is bounded by the depth that a definition may have.
pub fn published(schema: &Value) -> Map<String, Value> {
    let mut schema = schema.as_object().cloned().unwrap_or_default();
    schema.entry("type").or_insert_with(|| "object".into());
    each(&mut schema, &mut |schema| {
        if schema.get("format").and_then(Value::as_str).is_some_and(|format| !FORMATS.contains(&format)) {
            schema.remove("format");
        }
    });
    schema
}

/// `schema` as a part of another one, in which it stands at `place`: what it refers to in itself is found there.
pub fn nested(schema: &Value, place: &str) -> Value {
    let mut schema = schema.as_object().cloned().unwrap_or_default();
    schema.remove("$schema");
    each(&mut schema, &mut |schema| {
        if let Some(Value::String(to)) = schema.get_mut("$ref")
            && let Some(within) = to.strip_prefix('#').filter(|within| within.is_empty() || within.starts_with('/'))
        {
            *to = format!("{place}{within}");
        }
    });
    schema.into()
}

/// Whether `schema` asks clients to repeat arguments as headers (M6).
pub fn asks_for_headers(schema: &Value) -> bool {
    let (mut schema, mut asks) = (schema.as_object().cloned().unwrap_or_default(), false);
    each(&mut schema, &mut |schema| asks |= schema.contains_key(HEADER));
    asks
}

/// Visits a schema and those in it.
fn each(schema: &mut Map<String, Value>, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    visit(schema);
    for (keyword, value) in schema {
        match value {
            Value::Object(named) if NAMED.contains(&keyword.as_str()) => named.values_mut().for_each(|value| each_of(value, visit)),
            value if NESTED.contains(&keyword.as_str()) => each_of(value, visit),
            _ => {}
        }
    }
}

fn each_of(value: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(schema) => each(schema, visit),
        Value::Array(schemas) => schemas.iter_mut().for_each(|schema| each_of(schema, visit)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
