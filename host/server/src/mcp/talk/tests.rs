use serde_json::json;

use super::*;

#[test]
fn an_answer_is_told_by_its_form() {
    assert_eq!(reply(&json!({ "action": "accept", "content": { "name": "Ada" } })), Some(Reply::Accepted(json!({ "name": "Ada" }))));
    assert_eq!(reply(&json!({ "action": "decline" })), Some(Reply::Declined));
    assert_eq!(reply(&json!({ "action": "cancel" })), Some(Reply::Cancelled));
    let sampled = json!({ "role": "assistant", "content": { "type": "text", "text": "Paris" }, "model": "m" });
    assert_eq!(reply(&sampled), Some(Reply::Sampled("Paris".to_owned())));
    let roots = json!({ "roots": [{ "uri": "file:///a", "name": "a" }] });
    assert_eq!(reply(&roots), Some(Reply::Roots(vec![("file:///a".to_owned(), Some("a".to_owned()))])));
}

#[test]
fn what_has_no_form_of_an_answer_is_none() {
    for wrong in [
        json!(12345),
        json!(null),
        json!({}),
        json!({ "action": "approve" }),
        json!({ "action": "accept", "content": "yes" }),
        json!({ "roots": "all" }),
        json!({ "role": "user", "content": { "type": "text", "text": "x" }, "model": "m" }),
    ] {
        assert_eq!(reply(&wrong), None, "{wrong}");
    }
}

#[test]
fn a_client_is_asked_for_nothing_that_it_does_not_offer() {
    let pause = |question| Pause { questions: vec![("key".to_owned(), question)], state: None };
    let elicit = Question::Elicit { message: String::new(), schema: json!({}) };
    let all = Features { elicit: true, sample: true, roots: true };
    assert!(missing(all, &pause(elicit.clone())).is_none());
    assert_eq!(missing(Features { elicit: false, ..all }, &pause(elicit)).map(|(word, _)| word), Some("elicitation"));
    assert_eq!(missing(Features { roots: false, ..all }, &pause(Question::Roots)).map(|(word, _)| word), Some("roots"));
    assert_eq!(features(None), Features::default());
    let older: ClientCapabilities = serde_json::from_value(json!({ "elicitation": {} })).expect("capabilities");
    assert!(features(Some(older)).elicit);
    let links: ClientCapabilities = serde_json::from_value(json!({ "elicitation": { "url": {} } })).expect("capabilities");
    assert!(!features(Some(links)).elicit);
}
