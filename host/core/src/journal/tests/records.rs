//! Records as text, and back.

use super::*;
use crate::{
    Kind,
    content::{Blob, Kept},
    id::WaitId,
    limit::RECORD_MAX_BYTES,
    plugin::Digest,
};

fn pending() -> PendingCall {
    PendingCall {
        tool: "a/b".to_owned(),
        arguments: "{\"x\": 1}".to_owned(),
        digest: "sha256:tool".to_owned(),
        effect: None,
        labels: Default::default(),
    }
}

fn every_wait() -> Vec<Wait> {
    let id = WaitId::new(at(5), 6);
    let (title, details) = ("may I?".to_owned(), "all of\nit".to_owned());
    vec![
        Wait::Approval { id, title: title.clone(), details: details.clone(), due: at(9), call: None },
        Wait::Approval { id, title, details, due: at(9), call: Some(pending()) },
        Wait::Input { id, prompt: "which?".to_owned() },
        Wait::Timer { id, due: at(10) },
    ]
}

fn every_outcome() -> Vec<Outcome> {
    let note = Some("fine \u{1f600}".to_owned());
    vec![
        output("\u{0}\u{7f}\"\\ text"),
        Outcome::Failed { kind: Kind::InDoubt, message: "who knows".to_owned() },
        Outcome::Approved { by: ada(), note: note.clone(), session: None },
        Outcome::Approved { by: ada(), note: None, session: None },
        Outcome::Denied { by: ada(), note },
        Outcome::Denied { by: ada(), note: None },
        Outcome::Expired { reason: "nobody decided in time".to_owned() },
        Outcome::Input { by: ada(), text: "the second".to_owned() },
        Outcome::Woken,
        Outcome::Output { output: "{}".to_owned(), kept: Some(Kept { digest: Digest::of(b"x"), size: 1 }) },
    ]
}

fn every_body() -> Vec<Body> {
    let keyed = TurnStart { key: Some("k".to_owned()), seed: u64::MAX, ..turn() };
    let mut bodies = vec![
        Body::TurnStart(Box::new(turn())),
        Body::TurnStart(Box::new(keyed)),
        Body::Take { op: 3 },
        Body::Cancel { op: u32::MAX },
        Body::State { key: "k".to_owned(), value: Some(vec![0, 255, 10]) },
        Body::State { key: "k".to_owned(), value: Some(Vec::new()) },
        Body::State { key: "k".to_owned(), value: None },
        Body::Patch { name: "better".to_owned() },
        Body::Workspaces { trees: [("files".to_owned(), Blob::of(b"tree"))].into() },
        Body::TurnEnd { output: "{\"done\": true}".to_owned(), carried: Default::default() },
        Body::TurnFailed { kind: Kind::Guest, message: "no".to_owned(), carried: Default::default() },
    ];
    bodies.extend(
        [Effect::Read, Effect::Idempotent, Effect::Once].map(|effect| Body::Call { op: 0, call: ToolCall { effect, ..tool("a/b", "{}") } }),
    );
    bodies.extend(every_wait().into_iter().map(|wait| Body::Wait { op: 1, wait }));
    bodies.extend(every_outcome().into_iter().map(|outcome| Body::end(2, outcome)));
    bodies
}

#[test]
fn every_record_comes_back_as_it_was_written() {
    for (seq, body) in every_body().into_iter().enumerate() {
        let record = Record { seq: seq as u64, at: at(1_700_000_000_000), body };
        let line = record.encode().unwrap();
        assert_eq!(Record::decode(&line).unwrap(), record, "{}", line.text);
    }
}

