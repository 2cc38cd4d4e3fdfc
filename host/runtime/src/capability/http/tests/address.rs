use std::net::IpAddr;

use remit_core::grant::Rule;
use wasmtime_wasi_http::Error;

use super::{
    super::{Resolve as _, SystemResolver, connect::ADDRESSES_MAX},
    server::{CERTIFICATE, Reply, Server},
    setup::{LOOPBACK, Setup, assert_ok, denied, get, send, undenied},
};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test]
async fn n1_a_name_that_leads_to_loopback_is_refused() {
    let server = Server::answering("hello").await;
    let url = server.url("api.test", "/");
    let egress = Setup::new(&[&format!("GET {url}")]).name("api.test", &[&[LOOPBACK]]).egress();
    let refused = send(&egress, get(&url)).await;
    assert!(matches!(refused, Err(Error::DestinationIpProhibited)), "{refused:?}");
    let denial = egress.call.denials.take().remove(0);
    assert_eq!(denial.rule, Rule::PrivateAddress);
    assert!(denial.reason.contains("127.0.0.1"), "{}", denial.reason);
    assert!(denial.fix.unwrap().contains("private=127.0.0.1"));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn n1_a_name_that_leads_to_a_granted_address_is_reached() {
    let server = Server::answering("hello").await;
    let url = server.url("api.test", "/");
    let egress = Setup::local(&[&format!("GET {url}")]).name("api.test", &[&[LOOPBACK]]).egress();
    let read = send(&egress, get(&url)).await.unwrap();
    assert_ok(&read);
    assert_eq!(read.text(), "hello");
    undenied(&egress);
}

#[tokio::test]
async fn n1_every_class_that_is_not_public_is_refused() {
    for private in ["10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "fe80::1", "fd00::1", "ff02::1"] {
        let egress = Setup::local(&["GET http://api.test/"]).name("api.test", &[&[address(private)]]).egress();
        let refused = send(&egress, get("http://api.test/")).await;
        assert!(matches!(refused, Err(Error::DestinationIpProhibited)), "{private}: {refused:?}");
        assert_eq!(denied(&egress).0, Rule::PrivateAddress);
    }
}

#[tokio::test]
async fn n1_of_several_addresses_only_those_that_are_granted_are_tried() {
    let server = Server::answering("hello").await;
    let url = server.url("api.test", "/");
    let setup = Setup::local(&[&format!("GET {url}")]).name("api.test", &[&[address("127.0.0.2"), address("::1"), LOOPBACK]]);
    let egress = setup.egress();
    assert_ok(&send(&egress, get(&url)).await.unwrap());
    undenied(&egress);
}

#[tokio::test]
async fn n1_of_very_many_addresses_only_the_first_are_tried() {
    let server = Server::answering("hello").await;
    let url = server.url("api.test", "/");
    for (before, reached) in [(ADDRESSES_MAX - 1, true), (ADDRESSES_MAX, false)] {
        let mut addresses: Vec<_> = (0..before).map(|index| address(&format!("127.0.1.{index}"))).collect();
        addresses.push(LOOPBACK);
        let egress = Setup::new(&[&format!("GET {url}")]).private("127.0.0.0/8").name("api.test", &[&addresses]).egress();
        match send(&egress, get(&url)).await {
            Ok(read) => assert!(reached && read.text() == "hello", "{before}"),
            Err(error) => assert!(!reached && matches!(error, Error::ConnectionRefused), "{before}: {error}"),
        }
    }
}

#[tokio::test]
async fn no_lookup_of_the_system_starts_without_a_place() {
    let resolver = SystemResolver::default();
    assert!(resolver.resolve("localhost").await.unwrap().iter().all(IpAddr::is_loopback));
    resolver.lookups.close();
    assert!(resolver.resolve("localhost").await.is_err());
}

#[tokio::test]
async fn n2_the_name_is_asked_once_and_its_first_answer_is_connected_to() {
    let server = Server::answering("hello").await;
    let url = server.url("api.test", "/");
    let allow = format!("GET {url}");
    let setup = Setup::local(&[&allow]).name("api.test", &[&[LOOPBACK], &[address("10.0.0.1")]]);
    assert_ok(&send(&setup.egress(), get(&url)).await.unwrap());
    assert_eq!(*setup.names.asked.lock().unwrap(), ["api.test"]);

    let setup = Setup::local(&[&allow]).name("api.test", &[&[address("10.0.0.1")], &[LOOPBACK]]);
    let refused = send(&setup.egress(), get(&url)).await;
    assert!(matches!(refused, Err(Error::DestinationIpProhibited)), "{refused:?}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn n3_loopback_in_disguise_is_loopback() {
    let server = Server::answering("hello").await;
    let hosts = ["0x7f.1", "0177.0.0.1", "2130706433", "127.0.0.1.", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"];
    for host in hosts {
        let url = server.url(host, "/");
        let egress = Setup::new(&[&format!("GET {url}")]).egress();
        let refused = send(&egress, get(&url)).await;
        assert!(matches!(refused, Err(Error::DestinationIpProhibited)), "{host}: {refused:?}");
        assert_eq!(denied(&egress).0, Rule::PrivateAddress, "{host}");
    }
    assert!(server.seen().is_empty());
    for host in ["0x7f.1", "127.0.0.1"] {
        let url = server.url(host, "/");
        let egress = Setup::local(&[&format!("GET {url}")]).egress();
        assert_ok(&send(&egress, get(&url)).await.unwrap());
    }
}

#[tokio::test]
async fn what_fails_outside_says_what_but_nothing_of_the_host() {
    let egress = Setup::new(&["GET http://api.test/", "GET http://empty.test/"]).name("empty.test", &[&[]]).egress();
    let failed = send(&egress, get("http://api.test/")).await;
    assert!(matches!(failed, Err(Error::DnsError { rcode: None, info_code: None })), "{failed:?}");
    let failed = send(&egress, get("http://empty.test/")).await;
    assert!(matches!(failed, Err(Error::DestinationNotFound)), "{failed:?}");

    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{closed}/");
    let failed = send(&Setup::local(&[&format!("GET {url}")]).egress(), get(&url)).await;
    assert!(matches!(failed, Err(Error::ConnectionRefused)), "{failed:?}");
}

#[tokio::test]
async fn tls_is_checked_against_the_canonical_host() {
    let server = Server::start_tls(Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec())).await;
    let url = |host: &str| format!("https://{host}:{}/", server.port);
    let allow = [format!("GET {}", url("localhost")), format!("GET {}", url("other.test"))];
    let allow = [allow[0].as_str(), allow[1].as_str()];
    let mut setup = Setup::local(&allow).name("localhost", &[&[LOOPBACK]]).name("other.test", &[&[LOOPBACK]]);
    let failed = send(&setup.egress(), get(&url("localhost"))).await;
    assert!(matches!(failed, Err(Error::TlsCertificateError)), "{failed:?}");

    setup.roots = vec![CERTIFICATE.to_vec()];
    let read = send(&setup.egress(), get(&url("LOCALHOST."))).await.unwrap();
    assert_ok(&read);
    let failed = send(&setup.egress(), get(&url("other.test"))).await;
    assert!(matches!(failed, Err(Error::TlsCertificateError)), "{failed:?}");
}

#[test]
fn a_root_that_is_no_certificate_is_refused() {
    use super::super::{Gateway, GatewayOptions};
    for bytes in [&b"nonsense"[..], b"-----BEGIN CERTIFICATE-----\n!!\n", b"-----BEGIN NOTHING-----\n"] {
        let refused = Gateway::new(GatewayOptions { extra_roots: vec![bytes.to_vec()], ..GatewayOptions::default() });
        assert!(refused.is_err());
    }
}
