//! Nothing of one exchange serves another one: no connection, no TLS session.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use super::{
    super::{Gateway, GatewayOptions},
    server::{CERTIFICATE, acceptor},
    setup::{LOOPBACK, Setup, assert_ok, get, send},
};

/// A server that would answer any number of requests on one connection: each with the number of that connection, and how its TLS began.
async fn keeping(tls: bool) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    // One for all connections: it would go on with a session of before.
    let tls = tls.then(acceptor);
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (count, tls) = (count.clone(), tls.clone());
            tokio::spawn(async move {
                let number = count.fetch_add(1, Ordering::Relaxed) + 1;
                if let Some(tls) = tls {
                    let stream = tls.accept(stream).await.unwrap();
                    let began = format!("{:?}", stream.get_ref().1.handshake_kind().unwrap());
                    answer(stream, &format!("{number} {began}")).await;
                } else {
                    answer(stream, &format!("{number} plain")).await;
                }
            });
        }
    });
    (port, task)
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, words: &str) {
    let (mut head, mut part) = (Vec::new(), [0; 1024]);
    while let Ok(count @ 1..) = stream.read(&mut part).await {
        head.extend_from_slice(&part[..count]);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            let answer = format!("HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: {}\r\n\r\n{words}", words.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
    }
}

#[tokio::test]
async fn no_connection_and_no_tls_session_serves_a_second_request_of_anybody() {
    for (scheme, began) in [("http", "plain"), ("https", "Full")] {
        let (port, task) = keeping(scheme == "https").await;
        let url = format!("{scheme}://localhost:{port}/");
        let mut setup = Setup::local(&[&format!("GET {url}")]).name("localhost", &[&[LOOPBACK]]);
        let options = GatewayOptions { resolver: Some(setup.names.clone()), extra_roots: vec![CERTIFICATE.to_vec()], proxy: None };
        setup.gateway = Some(Gateway::new(options).unwrap());
        for (number, principal) in ["user:ada", "user:ada", "user:bob"].into_iter().enumerate() {
            setup.principal = principal;
            let read = send(&setup.egress(), get(&url)).await.unwrap();
            assert_ok(&read);
            assert_eq!(read.text(), format!("{} {began}", number + 1), "{principal}");
        }
        // Nor within one call.
        let egress = setup.egress();
        for number in [4, 5] {
            assert_eq!(send(&egress, get(&url)).await.unwrap().text(), format!("{number} {began}"));
        }
        task.abort();
    }
}
