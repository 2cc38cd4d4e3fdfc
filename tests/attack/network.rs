//! N: a guest that reaches out, from the guest's side; the gateway's own cases stand beside it.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
};

use remit_core::{Blame, Kind, grant::Rule, identity::Role, limit::CallLimits};
use remit_runtime::Request;
use remit_tests::{Ending, Lab, fixture};
use serde_json::json;

/// A server on loopback that answers each request with its first line.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap_or_default();
            let line = String::from_utf8_lossy(&head[..read]).lines().next().unwrap_or_default().to_owned();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{line}", line.len());
            stream.write_all(answer.as_bytes()).expect("the guest listens");
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn n1_loopback_needs_a_grant_by_address() {
    let server = server();
    let lab = Lab::new().fixture("hostile", &[]).await;
    let target = json!({ "address": format!("{server}/a") });
    let (_, outcome) = lab.attack("hostile", "fetch", target.clone()).await;
    assert_eq!(Lab::rules(&outcome), [Rule::NotGranted], "{outcome:?}");

    lab.grant("hostile", &[&format!("http GET {server}/a")]);
    let (_, outcome) = lab.attack("hostile", "fetch", target.clone()).await;
    assert_eq!(Lab::rules(&outcome), [Rule::PrivateAddress], "{outcome:?}");

    lab.grant("hostile", &[&format!("http GET {server}/a private=127.0.0.1")]);
    let (ending, outcome) = lab.attack("hostile", "fetch", target).await;
    assert!(matches!(&ending, Ending::Done(text) if text.contains("GET /a")), "{outcome:?}");
    assert!(outcome.denials.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn n8_what_is_granted_is_this_path_at_this_port() {
    let server = server();
    let lab = Lab::new().fixture("hostile", &[&format!("http GET {server}/a private=127.0.0.1")]).await;
    for other in [format!("{server}/b"), format!("{server}/a/b"), format!("{server}/a?x=1"), "http://127.0.0.1:1/a".to_owned()] {
        let (_, outcome) = lab.attack("hostile", "fetch", json!({ "address": other })).await;
        assert_eq!(Lab::rules(&outcome), [Rule::NoMatch], "{other}: {outcome:?}");
    }
    let (ending, outcome) = lab.attack("hostile", "fetch", json!({ "address": format!("{server}/x/../a") })).await;
    assert!(matches!(ending, Ending::Done(_)), "the canonical path is the granted one: {outcome:?}");
}

/// A server on loopback that answers each request with what it is, and keeps the first line of each.
fn keeping() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("an address");
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let kept = seen.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap_or_default();
            kept.lock().expect("no panic").push(String::from_utf8_lossy(&head[..read]).lines().next().unwrap_or_default().to_owned());
            drop(stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"));
        }
    });
    (format!("http://{address}"), seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn n14_a_grant_of_a_path_keeps_data_from_another_account_of_the_same_host() {
    let (server, seen) = keeping();
    let grants = [
        format!("http POST {server}/repos/acme/*/issues private=127.0.0.1"),
        format!("http POST {server}/users/{{user}}/notes private=127.0.0.1"),
    ];
    let lab = Lab::new().fixture("hostile", &[&grants[0], &grants[1]]).await;
    for elsewhere in [
        "/repos/mallory/site/issues",
        "/repos/acme/../mallory/issues",
        "/repos/acme/../mallory/site/issues",
        "/repos/acme/%2e%2e%2fmallory/issues",
        "/repos/acme/..%2fmallory/issues",
        "/repos/acme%2fsite%2f..%2f..%2fmallory/x/issues",
        "/repos/acme/site/issues/",
        "/repos/acme/site/issues?owner=mallory",
        "/repos/acme//issues",
        "/repos/acme/site/comments",
        "/repos/ACME/site/issues",
        "//repos/acme/site/issues",
        "/users/mallory/notes",
        "/users/ada/../mallory/notes",
        "/gists",
    ] {
        let (ending, outcome) = lab.attack("hostile", "post", json!({ "address": format!("{server}{elsewhere}") })).await;
        assert!(matches!(ending, Ending::Failed(..)), "{elsewhere}: {outcome:?}");
        assert_eq!(Lab::rules(&outcome), [Rule::NoMatch], "{elsewhere}: {outcome:?}");
    }
    assert!(seen.lock().expect("no panic").is_empty(), "nothing left");
    let own = ["/repos/acme/site/issues", "/repos/acme/x/../docs/issues", "/users/ada/notes"];
    for path in own {
        let (ending, outcome) = lab.attack("hostile", "post", json!({ "address": format!("{server}{path}") })).await;
        assert!(matches!(&ending, Ending::Done(text) if text.starts_with("201")), "{path}: {outcome:?}");
    }
    let arrived = ["POST /repos/acme/site/issues HTTP/1.1", "POST /repos/acme/docs/issues HTTP/1.1", "POST /users/ada/notes HTTP/1.1"];
    assert_eq!(*seen.lock().expect("no panic"), arrived);
}

#[tokio::test(flavor = "multi_thread")]
async fn n15_a_guest_that_asks_without_end_is_told_its_limit_and_the_next_one_is_not() {
    let server = server();
    let grants = format!("http GET {server}/a private=127.0.0.1");
    let limits = CallLimits { requests_per_minute: 2, ..CallLimits::default() };
    let lab = Lab::new().plugin("hostile", fixture("hostile"), &[&grants], limits).await.fixture("plain", &[]).await;
    let target = json!({ "address": format!("{server}/a") });
    for _ in 0..2 {
        let (ending, outcome) = lab.attack("hostile", "fetch", target.clone()).await;
        assert!(matches!(&ending, Ending::Done(text) if text.contains("GET /a")), "{outcome:?}");
    }
    let (ending, outcome) = lab.attack("hostile", "fetch", target.clone()).await;
    assert_eq!(ending, Ending::Failed(Kind::Limit, Blame::Guest), "{outcome:?}");
    assert_eq!(Lab::rules(&outcome), [Rule::Quota]);
    let error = outcome.result.expect_err("it failed");
    assert_eq!(error.message, "`hostile` would make more than 2 requests in a minute");
    assert!(error.hints[0].starts_with("it may go on in ") && error.hints[0].ends_with(" s"), "{:?}", error.hints);
    assert!(error.hints[1].contains("`requests_per_minute` in the `limits` of `[plugins.hostile]`"), "{:?}", error.hints);

    let bob = lab.host.context("user:bob".parse().expect("a principal"), Role::Owner).expect("a context");
    let outcome = lab.host.call(&bob, &Request::new("lab", "hostile", "fetch", &target.to_string())).await;
    assert!(outcome.result.is_ok(), "another principal is not held to it: {outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn n12_raw_sockets_are_refused_and_recorded() {
    let server = server();
    let address = server.trim_start_matches("http://").to_owned();
    let lab = Lab::new().fixture("hostile", &[&format!("http GET {server}/a private=127.0.0.1")]).await;
    let (ending, outcome) = lab.attack("hostile", "connect", json!({ "address": address })).await;
    assert!(matches!(ending, Ending::Failed(..)), "{outcome:?}");
    assert_eq!(outcome.denials.first().map(|denial| denial.capability.as_str()), Some("sockets"), "{outcome:?}");
    let (ending, outcome) = lab.attack("hostile", "resolve", json!({ "address": "localhost:80" })).await;
    assert!(matches!(ending, Ending::Failed(..)), "{outcome:?}");
    assert_eq!(outcome.denials.first().map(|denial| denial.capability.as_str()), Some("sockets"), "{outcome:?}");
}
