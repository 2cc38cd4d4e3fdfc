//! A host application: its own capability, its quotas, projects that change while they run, an orderly end.

#[path = "embed/two_users.rs"]
mod two_users;

use std::{sync::Arc, time::Duration};

use remit_core::{Kind, grant::Rule, identity::Role};
use remit_runtime::{
    Capability, Host, Project, Quota, Request,
    capability::{Call, CallState},
};
use remit_tests::{Ending, Lab};
use serde_json::json;
use wasmtime::component::Linker;

/// A component that asks the application for the total of an invoice.
const BILLING: &str = r#"
(component
    (import "acme:billing/invoices@1.0.0" (instance $invoices (export "total" (func (param "id" u32) (result u64)))))
    (core func $total (canon lower (func $invoices "total")))
    (core module $m
        (import "host" "total" (func $total (param i32) (result i64)))
        (func (export "bill") (param i32) (result i64) local.get 0 call $total))
    (core instance $i (instantiate $m (with "host" (instance (export "total" (func $total))))))
    (func (export "bill") (param "id" u32) (result u64) (canon lift (core func $i "bill"))))
"#;

/// The application's own interface, under grants like Remit's own.
struct Billing;

/// Who asks.
struct Asker {
    call: Arc<Call>,
}

impl Capability for Billing {
    type State = Asker;

    fn name(&self) -> &'static str {
        "acme:billing"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["acme:billing/invoices@1.0.0"]
    }

    fn link(&self, linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
        linker.instance("acme:billing/invoices@1.0.0")?.func_wrap("total", |mut store, (id,): (u32,)| {
            let asker: &mut Asker = store.data_mut().custom().ok_or_else(|| wasmtime::Error::msg("no state"))?;
            if !asker.call.allows("acme:billing", &format!("invoices/{id}")) {
                return Err(wasmtime::Error::msg("not granted"));
            }
            Ok((u64::from(id) * 100,))
        })
    }

    fn state(&self, call: &Arc<Call>) -> Asker {
        Asker { call: call.clone() }
    }
}

async fn billing(host: &Host, granted: &str, id: u32) -> remit_runtime::Outcome {
    let component = wat::parse_str(BILLING).expect("a component");
    let mut plugin = host.plugin("billing", component).await.expect("a plugin");
    plugin.granted.custom.insert("acme:billing".to_owned(), vec![granted.to_owned()]);
    assert!(host.load(Project { name: "shop".to_owned(), root: "/".into(), plugins: vec![plugin], ..Project::default() }).is_empty());
    let context = host.context("user:ada".parse().expect("a principal"), Role::Owner).expect("a context");
    host.call(&context, &Request::new("shop", "billing", "bill", &json!({ "id": id }).to_string())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_applications_own_capability_is_granted_and_refused_like_ours() {
    let host = Host::builder().capability(Billing).build().expect("a host");
    let outcome = billing(&host, "invoices/7", 7).await;
    assert_eq!(outcome.result.expect("granted").structured, Some(json!({ "result": 700 })));
    let outcome = billing(&host, "invoices/7", 8).await;
    assert!(outcome.result.is_err());
    assert_eq!(Lab::rules(&outcome), [Rule::NoMatch]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_needs_what_the_host_does_not_serve_names_it() {
    let host = Host::builder().build().expect("a host");
    let component = wat::parse_str(BILLING).expect("a component");
    let error = host.plugin("billing", component).await.expect_err("nobody serves it");
    assert_eq!(error.kind, Kind::Invalid);
    assert!(error.message.contains("acme:billing/invoices@1.0.0"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_has_a_quota_of_calls_at_once() {
    let lab = Lab::with(|builder| builder.per_principal(Quota { calls: 1, memory_mib: 1024 })).fixture("hostile", &[]).await;
    let slow = lab.call("hostile", "sleep", json!({ "milliseconds": 60_000 }));
    tokio::pin!(slow);
    let mut second = None;
    while second.is_none() {
        tokio::select! {
            biased;
            outcome = &mut slow => panic!("{outcome:?}"),
            outcome = lab.call("hostile", "sleep", json!({ "milliseconds": 1 })) => {
                if matches!(Lab::ending(&outcome), Ending::Failed(Kind::Limit, _)) {
                    second = Some(outcome);
                }
            }
        }
    }
    assert!(second.is_some_and(|outcome| outcome.result.expect_err("a quota").message.contains("user:ada")));
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_refuses_new_calls_and_ends_those_that_stay() {
    let lab = Arc::new(Lab::new().fixture("hostile", &[]).await);
    let running = tokio::spawn({
        let lab = lab.clone();
        async move { lab.call("hostile", "wait_forever", json!({})).await }
    });
    while lab.host.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    lab.host.shutdown(Duration::from_millis(10)).await;
    let outcome = running.await.expect("no panic");
    assert!(matches!(Lab::ending(&outcome), Ending::Failed(Kind::Unavailable, _)), "{outcome:?}");
    let outcome = lab.call("hostile", "allocate", json!({ "amount": 1 })).await;
    assert!(matches!(Lab::ending(&outcome), Ending::Failed(Kind::Unavailable, _)), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_replaced_while_its_calls_run() {
    let lab = Lab::new().fixture("raw-tool", &[]).await;
    assert!(lab.call("raw-tool", "answer", json!({})).await.result.is_ok());
    lab.host.load(Project { name: "lab".to_owned(), root: "/".into(), plugins: Vec::new(), ..Project::default() });
    let outcome = lab.call("raw-tool", "answer", json!({})).await;
    assert!(matches!(Lab::ending(&outcome), Ending::Failed(Kind::NotFound, _)), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_documentation_runs_and_is_the_same() {
    two_users::two_users(remit_tests::component("files").to_vec()).await.expect("two users with their rights");
    let page = std::fs::read_to_string(remit_tests::workspace().join("docs/embed.md")).expect("the page");
    let code = include_str!("embed/two_users.rs");
    assert!(page.contains(code.trim()), "docs/embed.md shows another example than tests/embed/two_users.rs");
}
