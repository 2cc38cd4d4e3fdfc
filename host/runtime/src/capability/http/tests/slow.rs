use std::time::Duration;

use remit_core::limit::HTTP_EXCHANGES_MAX;
use wasmtime_wasi_http::{Error, RequestOptions};

use super::{
    server::{Reply, Server},
    setup::{Setup, assert_ok, get, send, send_with},
};

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\na";

#[tokio::test]
async fn n9_a_stalled_tls_handshake_ends_with_the_deadline() {
    let server = Server::start(Reply::Deaf).await;
    let url = format!("https://127.0.0.1:{}/", server.port);
    let egress = Setup::local(&[&format!("GET {url}")]).deadline_ms(30).egress();
    let failed = send(&egress, get(&url)).await;
    assert!(matches!(failed, Err(Error::ConnectionTimeout)), "{failed:?}");
}

#[tokio::test]
async fn n9_a_stalled_lookup_ends_with_the_deadline() {
    let egress = Setup::local(&["GET http://stalled.test/"]).deadline_ms(30).egress();
    let failed = send(&egress, get("http://stalled.test/")).await;
    assert!(matches!(failed, Err(Error::DnsTimeout)), "{failed:?}");
}

#[tokio::test]
async fn n9_a_stalled_head_ends_with_the_deadline_of_the_grant_or_of_the_call() {
    let server = Server::start(Reply::Stall(b"HTTP/1.1 200 OK\r\nx-".to_vec())).await;
    let url = server.url("127.0.0.1", "/");
    let allow = format!("GET {url}");
    let failed = send(&Setup::local(&[&allow]).deadline_ms(100).egress(), get(&url)).await;
    assert!(matches!(failed, Err(Error::HttpResponseTimeout)), "{failed:?}");
    let mut setup = Setup::local(&[&allow]);
    setup.call_ms = 100;
    let failed = send(&setup.egress(), get(&url)).await;
    assert!(matches!(failed, Err(Error::HttpResponseTimeout)), "{failed:?}");
}

#[tokio::test]
async fn n9_a_stalled_body_ends_with_the_deadline() {
    let server = Server::start(Reply::Stall(HEAD.to_vec())).await;
    let url = server.url("127.0.0.1", "/");
    let read = send(&Setup::local(&[&format!("GET {url}")]).deadline_ms(300).egress(), get(&url)).await.unwrap();
    assert!(matches!(read.end, Err(Error::HttpResponseTimeout)), "{:?}", read.end);
    assert_eq!(read.body, b"a", "what came in time is the guest's");
}

#[tokio::test]
async fn n9_what_comes_in_time_is_read_to_its_end() {
    let server = Server::answering("hello").await;
    let url = server.url("127.0.0.1", "/");
    assert_ok(&send(&Setup::local(&[&format!("GET {url}")]).deadline_ms(30_000).egress(), get(&url)).await.unwrap());
}

#[tokio::test]
async fn a10_timeouts_of_the_guest_count_within_the_deadline() {
    let server = Server::start(Reply::Stall(HEAD.to_vec())).await;
    let url = server.url("127.0.0.1", "/");
    let allow = format!("GET {url}");
    let own =
        |connect, first, between| RequestOptions { connect_timeout: connect, first_byte_timeout: first, between_bytes_timeout: between };
    let (soon, ever) = (Some(Duration::from_millis(20)), Some(Duration::MAX));
    let wide = Setup::local(&[&allow]).egress();

    let deaf = Server::start(Reply::Deaf).await;
    let tls = format!("https://127.0.0.1:{}/", deaf.port);
    let failed = send_with(&Setup::local(&[&format!("GET {tls}")]).egress(), get(&tls), own(soon, None, None)).await;
    assert!(matches!(failed, Err(Error::ConnectionTimeout)), "{failed:?}");
    let mute = Server::start(Reply::Stall(Vec::new())).await;
    let silent = mute.url("127.0.0.1", "/");
    let failed = send_with(&Setup::local(&[&format!("GET {silent}")]).egress(), get(&silent), own(None, soon, None)).await;
    assert!(matches!(failed, Err(Error::ConnectionReadTimeout)), "{failed:?}");
    let read = send_with(&wide, get(&url), own(None, None, soon)).await.unwrap();
    assert!(matches!(read.end, Err(Error::ConnectionReadTimeout)), "{:?}", read.end);
    let read = send_with(&Setup::local(&[&allow]).deadline_ms(300).egress(), get(&url), own(ever, ever, ever)).await.unwrap();
    assert!(matches!(read.end, Err(Error::HttpResponseTimeout)), "{:?}", read.end);
}

#[tokio::test]
async fn a16_dropping_the_exchange_closes_the_connection() {
    let server = Server::start(Reply::Stall(Vec::new())).await;
    let url = server.url("127.0.0.1", "/");
    let egress = Setup::local(&[&format!("GET {url}")]).egress();
    let waiting = tokio::spawn(egress.send(get(&url), RequestOptions::default()));
    server.asked.notified().await;
    waiting.abort();
    server.left.notified().await;
    assert_eq!(egress.slots.available_permits(), HTTP_EXCHANGES_MAX);
}

#[tokio::test]
async fn a16_dropping_response_and_driver_closes_the_connection() {
    let server = Server::start(Reply::Stall(HEAD.to_vec())).await;
    let url = server.url("127.0.0.1", "/");
    let egress = Setup::local(&[&format!("GET {url}")]).egress();
    let answer = egress.send(get(&url), RequestOptions::default()).await.unwrap();
    assert_eq!(egress.slots.available_permits(), HTTP_EXCHANGES_MAX - 1);
    drop(answer);
    server.left.notified().await;
    assert_eq!(egress.slots.available_permits(), HTTP_EXCHANGES_MAX);
}

#[tokio::test]
async fn r12_so_many_exchanges_are_open_at_once_and_no_more() {
    let server = Server::start(Reply::Stall(HEAD.to_vec())).await;
    let url = server.url("127.0.0.1", "/");
    let egress = Setup::local(&[&format!("GET {url}")]).egress();
    let mut open = Vec::new();
    for _ in 0..HTTP_EXCHANGES_MAX {
        open.push(egress.send(get(&url), RequestOptions::default()).await.unwrap());
    }
    let refused = send(&egress, get(&url)).await;
    assert!(matches!(refused, Err(Error::ConnectionLimitReached)), "{refused:?}");
    open.pop();
    assert!(egress.send(get(&url), RequestOptions::default()).await.is_ok());
}
