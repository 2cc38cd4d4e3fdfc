//! Hostile components, arguments and results.

use remit_core::{Blame, Kind, limit::ARGUMENTS_MAX_BYTES};
use remit_tests::{Ending, Lab, fixture};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn arguments_are_checked_before_anything_runs() {
    let lab = Lab::new().fixture("hostile", &[]).await;
    let cases = [
        ("not json", Kind::Invalid),
        ("", Kind::Invalid),
        ("[]", Kind::Invalid),
        (r#"{"amount": "many"}"#, Kind::Invalid),
        (r#"{"amount": -1}"#, Kind::Invalid),
        (r#"{}"#, Kind::Invalid),
    ];
    for (arguments, kind) in cases {
        let outcome = lab.call_text("hostile", "allocate", arguments).await;
        assert_eq!(Lab::ending(&outcome), Ending::Failed(kind, Blame::Guest), "{arguments}: {outcome:?}");
        assert!(outcome.result.as_ref().is_err_and(|error| !error.hints.is_empty()), "{arguments}: {outcome:?}");
        assert_eq!(outcome.metering.cpu_us, 0, "nothing ran");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a18_arguments_ten_thousand_levels_deep_are_refused() {
    let lab = Lab::new().fixture("hostile", &[]).await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let outcome = lab.call_text("hostile", "allocate", &format!("{{\"amount\": {deep}}}")).await;
    let error = outcome.result.expect_err("too deep");
    assert_eq!(error.kind, Kind::Invalid);
    assert!(error.message.contains("nested deeper") && !error.hints.is_empty(), "{error:?}");
    let outcome = lab.call_text("hostile", "allocate", r#"{"amount": 1}"#).await;
    assert_eq!(Lab::ending(&outcome), Ending::Done("1".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_of_100_mb_are_refused_by_their_size() {
    let lab = Lab::new().fixture("hostile", &[]).await;
    let huge = format!("{{\"amount\": 1, \"x\": \"{}\"}}", "x".repeat(100_000_000));
    let outcome = lab.call_text("hostile", "allocate", &huge).await;
    assert_eq!(outcome.result.as_ref().expect_err("too large").kind, Kind::Limit);
    let fits = " ".repeat(ARGUMENTS_MAX_BYTES - 13) + r#"{"amount": 1}"#;
    let outcome = lab.call_text("hostile", "allocate", &fits).await;
    assert_eq!(Lab::ending(&outcome), Ending::Done("1".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_lie_are_the_guests_fault() {
    let lab = Lab::new().fixture("raw-tool", &[]).await;
    for tool in ["wrong-answer", "no-answer", "not-json", "not-object", "deep"] {
        let (ending, outcome) = lab.attack("raw-tool", tool, json!({})).await;
        assert_eq!(ending, Ending::Failed(Kind::Guest, Blame::Guest), "{tool}: {outcome:?}");
        assert!(outcome.result.as_ref().is_err_and(|error| !error.hints.is_empty()), "{tool}: {outcome:?}");
    }
    let (ending, outcome) = lab.attack("raw-tool", "not-utf8", json!({})).await;
    assert!(matches!(ending, Ending::Failed(Kind::Guest, _)), "{outcome:?}");
    let (ending, _) = lab.attack("raw-tool", "answer", json!({})).await;
    assert_eq!(ending, Ending::Done("42".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guests_own_failures_keep_their_kind_and_their_words() {
    let lab = Lab::new().fixture("raw-tool", &[]).await;
    let cases = [
        ("invalid-arguments", Kind::Invalid, "nothing fits"),
        ("denied", Kind::Denied, "the guest says no"),
        ("unavailable", Kind::Unavailable, "come back later"),
        ("failed", Kind::Guest, "it broke"),
    ];
    for (tool, kind, words) in cases {
        let (_, outcome) = lab.attack("raw-tool", tool, json!({})).await;
        let error = outcome.result.expect_err("a failure");
        assert_eq!((error.kind, error.message.as_str()), (kind, words));
        assert!(error.hints.is_empty(), "a guest's words are never a hint");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_is_kept_though_the_guest_swallows_it() {
    let lab = Lab::new().fixture("hostile", &[]).await;
    let (ending, outcome) = lab.attack("hostile", "swallow_denial", json!({ "path": "/etc/passwd", "url": "http://example.com/" })).await;
    assert!(matches!(ending, Ending::Done(_)), "{outcome:?}");
    let denial = outcome.denials.iter().find(|denial| denial.capability == "http").expect("the host's own record");
    assert!(denial.request.contains("example.com"), "{denial}");
    assert!(denial.command().is_some_and(|command| command.starts_with("remit grant hostile http ")), "{denial:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_offers_nothing_says_why() {
    let lab = Lab::new();
    let error = lab.make("empty", b"\0asm\x0d\0\x01\0".to_vec().into(), &[]).await.expect_err("it has no functions");
    assert_eq!(error.kind, Kind::Invalid);
    assert!(error.message.contains("exports no functions") && !error.hints.is_empty(), "{error:?}");
}

/// A20, A21, A22: bytes that are no component that this host loads.
#[test]
fn a22_components_that_cannot_be_served_are_refused_with_what_is_missing() {
    let whole = fixture("plain");
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("empty", Vec::new(), "empty"),
        ("text", b"hello, world".to_vec(), "not"),
        ("a core module", b"\0asm\x01\0\0\0".to_vec(), "core module"),
        ("truncated", whole[..whole.len() / 2].to_vec(), ""),
        ("too large", vec![0; remit_core::limit::COMPONENT_MAX_BYTES as usize + 1], "bytes"),
    ];
    for (name, bytes, words) in cases {
        let error = remit_core::plugin::inspect::inspect(&bytes, &[]).expect_err(name);
        assert!(matches!(error.kind, Kind::Invalid | Kind::Limit), "{name}: {error:?}");
        assert!(error.message.contains(words) && !error.message.contains('\n'), "{name}: {error}");
    }
    assert!(remit_core::plugin::inspect::inspect(&whole, &[]).is_ok_and(|inspection| !inspection.functions.is_empty()));
}
