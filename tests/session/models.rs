//! What agents ask models: real HTTP to a provider on this machine, which answers as it is told.

use std::{path::Path, sync::Arc};

use remit_core::{
    grant::Rule,
    journal::{Body, Outcome, Record},
    label::{Label, Policy, ToolLabels, When},
    plugin::{Digest, Effect},
};
use remit_runtime::{Ran, TurnEnd, secrets::EnvSecrets};
use remit_tests::{
    Records,
    desk::{Desk, Setup, log},
    provider::{Provider, Turn, models},
};
use serde_json::{Value, json};

const KEY: &str = "sk-0123456789abcdef";

/// A desk whose agent may ask the models of these tables.
fn setup(tables: &str) -> Setup {
    let names = models(tables).into_keys().collect::<Vec<_>>().join(",");
    Setup {
        models: models(tables),
        tools: Some(format!("tools counter/*\nmodel {names}")),
        secrets: Some(Arc::new(EnvSecrets::new([("REMIT_SECRET_MODEL".to_owned(), KEY.to_owned())]))),
        ..Setup::default()
    }
}

fn ask(model: &str) -> Value {
    json!({ "model": { "model": model, "request": { "items": [{ "message": { "role": "user", "parts": [{ "text": "tea?" }] } }] } } })
}

async fn desk(folder: &Path, tables: &str) -> Desk {
    Desk::open(folder, setup(tables)).await
}

/// What one question to the model `default` gives, and how often its provider was asked.
async fn once(turns: Vec<Turn>, more: &str) -> (Value, usize) {
    let (provider, folder) = (Provider::new(turns), tempfile::tempdir().unwrap());
    let desk = desk(folder.path(), &provider.table("default", "openai-chat", more)).await;
    let answer = log(&desk.run(json!([ask("default")])).await.unwrap()).remove(0);
    (answer, provider.asked().len())
}

async fn journal(desk: &Desk, ran: &Ran) -> Vec<Record> {
    desk.host.journal(&desk.ada(), "desk", ran.session, 0).await.unwrap()
}

