//! N: raw sockets, from the guest's side: what is granted by host and port, and nothing else.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::{IpAddr, TcpListener, UdpSocket},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use remit_core::{
    Blame, Kind,
    grant::{Denial, Rule},
    identity::Role,
    label::{Label, Labels, Policy},
    limit::{CallLimits, SOCKETS_MAX},
};
use remit_runtime::{
    Outcome, Project, Request,
    capability::http::{Gateway, GatewayOptions, Resolve},
};
use remit_tests::{Ending, Lab, fixture};
use serde_json::json;

/// A server on loopback that says back what it hears.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut heard = Vec::new();
            // A guest that is stopped half-way breaks off.
            if stream.read_to_end(&mut heard).is_ok() {
                drop(stream.write_all(&heard));
            }
        }
    });
    port
}

/// A resolver for which every name leads to the next of these addresses; the last one stays.
#[derive(Default)]
struct Names {
    answers: Mutex<Vec<IpAddr>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().expect("no panic").push(host.to_owned());
        let mut answers = self.answers.lock().expect("no panic");
        let next = if answers.len() > 1 { answers.remove(0) } else { answers[0] };
        Ok(vec![next])
    }
}

/// A lab whose names lead to `answers`.
fn lab(answers: &[&str]) -> (Lab, Arc<Names>) {
    let answers = answers.iter().map(|address| address.parse().expect("an address")).collect();
    let names = Arc::new(Names { answers: Mutex::new(answers), asked: Mutex::default() });
    let gateway = Gateway::new(GatewayOptions { resolver: Some(names.clone()), ..GatewayOptions::default() }).expect("a gateway");
    (Lab::with(|builder| builder.gateway(gateway)), names)
}

fn only(outcome: &Outcome) -> &Denial {
    let [denial] = &outcome.denials[..] else { panic!("{outcome:?}") };
    assert_eq!(denial.capability, "sockets", "{outcome:?}");
    denial
}

fn said(address: &str) -> serde_json::Value {
    json!({ "address": address, "text": "hello" })
}

