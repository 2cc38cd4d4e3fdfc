use super::*;

/// Everything that a tool may take.
#[remit::data]
struct Everything {
    /// A file.
    path: String,
    /// How many lines.
    count: u32,
    size: u64,
    ratio: f64,
    /// The named `format` is a property and stays.
    format: Option<String>,
    mode: Mode,
    tree: Vec<Tree>,
}

/// How.
#[remit::data]
#[serde(rename_all = "kebab-case")]
enum Mode {
    /// Quickly.
    Fast,
    VerySlow,
}

#[remit::data]
struct Tree {
    children: Vec<Tree>,
}

#[remit::data]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Choice {
    File { path: String },
    Url { url: String },
}

#[remit::data]
enum Sometimes {
    Nothing,
    Something { a: u8 },
}

#[remit::data]
struct Name(String);

/// Walks everything and tells the formats that are left.
fn formats(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            found.extend(map.get("format").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| formats(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| formats(value, found)),
        _ => {}
    }
}

#[test]
fn a_schema_has_no_word_that_only_rust_knows() {
    let schema = input::<Everything>("tool `t`");
    let mut found = Vec::new();
    formats(&schema, &mut found);
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(schema.get("$schema"), None);
    assert_eq!(schema.get("title"), None);
    assert_eq!(schema["description"], "Everything that a tool may take.");
    assert_eq!(
        schema["properties"]["count"],
        json!({ "description": "How many lines.", "type": "integer", "minimum": 0, "maximum": u32::MAX })
    );
    assert_eq!(schema["properties"]["size"], json!({ "type": "integer", "minimum": 0 }));
    assert_eq!(schema["properties"]["format"]["type"], json!(["string", "null"]));
    assert_eq!(schema["required"], json!(["path", "count", "size", "ratio", "mode", "tree"]));
}

/// Finds each reference in a schema.
fn references(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

/// Checks that each reference leads to the schema of a tree, and that there is one.
#[track_caller]
fn leads_to_trees(schema: &Value) {
    let mut found = Vec::new();
    references(schema, &mut found);
    assert!(!found.is_empty(), "{schema:#}");
    for reference in found {
        let target = schema.pointer(reference.strip_prefix('#').unwrap());
        assert!(target.is_some_and(|target| target["properties"]["children"].is_object()), "`{reference}` in {schema:#}");
    }
}

#[test]
fn types_are_inlined_unless_they_contain_themselves() {
    let schema = input::<Everything>("tool `t`");
    assert!(schema["properties"]["mode"].get("$ref").is_none(), "{schema:#}");
    leads_to_trees(&schema);
    leads_to_trees(&input::<Tree>("tool `t`"));
}

#[test]
fn a_list_of_recursive_values_keeps_its_references_under_result() {
    leads_to_trees(&output::<Vec<Tree>>().unwrap());
}

#[test]
fn a_tagged_enum_is_an_object() {
    let schema = input::<Choice>("tool `t`");
    assert_eq!(schema["type"], "object");
    assert_eq!(schema["oneOf"].as_array().map(Vec::len), Some(2));
}

#[test]
#[should_panic(expected = "the tool `shout` does not take a JSON object")]
fn arguments_that_are_no_object_are_refused_with_words() {
    input::<Name>("tool `shout`");
}

#[test]
#[should_panic(expected = "`Sometimes` is sometimes a JSON object")]
fn a_result_that_is_sometimes_an_object_is_refused_with_words() {
    output::<Sometimes>();
}

#[test]
fn any_value_has_no_schema() {
    assert_eq!(output::<Value>(), None);
}