fn refuse(status: u16, headers: &'static str) -> Turn {
    Turn::Refuse(status, headers, json!({ "error": { "message": "not now" } }).to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_api_is_asked_and_answers_whole_and_in_pieces_and_the_journal_has_it() {
    for (api, path, credential) in [
        ("openai-chat", "/v1/chat/completions", ("authorization", format!("Bearer {KEY}"))),
        ("openai-responses", "/v1/responses", ("authorization", format!("Bearer {KEY}"))),
        ("anthropic", "/v1/messages", ("x-api-key", KEY.to_owned())),
    ] {
        for stream in [true, false] {
            let calls = vec![
                ("counter__bump".to_owned(), json!({ "note": "a" }).to_string()),
                ("counter__bump".to_owned(), json!({ "note": "b" }).to_string()),
            ];
            let provider = Provider::new([Turn::Call(calls), Turn::Say("both are done".to_owned())]);
            let folder = tempfile::tempdir().unwrap();
            let desk = desk(folder.path(), &provider.table("default", api, &format!("secret = \"model\"\nstream = {stream}"))).await;
            let chat = json!({ "chat": { "model": "default", "prompt": "bump twice", "tools": ["counter/bump"] } });
            let ran = desk.run(json!([chat])).await.unwrap();
            assert_eq!(log(&ran), [json!(["", "both are done"])], "{api}, {stream}");
            assert_eq!(desk.executions().len(), 2, "{api}, {stream}");
            let asked = provider.asked();
            assert_eq!(asked.len(), 2);
            for one in &asked {
                assert_eq!((one.path.as_str(), one.header(credential.0)), (path, Some(credential.1.as_str())));
                assert_eq!(one.body["stream"] == true, stream);
            }
            assert_ne!(asked[0].header("idempotency-key"), asked[1].header("idempotency-key"), "each call has a key of its own");
            let records = journal(&desk, &ran).await;
            let call = records.iter().find_map(|record| match &record.body {
                Body::Call { op, call } if call.tool == "models/default" => Some((*op, call.clone())),
                _ => None,
            });
            let (op, call) = call.expect("a call of a model");
            assert_eq!(call.effect, Effect::Idempotent);
            assert!(call.digest.parse::<Digest>().is_ok() && call.arguments.contains("bump twice"));
            let place = |wanted: &dyn Fn(&Body) -> bool| records.iter().position(|record| wanted(&record.body)).expect("a record");
            let ended = place(&|body| matches!(body, Body::End { op: of, .. } if *of == op));
            let first_tool = place(&|body| matches!(body, Body::Call { call, .. } if call.tool == "counter/bump"));
            assert!(ended < first_tool, "the answer is recorded before a tool of it is called");
            let Body::End { outcome: Outcome::Output { output, .. }, used, .. } = &records[ended].body else { panic!("an answer") };
            assert!(
                output.contains(r#""usage":{"input":10,"cached":0,"output":1,"reasoning":0}"#) || output.contains(r#""input":10"#),
                "{output}"
            );
            assert_eq!(used, &["scripted model default 1"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_journal_is_not_asked_again() {
    let (provider, folder) = (Provider::new([Turn::Say("green".to_owned())]), tempfile::tempdir().unwrap());
    let tables = provider.table("default", "openai-chat", "");
    let session = {
        let desk = desk(folder.path(), &tables).await;
        let ran = desk.run(json!([ask("default"), { "input": "which?" }])).await.unwrap();
        assert!(matches!(ran.end, TurnEnd::Waiting(_)));
        let wait = desk.waits(ran.session).await[0].id;
        desk.host.decide(&desk.ada(), "desk", wait, remit_runtime::Verdict::Input("that".to_owned())).await.unwrap();
        ran.session
    };
    let again = desk(folder.path(), &tables).await;
    let ran = again.resume(session).await.unwrap();
    assert_eq!(log(&ran)[0]["items"][0]["message"]["parts"][0]["text"], "green");
    assert_eq!(provider.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_does_not_answer_yet_is_asked_again_and_counts_how_often() {
    let said = |answer: &Value| answer["items"][0]["message"]["parts"][0]["text"].clone();
    for turns in [
        vec![refuse(429, "retry-after: 0\r\n"), refuse(429, "retry-after: 0\r\n")],
        vec![refuse(500, ""), refuse(503, "")],
        vec![Turn::Hang, refuse(529, "retry-after: 0\r\n")],
    ] {
        let (answer, asked) = once(turns.clone(), "").await;
        assert_eq!((said(&answer), asked), (json!("done"), 3), "{turns:?}");
        let (answer, asked) = once(turns.clone(), "retries = 1").await;
        assert_eq!((&answer["error"], asked), (&json!("unavailable"), 2), "{turns:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_been_answered_or_would_be_refused_again_is_asked_once() {
    let calls = (0..10_000).map(|_| ("counter__bump".to_owned(), "{}".to_owned())).collect();
    let cases = [
        (refuse(429, "retry-after: 3600\r\n"), "unavailable", "not now"),
        (refuse(400, ""), "invalid-arguments", "HTTP 400: not now"),
        (refuse(401, ""), "unavailable", "HTTP 401"),
        (Turn::Refuse(307, "location: http://127.0.0.1:1/\r\n", String::new()), "unavailable", "HTTP 307"),
        (Turn::Cut, "unavailable", "broke off"),
        (Turn::Stall, "unavailable", "said nothing for 50 ms"),
        (Turn::Endless, "limit", "bytes"),
        (Turn::Raw("{\"choices\":".to_owned()), "unavailable", "is none of `openai-chat`"),
        (Turn::Raw(json!({ "choices": [] }).to_string()), "unavailable", "is none of `openai-chat`"),
        (Turn::Raw(format!("\"{}\"", "x".repeat(17 << 20))), "limit", "bytes"),
        (Turn::Call(calls), "limit", "10000 tools"),
    ];
    for (turn, kind, message) in cases {
        let shown = format!("{turn:?}").chars().take(80).collect::<String>();
        let more = if matches!(turn, Turn::Stall) { "idle_ms = 50" } else { "" };
        let (answer, asked) = once(vec![turn], more).await;
        assert_eq!((&answer["error"], asked), (&json!(kind), 1), "{shown}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(message), "{shown}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_was_not_offered_and_arguments_that_are_no_json_are_the_agents_affair_and_call_nothing() {
    let calls = vec![("counter__nothing".to_owned(), "{}".to_owned()), ("counter__bump".to_owned(), "{\"note\":".to_owned())];
    let (provider, folder) = (Provider::new([Turn::Call(calls), Turn::Say("I see".to_owned())]), tempfile::tempdir().unwrap());
    let desk = desk(folder.path(), &provider.table("default", "openai-chat", "")).await;
    let chat = json!({ "chat": { "model": "default", "prompt": "bump", "tools": ["counter/bump"] } });
    assert_eq!(log(&desk.run(json!([chat])).await.unwrap()), [json!(["", "I see"])]);
    assert!(desk.executions().is_empty());
    let told = &provider.asked()[1].body["messages"];
    assert!(told[2]["content"].as_str().unwrap().starts_with("error: "), "{told}");
    assert!(told[3]["content"].as_str().unwrap().starts_with("error: "), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_model_is_asked_in_place_of_one_that_does_not_answer_and_of_no_other() {
    let busy = || Provider::ruled(|_| refuse(503, "retry-after: 0\r\n"));
    let run = async |first: &Provider, second: &Provider| {
        let folder = tempfile::tempdir().unwrap();
        let tables = first.table("default", "openai-chat", "retries = 1\nfallback = [\"other\"]")
            + &second.table("other", "anthropic", "max_output_tokens = 5");
        let desk = desk(folder.path(), &tables).await;
        log(&desk.run(json!([ask("default")])).await.unwrap()).remove(0)
    };
    let (first, second) = (busy(), Provider::new([]));
    assert_eq!(run(&first, &second).await["stop"], "end");
    assert_eq!((first.asked().len(), second.asked().len()), (2, 1));
    assert_eq!(second.asked()[0].body["max_tokens"], 5);
    let (first, second) = (Provider::new([refuse(400, "")]), Provider::new([]));
    assert_eq!(run(&first, &second).await["error"], "invalid-arguments");
    assert!(second.asked().is_empty());
    let (first, second) = (busy(), busy());
    let answer = run(&first, &second).await;
    assert!(answer["message"].as_str().unwrap().starts_with("the model `other`: "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_was_not_granted_is_not_asked_and_the_denial_says_what_would_do() {
    let (provider, folder) = (Provider::new([]), tempfile::tempdir().unwrap());
    let tables = provider.table("default", "openai-chat", "max_output_tokens = 100") + &provider.table("other", "openai-chat", "");
    let denied = Setup { tools: Some("model default max_tokens=50".to_owned()), ..setup(&tables) };
    let desk = Desk::open(folder.path(), denied).await;
    let with = |model: &str, tokens: Value| {
        let mut step = ask(model);
        step["model"]["request"]["max_output_tokens"] = tokens;
        step
    };
    let steps = json!([ask("other"), with("default", json!(51)), with("nobody", json!(7)), { "call": { "tool": "models/default", "arguments": {} } }]);
    let ran = desk.run(steps).await.unwrap();
    let log_of = log(&ran);
    assert_eq!(
        log_of.iter().map(|entry| entry["error"].as_str().unwrap()).collect::<Vec<_>>(),
        ["denied", "denied", "denied", "invalid-arguments"]
    );
    let fixes: Vec<_> = ran.denials.iter().map(|denial| (denial.rule, denial.command().unwrap())).collect();
    assert_eq!(
        fixes,
        [
            (Rule::NoMatch, "remit grant scripted model other".to_owned()),
            (Rule::NoMatch, "remit grant scripted model 'default max_tokens=51'".to_owned()),
            (Rule::NoMatch, "remit grant scripted model 'nobody max_tokens=7'".to_owned()),
        ]
    );
    assert!(provider.asked().is_empty());
    log(&desk.run(json!([ask("default"), with("default", json!(20))])).await.unwrap());
    let tokens: Vec<_> = provider.asked().iter().map(|asked| asked.body["max_tokens"].clone()).collect();
    assert_eq!(tokens, [json!(50), json!(20)], "an answer has no more tokens than were granted");
}

#[tokio::test(flavor = "multi_thread")]
async fn m22_the_key_of_a_model_is_in_its_header_alone_also_where_the_provider_echoes_it() {
    let echo = json!({ "choices": [{ "message": { "content": format!("your key is {KEY}") }, "finish_reason": "stop" }] }).to_string();
    let told = json!({ "error": { "message": format!("bad key {KEY}") } }).to_string();
    let turns = [Turn::Raw(echo), Turn::Refuse(400, "", told), Turn::Say(format!("again {KEY}"))];
    let (provider, folder) = (Provider::new(turns), tempfile::tempdir().unwrap());
    let records = Records::default();
    let tables = provider.table("default", "openai-chat", "secret = \"model\"");
    let desk = Desk::open(folder.path(), Setup { audit: Some(Arc::new(records.clone())), ..setup(&tables) }).await;
    let ran = desk.run(json!([ask("default"), ask("default"), ask("default")])).await.unwrap();
    let log = log(&ran);
    assert!(log[0].to_string().contains(&"*".repeat(KEY.len())), "{}", log[0]);
    assert!(log[1]["message"].as_str().unwrap().contains("bad key ***"), "{}", log[1]);
    let all = format!("{log:?}{:?}{:?}", journal(&desk, &ran).await, records.all());
    assert!(!all.contains(KEY));
    assert!(
        provider
            .asked()
            .iter()
            .all(|asked| asked.header("authorization") == Some(&format!("Bearer {KEY}")) && !asked.body.to_string().contains(KEY))
    );
    let record = records.all().into_iter().find(|record| record["plugin"] == "models").expect("an audit record");
    assert_eq!((&record["tool"], &record["effect"], &record["outcome"]), (&json!("default"), &json!("idempotent"), &json!("done")));
    assert_eq!(record["delegation"], json!(["scripted"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_secret_a_model_is_not_asked() {
    let (provider, folder) = (Provider::new([]), tempfile::tempdir().unwrap());
    let desk = desk(folder.path(), &provider.table("default", "anthropic", "secret = \"other\"")).await;
    let ran = desk.run(json!([ask("default")])).await.unwrap();
    assert_eq!(log(&ran)[0]["error"], "denied");
    assert_eq!(ran.denials[0].rule, Rule::Secret);
    assert!(provider.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn n1_a_model_elsewhere_is_connected_to_at_public_addresses_alone() {
    let (provider, folder) = (Provider::new([]), tempfile::tempdir().unwrap());
    let tables = provider.table("default", "openai-chat", "");
    let mut setup = setup(&tables);
    let model = setup.models.get_mut("default").unwrap();
    model.retries = 0;
    // What a file cannot say: a place that is not this machine's by its name, and leads here.
    model.remote.url = "http://10.255.255.1:9/v1".parse().unwrap();
    let desk = Desk::open(folder.path(), setup).await;
    let answer = log(&desk.run(json!([ask("default")])).await.unwrap()).remove(0);
    assert!(answer["message"].as_str().unwrap().contains("a private address that `private` does not name"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn m17_what_was_seen_may_close_a_model_and_nothing_of_it_is_sent() {
    let (provider, folder) = (Provider::new([]), tempfile::tempdir().unwrap());
    let said = |labels: Option<[Label; 1]>, closed_when| ToolLabels { labels: labels.map(Into::into), closed_when, ask_when: None };
    let tools = vec![
        ("counter/*".parse().unwrap(), said(Some([Label::Private]), None)),
        ("models/default".parse().unwrap(), said(None, Some(When::Private))),
    ];
    let tables = provider.table("default", "openai-chat", "");
    let desk = Desk::open(folder.path(), Setup { labels: Policy { enforce: true, tools }, ..setup(&tables) }).await;
    let ran = desk.run(json!([ask("default"), remit_tests::desk::call("bump", "x"), ask("default")])).await.unwrap();
    let log = log(&ran);
    assert_eq!((&log[0]["stop"], &log[2]["error"]), (&json!("end"), &json!("denied")));
    assert_eq!(provider.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_provider_takes_is_refused_without_a_record() {
    let (provider, folder) = (Provider::new([]), tempfile::tempdir().unwrap());
    let desk = desk(folder.path(), &provider.table("default", "openai-chat", "")).await;
    let step = json!({ "model": { "model": "default", "request": { "items": [] } } });
    let ran = desk.run(json!([step])).await.unwrap();
    assert_eq!(log(&ran)[0]["error"], "invalid-arguments");
    assert!(!journal(&desk, &ran).await.iter().any(|record| matches!(record.body, Body::Call { .. })));
    assert!(provider.asked().is_empty());
}
