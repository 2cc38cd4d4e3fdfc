use std::time::Duration;

use remit_core::limit::HTTP_EXCHANGES_MAX;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use wasmtime_wasi_http::{Error, RequestOptions};

use super::{
    server::{Reply, Server},
    setup::{LOOPBACK, Setup, assert_ok, ends, get, send, send_with},
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

/// A port at `address` whose queue is full, so that nothing answers there.
async fn full(address: &str) -> (TcpListener, TcpStream) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(address.parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let first = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (listener, first)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn n9_a_connection_that_nobody_takes_ends_with_the_deadline() {
    let (listener, _first) = full("127.0.0.1:0").await;
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let egress = Setup::local(&[&format!("GET {url}")]).deadline_ms(100).egress();
    let failed = send(&egress, get(&url)).await;
    assert!(matches!(failed, Err(Error::ConnectionTimeout)), "{failed:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn n9_an_address_that_does_not_answer_leaves_time_for_the_next() {
    let server = Server::answering("hello").await;
    let _held = full(&format!("127.0.0.2:{}", server.port)).await;
    let url = server.url("api.test", "/");
    let setup = Setup::local(&[&format!("GET {url}")]).private("127.0.0.2").deadline_ms(2_000);
    let egress = setup.name("api.test", &[&["127.0.0.2".parse().unwrap(), LOOPBACK]]).egress();
    assert_ok(&send(&egress, get(&url)).await.unwrap());
}

#[tokio::test]
async fn n9_a_response_that_is_never_read_ends_with_the_deadline() {
    let server = Server::start(Reply::Stall(HEAD.to_vec())).await;
    let url = server.url("127.0.0.1", "/");
    let egress = Setup::local(&[&format!("GET {url}")]).deadline_ms(300).egress();
    let (_unread, driver) = egress.send(get(&url), RequestOptions::default()).await.unwrap();
    ends(Box::into_pin(driver)).await.unwrap();
    assert_eq!(egress.slots.available_permits(), HTTP_EXCHANGES_MAX);
}

#[tokio::test]
async fn n9_what_comes_in_time_is_read_to_its_end() {
    let server = Server::answering("hello").await;
    let url = server.url("127.0.0.1", "/");
    assert_ok(&send(&Setup::local(&[&format!("GET {url}")]).deadline_ms(30_000).egress(), get(&url)).await.unwrap());
}

#[tokio::test]
async fn a10_timeouts_of_the_guest_count_within_the_deadline() {
    let body = Server::start(Reply::Stall(HEAD.to_vec())).await;
    let mute = Server::start(Reply::Stall(Vec::new())).await;
    let deaf = Server::start(Reply::Deaf).await;
    let (body, mute, deaf) = (body.url("127.0.0.1", "/"), mute.url("127.0.0.1", "/"), format!("https://127.0.0.1:{}/", deaf.port));
    let allow = [&body, &mute, &deaf].map(|url| format!("GET {url}"));
    let allow = allow.each_ref().map(String::as_str);
    let own =
        |connect, first, between| RequestOptions { connect_timeout: connect, first_byte_timeout: first, between_bytes_timeout: between };

    let (soon, wide) = (Some(Duration::from_millis(20)), Setup::local(&allow).egress());
    let failed = send_with(&wide, get(&deaf), own(soon, None, None)).await;
    assert!(matches!(failed, Err(Error::ConnectionTimeout)), "{failed:?}");
    let failed = send_with(&wide, get(&mute), own(None, soon, None)).await;
    assert!(matches!(failed, Err(Error::ConnectionReadTimeout)), "{failed:?}");
    let read = send_with(&wide, get(&body), own(None, None, soon)).await.unwrap();
    assert!(matches!(read.end, Err(Error::ConnectionReadTimeout)), "{:?}", read.end);

    let narrow = Setup::local(&allow).deadline_ms(300).egress();
    for ever in [Duration::from_secs(3600), Duration::MAX].map(Some) {
        let failed = send_with(&narrow, get(&deaf), own(ever, ever, ever)).await;
        assert!(matches!(failed, Err(Error::ConnectionTimeout)), "{failed:?}");
        let failed = send_with(&narrow, get(&mute), own(ever, ever, ever)).await;
        assert!(matches!(failed, Err(Error::HttpResponseTimeout)), "{failed:?}");
        let read = send_with(&narrow, get(&body), own(ever, ever, ever)).await.unwrap();
        assert!(matches!(read.end, Err(Error::HttpResponseTimeout)), "{:?}", read.end);
    }
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
