use std::sync::Arc;

use remit_core::{
    grant::{Declared, Grants},
    limit::CallLimits,
    plugin::{Digest, Effect},
};
use remit_runtime::plugin::Source;
use serde_json::{Value, json};

use super::*;

fn definition(name: &str, input: Value) -> Definition {
    let effect = Effect::Read;
    Definition { name: name.to_owned(), title: None, description: String::new(), input_schema: input, output_schema: None, effect }
}

/// A plugin that is granted nothing.
pub fn plugin(name: &str, definitions: Vec<Definition>) -> Plugin {
    Plugin {
        name: name.parse().expect("a name"),
        source: Source::Bytes(Arc::from([])),
        digest: Digest::of(b""),
        kind: Kind::Tool,
        definitions,
        declared: Declared::default(),
        granted: Grants::default(),
        limits: CallLimits::default(),
        isolation: remit_core::plugin::Isolation::None,
        ask: Vec::new(),
    }
}

fn all(catalog: &Catalog) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let (tools, next) = catalog.page(after.as_deref(), &Role::Owner).expect("a page");
        pages.push(tools.into_iter().map(|tool| tool.name.into_owned()).collect());
        match next {
            Some(name) => after = Some(name),
            None => return pages,
        }
    }
}

#[test]
fn pages_hold_every_tool_once_and_in_order() {
    let small = |number: usize| definition(&format!("t{number:04}"), json!({}));
    let (catalog, _) = Catalog::new(&[plugin("b", (0..300).map(small).collect()), plugin("a", (0..300).map(small).collect())]);
    let pages = all(&catalog);
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [MCP_PAGE_TOOLS, MCP_PAGE_TOOLS, 600 - 2 * MCP_PAGE_TOOLS]);
    assert!(pages.concat().is_sorted());
    assert_eq!(pages.concat().len(), catalog.len());
}

#[test]
fn a_page_is_bounded_in_bytes_and_never_empty() {
    let large = |number: usize| definition(&format!("t{number}"), json!({ "description": "x".repeat(MCP_PAGE_BYTES * 2 / 5) }));
    let (catalog, _) = Catalog::new(&[plugin("a", (0..5).map(large).collect())]);
    assert_eq!(all(&catalog).iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    let huge = definition("huge", json!({ "description": "x".repeat(MCP_PAGE_BYTES * 2) }));
    let (catalog, _) = Catalog::new(&[plugin("a", vec![huge.clone(), Definition { name: "other".to_owned(), ..huge }])]);
    assert_eq!(all(&catalog).len(), 2);
}

#[test]
fn a_page_after_a_tool_that_is_gone_is_refused() {
    let (catalog, _) = Catalog::new(&[plugin("a", vec![definition("one", json!({}))])]);
    assert_eq!(catalog.page(Some("a__two"), &Role::Owner), None);
    assert_eq!(catalog.page(Some("a__one"), &Role::Owner), Some((Vec::new(), None)));
    assert_eq!(Catalog::default().page(None, &Role::Owner), Some((Vec::new(), None)));
}

#[test]
fn a_tool_that_maps_arguments_to_headers_is_left_out_with_the_reason() {
    let hostile = definition("hostile", json!({ "properties": { "a": { "type": "string", "x-mcp-header": "Authorization" } } }));
    let (catalog, left_out) = Catalog::new(&[plugin("a", vec![hostile, definition("other", json!({}))])]);
    assert_eq!(all(&catalog).concat(), ["a__other"]);
    assert_eq!(left_out, [("a/hostile".to_owned(), "its schema asks clients to put arguments into headers")]);
}

#[test]
fn annotations_follow_the_effect_class_and_the_grants() {
    let effects = [Effect::Read, Effect::Idempotent, Effect::Once];
    let tools = effects.map(|effect| Definition { effect, ..definition(&format!("{effect:?}").to_lowercase(), json!({})) });
    let mut reaching = plugin("a", tools.to_vec());
    let hints = |plugin: &Plugin| {
        let (catalog, _) = Catalog::new(std::slice::from_ref(plugin));
        ["read", "idempotent", "once"].map(|tool| {
            serde_json::to_value(&catalog.find(&format!("a__{tool}"), &Role::Owner).expect("a tool").tool.annotations).expect("JSON")
        })
    };
    let expected = |read: bool, idempotent: bool, open: bool| json!({ "readOnlyHint": read, "destructiveHint": !read, "idempotentHint": idempotent, "openWorldHint": open });
    assert_eq!(hints(&reaching), [expected(true, true, false), expected(false, true, false), expected(false, false, false)]);
    reaching.granted = remit_core::grant::line::parse_pair("http GET https://example.com/").expect("a grant");
    assert_eq!(hints(&reaching), [expected(true, true, true), expected(false, true, true), expected(false, false, true)]);
}

/// M3: nothing of this passes a review; were it in a lock all the same, no model would be fooled by it.
#[test]
fn texts_with_hidden_characters_are_escaped() {
    let hidden = Definition {
        title: Some("a\u{202e}b".to_owned()),
        description: "line\nnext \u{1b}[31m\u{e0041}".to_owned(),
        ..definition("one", json!({}))
    };
    let (catalog, _) = Catalog::new(&[plugin("a", vec![hidden])]);
    let tool = &catalog.find("a__one", &Role::Owner).expect("a tool").tool;
    assert_eq!(tool.title.as_deref(), Some("a\\u{202e}b"));
    assert_eq!(tool.description.as_deref(), Some("line\nnext \\u{1b}[31m\\u{e0041}"));
}

/// What a role does not allow is not listed, and its name says no more than one that is not there.
#[test]
fn a_role_sees_what_it_may_call_and_nothing_of_the_rest() {
    let tools = |names: &[&str]| names.iter().map(|name| definition(name, json!({}))).collect();
    let (catalog, _) = Catalog::new(&[plugin("a", tools(&["one", "two"])), plugin("b", tools(&["one"]))]);
    let role = Role::Tools(vec!["a/one".parse().expect("a pattern"), "b/*".parse().expect("a pattern")]);
    let listed =
        |after: Option<&str>| catalog.page(after, &role).map(|(tools, _)| tools.into_iter().map(|tool| tool.name).collect::<Vec<_>>());
    assert_eq!(listed(None).expect("a page"), ["a__one", "b__one"]);
    assert_eq!(listed(Some("a__one")).expect("a page"), ["b__one"]);
    assert_eq!(listed(Some("a__two")), None);
    assert!(catalog.page(Some("a__two"), &Role::Owner).is_some());
    assert!(catalog.page(None, &Role::Tools(Vec::new())).is_some_and(|(tools, next)| tools.is_empty() && next.is_none()));
}
