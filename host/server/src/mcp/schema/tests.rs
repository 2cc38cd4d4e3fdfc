use serde_json::json;

use super::*;

fn after(schema: Value) -> Value {
    Value::Object(published(&schema))
}

#[test]
fn formats_that_are_not_standard_are_left_out_wherever_they_stand() {
    let count = json!({ "type": "integer", "format": "uint32" });
    let schema = json!({
        "type": "object",
        "properties": { "count": count, "when": { "type": "string", "format": "date-time" }, "format": { "type": "string" } },
        "$defs": { "one": { "oneOf": [count, { "items": count }] } },
        "additionalProperties": count,
    });
    let clean = json!({ "type": "integer" });
    let expected = json!({
        "type": "object",
        "properties": { "count": clean, "when": { "type": "string", "format": "date-time" }, "format": { "type": "string" } },
        "$defs": { "one": { "oneOf": [clean, { "items": clean }] } },
        "additionalProperties": clean,
    });
    assert_eq!(after(schema), expected);
}

#[test]
fn what_only_looks_like_a_keyword_stays() {
    let schema = json!({ "type": "object", "properties": { "kind": { "const": { "format": "uint32", "x-mcp-header": "A" } } } });
    assert_eq!(after(schema.clone()), schema);
    let named = json!({ "type": "object", "properties": { "x-mcp-header": { "type": "string" } } });
    assert_eq!(after(named.clone()), named);
    assert!(![schema, named].iter().any(asks_for_headers));
}

#[test]
fn a_schema_says_that_it_is_of_an_object() {
    assert_eq!(after(json!({})), json!({ "type": "object" }));
    assert_eq!(after(json!({ "type": "object", "properties": {} })), json!({ "type": "object", "properties": {} }));
}

#[test]
fn a_schema_that_wants_headers_is_known_by_it() {
    let asking = json!({ "type": "string", "x-mcp-header": "Authorization" });
    for schema in [json!({ "properties": { "a": asking } }), json!({ "properties": { "a": { "anyOf": [asking] } } }), asking] {
        assert!(asks_for_headers(&schema), "{schema}");
    }
}
