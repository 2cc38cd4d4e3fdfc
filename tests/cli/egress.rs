//! `[http]` of a project: a proxy, and root certificates of its own.

use std::{
    io::{Read, Write, copy},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use remit_tests::{Shell, fixture};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::json;

const CERTIFICATE: &[u8] = include_bytes!("../../host/runtime/src/capability/http/tests/localhost.pem");
const KEY: &[u8] = include_bytes!("../../host/runtime/src/capability/http/tests/localhost.key.pem");

fn head(stream: &mut impl Read) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("it is read") > 0 {
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("text")
}

fn answer(mut stream: impl Read + Write) {
    if !head(&mut stream).is_empty() {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello").expect("it is written");
    }
}

/// A server on loopback that says hello, under TLS when it has a configuration.
fn server(tls: Option<Arc<ServerConfig>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            match &tls {
                None => answer(stream),
                Some(tls) => {
                    let mut stream = StreamOwned::new(ServerConnection::new(tls.clone()).expect("TLS"), stream);
                    // A client that does not trust the certificate goes away.
                    if stream.conn.complete_io(&mut stream.sock).is_ok() {
                        answer(&mut stream);
                        stream.conn.send_close_notify();
                        drop(stream.flush());
                    }
                }
            }
        }
    });
    port
}

fn tls() -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let config = config.expect("TLS").with_no_client_auth();
    Arc::new(config.with_single_cert(vec![CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate")], key).expect("TLS"))
}

/// A proxy that opens tunnels to this machine, whatever address it is asked for, and keeps what it was asked.
fn proxy() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("an address").port();
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let kept = asked.clone();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let head = head(&mut client);
            let line = head.lines().next().unwrap_or_default().to_owned();
            let to = line.split([' ', ':']).nth(2).and_then(|port| port.parse().ok()).expect("a port");
            kept.lock().expect("no panic").push(line);
            let mut server = TcpStream::connect(("127.0.0.1", to)).expect("a server");
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("it listens");
            let (mut sending, mut receiving) = (client.try_clone().expect("a handle"), server.try_clone().expect("a handle"));
            thread::spawn(move || {
                drop(copy(&mut sending, &mut receiving));
                drop(receiving.shutdown(Shutdown::Write));
            });
            drop(copy(&mut server, &mut client));
            drop(client.shutdown(Shutdown::Both));
        }
    });
    (port, asked)
}

/// A project whose one plugin may fetch `url`.
fn project(url: &str, http: &str) -> Shell {
    let shell = Shell::new();
    shell.write("hostile.wasm", fixture("hostile"));
    write(&shell, url, http);
    shell
}

fn write(shell: &Shell, url: &str, http: &str) {
    let grants = format!("http = [{{ allow = [\"GET {url}\"], private = [\"127.0.0.1\", \"::1\"] }}]");
    let text = format!("version = 1\nproject.name = \"desk\"\n[http]\n{http}\n[plugins.hostile]\nsource = \"hostile.wasm\"\n");
    shell.write("remit.toml", format!("{text}[plugins.hostile.grants]\n{grants}\n"));
}

fn fetch(shell: &Shell, url: &str) -> (Option<i32>, String) {
    let output = shell.run(&["call", "hostile", "fetch", &json!({ "address": url }).to_string()]);
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn say(shell: &Shell, arguments: &[&str]) -> (Option<i32>, String) {
    let output = shell.run(arguments);
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn requests_of_a_project_go_through_its_proxy_and_through_none_of_the_environment() {
    let (port, asked) = proxy();
    let server = server(None);
    let url = format!("http://93.184.216.34:{server}/a");
    let shell = project(&url, &format!("proxy = \"http://127.0.0.1:{port}\""));
    let (code, told) = say(&shell, &["review", "--yes"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains(&format!("requests to public addresses go through the proxy http://127.0.0.1:{port}/")), "{told}");
    let (code, told) = fetch(&shell, &url);
    assert!(code == Some(0) && told.contains("200 hello"), "{told}");
    assert_eq!(*asked.lock().expect("no panic"), [format!("CONNECT 93.184.216.34:{server} HTTP/1.1")]);

    // What is on this side of the proxy is reached without it, and a proxy that only the environment names is none.
    let url = format!("http://127.0.0.1:{server}/a");
    write(&shell, &url, "");
    assert_eq!(say(&shell, &["review", "--yes"]).0, Some(0));
    let mut command = shell.command(&["call", "hostile", "fetch", &json!({ "address": url }).to_string()]);
    let of_environment = format!("http://127.0.0.1:{port}");
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env(name, &of_environment);
    }
    assert_eq!(command.output().expect("it runs").status.code(), Some(0));
    assert_eq!(asked.lock().expect("no panic").len(), 1);
}

#[test]
fn root_certificates_of_a_project_are_trusted_as_they_were_when_it_was() {
    let url = format!("https://localhost:{}/a", server(Some(tls())));
    let shell = project(&url, "");
    assert_eq!(say(&shell, &["review", "--yes"]).0, Some(0));
    let (code, told) = fetch(&shell, &url);
    assert!(code == Some(1) && told.contains("TlsCertificateError"), "{told}");

    write(&shell, &url, "roots = [\"certs/corp.pem\"]");
    let (code, told) = say(&shell, &["review", "--yes"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("`certs/corp.pem`, which `roots` in `[http]` of `remit.toml` names, is not there"), "{told}");
    for wrong in ["nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        shell.write("certs/corp.pem", wrong);
        let (code, told) = say(&shell, &["review", "--yes"]);
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains("names, holds no root certificate that can be read"), "{told}");
    }
    shell.write("certs/corp.pem", CERTIFICATE);
    let (code, told) = say(&shell, &["review", "--yes"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("trusts the root certificates of certs/corp.pem, sha256:"), "{told}");
    let (code, told) = fetch(&shell, &url);
    assert!(code == Some(0) && told.contains("200 hello"), "{told}");

    shell.write("certs/corp.pem", [CERTIFICATE, CERTIFICATE].concat());
    let (code, told) = fetch(&shell, &url);
    assert!(code == Some(3) && told.contains("a root certificate that `[http]` names is not the same"), "{told}");
    assert_eq!(say(&shell, &["trust", "--yes"]).0, Some(0));
    assert_eq!(fetch(&shell, &url).0, Some(0));
}
