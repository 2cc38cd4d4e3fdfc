//! N: a guest that reaches out, from the guest's side; the gateway's own cases stand beside it.

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use remit_core::grant::Rule;
use remit_tests::{Ending, Lab};
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
