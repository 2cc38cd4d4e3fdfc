use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use remit_core::grant::Rule;
use wasmtime::{Engine, component::Linker};
use wasmtime_wasi_http::{Error, WasiHttpHooks as _};

use super::{
    server::{Reply, Server},
    setup::{Setup, assert_ok, denied, get, request, send, undenied},
};

#[test]
fn it_links() {
    let mut linker = Linker::new(&Engine::default());
    super::super::link(&mut linker).unwrap();
    assert!(super::super::link(&mut linker).is_err(), "shadowing stays off");
}

#[test]
fn n7_guests_may_not_set_what_the_connection_is_about() {
    let mut egress = Setup::new(&["GET http://api.test/"]).egress();
    for name in
        ["host", "connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "proxy-authorization", "proxy-anything"]
    {
        assert!(egress.is_forbidden_header(&name.parse().unwrap()), "{name}");
    }
    for name in ["accept", "authorization", "content-length", "content-type", "x-proxy"] {
        assert!(!egress.is_forbidden_header(&name.parse().unwrap()), "{name}");
    }
}

#[tokio::test]
async fn n7_two_lengths_are_refused_and_one_is_sent() {
    let server = Server::answering("hello").await;
    let url = server.url("127.0.0.1", "/");
    let egress = Setup::local(&[&format!("POST {url}")]).egress();
    for (lengths, fits) in [(&["4", "5"][..], false), (&["4", "4"], false), (&["+4"], false), (&["x"], false), (&["4"], true)] {
        let mut post = request("POST", &url, "body");
        for length in lengths {
            post.headers_mut().append(header::CONTENT_LENGTH, length.parse().unwrap());
        }
        let answer = send(&egress, post).await;
        match answer {
            Ok(_) => assert!(fits, "{lengths:?}"),
            Err(error) => assert!(!fits && matches!(error, Error::HttpProtocolError), "{lengths:?}: {error}"),
        }
    }
    assert_eq!(server.seen().len(), 1);
    assert!(server.seen()[0].ends_with("\r\n\r\nbody"));
}

#[tokio::test]
async fn n7_trailers_of_a_guest_are_refused() {
    let server = Server::answering("hello").await;
    let url = server.url("127.0.0.1", "/");
    let egress = Setup::local(&[&format!("POST {url}")]).egress();
    let mut trailers = HeaderMap::new();
    trailers.insert(header::AUTHORIZATION, "Bearer mine".parse().unwrap());
    let frames = [Ok::<_, Error>(Frame::data(Bytes::from_static(b"body"))), Ok(Frame::trailers(trailers))];
    let body = StreamBody::new(futures::stream::iter(frames)).boxed_unsync();
    let post = http::Request::post(&url).body(body).unwrap();
    let refused = send(&egress, post).await;
    assert!(matches!(refused, Err(Error::HttpRequestTrailerSectionSize(_))), "{refused:?}");
    assert_eq!(denied(&egress).0, Rule::Forbidden);
    assert!(!server.seen().concat().contains("mine"));
}

#[tokio::test]
async fn a_response_keeps_its_status_fields_and_bytes() {
    let reply = b"HTTP/1.1 404 Not Found\r\nx-a: 1\r\nx-a: 2\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n3\r\n\x1f\x8b\x08\r\n0\r\n\r\n";
    let server = Server::start(Reply::Bytes(reply.to_vec())).await;
    let url = server.url("127.0.0.1", "/");
    let egress = Setup::local(&[&format!("GET {url}")]).egress();
    let read = send(&egress, get(&url)).await.unwrap();
    assert_eq!(read.head.status.as_u16(), 404);
    assert_eq!(read.head.headers.get_all("x-a").iter().count(), 2);
    assert_eq!(read.body, b"\x1f\x8b\x08", "compressed bytes stay as they are");
    undenied(&egress);
}

#[tokio::test]
#[allow(clippy::type_complexity, reason = "a table of cases")]
async fn a_response_that_ends_early_or_is_no_http_says_so() {
    let cases: [(&[u8], fn(&Error) -> bool); 4] = [
        (b"", |error| matches!(error, Error::ConnectionTerminated)),
        (b"SSH-2.0-OpenSSH\r\n\r\n", |error| matches!(error, Error::HttpProtocolError)),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", |error| {
            matches!(error, Error::HttpUpgradeFailed)
        }),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", |error| matches!(error, Error::HttpResponseIncomplete)),
    ];
    for (reply, expected) in cases {
        let server = Server::start(Reply::Bytes(reply.to_vec())).await;
        let url = server.url("127.0.0.1", "/");
        let answer = send(&Setup::local(&[&format!("GET {url}")]).egress(), get(&url)).await;
        let error = match answer {
            Ok(read) => read.end.unwrap_err(),
            Err(error) => error,
        };
        assert!(expected(&error), "{}: {error}", String::from_utf8_lossy(reply));
    }
}

#[tokio::test]
async fn each_effect_of_a_call_has_a_key_of_its_own() {
    let server = Server::answering("hello").await;
    let url = server.url("127.0.0.1", "/");
    let mut setup = Setup::local(&[&format!("GET {url}"), &format!("POST {url}")]);
    setup.key = Some("order-7".to_owned());
    let egress = setup.egress();
    let mut own = request("POST", &url, "x");
    own.headers_mut().insert("idempotency-key", "mine".parse().unwrap());
    for sent in [request("POST", &url, "x"), get(&url), own, request("POST", &url, "x")] {
        assert_ok(&send(&egress, sent).await.unwrap());
    }
    let key = |request: &String| request.lines().find_map(|line| line.strip_prefix("idempotency-key: ").map(str::to_owned));
    let keys: Vec<_> = server.seen().iter().map(key).collect();
    assert_eq!(keys, [Some("order-7".to_owned()), None, Some("mine".to_owned()), Some("order-7-2".to_owned())]);
}
