//! M17: what was seen before is not sent.

use remit_core::{
    grant::Rule,
    label::{Label, When},
};
use wasmtime_wasi_http::Error;

use super::{
    server::Server,
    setup::{Setup, assert_ok, get, request, send, undenied},
};

#[tokio::test]
async fn m17_a_request_is_refused_once_both_labels_are_there_whatever_its_method() {
    let server = Server::answering("hello").await;
    let url = server.url("127.0.0.1", "/");
    let allow = [format!("GET {url}"), format!("POST {url}")];
    let setup = Setup::local(&[&allow[0], &allow[1]]);
    let egress = setup.seen(&Label::ALL).egress();
    for asked in [get(&url), request("POST", &url, "all of it")] {
        let method = asked.method().clone();
        let refused = send(&egress, asked).await;
        assert!(matches!(refused, Err(Error::HttpRequestDenied)), "{refused:?}");
        let denials = egress.call.denials.take();
        let [denial] = denials.as_slice() else { panic!("{denials:?}") };
        assert_eq!((denial.rule, denial.labels.kinds()), (Rule::Labels, Label::ALL.into()));
        let fix = format!("remit grant fetch http '{method} {url} closed_when=never'");
        assert_eq!(denial.command(), Some(fix), "the smallest change");
    }
    for label in Label::ALL {
        let egress = Setup::local(&[&allow[0]]).seen(&[label]).egress();
        assert_ok(&send(&egress, get(&url)).await.unwrap());
        undenied(&egress);
    }
}

#[tokio::test]
async fn m17_a_grant_closes_when_it_says_and_one_open_grant_is_enough() {
    let server = Server::answering("hello").await;
    let url = server.url("127.0.0.1", "/");
    let mut setup = Setup::local(&[&format!("GET {url}")]).seen(&[Label::Private]);
    setup.http[0].closed_when = When::Private;
    assert!(matches!(send(&setup.egress(), get(&url)).await, Err(Error::HttpRequestDenied)));
    let open = remit_core::grant::Http { closed_when: When::Never, ..setup.http[0].clone() };
    setup.http.push(open);
    assert_ok(&send(&setup.egress(), get(&url)).await.unwrap());
}

/// What the first answer brings closes the second request of the same call.
#[tokio::test]
async fn m17_an_answer_brings_the_labels_of_its_grant() {
    let server = Server::answering("hello").await;
    let url = server.url("127.0.0.1", "/");
    let mut setup = Setup::local(&[&format!("GET {url}")]).seen(&[Label::Private]);
    setup.http[0].labels = [Label::Untrusted].into();
    let egress = setup.egress();
    assert_ok(&send(&egress, get(&url)).await.unwrap());
    assert_eq!(egress.call.seen.held().kinds(), Label::ALL.into());
    assert!(matches!(send(&egress, get(&url)).await, Err(Error::HttpRequestDenied)));
}
