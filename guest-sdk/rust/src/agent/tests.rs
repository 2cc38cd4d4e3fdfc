use std::time::{Duration, SystemTime};

use serde_json::json;

use super::turn;
use crate::durable::{self, Decision, Group, Question};
use crate::{Context, Effect, Error, ErrorKind, Media, Output, Result, WithContext, state, testing};

/// What to do, and how often.
#[remit::data]
struct Work {
    /// The tool.
    tool: String,
    #[serde(default)]
    times: u32,
}

/// What was done.
#[remit::data]
struct Done {
    answers: Vec<String>,
}

/// Works for somebody.
#[remit::agent(title = "Worker", name = "worker")]
fn work(context: &Context, input: Work) -> Result<Done> {
    let mut group = Group::new();
    for time in 0..input.times {
        group.start(&input.tool, &json!({ "time": time }))?;
    }
    let answers = group.map(|(call, outcome)| Ok(format!("{call} for {}: {}", context.principal, outcome?.data::<String>()?)));
    Ok(Done { answers: answers.collect::<Result<_>>()? })
}

mod speaks {
    /// Says something.
    #[remit::agent]
    pub fn speak() -> &'static str {
        "something"
    }
}

mod is_silent {
    /// Says nothing.
    #[remit::agent]
    pub fn silent() {}
}

mod paints {
    use super::*;

    /// Paints.
    #[remit::agent]
    pub fn paint() -> Output {
        Output::default().with(crate::Content::Image(Media { data: vec![1], mime_type: "image/png".into() }))
    }
}

#[test]
fn an_agent_describes_itself_by_its_types() {
    let definition = testing::definition::<work>();
    assert_eq!((definition.name, definition.title, definition.effect), ("worker", Some("Worker"), Effect::Once));
    assert_eq!(definition.description, "Works for somebody.");
    assert_eq!(definition.input_schema["required"], json!(["tool"]));
    assert_eq!(definition.output_schema.unwrap()["required"], json!(["answers"]));
}

#[test]
fn a_turn_goes_from_json_to_json() {
    testing::on_call(|tool, arguments| Ok(Output::default().with_structured(json!(format!("{tool} {}", arguments["time"])))));
    let output = turn::<work>(r#"{ "tool": "a/b", "times": 2 }"#).unwrap();
    assert_eq!(output, r#"{"answers":["0 for user:test: a/b 0","1 for user:test: a/b 1"]}"#);
    let error = turn::<work>("{}").unwrap_err();
    assert!(error.message().starts_with("the input does not fit: missing field `tool`"), "{error}");
}

#[test]
fn text_stands_under_result_and_nothing_is_an_empty_object() {
    assert_eq!(turn::<speaks::speak>("{}").unwrap(), r#"{"result":"something"}"#);
    assert_eq!(turn::<is_silent::silent>("{}").unwrap(), "{}");
    assert!(turn::<paints::paint>("{}").unwrap_err().message().contains("data or text"));
}

#[test]
fn a_call_is_answered_by_the_test_and_unavailable_without() {
    assert_eq!(durable::call("a/b", &json!({})).unwrap_err().kind(), ErrorKind::Unavailable);
    let mut calls = 0;
    testing::on_call(move |tool, arguments| {
        calls += 1;
        match tool {
            "a/count" => Output::json(&calls),
            "a/nested" => durable::call("a/count", &arguments),
            _ => Err(Error::denied(format!("no right to `{tool}`"))),
        }
    });
    let counted = |tool: &str| durable::call(tool, &json!({})).and_then(|output| output.data::<serde_json::Value>());
    assert_eq!(counted("a/count").unwrap(), json!({ "result": 1 }));
    assert_eq!(counted("a/count").unwrap(), json!({ "result": 2 }));
    assert_eq!(counted("a/other").unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(counted("a/nested").unwrap_err().kind(), ErrorKind::Unavailable, "an answer calls nobody");
    assert_eq!(crate::invoke("a/count", &json!({})).unwrap().structured, Some(json!({ "result": 5 })));
}

#[test]
fn people_answer_in_the_order_of_the_test() {
    testing::decide(Decision::Denied(Some("not today".into())));
    testing::decide(Decision::Approved(None));
    let question = Question::new("Send?", "Three mails.").expires_after(Duration::from_secs(60));
    assert_eq!(durable::approve(question.clone()), Decision::Denied(Some("not today".into())));
    assert!(durable::approve(Question::new("Again?", "")).is_approved());
    assert_eq!(testing::questions()[0], question);
    testing::say("Ada");
    assert_eq!(durable::input("Who?"), "Ada");
    assert_eq!(testing::prompts(), ["Who?"]);
}

#[test]
#[should_panic(expected = "nobody decides `Send?`")]
fn a_question_that_the_test_forgot_is_named() {
    durable::approve(Question::new("Send?", ""));
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the agent's own clock, natively")]
fn a_sleep_ends_at_once_and_is_remembered() {
    let hour = Duration::from_secs(3600);
    #[allow(clippy::disallowed_methods, reason = "the stand-in sleeps by the machine's clock")]
    let before = SystemTime::now();
    durable::sleep(hour);
    durable::sleep(Duration::MAX);
    let sleeps = testing::sleeps();
    assert!(sleeps[0] >= before + hour && sleeps[1] > sleeps[0], "{sleeps:?}");
}

#[test]
fn state_holds_json_within_its_bounds() {
    assert_eq!(state::get::<u32>("seen/a").unwrap(), None);
    state::put("seen/b", &2).unwrap();
    state::put("seen/a", &1).unwrap();
    state::put("other", &"x").unwrap();
    assert_eq!(state::keys("seen/"), ["seen/a", "seen/b"]);
    assert_eq!(state::get("seen/a").unwrap(), Some(1));
    assert_eq!(state::get_bytes("other").unwrap(), b"\"x\"");
    assert!(state::get::<u32>("other").unwrap_err().message().contains("`other`"));
    state::delete("seen/a");
    assert_eq!(state::keys("seen/"), ["seen/b"]);
    let bound = |key: &str, bytes: usize| state::put_bytes(key, vec![0; bytes]).map_err(|error| error.kind());
    assert_eq!(bound(&"k".repeat(512), 256 << 10), Ok(()));
    assert_eq!(bound(&"k".repeat(513), 1), Err(ErrorKind::Limit));
    assert_eq!(bound("k", (256 << 10) + 1), Err(ErrorKind::Limit));
    let full = (0..64).find(|n| bound(&format!("fill/{n}"), 256 << 10).is_err());
    assert_eq!(full, Some(62), "16 MiB hold the first 62, with what was there before");
}

#[test]
fn data_that_does_not_fit_is_said() {
    let missing = Output::text("x").data::<u8>().context("`a/b`").unwrap_err();
    assert_eq!(missing.message(), "`a/b`: the tool gave no data");
    assert!(Output::json(&300).unwrap().data::<u8>().unwrap_err().message().contains("does not fit"));
}
