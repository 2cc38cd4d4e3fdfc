//! A real proxy on loopback that opens tunnels, and what is asked of it.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
};

use remit_core::{
    grant::{FieldTarget, Rule},
    project::Proxy,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;
use wasmtime_wasi_http::Error;

use super::{
    server::{CERTIFICATE, Reply, Server, acceptor},
    setup::{LOOPBACK, Setup, assert_ok, denied, get, send, undenied},
};

const PUBLIC: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(93, 184, 216, 34));

/// How a proxy answers.
#[derive(Clone, Copy)]
enum Answer {
    /// It opens the tunnel; whatever address is asked for, it leads to this machine.
    Tunnel,
    /// These words, and nothing more.
    Say(&'static str),
    /// Nothing at all.
    Silence,
}

struct Tunnels {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Tunnels {
    async fn start(answer: Answer) -> Self {
        Self::serve(answer, None).await
    }

    async fn serve(answer: Answer, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let kept = asked.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (kept, tls) = (kept.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => tunnel(tls.accept(stream).await.unwrap(), answer, &kept).await,
                        None => tunnel(stream, answer, &kept).await,
                    }
                });
            }
        });
        Self { port, asked, task }
    }

    /// The proxy as a project names it.
    fn named(&self, resolves: bool) -> Option<Proxy> {
        Some(Proxy { url: format!("http://127.0.0.1:{}", self.port).parse().unwrap(), resolves })
    }

    /// The first lines of what it was asked.
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|head| head.lines().next().unwrap().to_owned()).collect()
    }
}

impl Drop for Tunnels {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn tunnel<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(mut stream: S, answer: Answer, asked: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.unwrap() == 0 {
            return;
        }
    }
    let head = String::from_utf8(head).unwrap();
    asked.lock().unwrap().push(head.clone());
    match answer {
        Answer::Silence => std::future::pending().await,
        Answer::Say(words) => {
            stream.write_all(words.as_bytes()).await.unwrap();
            let mut rest = Vec::new();
            drop(stream.read_to_end(&mut rest).await);
            assert!(rest.is_empty(), "nothing is said to a proxy that opened no tunnel");
        }
        Answer::Tunnel => {
            let to = head.split(' ').nth(1).unwrap();
            let port: u16 = to.rsplit(':').next().unwrap().parse().unwrap();
            let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n").await.unwrap();
            drop(copy_bidirectional(&mut stream, &mut server).await);
        }
    }
}

#[tokio::test]
async fn n2_a_proxy_is_asked_for_the_address_that_was_checked() {
    let (server, proxy) = (Server::start(Reply::Echo).await, Tunnels::start(Answer::Tunnel).await);
    let url = server.url("api.test", "/");
    let mut setup = Setup::new(&[&format!("GET {url}")]).name("api.test", &[&[PUBLIC], &[LOOPBACK]]);
    setup.proxy = proxy.named(false);
    let setup = setup.secret(FieldTarget::Header("authorization".to_owned()), "Bearer {}", "s3cr3t-value");
    let egress = setup.egress();
    let read = send(&egress, get(&url)).await.unwrap();
    assert_ok(&read);
    undenied(&egress);
    assert_eq!(proxy.asked(), [format!("CONNECT 93.184.216.34:{} HTTP/1.1", server.port)]);
    assert!(!proxy.asked.lock().unwrap()[0].contains("s3cr3t"), "the secret is for who is behind the tunnel");
    assert!(server.seen()[0].contains("host: api.test:") && server.seen()[0].contains("s3cr3t-value"));
}

#[tokio::test]
async fn n1_a_proxy_is_not_asked_for_what_leads_inside() {
    let (server, proxy) = (Server::answering("hello").await, Tunnels::start(Answer::Tunnel).await);
    for resolves in [false, true] {
        let inside = |url: &str| {
            let mut setup = Setup::new(&[&format!("GET {url}")]).name("api.test", &[&[LOOPBACK]]).name("localhost", &[&[LOOPBACK]]);
            setup.proxy = proxy.named(resolves);
            setup
        };
        for host in ["127.0.0.1", "localhost", "10.0.0.1", "[::ffff:127.0.0.1]", "169.254.169.254", "api.test"] {
            if resolves && host == "api.test" {
                continue;
            }
            let url = server.url(host, "/");
            let egress = inside(&url).egress();
            let refused = send(&egress, get(&url)).await;
            assert!(matches!(refused, Err(Error::DestinationIpProhibited)), "{host}: {refused:?}");
            assert_eq!(denied(&egress).0, Rule::PrivateAddress, "{host}");
        }
        // What is granted by its address is meant on this side of the proxy.
        let url = server.url("127.0.0.1", "/");
        assert_ok(&send(&inside(&url).private("127.0.0.1").egress(), get(&url)).await.unwrap());
    }
    assert!(proxy.asked().is_empty());
}

