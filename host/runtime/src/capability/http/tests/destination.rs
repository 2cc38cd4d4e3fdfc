use http::{Method, Request, Uri, header, uri::PathAndQuery};
use remit_core::{grant::Rule, limit::URL_MAX_BYTES, plugin::Effect};
use wasmtime_wasi_http::Error;

use super::{
    super::target::Target,
    server::{Reply, Server},
    setup::{LOOPBACK, Setup, assert_ok, denied, get, request, send, text, undenied},
};

#[tokio::test]
async fn without_a_grant_nothing_is_resolved() {
    let setup = Setup::local(&["GET http://other.test/"]).name("api.test", &[&[LOOPBACK]]);
    let egress = setup.egress();
    let refused = send(&egress, get("http://api.test/a?b")).await;
    assert!(matches!(refused, Err(Error::HttpRequestDenied)), "{refused:?}");
    let denial = egress.call.denials.take().remove(0);
    assert_eq!((denial.rule, denial.request.as_str()), (Rule::NoMatch, "GET http://api.test/a?b"));
    assert!(setup.names.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_refusal_is_recorded_even_when_the_answer_is_never_looked_at() {
    let egress = Setup::local(&["GET http://other.test/"]).egress();
    drop(egress.send(get("http://api.test/"), wasmtime_wasi_http::RequestOptions::default()));
    assert_eq!(denied(&egress).0, Rule::NoMatch);
}

#[tokio::test]
async fn a_tool_that_reads_may_not_post() {
    let server = Server::answering("hello").await;
    let url = server.url("127.0.0.1", "/");
    let mut setup = Setup::local(&[&format!("GET {url}"), &format!("POST {url}")]);
    setup.effect = Effect::Read;
    let egress = setup.egress();
    let refused = send(&egress, request("POST", &url, "x")).await;
    assert!(matches!(refused, Err(Error::HttpRequestDenied)), "{refused:?}");
    assert_eq!(denied(&egress).0, Rule::Effect);
    assert_ok(&send(&egress, get(&url)).await.unwrap());
}

#[tokio::test]
async fn n4_a_redirect_is_the_guests_to_follow_and_to_be_allowed() {
    let other = Server::answering("other").await;
    let location = other.url("127.0.0.1", "/private");
    let reply = format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
    let server = Server::start(Reply::Bytes(reply.into_bytes())).await;
    let url = server.url("127.0.0.1", "/");
    let egress = Setup::local(&[&format!("GET {url}")]).egress();
    let read = send(&egress, get(&url)).await.unwrap();
    assert_eq!((read.head.status.as_u16(), read.header("location")), (302, location.as_str()));
    let refused = send(&egress, get(&location)).await;
    assert!(matches!(refused, Err(Error::HttpRequestDenied)), "{refused:?}");
    assert_eq!(denied(&egress).0, Rule::NoMatch);
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn n5_a_target_that_is_no_path_is_refused() {
    for target in ["*", "other", "http://other.test/"] {
        let mut parts = Uri::from_static("http://api.test/").into_parts();
        let Ok(path) = PathAndQuery::try_from(target) else { continue };
        parts.path_and_query = Some(path);
        let Ok(uri) = Uri::from_parts(parts) else { continue };
        let egress = Setup::local(&["GET http://api.test/**"]).egress();
        let refused = send(&egress, Request::get(uri).body(text("")).unwrap()).await;
        assert!(matches!(refused, Err(Error::HttpRequestUriInvalid)), "{target}: {refused:?}");
        assert_eq!(denied(&egress).0, Rule::Forbidden, "{target}");
    }
}

#[tokio::test]
async fn n5_a_path_with_two_slashes_and_one_with_dots_stay_on_the_host() {
    let server = Server::answering("hello").await;
    let egress = Setup::local(&[&format!("GET {}", server.url("127.0.0.1", "/**?**"))]).egress();
    for path in ["//other.test/x", "/a/../b?c=d", "/%2e%2e/e"] {
        assert_ok(&send(&egress, get(&server.url("127.0.0.1", path))).await.unwrap());
    }
    let lines: Vec<_> = server.seen().iter().map(|request| request.lines().next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["GET //other.test/x HTTP/1.1", "GET /b?c=d HTTP/1.1", "GET /e HTTP/1.1"]);
}

#[tokio::test]
async fn n6_the_host_header_is_the_hosts_to_set() {
    let server = Server::answering("hello").await;
    let url = server.url("127.0.0.1", "/");
    let egress = Setup::local(&[&format!("GET {url}")]).egress();
    let mut own = get(&url);
    own.headers_mut().insert(header::HOST, "other.test".parse().unwrap());
    let refused = send(&egress, own).await;
    assert!(matches!(refused, Err(Error::HttpRequestDenied)), "{refused:?}");
    let (rule, reason) = denied(&egress);
    assert_eq!((rule, reason.as_str()), (Rule::Forbidden, "the host sets the header `host`; leave it out"));
    assert!(server.seen().is_empty());

    assert_ok(&send(&egress, get(&url)).await.unwrap());
    assert!(server.seen()[0].contains(&format!("host: 127.0.0.1:{}\r\n", server.port)), "{:?}", server.seen());
}

#[tokio::test]
async fn n6_a_request_without_authority_is_refused() {
    let egress = Setup::local(&["GET http://api.test/"]).egress();
    let refused = send(&egress, get("/")).await;
    assert!(matches!(refused, Err(Error::HttpRequestUriInvalid)), "{refused:?}");
    assert_eq!(denied(&egress).0, Rule::Forbidden);
}

#[tokio::test]
async fn methods_that_turn_a_connection_into_something_else_are_refused() {
    for method in ["CONNECT", "TRACE", "connect"] {
        let egress = Setup::local(&["* http://api.test/"]).egress();
        let refused = send(&egress, request(method, "http://api.test/", "")).await;
        assert!(matches!(refused, Err(Error::HttpRequestMethodInvalid)), "{method}: {refused:?}");
        assert_eq!(denied(&egress).0, Rule::Forbidden);
    }
}

#[test]
fn n8_every_spelling_is_one_destination() {
    let canonical = |text: &str| Target::of(&text.parse().unwrap()).unwrap();
    for text in ["https://api.test/b", "HTTPS://API.TEST/b", "https://api.test:443/b", "https://api.test./b", "https://api.test/a/../b"] {
        let target = canonical(text);
        assert_eq!((target.url.as_str(), target.port, target.tls), ("https://api.test/b", 443, true), "{text}");
    }
    assert_eq!(canonical("http://xn--bcher-kva.test:8080/").host.to_string(), "xn--bcher-kva.test");
    assert_eq!(canonical("http://0x7f.1/").host.to_string(), "127.0.0.1");
    assert_eq!(canonical("http://api.test?a=b").url.as_str(), "http://api.test/?a=b");
}

#[tokio::test]
async fn n8_user_information_is_refused_and_not_repeated() {
    for url in ["http://ada:hunter2@api.test/", "http://@api.test/", "http://api.test@other.test/"] {
        let egress = Setup::local(&["GET http://api.test/", "GET http://other.test/"]).egress();
        let refused = send(&egress, get(url)).await;
        assert!(matches!(refused, Err(Error::HttpRequestUriInvalid)), "{url}: {refused:?}");
        let denial = egress.call.denials.take().remove(0);
        assert_eq!(denial.rule, Rule::Forbidden);
        assert!(!format!("{denial:?}").contains("hunter2"), "{denial:?}");
    }
}

#[tokio::test]
async fn a10_a_url_that_is_too_long_is_refused() {
    let server = Server::answering("hello").await;
    let egress = Setup::local(&[&format!("GET {}", server.url("127.0.0.1", "/**"))]).egress();
    let start = server.url("127.0.0.1", "/");
    let longest = format!("{start}{}", "a".repeat(URL_MAX_BYTES - start.len()));
    assert_ok(&send(&egress, get(&longest)).await.unwrap());
    undenied(&egress);
    let refused = send(&egress, get(&format!("{longest}a"))).await;
    assert!(matches!(refused, Err(Error::HttpRequestUriTooLong)), "{refused:?}");
    assert_eq!(denied(&egress).0, Rule::Forbidden);
}

#[tokio::test]
async fn a10_a_url_that_grows_too_long_when_it_is_encoded_is_refused() {
    let server = Server::answering("hello").await;
    let egress = Setup::local(&[&format!("GET {}", server.url("127.0.0.1", "/**"))]).egress();
    let url = |quotes: usize| server.url("127.0.0.1", &format!("/{}", "\"".repeat(quotes)));
    assert_ok(&send(&egress, get(&url(URL_MAX_BYTES / 4))).await.unwrap());
    let refused = send(&egress, get(&url(URL_MAX_BYTES / 2))).await;
    assert!(matches!(refused, Err(Error::HttpRequestUriTooLong)), "{refused:?}");
    assert_eq!(denied(&egress).0, Rule::Forbidden);
}

#[tokio::test]
async fn a_method_in_small_letters_is_sent_as_it_was_decided() {
    let server = Server::answering("").await;
    let url = server.url("127.0.0.1", "/");
    let egress = Setup::local(&[&format!("GET {url}")]).egress();
    let mut small = get(&url);
    *small.method_mut() = Method::from_bytes(b"get").unwrap();
    assert_ok(&send(&egress, small).await.unwrap());
    assert!(server.seen()[0].starts_with("GET / "), "{:?}", server.seen());
}
