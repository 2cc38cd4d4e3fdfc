use remit_core::{
    plugin::{Definition, Effect},
    project::{Mcp, ToolSearch},
};

use super::{super::catalog::tests::plugin, *};

fn definition(name: &str, description: &str, arguments: Value) -> Definition {
    let input_schema = json!({ "type": "object", "properties": arguments });
    let description = description.to_owned();
    Definition { name: name.to_owned(), title: None, description, input_schema, output_schema: None, effect: Effect::Once }
}

fn catalog(definitions: Vec<Definition>) -> Catalog {
    let (catalog, left_out) = Catalog::new(&[plugin("desk", definitions)]);
    assert_eq!(left_out, []);
    catalog.searched(&Mcp { search: ToolSearch::Always, listed: vec!["desk/reply*".parse().expect("a pattern")] })
}

fn desk() -> Catalog {
    let email = json!({ "to": { "type": "string", "description": "Who gets the email" } });
    catalog(vec![
        definition("list_tickets", "Lists the tickets that are open", json!({})),
        definition("closeTicket", "Ends one", json!({ "reason": {} })),
        definition("reply", "Answers the person who wrote a ticket", email),
        definition("weather", "Says how warm it is", json!({})),
    ])
}

fn all(catalog: &Catalog) -> Vec<&Offer> {
    catalog.open_to(&Role::Owner).collect()
}

fn names(catalog: &Catalog, query: &str) -> Vec<String> {
    ranked(&all(catalog), query).iter().map(|offer| offer.name.clone()).collect()
}

#[test]
fn a_tool_is_found_by_its_name_its_description_and_its_arguments() {
    let desk = desk();
    assert_eq!(names(&desk, "What is the WEATHER?")[0], "weather");
    assert_eq!(names(&desk, "warm"), ["weather"]);
    assert_eq!(names(&desk, "reason"), ["closeTicket"]);
    assert_eq!(names(&desk, "emails"), ["reply"]);
    assert_eq!(names(&desk, "desk__list_tickets")[0], "list_tickets");
    assert_eq!(names(&desk, "close a ticket")[0], "closeTicket", "a rare word counts for more");
    assert_eq!(names(&desk, "ticket").last().map(String::as_str), Some("reply"), "a name counts for more than a description");
    assert_eq!((names(&desk, "nonsense"), names(&desk, " ?! ")), (vec![], vec![]));
    assert_eq!(names(&Catalog::default(), "ticket"), Vec::<String>::new());
}

#[test]
fn tools_that_are_as_good_come_in_the_order_of_their_names() {
    let same: Vec<Definition> = (0..9).rev().map(|number| definition(&format!("same{number}"), "Does the same", json!({}))).collect();
    let found = names(&catalog(same), "same");
    assert!(found.len() == 9 && found.is_sorted(), "{found:?}");
}

/// The figures of the formula, by hand: two tools, a word that one of them has once among five, the other has three words.
#[test]
fn the_order_is_that_of_bm25() {
    let words = |text: &str| Words::of(&Tool::new("a", text.to_owned(), JsonObject::new()));
    let [long, short] = [words("b c d e"), words("b")];
    assert_eq!((long.length, short.length, long.times["a"], long.times["b"]), (7, 4, NAME_WEIGHT, 1));
    let two = catalog(vec![definition("x", "b c d e", json!({})), definition("y", "b", json!({}))]);
    assert_eq!(names(&two, "b"), ["y", "x"], "among fewer words one counts for more");
}

#[test]
fn words_are_apart_and_alike() {
    let all = |text: &str| words(text).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
    assert_eq!(all("listOpen_tickets-HTTP2, Größe"), ["größe", "http2", "list", "open", "ticket"]);
    assert_eq!(all("is class classes bus"), ["bus", "class", "classe", "is"]);
    assert_eq!(all("ÄbcÄbc"), ["äbc"]);
}

