use remit_core::Kind;

use super::*;

fn arguments(value: Value) -> JsonObject {
    value.as_object().expect("an object").clone()
}

#[test]
fn what_a_call_asks_for_is_read_strictly() {
    let asked = |value| Asked::read(arguments(value));
    let read = asked(json!({ "input": { "a": 1 }, "key": "k" })).expect("right");
    assert_eq!(read, Asked { session: None, input: Some("{\"a\":1}".to_owned()), key: Some("k".to_owned()) });
    assert_eq!(asked(json!({ "input": "yes" })).expect("right").input.as_deref(), Some("yes"), "a text is taken as it is");
    assert_eq!(asked(json!({ "input": null, "session": null })).expect("right"), Asked { session: None, input: None, key: None });
    for wrong in [json!({ "session": "ses_1" }), json!({ "session": 3 }), json!({ "key": {} }), json!({ "sesion": "x" })] {
        assert_eq!(asked(wrong).expect_err("wrong").kind, Kind::Invalid);
    }
}

#[test]
fn what_an_agents_schema_refers_to_is_found_where_it_stands() {
    let own = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": { "step": { "$ref": "#/$defs/Step" }, "more": { "$ref": "#" }, "out": { "$ref": "https://example.com/x" } },
        "$defs": { "Step": { "type": "string" } },
    });
    let definition = Definition {
        name: "turn".to_owned(),
        title: None,
        description: "Sorts.".to_owned(),
        input_schema: own.clone(),
        output_schema: Some(own),
        effect: Effect::Once,
    };
    let tool = tool("sorter", &definition);
    let refers = |schema: &Value, at: &str| {
        let own = schema.pointer(at).expect("there").clone();
        ["step", "more", "out"].map(|name| own["properties"][name]["$ref"].as_str().expect("a text").to_owned())
    };
    let [step, more, out] = refers(&tool.input_schema, "/properties/input/anyOf/0");
    assert_eq!(tool.input_schema.pointer(step.strip_prefix('#').expect("here")).expect("there")["type"], "string");
    assert_eq!((more.as_str(), out.as_str()), ("#/properties/input/anyOf/0", "https://example.com/x"));
    let output = tool.output_schema.expect("one");
    let [step, ..] = refers(&output, "/properties/output");
    assert_eq!(output.pointer(step.strip_prefix('#').expect("here")).expect("there")["type"], "string");
}

/// Of a turn that has not ended, the answer says how far it is, in words where it runs.
#[test]
fn an_answer_says_how_far_a_turn_is() {
    let session = SessionId::new(remit_core::clock::Timestamp(0), 1);
    let progress = Progress { steps: 3, calls: vec!["mail/send".to_owned()], waits: false };
    let told = |end: Option<TurnEnd>, progress: Option<Progress>| Told {
        progress,
        ..Told::seen(session, Seen { turn: 4, end, goes_on: true, records: None })
    };
    let running = told(None, Some(progress.clone()));
    assert_eq!(running.in_words().as_deref(), Some("step 3: calls `mail/send`"));
    let result = running.result();
    let said = result.structured_content.expect("an object");
    assert_eq!((&said["status"], &said["steps"], &said["calls"]), (&json!("running"), &json!(3), &json!(["mail/send"])));
    let text = serde_json::to_value(&result.content).expect("JSON")[0]["text"].clone();
    assert_eq!(text, json!(format!("[session {session}, turn 4: running, step 3: calls `mail/send`]")));
    let waiting = told(Some(TurnEnd::Waiting(Vec::new())), Some(Progress { waits: true, ..progress }));
    assert_eq!(waiting.in_words(), None, "what it waited for has come");
    assert_eq!(waiting.result().structured_content.expect("an object")["steps"], 3);
    let done = told(Some(TurnEnd::Done("1".to_owned())), None).result();
    assert_eq!(done.structured_content.expect("an object").get("steps"), None);
}
