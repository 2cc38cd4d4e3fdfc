use serde_json::{Value, json};

use super::*;
use crate::{
    Kind,
    limit::{MODEL_CALLS_MAX, MODEL_EVENT_MAX_BYTES, MODEL_ITEMS_MAX, MODEL_RESPONSE_MAX_BYTES},
};

const APIS: [Api; 3] = [Api::OpenaiChat, Api::OpenaiResponses, Api::Anthropic];
const SENDING: Sending<'_> = Sending { model: "m-1", max_tokens: 64, stream: true };

fn call(id: &str, name: &str, arguments: &str) -> Item {
    Item::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() })
}

fn result(id: &str, text: &str, failed: bool) -> Item {
    Item::ToolResult(ToolResult { id: id.into(), parts: vec![Part::Text { text: text.into() }], failed })
}

/// A conversation with everything in it, after the model wanted two tools called.
fn conversation() -> Request {
    let picture = Part::Image { mime_type: "image/png".into(), data: "AAEC".into() };
    let shown = Message { role: Role::User, parts: vec![Part::Text { text: "what is this?".into() }, picture] };
    let items = vec![
        Item::text(Role::System, "be brief"),
        Item::Message(shown),
        Item::text(Role::Assistant, "I look"),
        call("c1", "files__read", r#"{"path":"/a"}"#),
        call("c2", "files__read", "no json"),
        result("c1", "tea", false),
        result("c2", "no such file", true),
        Item::text(Role::User, "and?"),
    ];
    let tool = Tool { name: "files__read".into(), description: "Reads".into(), parameters: json!({ "type": "object" }) };
    let form = Form { name: "answer".into(), schema: json!({ "type": "object" }) };
    Request { tools: vec![tool], temperature: Some(0.5), form: Some(form), ..Request::new(items) }
}

fn body(api: Api) -> Value {
    api.body(&conversation(), SENDING).expect("a body")
}

#[test]
fn chat_completions_are_written_as_its_readers_know_them() {
    let body = body(Api::OpenaiChat);
    assert_eq!(
        body["messages"],
        json!([
            { "role": "system", "content": "be brief" },
            { "role": "user", "content": [
                { "type": "text", "text": "what is this?" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAEC" } },
            ] },
            { "role": "assistant", "content": "I look", "tool_calls": [
                { "id": "c1", "type": "function", "function": { "name": "files__read", "arguments": "{\"path\":\"/a\"}" } },
                { "id": "c2", "type": "function", "function": { "name": "files__read", "arguments": "no json" } },
            ] },
            { "role": "tool", "tool_call_id": "c1", "content": "tea" },
            { "role": "tool", "tool_call_id": "c2", "content": "error: no such file" },
            { "role": "user", "content": "and?" },
        ])
    );
    assert_eq!(
        (&body["model"], &body["max_tokens"], &body["stream"], &body["tool_choice"]),
        (&json!("m-1"), &json!(64), &json!(true), &json!("auto"))
    );
    assert_eq!(body["response_format"]["json_schema"]["name"], "answer");
}

#[test]
fn responses_are_asked_without_leaving_anything_there() {
    let body = body(Api::OpenaiResponses);
    assert_eq!(body["store"], false);
    assert_eq!(
        body["input"][3],
        json!({ "type": "function_call", "call_id": "c1", "name": "files__read", "arguments": "{\"path\":\"/a\"}" })
    );
    let output = json!([{ "type": "input_text", "text": "error:" }, { "type": "input_text", "text": "no such file" }]);
    assert_eq!(body["input"][6], json!({ "type": "function_call_output", "call_id": "c2", "output": output }));
    assert_eq!(body["input"][2]["content"], json!([{ "type": "output_text", "text": "I look" }]));
    assert_eq!(body["text"]["format"]["type"], "json_schema");
}

#[test]
fn messages_of_anthropic_take_turns() {
    let body = body(Api::Anthropic);
    assert_eq!(body["system"], json!([{ "type": "text", "text": "be brief" }]));
    let roles: Vec<&Value> = body["messages"].as_array().expect("messages").iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    assert_eq!(
        body["messages"][1]["content"][2],
        json!({ "type": "tool_use", "id": "c2", "name": "files__read", "input": { "unreadable": "no json" } })
    );
    assert_eq!(body["messages"][2]["content"][1]["is_error"], true);
    assert_eq!(body["output_config"]["format"]["type"], "json_schema");
}

#[test]
fn what_the_model_thought_goes_back_to_its_provider_alone() {
    let thinking = json!({ "type": "thinking", "thinking": "hm", "signature": "s1" });
    let answer = Api::Anthropic
        .read(json!({ "content": [thinking, { "type": "text", "text": "tea" }], "stop_reason": "end_turn" }).to_string().as_bytes());
    let mut items = vec![Item::text(Role::User, "what?")];
    items.extend(answer.expect("an answer").items);
    items.push(Item::text(Role::User, "why?"));
    let request = Request::new(items);
    let of = |api: Api| api.body(&request, SENDING).expect("a body");
    assert_eq!(of(Api::Anthropic)["messages"][1]["content"], json!([thinking, { "type": "text", "text": "tea" }]));
    for api in [Api::OpenaiChat, Api::OpenaiResponses] {
        assert!(!of(api).to_string().contains("s1"), "{api}");
    }
}

/// An answer as each API writes it: whole, and in pieces.
fn answers() -> [(Api, Value, String); 3] {
    let usage = json!({ "prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": { "cached_tokens": 4 }, "completion_tokens_details": { "reasoning_tokens": 2 } });
    let function = json!({ "name": "look", "arguments": "{\"a\":1}" });
    let message = json!({ "content": "I look", "tool_calls": [{ "id": "c1", "type": "function", "function": function }] });
    let chat = json!({ "model": "m-1-b", "choices": [{ "message": message, "finish_reason": "tool_calls" }], "usage": usage });
    let piece = |delta: Value, end: Value| json!({ "model": "m-1-b", "choices": [{ "delta": delta, "finish_reason": end }] });
    let chat_events = [
        piece(json!({ "role": "assistant", "content": "I " }), Value::Null).to_string(),
        piece(json!({ "content": "look" }), Value::Null).to_string(),
        piece(json!({ "tool_calls": [{ "index": 0, "id": "c1", "function": { "name": "look", "arguments": "" } }] }), Value::Null)
            .to_string(),
        piece(json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "{\"a\":1}" } }] }), Value::Null).to_string(),
        piece(json!({}), json!("tool_calls")).to_string(),
        json!({ "choices": [], "usage": usage }).to_string(),
        "[DONE]".to_owned(),
    ];
    let output = json!([
        { "type": "message", "content": [{ "type": "output_text", "text": "I look" }] },
        { "type": "function_call", "call_id": "c1", "name": "look", "arguments": "{\"a\":1}" },
    ]);
    let usage = json!({ "input_tokens": 9, "output_tokens": 5, "input_tokens_details": { "cached_tokens": 4 }, "output_tokens_details": { "reasoning_tokens": 2 } });
    let responses = json!({ "status": "completed", "model": "m-1-b", "output": output, "usage": usage, "error": null });
    let responses_events = [
        json!({ "type": "response.output_text.delta", "delta": "I look" }).to_string(),
        json!({ "type": "response.completed", "response": responses }).to_string(),
    ];
    let content = json!([{ "type": "text", "text": "I look" }, { "type": "tool_use", "id": "c1", "name": "look", "input": { "a": 1 } }]);
    let usage = json!({ "input_tokens": 5, "cache_read_input_tokens": 4, "output_tokens": 5 });
    let anthropic = json!({ "model": "m-1-b", "content": content, "stop_reason": "tool_use", "usage": usage });
    let anthropic_events = [
        json!({ "type": "message_start", "message": { "model": "m-1-b", "content": [], "usage": { "input_tokens": 5, "cache_read_input_tokens": 4, "output_tokens": 1 } } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "I " } }),
        json!({ "type": "ping" }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "look" } }),
        json!({ "type": "content_block_start", "index": 1, "content_block": { "type": "tool_use", "id": "c1", "name": "look", "input": {} } }),
        json!({ "type": "content_block_delta", "index": 1, "delta": { "type": "input_json_delta", "partial_json": "{\"a\":" } }),
        json!({ "type": "content_block_delta", "index": 1, "delta": { "type": "input_json_delta", "partial_json": "1}" } }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use" }, "usage": { "output_tokens": 5 } }),
        json!({ "type": "message_stop" }),
    ];
    let events = |all: &[String]| all.iter().map(|data| format!("event: x\r\ndata: {data}\r\n\r\n")).collect::<String>();
    let anthropic_events: Vec<String> = anthropic_events.iter().map(Value::to_string).collect();
    [
        (Api::OpenaiChat, chat, events(&chat_events)),
        (Api::OpenaiResponses, responses, events(&responses_events)),
        (Api::Anthropic, anthropic, events(&anthropic_events)),
    ]
}