/// What is on disk is read by later versions: these texts stay readable, and mean the same.
#[test]
fn the_text_of_a_record_is_plain_json() {
    let id = WaitId::new(at(0), 0);
    for (body, text) in [
        (
            Body::Call { op: 4, call: tool("a/b", "{\"x\":1}") },
            r#"{"call":{"op":4,"call":{"tool":"a/b","arguments":"{\"x\":1}","effect":"once","digest":"sha256:tool","key":"k"}}}"#,
        ),
        (
            Body::Wait { op: 5, wait: Wait::Timer { id, due: at(7) } },
            r#"{"wait":{"op":5,"wait":{"timer":{"id":"wait_00000000000000000000000000","due":7}}}}"#,
        ),
        (Body::end(4, output("x")), r#"{"end":{"op":4,"outcome":{"output":{"output":"{\"content\":\"x\"}"}}}}"#),
        (Body::end(5, Outcome::Woken), r#"{"end":{"op":5,"outcome":"woken"}}"#),
        (Body::State { key: "k".to_owned(), value: Some(vec![0, 1]) }, r#"{"state":{"key":"k","value":"AAE="}}"#),
        (Body::State { key: "k".to_owned(), value: None }, r#"{"state":{"key":"k","value":null}}"#),
        (
            Body::TurnFailed { kind: Kind::InDoubt, message: "m".to_owned(), carried: Default::default() },
            r#"{"turn-failed":{"kind":"in-doubt","message":"m"}}"#,
        ),
    ] {
        assert_eq!(Record { seq: 0, at: at(0), body: body.clone() }.encode().unwrap().text, text);
        assert_eq!(Record::decode(&Line { seq: 0, at: at(0), text: text.to_owned() }).unwrap().body, body);
    }
}

/// A field that this version does not know could be just what the code observes, so it is not passed over.
#[test]
fn a_record_of_a_later_version_is_refused_with_a_hint() {
    let mut start = serde_json::to_value(Body::TurnStart(Box::new(turn()))).unwrap();
    start["turn-start"]["fuel"] = 7.into();
    for text in [
        r#"{"model":{"op":1,"prompt":"x"}}"#,
        r#"{"take":{"op":1,"branch":2}}"#,
        r#"{"end":{"op":1,"outcome":{"vetoed":{"by":"user:ada"}}}}"#,
        r#"{"end":{"op":1,"outcome":{"expired":{"reason":"r","after-ms":3}}}}"#,
        r#"{"wait":{"op":1,"wait":{"timer":{"id":"wait_00000000000000000000000000","due":7,"zone":"UTC"}}}}"#,
        r#"{"call":{"op":1,"call":{"tool":"a/b","arguments":"{}","effect":"once","digest":"d","key":"k","model":"m"}}}"#,
        &start.to_string(),
        "not JSON",
        "",
    ] {
        let error = Record::decode(&Line { seq: 12, at: at(0), text: text.to_owned() }).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (Kind::Host, "record 12 of the journal cannot be read"), "{text}");
        assert_eq!(error.hints, ["it may be of a later version of `remit`: use that one"]);
    }
}

#[test]
fn a_record_has_a_bound() {
    let of = |bytes: usize| {
        Record { seq: 0, at: at(0), body: Body::TurnEnd { output: "x".repeat(bytes), carried: Default::default() } }.encode()
    };
    let around = r#"{"turn-end":{"output":""}}"#.len();
    assert_eq!(of(RECORD_MAX_BYTES - around).unwrap().text.len(), RECORD_MAX_BYTES);
    let error = of(RECORD_MAX_BYTES - around + 1).unwrap_err();
    assert_eq!(error.kind, Kind::Limit);
    assert_eq!(error.message, "a record of 2097153 bytes is too large for the journal; its bound is 2097152");
}

/// A tool may return JSON that is as deep as the parser lets through; what is around it in a record does not count.
#[test]
fn a_deep_result_can_be_read_again() {
    let deep = format!("{}1{}", "[".repeat(2000), "]".repeat(2000));
    let record = Record { seq: 0, at: at(0), body: Body::end(0, Outcome::Output { output: deep, kept: None }) };
    assert_eq!(Record::decode(&record.encode().unwrap()).unwrap(), record);
}
