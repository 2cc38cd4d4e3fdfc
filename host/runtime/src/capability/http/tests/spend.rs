use remit_core::{grant::Rule, id::SessionId, limit::CallLimits};
use wasmtime_wasi_http::Error;

use super::{
    server::{Reply, Server},
    setup::{LOOPBACK, Setup, assert_ok, denied, get, request, send, undenied},
};

fn bounded(url: &str, limits: CallLimits) -> Setup {
    Setup { limits, ..Setup::local(&[&format!("* {url}")]) }
}

#[tokio::test]
async fn n15_requests_of_a_minute_are_bounded_whichever_call_makes_them() {
    let server = Server::answering("hello").await;
    let url = server.url("127.0.0.1", "/");
    let mut setup = bounded(&url, CallLimits { requests_per_minute: 2, ..CallLimits::default() });
    for _ in 0..2 {
        let egress = setup.egress();
        assert_ok(&send(&egress, get(&url)).await.unwrap());
        undenied(&egress);
    }
    let egress = setup.egress();
    let refused = send(&egress, get(&url)).await;
    assert!(matches!(refused, Err(Error::ConnectionLimitReached)), "{refused:?}");
    let (rule, reason) = denied(&egress);
    assert_eq!(rule, Rule::Quota);
    assert!(reason.contains("more than 2 requests in a minute") && reason.contains("`requests_per_minute`"), "{reason}");
    assert_eq!(server.seen().len(), 2, "it did not leave");

    // Others have their own.
    for (principal, session) in [("user:bob", None), ("user:ada", Some(SessionId::new(remit_core::clock::Timestamp(0), 1)))] {
        (setup.principal, setup.session) = (principal, session);
        assert_ok(&send(&setup.egress(), get(&url)).await.unwrap());
    }
}

#[tokio::test]
async fn n15_a_session_has_one_budget_whoever_calls_in_it() {
    let server = Server::answering("hello").await;
    let url = server.url("127.0.0.1", "/");
    let mut setup = bounded(&url, CallLimits { requests_per_minute: 1, ..CallLimits::default() });
    setup.session = Some(SessionId::new(remit_core::clock::Timestamp(0), 1));
    assert_ok(&send(&setup.egress(), get(&url)).await.unwrap());
    setup.principal = "user:bob";
    assert!(matches!(send(&setup.egress(), get(&url)).await, Err(Error::ConnectionLimitReached)));
}

#[tokio::test]
async fn n15_what_is_refused_by_the_grants_spends_nothing() {
    let server = Server::answering("hello").await;
    let url = server.url("127.0.0.1", "/");
    let egress = bounded(&url, CallLimits { requests_per_minute: 1, ..CallLimits::default() }).egress();
    for _ in 0..3 {
        assert!(matches!(send(&egress, get(&server.url("127.0.0.1", "/other"))).await, Err(Error::HttpRequestDenied)));
    }
    assert_ok(&send(&egress, get(&url)).await.unwrap());
}

#[tokio::test]
async fn n15_bytes_that_are_sent_are_bounded_before_they_leave_and_while_they_do() {
    let server = Server::answering("hello").await;
    let url = server.url("127.0.0.1", "/");
    let limits = CallLimits { sent_kib_per_minute: 4, ..CallLimits::default() };
    let body = "x".repeat(5000);
    let mut announced = request("POST", &url, &body);
    announced.headers_mut().insert("content-length", "5000".parse().unwrap());
    let egress = bounded(&url, limits).egress();
    let refused = send(&egress, announced).await;
    assert!(matches!(refused, Err(Error::HttpRequestBodySize(None))), "{refused:?}");
    assert_eq!(denied(&egress).0, Rule::Quota);
    assert!(server.seen().is_empty(), "nothing was opened for it");

    let refused = send(&egress, request("POST", &url, &body)).await;
    assert!(matches!(refused, Err(Error::HttpRequestBodySize(None))), "{refused:?}");
    assert!(denied(&egress).1.contains("send more than 4 KiB in a minute"));
    assert!(server.seen().iter().all(|seen| !seen.contains("xxxx")), "none of the body left");

    let egress = bounded(&url, limits).egress();
    assert_ok(&send(&egress, request("POST", &url, &body[..1000])).await.unwrap());
    undenied(&egress);
}

#[tokio::test]
async fn n15_heads_count_as_sent_and_received() {
    let server = Server::answering("hello").await;
    let url = format!("{}?{}", server.url("127.0.0.1", "/"), "x".repeat(2000));
    let egress = bounded(&url, CallLimits { sent_kib_per_minute: 1, ..CallLimits::default() }).egress();
    let refused = send(&egress, get(&url)).await;
    assert!(matches!(refused, Err(Error::HttpRequestBodySize(None))), "{refused:?}");
    assert!(server.seen().is_empty());

    let head = format!("HTTP/1.1 200 OK\r\nx-a: {}\r\ncontent-length: 0\r\n\r\n", "y".repeat(2000));
    let server = Server::start(Reply::Bytes(head.into_bytes())).await;
    let url = server.url("127.0.0.1", "/");
    let egress = bounded(&url, CallLimits { received_kib_per_minute: 1, ..CallLimits::default() }).egress();
    let refused = send(&egress, get(&url)).await;
    assert!(matches!(refused, Err(Error::HttpResponseHeaderSectionSize(None))), "{refused:?}");
    assert_eq!(denied(&egress).0, Rule::Quota);
}

#[tokio::test]
async fn n15_bytes_that_are_received_are_bounded_over_all_requests() {
    let server = Server::answering(&"x".repeat(3000)).await;
    let url = server.url("127.0.0.1", "/");
    let setup = bounded(&url, CallLimits { received_kib_per_minute: 4, ..CallLimits::default() });
    assert_ok(&send(&setup.egress(), get(&url)).await.unwrap());
    let egress = setup.egress();
    let read = send(&egress, get(&url)).await.unwrap();
    assert!(matches!(read.end, Err(Error::HttpResponseBodySize(None))), "{:?}", read.end);
    assert!(read.body.len() < 3000);
    assert!(denied(&egress).1.contains("receive more than 4 KiB in a minute"));
}

#[tokio::test]
async fn n15_nothing_is_looked_up_for_a_request_beyond_the_bound() {
    let setup = Setup { limits: CallLimits { requests_per_minute: 1, ..CallLimits::default() }, ..Setup::local(&["GET http://api.test/"]) };
    let setup = setup.name("api.test", &[&[LOOPBACK]]);
    for _ in 0..2 {
        drop(send(&setup.egress(), get("http://api.test/")).await);
    }
    assert_eq!(setup.names.asked.lock().unwrap().len(), 1);
}
