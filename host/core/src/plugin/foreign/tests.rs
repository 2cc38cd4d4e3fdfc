use std::collections::BTreeMap;

use serde_json::json;

use super::{Adopted, Effect, ForeignTool, adopt};
use crate::limit::TOOLS_MAX;

fn tool(name: &str) -> ForeignTool {
    ForeignTool {
        name: name.to_owned(),
        title: None,
        description: "does it".to_owned(),
        input_schema: json!({ "type": "object" }),
        output_schema: None,
    }
}

fn names(adopted: &Adopted) -> Vec<(&str, &str)> {
    adopted.tools.iter().map(|(name, (theirs, _))| (name.as_str(), theirs.as_str())).collect()
}

/// M4, M6: a name is one of ours or the tool is not offered, and none stands in the place of another.
#[test]
fn names_of_a_server_become_ours_or_are_left_out() {
    let adopted = adopt(["search", "Get.Issue", "a/b c", "-x", "", "no\u{200b}", "é", &"x".repeat(49)].map(tool).into(), &BTreeMap::new());
    assert_eq!(names(&adopted), [("a_b_c", "a/b c"), ("get_issue", "Get.Issue"), ("search", "search")]);
    let left_out: Vec<&str> = adopted.left_out.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(left_out, ["-x", "", "no\\u{200b}", "é", &"x".repeat(49)]);

    let twins = adopt(["one", "twin", "TWIN", "tw.in", "tw/in"].map(tool).into(), &BTreeMap::new());
    assert_eq!((names(&twins), twins.left_out.len()), (vec![("one", "one")], 4));
}

#[test]
fn effects_are_the_projects_word() {
    let adopted = adopt(["a", "B"].map(tool).into(), &BTreeMap::from([("b".to_owned(), Effect::Read)]));
    let effects: Vec<Effect> = adopted.tools.values().map(|(_, definition)| definition.effect).collect();
    assert_eq!(effects, [Effect::Once, Effect::Read]);
}

/// M3: what does not show is shown where it is read, and refused where it means something.
#[test]
fn hidden_characters_are_shown_or_refused() {
    let text = ForeignTool {
        title: Some("a\u{202e}".to_owned()),
        description: "warning \u{26a0}\u{fe0f}\n\u{1b}[2J".to_owned(),
        input_schema: json!({ "type": "object", "properties": { "x": { "description": "\u{200b}" } } }),
        ..tool("text")
    };
    let key = ForeignTool { input_schema: json!({ "type": "object", "properties": { "x\u{200b}": {} } }), ..tool("key") };
    let value = ForeignTool { input_schema: json!({ "type": "object", "properties": { "x": { "enum": ["\u{202e}"] } } }), ..tool("value") };
    let adopted = adopt(vec![text, key, value], &BTreeMap::new());
    let definition = &adopted.tools["text"].1;
    assert_eq!(definition.title.as_deref(), Some("a\\u{202e}"));
    assert_eq!(definition.description, "warning \u{26a0}\\u{fe0f}\n\\u{1b}[2J");
    assert_eq!(definition.input_schema["properties"]["x"]["description"], "\\u{200b}");
    let left_out: Vec<&str> = adopted.left_out.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(left_out, ["key", "value"]);
}

/// M7: no schema is fetched, none is without bound, and neither is their number.
#[test]
fn schemas_and_their_number_are_bounded() {
    let far = ForeignTool { input_schema: json!({ "$ref": "https://example.com/x.json" }), ..tool("far") };
    let mut deep = json!({});
    (0..200).for_each(|_| deep = json!({ "items": deep }));
    let deep = ForeignTool { output_schema: Some(deep), ..tool("deep") };
    let long = ForeignTool { description: "x".repeat(5000), ..tool("long") };
    let adopted = adopt(vec![far, deep, long], &BTreeMap::new());
    assert_eq!((adopted.tools.len(), adopted.left_out.len()), (0, 3));

    let many = adopt((0..TOOLS_MAX + 2).map(|number| tool(&format!("t{number}"))).collect(), &BTreeMap::new());
    assert_eq!((many.tools.len(), many.left_out.len()), (TOOLS_MAX, 2));
}

/// Servers generate their schemas with the tools of earlier drafts.
#[test]
fn a_schema_that_names_an_earlier_draft_is_served() {
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": { "limit": { "type": "integer", "format": "uint32", "minimum": 0 } },
        "additionalProperties": false,
    });
    let adopted = adopt(vec![ForeignTool { input_schema: schema, ..tool("search") }], &BTreeMap::new());
    assert_eq!((adopted.tools.len(), adopted.left_out.len()), (1, 0), "{:?}", adopted.left_out);
}