/// M7, M14: neither a query nor a definition makes a search long.
#[test]
fn queries_definitions_and_answers_are_bounded() {
    let huge = "word ".repeat(MCP_SEARCHED_WORDS * 2);
    assert!(Words::of(&Tool::new("a", huge, JsonObject::new())).length <= MCP_SEARCHED_WORDS as u32 + NAME_WEIGHT);
    let desk = desk();
    for wrong in [
        json!({}),
        json!({ "query": 3 }),
        json!({ "query": "x".repeat(MCP_QUERY_MAX_BYTES + 1) }),
        json!({ "query": "x", "limit": 0 }),
        json!({ "query": "x", "limit": MCP_FOUND_MAX + 1 }),
        json!({ "query": "x", "limit": "3" }),
        json!({ "query": "x", "plugin": "desk" }),
    ] {
        let refused = answer(&desk, &Role::Owner, wrong.as_object().expect("an object"));
        assert_eq!((refused.is_error, refused.structured_content), (Some(true), None), "{wrong}");
    }
    let large = |number: usize| definition(&format!("t{number}"), "Is large", json!({ "a": { "description": "x ".repeat(60 << 10) } }));
    let large = catalog((0..8).map(large).collect());
    assert_eq!(found(&all(&large), "large", 8)["tools"].as_array().map(Vec::len), Some(2));
    assert_eq!(found(&all(&large), "large", 8)["more"], 6);
    assert_eq!(found(&all(&large), "large", 1)["tools"][0]["name"], "desk__t0");
}

#[test]
fn what_is_found_is_the_definition_as_a_list_has_it() {
    let desk = desk();
    let heard = answer(&desk, &Role::Owner, json!({ "query": "email" }).as_object().expect("an object"));
    let structured = heard.structured_content.expect("it promises that");
    let listed = desk.find("desk__reply", &Role::Owner).expect("it is there").tool.clone();
    assert_eq!(structured, json!({ "tools": [listed], "more": 0 }));
    let promised = tools().into_iter().find(|tool| tool.name == SEARCH).and_then(|tool| tool.output_schema).expect("a promise");
    let promised = remit_core::plugin::compile_schema(&Value::Object(promised.as_ref().clone())).expect("a schema");
    assert!(promised.is_valid(&structured));
}

#[test]
fn who_may_call_some_tools_finds_and_calls_no_others() {
    let (desk, role) = (desk(), Role::Tools(vec!["desk/reply".parse().expect("a pattern")]));
    let query = json!({ "query": "ticket weather" });
    let found = answer(&desk, &role, query.as_object().expect("an object")).structured_content.expect("definitions");
    assert_eq!(
        (found["tools"].as_array().map(Vec::len), &found["tools"][0]["name"], &found["more"]),
        (Some(1), &json!("desk__reply"), &json!(0))
    );
    let call = |name: &str| called(&desk, &role, json!({ "name": name }).as_object().cloned().expect("an object"));
    assert!(call("desk__reply").is_ok());
    let (closed, absent) = (call("desk__closeTicket").unwrap_err(), call("desk__nonsense").unwrap_err());
    assert_eq!(closed.to_string().replace("closeTicket", "nonsense"), absent.to_string());
}

#[test]
fn the_list_is_what_is_searched_by_and_what_the_project_wants_listed() {
    let (listed, next) = desk().page(None, &Role::Owner).expect("a page");
    assert_eq!((listed.iter().map(|tool| &*tool.name).collect::<Vec<_>>(), next), (vec![CALL, SEARCH, "desk__reply"], None));
    assert_eq!(desk().page(Some("desk__reply"), &Role::Owner), Some((Vec::new(), None)));
    let hints = |tool: &Tool| serde_json::to_value(&tool.annotations).expect("JSON");
    let any = json!({ "readOnlyHint": false, "destructiveHint": true, "idempotentHint": false, "openWorldHint": true });
    let none = json!({ "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false });
    assert_eq!([hints(&listed[0]), hints(&listed[1])], [any, none]);
}

#[test]
fn what_is_called_is_one_of_the_tools_and_none_of_the_two() {
    let desk = desk();
    let call = |arguments: Value| called(&desk, &Role::Owner, arguments.as_object().cloned().expect("an object"));
    let (offer, inner) = call(json!({ "name": "desk__weather", "arguments": { "a": 1 } })).expect("it is there");
    assert_eq!((offer.name.as_str(), Value::Object(inner)), ("weather", json!({ "a": 1 })));
    assert_eq!(call(json!({ "name": "desk__weather" })).expect("it is there").1, JsonObject::new());
    let wrong = [json!({}), json!({ "name": 1 }), json!({ "name": "desk__weather", "arguments": [] }), json!({ "name": "a", "b": 1 })];
    for wrong in wrong.into_iter().chain([CALL, SEARCH, "weather", "desk__x"].map(|name| json!({ "name": name }))) {
        let error = call(wrong.clone()).expect_err("it is refused");
        assert!(!error.hints.is_empty(), "{wrong}: {error}");
    }
}
