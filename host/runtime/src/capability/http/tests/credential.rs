use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header};
use remit_core::grant::{FieldTarget, Rule};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::{
    super::plan::plan,
    server::{Reply, Server},
    setup::{Setup, assert_ok, denied, get, send, undenied},
};
use crate::capability::scrub::{Needles, Scrubber};

const SECRET: &str = "s3cr3t/+value";

fn bearer(allow: &str) -> Setup {
    Setup::local(&[allow]).secret(FieldTarget::Header("authorization".to_owned()), "Bearer {}", SECRET)
}

#[tokio::test]
async fn n13_a_secret_is_sent_and_its_echo_is_masked() {
    let server = Server::start(Reply::Echo).await;
    let url = server.url("127.0.0.1", "/");
    let egress = bearer(&format!("GET {url}")).egress();
    let read = send(&egress, get(&url)).await.unwrap();
    assert_ok(&read);
    let sent = server.seen().remove(0);
    assert!(sent.contains(&format!("authorization: Bearer {SECRET}\r\n")) && sent.contains("accept-encoding: identity\r\n"), "{sent}");
    assert_eq!(read.text(), sent.replace(SECRET, &"*".repeat(SECRET.len())));
    assert!(read.header("x-echo").contains("authorization: Bearer ***"), "{}", read.header("x-echo"));
    assert!(!read.header("x-echo").contains(SECRET));
    undenied(&egress);
}

#[tokio::test]
async fn n13_a_secret_in_the_query_is_encoded_and_masked() {
    let server = Server::start(Reply::Echo).await;
    let url = server.url("127.0.0.1", "/a?b=c");
    let setup = Setup::local(&[&format!("GET {url}")]).secret(FieldTarget::Query("key".to_owned()), "{}", SECRET);
    let read = send(&setup.egress(), get(&url)).await.unwrap();
    assert!(server.seen()[0].starts_with("GET /a?b=c&key=s3cr3t%2F%2Bvalue HTTP/1.1\r\n"), "{:?}", server.seen());
    assert!(read.text().starts_with("GET /a?b=c&key=***"), "{}", read.text());
    assert!(!read.text().contains("s3cr3t"));
}

#[tokio::test]
async fn n13_a_guest_may_not_take_the_place_of_the_secret() {
    let server = Server::start(Reply::Echo).await;
    let url = server.url("127.0.0.1", "/");
    let with = |name: &'static str| -> Request<WasiBody> {
        let mut request = get(&url);
        request.headers_mut().insert(name, HeaderValue::from_static("mine"));
        request
    };
    let allow = format!("GET {url}");
    let header = |name: &str| Setup::local(&[&allow]).secret(FieldTarget::Header(name.to_owned()), "{}", SECRET);
    for (setup, name) in [(bearer(&allow), "authorization"), (header("x-key"), "x-key"), (header("x-key"), "authorization")] {
        let egress = setup.egress();
        let refused = send(&egress, with(name)).await;
        assert!(matches!(refused, Err(Error::HttpRequestDenied)), "{refused:?}");
        let (rule, reason) = denied(&egress);
        assert_eq!(rule, Rule::Forbidden);
        assert!(reason.contains(name) && !reason.contains(SECRET), "{reason}");
    }
    let query = Setup::local(&[&format!("{allow}?**")]).secret(FieldTarget::Query("key".to_owned()), "{}", SECRET).egress();
    let refused = send(&query, get(&format!("{url}?k%65y=mine"))).await;
    assert!(matches!(refused, Err(Error::HttpRequestDenied)), "{refused:?}");
    assert!(server.seen().is_empty());

    let plain = Setup::local(&[&allow]).egress();
    assert_ok(&send(&plain, with("authorization")).await.unwrap());
    assert!(server.seen()[0].contains("authorization: mine\r\n"), "without a secret it is the guest's own");
}

#[tokio::test]
async fn n13_a_secret_that_is_not_set_or_does_not_fit_is_named() {
    for (value, rule, says) in
        [(None, Rule::Secret, "is not set"), (Some(""), Rule::Secret, "is not set"), (Some("two\nlines"), Rule::Forbidden, "line breaks")]
    {
        let mut setup = bearer("GET http://api.test/");
        setup.secrets = value.map(|value| ("git-hub".to_owned(), value.to_owned())).into_iter().collect();
        let egress = setup.egress();
        let refused = send(&egress, get("http://api.test/")).await;
        assert!(matches!(refused, Err(Error::HttpRequestDenied)), "{refused:?}");
        let denials = egress.call.denials.take();
        let [denial] = &denials[..] else { panic!("{denials:?}") };
        assert_eq!(denial.rule, rule);
        assert!(denial.reason.contains("`git-hub`") && denial.reason.contains(says), "{denial}");
        let fix = (rule == Rule::Secret).then(|| "remit secret set git-hub --for http://api.test".to_owned());
        assert_eq!(denial.command(), fix);
    }
}

/// M22: a grant that names a secret for a place that it is not bound to does not get it, whatever the file says.
#[tokio::test]
async fn m22_a_secret_goes_nowhere_that_it_is_not_bound_to() {
    let server = Server::start(Reply::Echo).await;
    let url = server.url("127.0.0.1", "/team/a");
    let origin = url.trim_end_matches("/team/a");
    let to = |bound: &str| {
        let mut setup = bearer(&format!("GET {url}"));
        setup.bound = Some(bound.parse().unwrap());
        setup.egress()
    };
    for bound in ["https://api.example.com", "plugin:fetch", &format!("{origin}/team"), &origin.replace("http:", "https:")] {
        let egress = to(bound);
        let refused = send(&egress, get(&url)).await;
        assert!(matches!(refused, Err(Error::HttpRequestDenied)), "{refused:?}");
        let (rule, reason) = denied(&egress);
        assert_eq!(rule, Rule::Secret);
        assert!(reason.contains("bound to other destinations"), "{reason}");
    }
    assert_eq!(server.seen(), Vec::<String>::new(), "nothing was sent");
    for bound in [origin, &format!("{origin}/team/*")] {
        let egress = to(bound);
        assert_ok(&send(&egress, get(&url)).await.unwrap());
        undenied(&egress);
    }
    assert!(server.seen().iter().all(|sent| sent.contains(SECRET)), "the twin");
}