#[tokio::test(flavor = "multi_thread")]
async fn n11_tcp_to_an_ungranted_address_is_refused_with_the_smallest_grant_which_opens_it() {
    let address = format!("127.0.0.1:{}", echo());
    let lab = Lab::new().fixture("hostile", &[]).await;
    let (ending, outcome) = lab.attack("hostile", "echo", said(&address)).await;
    assert!(matches!(ending, Ending::Failed(..)), "{outcome:?}");
    assert_eq!(only(&outcome).rule, Rule::NotGranted);
    assert_eq!(only(&outcome).command(), Some(format!("remit grant hostile sockets {address}")));

    lab.grant("hostile", &[&format!("sockets {address}")]);
    let (ending, outcome) = lab.attack("hostile", "echo", said(&address)).await;
    assert_eq!(ending, Ending::Done("hello".to_owned()), "{outcome:?}");
    assert!(outcome.denials.is_empty());
    for other in [format!("127.0.0.1:{}", echo()), "127.0.0.2:80".to_owned(), "[::1]:80".to_owned(), "10.0.0.1:80".to_owned()] {
        let (_, outcome) = lab.attack("hostile", "echo", said(&other)).await;
        assert_eq!(only(&outcome).rule, Rule::NoMatch, "{other}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n11_datagrams_and_listening_are_refused_whatever_is_granted() {
    let peer = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    peer.set_nonblocking(true).expect("it is set");
    let address = peer.local_addr().expect("an address").to_string();
    let lab = Lab::new().fixture("hostile", &[&format!("sockets {address}"), "sockets 127.0.0.1:8080"]).await;
    let (ending, outcome) = lab.attack("hostile", "datagram", json!({ "address": address })).await;
    assert!(matches!(ending, Ending::Failed(..)), "{outcome:?}");
    assert_eq!((only(&outcome).rule, &only(&outcome).fix), (Rule::Forbidden, &None));
    assert_eq!(only(&outcome).request, format!("exchange datagrams with {address}"));
    assert_eq!(peer.recv(&mut [0; 16]).expect_err("nothing came").kind(), io::ErrorKind::WouldBlock);
    for place in ["127.0.0.1:8080", "0.0.0.0:0", "0.0.0.0:8080"] {
        let (ending, outcome) = lab.attack("hostile", "listen", json!({ "address": place })).await;
        assert!(matches!(ending, Ending::Failed(..)), "{place}: {outcome:?}");
        assert_eq!(only(&outcome).rule, Rule::Forbidden, "{place}: {outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n1_a_granted_name_that_leads_inside_needs_the_address_as_well() {
    let (port, other) = (echo(), echo());
    let (lab, _) = lab(&["127.0.0.1"]);
    let named = [format!("sockets db.test:{port}"), format!("sockets db.test:{other}")];
    let lab = lab.fixture("hostile", &[&named[0], &named[1]]).await;
    let target = format!("db.test:{port}");
    let (ending, outcome) = lab.attack("hostile", "echo", said(&target)).await;
    assert!(matches!(ending, Ending::Failed(..)), "{outcome:?}");
    assert_eq!(only(&outcome).rule, Rule::PrivateAddress);
    assert_eq!(only(&outcome).fix, Some(format!("sockets 127.0.0.1:{port}")));

    let address = format!("sockets 127.0.0.1:{port}");
    lab.grant("hostile", &[&named[0], &named[1], &address]);
    let (ending, outcome) = lab.attack("hostile", "echo", said(&target)).await;
    assert_eq!(ending, Ending::Done("hello".to_owned()), "{outcome:?}");
    // The same name at its other port leads to an address that is not granted there.
    let (_, outcome) = lab.attack("hostile", "echo", said(&format!("db.test:{other}"))).await;
    assert_eq!((only(&outcome).rule, &only(&outcome).fix), (Rule::NoMatch, &Some(format!("sockets 127.0.0.1:{other}"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn n2_the_first_answer_of_a_name_holds_for_the_call() {
    let port = echo();
    let (lab, names) = lab(&["127.0.0.1", "10.0.0.1"]);
    let lab = lab.fixture("hostile", &[&format!("sockets db.test:{port}"), &format!("sockets 127.0.0.1:{port}")]).await;
    let twice = json!({ "address": format!("db.test:{port}"), "text": "a", "times": 2 });
    let (ending, outcome) = lab.attack("hostile", "echo", twice).await;
    assert_eq!(ending, Ending::Done("aa".to_owned()), "{outcome:?}");
    assert_eq!(*names.asked.lock().expect("no panic"), ["db.test"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn n11_only_granted_names_are_looked_up() {
    let (lab, names) = lab(&["93.184.216.34"]);
    let lab = lab.fixture("hostile", &["sockets db.test:5432"]).await;
    let (ending, outcome) = lab.attack("hostile", "echo", said("secret-word.evil.test:53")).await;
    assert!(matches!(ending, Ending::Failed(..)), "{outcome:?}");
    let fix = Some("sockets 'secret-word.evil.test:<port>'".to_owned());
    assert_eq!((only(&outcome).rule, &only(&outcome).fix), (Rule::NoMatch, &fix));
    assert!(names.asked.lock().expect("no panic").is_empty());
    // The name is granted, this port of it is not: it is looked up and not connected to.
    let (_, outcome) = lab.attack("hostile", "echo", said("DB.test:22")).await;
    assert_eq!((only(&outcome).rule, &only(&outcome).fix), (Rule::NoMatch, &Some("sockets db.test:22".to_owned())));
    // A tool that only reads opens nothing, and so looks nothing up.
    let (_, outcome) = lab.attack("hostile", "resolve", json!({ "address": "db.test:5432" })).await;
    assert_eq!(only(&outcome).rule, Rule::Effect);
    assert_eq!(*names.asked.lock().expect("no panic"), ["db.test"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn n15_connections_and_their_bytes_count() {
    let address = format!("127.0.0.1:{}", echo());
    let grants = format!("sockets {address}");
    for limits in [
        CallLimits { requests_per_minute: 2, ..CallLimits::default() },
        CallLimits { sent_kib_per_minute: 1, ..CallLimits::default() },
        CallLimits { received_kib_per_minute: 1, ..CallLimits::default() },
    ] {
        let lab = Lab::new().plugin("hostile", fixture("hostile"), &[&grants], limits).await;
        let text = |count: usize| json!({ "address": address, "text": "x".repeat(count) });
        for _ in 0..2 {
            let (ending, outcome) = lab.attack("hostile", "echo", text(400)).await;
            assert!(matches!(ending, Ending::Done(_)), "{limits:?}: {outcome:?}");
        }
        let (ending, outcome) = lab.attack("hostile", "echo", text(400)).await;
        assert_eq!(ending, Ending::Failed(Kind::Limit, Blame::Guest), "{limits:?}: {outcome:?}");
        assert_eq!(only(&outcome).rule, Rule::Quota);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m17_no_socket_is_opened_once_private_and_untrusted_content_was_seen() {
    let address = format!("127.0.0.1:{}", echo());
    let lab = Lab::new();
    let plugin = lab.make("hostile", fixture("hostile"), &[&format!("sockets {address}")]).await.expect("a plugin");
    let labels = Policy { enforce: true, ..Policy::default() };
    let refused =
        lab.host.load(Project { name: "lab".to_owned(), root: "/".into(), plugins: vec![plugin], labels, models: BTreeMap::new() });
    assert!(refused.is_empty(), "{refused:?}");
    let arguments = said(&address).to_string();
    for (seen, opens) in [(vec![Label::Private], true), (vec![Label::Private, Label::Untrusted], false)] {
        let mut context = lab.host.context("user:ada".parse().expect("a principal"), Role::Owner).expect("a context");
        context.labels = Labels::of(&seen.into_iter().collect(), "files/read");
        let outcome = lab.host.call(&context, &Request::new("lab", "hostile", "echo", &arguments)).await;
        assert_eq!(outcome.result.is_ok(), opens, "{outcome:?}");
        assert_eq!(Lab::rules(&outcome), if opens { vec![] } else { vec![Rule::Labels] });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_the_sockets_that_a_call_has_open_are_bounded() {
    let lab = Lab::new().fixture("hostile", &[]).await;
    let (ending, outcome) = lab.attack("hostile", "hold_sockets", json!({})).await;
    assert_eq!(ending, Ending::Done(SOCKETS_MAX.to_string()), "{outcome:?}");
    assert_eq!(only(&outcome).rule, Rule::Quota);
}