#[tokio::test]
async fn a_proxy_that_looks_names_up_is_told_the_name_and_nothing_is_looked_up_here() {
    let (server, proxy) = (Server::answering("hello").await, Tunnels::start(Answer::Tunnel).await);
    let url = server.url("api.test", "/");
    let mut setup = Setup::new(&[&format!("GET {url}")]);
    setup.proxy = proxy.named(true);
    let read = send(&setup.egress(), get(&url)).await.unwrap();
    assert_eq!(read.text(), "hello");
    assert_eq!(proxy.asked(), [format!("CONNECT api.test:{} HTTP/1.1", server.port)]);
    assert!(setup.names.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn tls_goes_through_the_proxy_and_is_checked_against_the_name_and_the_roots_of_the_project() {
    let (server, plain) = (Server::start_tls(Reply::Echo).await, Tunnels::start(Answer::Tunnel).await);
    let sealed = Tunnels::serve(Answer::Tunnel, Some(acceptor())).await;
    let url = format!("https://localhost:{}/", server.port);
    let mut setup = Setup::new(&[&format!("GET {url}")]).name("localhost", &[&[PUBLIC]]);
    setup.proxy = plain.named(false);
    let failed = send(&setup.egress(), get(&url)).await;
    assert!(matches!(failed, Err(Error::TlsCertificateError)), "{failed:?}");
    setup.roots = vec![CERTIFICATE.to_vec()];
    assert_ok(&send(&setup.egress(), get(&url)).await.unwrap());

    // The connection to the proxy itself may be under TLS, too.
    let at = format!("https://localhost:{}", sealed.port).parse().unwrap();
    let setup = Setup { proxy: Some(Proxy { url: at, resolves: true }), ..setup }.name("localhost", &[&[LOOPBACK]]);
    let other = format!("https://other.test:{}/", server.port);
    let setup = Setup { http: Setup::new(&[&format!("GET {other}")]).http, ..setup };
    let failed = send(&setup.egress(), get(&other)).await;
    assert!(matches!(failed, Err(Error::TlsCertificateError)), "the certificate is not the one of that name: {failed:?}");
    assert_eq!(sealed.asked(), [format!("CONNECT other.test:{} HTTP/1.1", server.port)]);
}

#[tokio::test]
async fn what_a_proxy_answers_that_opens_no_tunnel_reaches_no_guest() {
    let long: &'static str = String::leak(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(9000)));
    type Expected = fn(&Error) -> bool;
    let answers: [(&'static str, Expected); 7] = [
        ("HTTP/1.1 407 Who are you\r\n\r\n", |error| matches!(error, Error::ConfigurationError)),
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 6\r\n\r\nsecret", |error| matches!(error, Error::DestinationUnavailable)),
        ("HTTP/1.1 302 Found\r\nlocation: http://evil.test/\r\n\r\n", |error| matches!(error, Error::DestinationUnavailable)),
        ("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", |error| matches!(error, Error::HttpProtocolError)),
        ("SSH-2.0-proxy\r\n\r\n", |error| matches!(error, Error::HttpProtocolError)),
        ("HTTP/1.1 2000 OK\r\n\r\n", |error| matches!(error, Error::HttpProtocolError)),
        (long, |error| matches!(error, Error::HttpProtocolError)),
    ];
    for (words, expected) in answers {
        let proxy = Tunnels::start(Answer::Say(words)).await;
        let mut setup = Setup::new(&["GET http://api.test/"]).name("api.test", &[&[PUBLIC]]);
        setup.proxy = proxy.named(false);
        let failed = send(&setup.egress(), get("http://api.test/")).await.map(|read| read.head.status);
        assert!(failed.as_ref().is_err_and(expected), "{words:.40}: {failed:?}");
    }
}

#[tokio::test]
async fn n9_a_proxy_that_does_not_answer_ends_with_the_deadline() {
    let proxy = Tunnels::start(Answer::Silence).await;
    let mut setup = Setup::new(&["GET http://api.test/"]).name("api.test", &[&[PUBLIC]]).deadline_ms(50);
    setup.proxy = proxy.named(false);
    let late = send(&setup.egress(), get("http://api.test/")).await;
    assert!(matches!(late, Err(Error::ConnectionTimeout)), "{late:?}");
    assert_eq!(proxy.asked().len(), 1);
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_not_gone_around() {
    let server = Server::answering("hello").await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = server.url("api.test", "/");
    let mut setup = Setup::new(&[&format!("GET {url}")]).name("api.test", &[&[PUBLIC]]);
    setup.proxy = Some(Proxy { url: format!("http://127.0.0.1:{closed}").parse().unwrap(), resolves: false });
    let failed = send(&setup.egress(), get(&url)).await;
    assert!(matches!(failed, Err(Error::ConnectionRefused)), "{failed:?}");
}
