use remit_core::{grant::Rule, limit::HTTP_FIELDS_MAX_BYTES};
use wasmtime_wasi_http::Error;

use super::{
    server::{Reply, Server},
    setup::{LOOPBACK, Setup, assert_ok, denied, get, request, send, undenied},
};

#[tokio::test]
async fn n10_an_endless_body_ends_at_the_bound() {
    for head in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n"] {
        let server = Server::start(Reply::Endless(head)).await;
        let url = server.url("127.0.0.1", "/");
        let egress = Setup::local(&[&format!("GET {url}")]).max_bytes(10_000).egress();
        let read = send(&egress, get(&url)).await.unwrap();
        assert!(matches!(read.end, Err(Error::HttpResponseBodySize(Some(10_000)))), "{:?}", read.end);
        assert_eq!(read.body.len(), 10_000);
        assert_eq!(denied(&egress).0, Rule::Quota);
    }
}

#[tokio::test]
async fn n10_a_body_of_just_the_bound_is_read() {
    let server = Server::answering(&"x".repeat(10_000)).await;
    let url = server.url("127.0.0.1", "/");
    let egress = Setup::local(&[&format!("GET {url}")]).max_bytes(10_000).egress();
    let read = send(&egress, get(&url)).await.unwrap();
    assert_ok(&read);
    assert_eq!(read.body.len(), 10_000);
    undenied(&egress);
}

#[tokio::test]
async fn n10_a_compressed_body_is_passed_on_as_it_came_and_counted_so() {
    // A thousand bytes of zeroes, written by gzip; a bomb is no more to the host than what it weighs.
    let packed =
        [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0x63, 0x60, 0x18, 5, 0xa3, 0x60, 0x14, 0x0c, 0x77, 0, 0, 0x80, 0x17, 0x0b, 6, 0xe8, 3, 0, 0];
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", packed.len());
    let server = Server::start(Reply::Bytes([head.as_bytes(), &packed].concat())).await;
    let url = server.url("127.0.0.1", "/");
    for (max_bytes, fits) in [(packed.len() as u64, true), (packed.len() as u64 - 1, false)] {
        let read = send(&Setup::local(&[&format!("GET {url}")]).max_bytes(max_bytes).egress(), get(&url)).await.unwrap();
        assert_eq!((read.header("content-encoding"), read.end.is_ok()), ("gzip", fits));
        assert_eq!(read.body, packed[..usize::try_from(max_bytes).unwrap()]);
    }
}

#[tokio::test]
async fn n10_a_request_body_is_bounded_whether_its_length_is_announced_or_not() {
    let server = Server::answering("hello").await;
    let url = server.url("127.0.0.1", "/");
    let egress = Setup::local(&[&format!("POST {url}")]).max_bytes(8).egress();
    for announced in [true, false] {
        let mut post = request("POST", &url, "123456789");
        if announced {
            post.headers_mut().insert("content-length", "9".parse().unwrap());
        }
        let refused = send(&egress, post).await;
        assert!(matches!(refused, Err(Error::HttpRequestBodySize(Some(8)))), "{refused:?}");
        assert_eq!(denied(&egress).0, Rule::Quota);
    }
    assert_ok(&send(&egress, request("POST", &url, "12345678")).await.unwrap());
}

#[tokio::test]
async fn n10_nothing_is_opened_for_a_body_that_says_it_is_too_large() {
    let setup = Setup::local(&["POST http://api.test/"]).name("api.test", &[&[LOOPBACK]]).max_bytes(8);
    let egress = setup.egress();
    let mut post = request("POST", "http://api.test/", "123456789");
    post.headers_mut().insert("content-length", "9".parse().unwrap());
    let refused = send(&egress, post).await;
    assert!(matches!(refused, Err(Error::HttpRequestBodySize(Some(8)))), "{refused:?}");
    assert_eq!(denied(&egress).0, Rule::Quota);
    assert!(setup.names.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a9_a_flood_of_response_fields_is_refused() {
    let flood = |count| format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", format!("x-a: {}\r\n", "y".repeat(1000)).repeat(count));
    for (count, fits) in [(20, true), (2 * HTTP_FIELDS_MAX_BYTES / 1000, false)] {
        let server = Server::start(Reply::Bytes(flood(count).into_bytes())).await;
        let url = server.url("127.0.0.1", "/");
        match send(&Setup::local(&[&format!("GET {url}")]).egress(), get(&url)).await {
            Ok(_) => assert!(fits),
            Err(error) => assert!(!fits && matches!(error, Error::HttpResponseHeaderSectionSize(_)), "{error}"),
        }
    }
}
