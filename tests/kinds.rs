//! The kinds of component: made with the SDK, with plain bindings, and plain functions.

use remit_tests::{Ending, Lab, fixture, skipped};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_component_made_without_the_sdk_offers_its_tools() {
    let lab = Lab::new().fixture("raw-tool", &[]).await;
    let outcome = lab.call("raw-tool", "answer", json!({})).await;
    assert_eq!(outcome.result.expect("an answer").structured, Some(json!({ "result": 42 })));
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_functions_become_tools_with_schemas() {
    let lab = Lab::new().fixture("plain", &[]).await;
    let cases = [
        ("add", json!({ "a": 2, "b": 40 }), json!({ "result": 42 })),
        ("greet", json!({ "name": "Ada" }), json!({ "result": "Hello, Ada!" })),
        ("sort", json!({ "values": [3, 1, 2] }), json!({ "result": [1, 2, 3] })),
        ("divide", json!({ "a": 7, "b": 2 }), json!({ "result": 3 })),
        ("reverse", json!({ "bytes": "AQID" }), json!({ "result": "AwIB" })),
        ("shapes_move-by", json!({ "point": { "x": 1, "y": 2 }, "dx": 3, "dy": 4 }), json!({ "x": 4, "y": 6 })),
    ];
    for (tool, arguments, expected) in cases {
        let outcome = lab.call("plain", tool, arguments).await;
        assert_eq!(outcome.result.expect(tool).structured, Some(expected), "{tool}");
    }
    let (ending, outcome) = lab.attack("plain", "divide", json!({ "a": 1, "b": 0 })).await;
    assert!(matches!(ending, Ending::Failed(..)), "an error of a function is a failure of the tool: {outcome:?}");
    let (ending, outcome) = lab.attack("plain", "add-small", json!({ "a": 256, "b": 0 })).await;
    assert!(matches!(ending, Ending::Failed(remit_core::Kind::Invalid, _)), "{outcome:?}");
}

/// Each `.wasm` in the folder `REMIT_THIRD_PARTY` lists tools or is refused with a reason.
#[tokio::test(flavor = "multi_thread")]
async fn third_party_components_list_tools_or_say_why_not() {
    let Some(folder) = std::env::var_os("REMIT_THIRD_PARTY") else {
        return skipped("third_party_components", "REMIT_THIRD_PARTY names no folder");
    };
    let lab = Lab::new();
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            match lab.make("guest", std::fs::read(&path).expect("a file").into(), &[]).await {
                Ok(plugin) => println!("{}: {} tools", path.display(), plugin.definitions.len()),
                Err(error) => {
                    assert!(!error.message.is_empty());
                    println!("{}: refused: {error}", path.display());
                }
            }
        }
    }
}

#[test]
fn plain_functions_that_cannot_be_tools_say_why() {
    let inspection = remit_core::plugin::inspect::inspect(&fixture("plain"), &[]).expect("a component");
    let reasons: Vec<_> = inspection.not_offered.iter().map(|one| one.reason.as_str()).collect();
    assert!(!reasons.is_empty() && reasons.iter().all(|reason| !reason.is_empty()), "{reasons:?}");
}