#[tokio::test]
async fn n13_a_secret_does_not_show_where_a_request_is_logged() {
    let egress = bearer("GET http://api.test/").egress();
    let plan = plan(&egress, get("http://api.test/"), RequestOptions::default()).unwrap();
    let shown = format!("{:?}", plan.request.headers());
    assert!(shown.contains("authorization") && !shown.contains(SECRET), "{shown}");
}

#[tokio::test]
async fn n13_a_secret_in_trailers_is_masked() {
    let reply =
        format!("HTTP/1.1 200 OK\r\ntrailer: x-echo\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-echo: [{SECRET}]\r\n\r\n");
    let server = Server::start(Reply::Bytes(reply.into_bytes())).await;
    let url = server.url("127.0.0.1", "/");
    let read = send(&bearer(&format!("GET {url}")).egress(), get(&url)).await.unwrap();
    assert_ok(&read);
    assert_eq!(read.trailers["x-echo"], format!("[{}]", "*".repeat(SECRET.len())).as_str());
    let read = send(&Setup::local(&[&format!("GET {url}")]).egress(), get(&url)).await.unwrap();
    assert_eq!(read.trailers["x-echo"], format!("[{SECRET}]").as_str(), "the twin: no secret, no mask");
}

#[tokio::test]
async fn n13_a_compressed_answer_to_a_secret_is_refused() {
    let server = Server::start(Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 0\r\n\r\n".to_vec())).await;
    let url = server.url("127.0.0.1", "/");
    let refused = send(&bearer(&format!("GET {url}")).egress(), get(&url)).await;
    assert!(matches!(refused, Err(Error::HttpResponseContentCoding(None))), "{refused:?}");
}

/// What is left of `text` when it arrives in two parts, cut at every place.
fn scrubbed(secret: &str, text: &str) -> String {
    let all: Vec<_> = (0..=text.len())
        .map(|cut| {
            let mut scrubber = Scrubber::new(Needles::of(secret));
            let (start, end) = text.as_bytes().split_at(cut);
            let parts = [scrubber.push(Bytes::copy_from_slice(start)), scrubber.push(Bytes::copy_from_slice(end)), scrubber.finish()];
            String::from_utf8(parts.concat()).unwrap()
        })
        .collect();
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
    all[0].clone()
}

#[test]
fn n13_masking_does_not_depend_on_where_chunks_end() {
    assert_eq!(scrubbed("abcab", "xabcabcaby"), "x********y", "overlapping");
    assert_eq!(scrubbed("abc", "ab abc abcd ab"), "ab *** ***d ab");
    assert_eq!(scrubbed("aab", "aaaab"), "aa***");
    assert_eq!(scrubbed("abc", ""), "");
    assert_eq!(scrubbed(&STANDARD.encode("ab:b"), "ab:"), "a*:", "a form within the start of another one");
}

#[test]
fn n13_the_forms_that_servers_echo_are_masked() {
    let forms = |secret: &str, text: &str| scrubbed(secret, text).replace('*', "");
    assert_eq!(forms("a/+b\"c", "[a/+b\"c] [a%2F%2Bb%22c] [a%2f%2bb%22c] [a/+b\\\"c]"), "[] [] [] []");
    assert_eq!(forms("user:pass word", &format!("[{}]", STANDARD.encode("user:pass word"))), "[=]");
    assert_eq!(forms("user:pass word", "[user%3Apass%20word] [user%3apass+word]"), "[] []");
    assert_eq!(forms("??>>", "[Pz8+Pg==] [Pz8-Pg]"), "[==] []", "both alphabets of base64");
    assert_eq!(forms("päß\"/1", "[p\\u00e4\\u00df\\\"/1] [päß\\\"\\/1]"), "[] []", "JSON in ASCII, and with its slashes escaped");
    assert_eq!(forms("Sesame", "[536573616d65] [536573616D65]"), "[] []");
    for (before, after) in [("", ""), ("a", "b"), ("ab", "c"), ("ada:", "\n"), ("{\"t\":\"", "\"}")] {
        let told = STANDARD.encode(format!("{before}open-sesame-now{after}"));
        let left = forms("open-sesame-now", &told);
        assert!(left.len() <= told.len() - 17, "as a part of a longer text: {told} {left}");
    }
    let basic = STANDARD.encode("ada:passphrase");
    assert_eq!(forms(&basic, &format!("[{basic}] [ada:passphrase] [passphrase]")), "[] [] []");
}

#[test]
fn n13_fields_are_masked_by_value_and_dropped_by_name() {
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, HeaderValue::from_static("/next?token=Sesame&x=1"));
    headers.insert("x-sesame", HeaderValue::from_static("1"));
    headers.insert("x-plain", HeaderValue::from_static("1"));
    Needles::of("Sesame").scrub_headers(&mut headers);
    assert_eq!(headers[header::LOCATION], "/next?token=******&x=1");
    assert!(!headers.contains_key("x-sesame") && headers.contains_key("x-plain"));
}
