//! The kinds of component: made with the SDK, with plain bindings, and plain functions.

use std::collections::BTreeSet;

use remit_tests::{Ending, Lab, Shell, component, fixture, skipped};
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

/// The interfaces of ours that a component imports and exports.
fn interfaces(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
    let engine = wasmtime::Engine::default();
    let component = wasmtime::component::Component::new(&engine, bytes).expect("a component");
    let ours = |names: Vec<String>| names.into_iter().filter(|name| name.starts_with("remit:")).collect::<Vec<_>>();
    let ty = component.component_type();
    let imports = ty.imports(&engine).map(|(name, _)| name.to_owned()).collect();
    (ours(imports), ty.exports(&engine).map(|(name, _)| name.to_owned()).collect())
}

#[test]
fn an_agent_exports_its_handler_and_what_it_names_and_a_tool_knows_nothing_of_agents() {
    let (imports, exports) = interfaces(&component("triage"));
    assert_eq!(exports, ["remit:agent/handler@0.1.0"]);
    assert!(!imports.contains(&"remit:agent/model@0.1.0".to_owned()), "it asks no model: {imports:?}");
    let (imports, exports) = interfaces(&fixture("agent"));
    assert_eq!(BTreeSet::from_iter(exports), ["remit:agent/handler@0.1.0", "remit:agent/migrate@0.1.0"].map(str::to_owned).into());
    let session = ["context", "outputs", "state"].map(|interface| format!("remit:session/{interface}@0.1.0"));
    let expected = ["remit:agent/durable@0.1.0", "remit:agent/model@0.1.0", "remit:tool/types@0.1.0"]
        .into_iter()
        .chain(session.iter().map(String::as_str));
    assert_eq!(BTreeSet::from_iter(imports.iter().map(String::as_str)), expected.collect());
    let (imports, exports) = interfaces(&fixture("hostile"));
    assert_eq!(exports, ["remit:tool/tools@0.1.0"]);
    assert!(imports.iter().all(|name| !name.contains("agent") && !name.contains("state")), "{imports:?}");
}

/// A component made by Python's own toolchain, run as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_python_component_offers_its_functions() {
    let Some(bytes) = remit_tests::python("words") else {
        return skipped("a_python_component_offers_its_functions", "componentize-py cannot be installed here");
    };
    let limits =
        remit_core::limit::CallLimits { memory_mib: 256, deadline_ms: 120_000, output_kib: 64, ..remit_core::limit::CallLimits::default() };
    let lab = Lab::new().plugin("words", bytes, &[], limits).await;
    let outcome = lab.call("words", "shout", json!({ "text": "hello" })).await;
    assert_eq!(outcome.result.expect("an answer").structured, Some(json!({ "result": "HELLO!" })));
    let outcome = lab.call("words", "count", json!({ "text": "b a b" })).await;
    assert_eq!(outcome.result.expect("an answer").structured, Some(json!({ "result": [["a", 1], ["b", 2]] })));
    let outcome = lab.call("words", "divide", json!({ "a": 1, "b": 0 })).await;
    assert_eq!(outcome.result.expect_err("an error of the function").message, "nothing can be divided by zero");
}

/// A component made by JavaScript's own toolchain, run as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_javascript_component_offers_its_functions() {
    let Some(bytes) = remit_tests::javascript("basket") else {
        return skipped("a_javascript_component_offers_its_functions", "node, npm and jco cannot be had here");
    };
    let lab = Lab::new().plugin("basket", bytes, &[], remit_core::limit::CallLimits::default()).await;
    let (tea, cake) = (json!({ "name": "tea", "cents": 250, "note": null }), json!({ "name": "cake", "cents": 400, "note": "warm" }));
    let cases = [
        ("shout", json!({ "text": "hello" }), json!({ "result": "HELLO!" })),
        ("prices_cheapest", json!({ "items": [cake, tea] }), json!({ "result": tea })),
        ("prices_cheapest", json!({ "items": [] }), json!({ "result": null })),
        ("prices_total", json!({ "items": [tea, cake], "reduction": "none" }), json!({ "result": 650 })),
        ("prices_total", json!({ "items": [tea, cake], "reduction": { "percent": 10 } }), json!({ "result": 585 })),
        ("prices_pay", json!({ "cents": 650, "given": 1000 }), json!({ "result": { "change": 350 } })),
        ("prices_pay", json!({ "cents": 650, "given": 650 }), json!({ "result": "exact" })),
    ];
    for (tool, arguments, expected) in cases {
        let outcome = lab.call("basket", tool, arguments).await;
        assert_eq!(outcome.result.expect(tool).structured, Some(expected), "{tool}");
    }
    let outcome = lab.call("basket", "prices_total", json!({ "items": [tea], "reduction": { "amount": 251 } })).await;
    assert_eq!(outcome.result.expect_err("an error of the function").message, "a reduction cannot exceed the sum");
}

/// A language's runtime imports much of WASI; a reviewer reads what matters of it, and how much more there is.
#[test]
fn inspect_folds_what_a_javascript_runtime_imports_anyway() {
    let Some(bytes) = remit_tests::javascript("basket") else {
        return skipped("inspect_folds_what_a_javascript_runtime_imports_anyway", "node, npm and jco cannot be had here");
    };
    let shell = Shell::new();
    shell.write("basket.wasm", bytes);
    let shown = shell.transcript(&["inspect", "basket.wasm"]).to_string();
    let imports: Vec<&str> =
        shown.lines().skip_while(|line| *line != "imports").skip(1).take_while(|line| line.starts_with("  ")).collect();
    let (last, named) = imports.split_last().expect("it imports something");
    assert!(last.starts_with("  and ") && last.ends_with(" that every component has"), "{shown}");
    assert!(!named.is_empty() && named.iter().all(|name| name.starts_with("  wasi:filesystem/")), "{shown}");
    assert!(shown.contains("\n  init  not offered: it sets up the language runtime\n"), "{shown}");
}