#[test]
fn an_answer_is_the_same_whole_and_in_pieces_of_any_size() {
    for (api, whole, events) in answers() {
        let reasoning = if api == Api::Anthropic { 0 } else { 2 };
        let expected = Response {
            items: vec![Item::text(Role::Assistant, "I look"), call("c1", "look", r#"{"a":1}"#)],
            stop: Stop::ToolCalls,
            usage: Usage { input: 9, cached: 4, output: 5, reasoning },
            model: "m-1-b".to_owned(),
        };
        assert_eq!(api.read(whole.to_string().as_bytes()).expect("an answer"), expected, "{api}");
        for size in [1, 7, events.len()] {
            let mut stream = Stream::new(api);
            let said: String = events.as_bytes().chunks(size).map(|bytes| stream.push(bytes).expect("events")).collect();
            assert_eq!(said, "I look", "{api}");
            assert_eq!(stream.finish().expect("an answer"), expected, "{api} in pieces of {size}");
        }
        let cut = events.len() - 30;
        let mut stream = Stream::new(api);
        stream.push(&events.as_bytes()[..cut]).expect("events");
        assert_eq!(stream.finish().expect_err("it broke off").kind, Kind::Unavailable, "{api}");
    }
}

#[test]
fn an_answer_says_why_it_ended() {
    let chat = |reason: &str| json!({ "choices": [{ "message": { "content": "x" }, "finish_reason": reason }] });
    let responses = |status: &str, reason: &str| json!({ "status": status, "output": [], "incomplete_details": { "reason": reason } });
    let anthropic = |reason: &str| json!({ "content": [], "stop_reason": reason });
    let cases = [
        (Api::OpenaiChat, chat("stop"), Stop::End),
        (Api::OpenaiChat, chat("length"), Stop::MaxTokens),
        (Api::OpenaiChat, chat("content_filter"), Stop::Refused),
        (Api::OpenaiResponses, responses("completed", ""), Stop::End),
        (Api::OpenaiResponses, responses("incomplete", "max_output_tokens"), Stop::MaxTokens),
        (Api::OpenaiResponses, responses("incomplete", "content_filter"), Stop::Refused),
        (Api::Anthropic, anthropic("end_turn"), Stop::End),
        (Api::Anthropic, anthropic("max_tokens"), Stop::MaxTokens),
        (Api::Anthropic, anthropic("refusal"), Stop::Refused),
    ];
    for (api, value, stop) in cases {
        assert_eq!(api.read(value.to_string().as_bytes()).expect("an answer").stop, stop, "{api}: {value}");
    }
}

#[test]
fn what_is_no_answer_is_told_apart_and_never_taken_for_one() {
    let strange = [
        "",
        "no json",
        "[]",
        "{}",
        "null",
        "7",
        r#"{"choices":7,"output":{},"content":"x"}"#,
        r#"{"status":"completed"}"#,
        r#"{"error":{"message":"no"}}"#,
    ];
    for api in APIS {
        for body in strange {
            assert_eq!(api.read(body.as_bytes()).expect_err(body).kind, Kind::Unavailable, "{api}: {body}");
            let event = format!("data: {}\n\n", if body.is_empty() { "x" } else { body });
            let mut stream = Stream::new(api);
            let ended = stream.push(event.as_bytes()).and_then(|_| stream.finish());
            assert_eq!(ended.expect_err(body).kind, Kind::Unavailable, "{api}: {body}");
        }
        for event in [
            json!({ "type": "message_delta", "delta": "x", "usage": 7 }),
            json!({ "type": "content_block_delta", "index": -1 }),
            json!({ "type": "content_block_delta", "index": 9, "delta": 1 }),
        ] {
            let mut stream = Stream::new(api);
            let ended = stream.push(format!("data: {event}\n\n").as_bytes()).and_then(|_| stream.finish());
            assert_eq!(ended.expect_err("no answer").kind, Kind::Unavailable, "{api}: {event}");
        }
    }
}

#[test]
fn a_failure_in_the_middle_of_an_answer_is_told_in_its_words_made_safe() {
    for (api, event) in [
        (Api::OpenaiChat, json!({ "error": { "message": "over\u{202e}loaded" } })),
        (Api::OpenaiResponses, json!({ "type": "response.failed", "response": { "error": { "message": "over\u{202e}loaded" } } })),
        (Api::Anthropic, json!({ "type": "error", "error": { "type": "overloaded_error", "message": "over\u{202e}loaded" } })),
    ] {
        let error = Stream::new(api).push(format!("data: {event}\n\n").as_bytes()).expect_err("a failure");
        assert!(error.message.contains("loaded") && !error.message.contains('\u{202e}'), "{api}: {}", error.message);
    }
}

#[test]
fn ten_thousand_calls_a_giant_answer_and_an_endless_event_are_refused() {
    let calls = |count: usize| -> Value {
        (0..count).map(|id| json!({ "id": format!("c{id}"), "function": { "name": "look", "arguments": "{}" } })).collect()
    };
    let answer = |message: Value| json!({ "choices": [{ "message": message, "finish_reason": "stop" }] }).to_string();
    let kind = |message: Value| Api::OpenaiChat.read(answer(message).as_bytes()).map_err(|error| error.kind);
    assert_eq!(kind(json!({ "tool_calls": calls(10_000) })), Err(Kind::Limit));
    assert!(kind(json!({ "tool_calls": calls(MODEL_CALLS_MAX) })).is_ok());
    assert_eq!(kind(json!({ "content": "x".repeat(MODEL_RESPONSE_MAX_BYTES) })), Err(Kind::Limit));
    assert_eq!(kind(json!({ "tool_calls": [{ "id": "", "function": { "name": "look" } }] })), Err(Kind::Unavailable));
    let mut stream = Stream::new(Api::OpenaiChat);
    let endless = "data: x".repeat(1 << 16);
    let pieces = MODEL_EVENT_MAX_BYTES / endless.len() + 1;
    let ended = (0..pieces).find_map(|_| stream.push(endless.as_bytes()).err());
    assert_eq!(ended.map(|error| error.kind), Some(Kind::Limit));
}

#[test]
fn a_request_is_canonical_and_read_back_as_it_was() {
    let request = conversation();
    let text = request.written().expect("it is right");
    assert_eq!(Request::parse(&text).expect("it is right"), request);
    assert_eq!(Request::parse(&text).expect("it is right").written().expect("it is right"), text);
    assert!(Request::parse(r#"{"items":[],"other":1}"#).is_err());
}

#[test]
fn a_conversation_that_no_provider_takes_is_refused_with_what_to_change() {
    let ask = || Item::text(Role::User, "?");
    let wrong: [(Vec<Item>, &str); 7] = [
        (vec![], "nobody asks"),
        (vec![Item::text(Role::System, "x")], "nobody asks"),
        (vec![ask(), call("a", "t", "{}")], "has no result"),
        (vec![ask(), call("a", "t", "{}"), ask()], "has no result"),
        (vec![ask(), result("a", "x", false)], "no call of that id"),
        (vec![ask(), call("a", "t", "{}"), result("a", "x", false), result("a", "x", false)], "no call of that id"),
        (vec![ask(), call("a", "t", "{}"), result("a", "x", false), call("a", "t", "{}"), result("a", "x", false)], "have the id"),
    ];
    for (items, why) in wrong {
        let error = Request::new(items).written().expect_err(why);
        assert!(error.kind == Kind::Invalid && error.message.contains(why), "{}: {why}", error.message);
    }
    let many = Request::new(vec![ask(); MODEL_ITEMS_MAX + 1]);
    assert_eq!(many.written().expect_err("too many").kind, Kind::Limit);
    let odd = [
        Request { temperature: Some(f64::NAN), ..Request::new(vec![ask()]) },
        Request { max_output_tokens: Some(0), ..Request::new(vec![ask()]) },
        Request { choice: Choice::Named("t".into()), ..Request::new(vec![ask()]) },
        Request {
            tools: vec![Tool { name: "a/b".into(), description: String::new(), parameters: json!({}) }],
            ..Request::new(vec![ask()])
        },
        Request { tools: vec![Tool { name: "a".into(), description: String::new(), parameters: json!(1) }], ..Request::new(vec![ask()]) },
    ];
    for request in odd {
        assert_eq!(request.written().expect_err("out of bounds").kind, Kind::Invalid, "{request:?}");
    }
}
