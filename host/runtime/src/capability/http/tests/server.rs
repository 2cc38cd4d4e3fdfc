//! A server on loopback that answers as it is told and keeps what it was sent.

use std::sync::{Arc, Mutex};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::Notify,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// A certificate for `localhost` that only the tests trust, and its key.
pub(super) const CERTIFICATE: &[u8] = include_bytes!("localhost.pem");
const KEY: &[u8] = include_bytes!("localhost.key.pem");

#[derive(Clone)]
pub(super) enum Reply {
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// These bytes, then nothing for ever.
    Stall(Vec<u8>),
    /// This head, then a body that never ends.
    Endless(&'static str),
    /// The request itself as body and in the header `x-echo`, a few bytes at a time.
    Echo,
    /// Not even an answer to the TLS handshake.
    Deaf,
}

pub(super) struct Server {
    pub(super) port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    /// A request was read.
    pub(super) asked: Arc<Notify>,
    /// A client went away.
    pub(super) left: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(reply: Reply) -> Self {
        Self::serve(reply, None).await
    }

    pub(super) async fn start_tls(reply: Reply) -> Self {
        Self::serve(reply, Some(acceptor())).await
    }

    async fn serve(reply: Reply, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, asked, left) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Notify>::default(), Arc::<Notify>::default());
        let shared = (seen.clone(), asked.clone(), left.clone());
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let ((seen, asked, left), reply, tls) = (shared.clone(), reply.clone(), tls.clone());
                tokio::spawn(async move {
                    if matches!(reply, Reply::Deaf) {
                        return std::future::pending().await;
                    }
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                answer(stream, reply, &seen, &asked, &left).await;
                            }
                        }
                        None => answer(stream, reply, &seen, &asked, &left).await,
                    }
                });
            }
        });
        Self { port, seen, asked, left, task }
    }

    /// `answer`, with its length.
    pub(super) async fn answering(body: &str) -> Self {
        Self::start(Reply::Bytes(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())).await
    }

    pub(super) fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }

    /// What it was sent, request by request.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// Accepts TLS as `localhost`.
pub(super) fn acceptor() -> TlsAcceptor {
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, reply: Reply, seen: &Mutex<Vec<String>>, asked: &Notify, left: &Notify) {
    let request = read_request(&mut stream).await;
    seen.lock().unwrap().push(request.clone());
    asked.notify_one();
    let written = match reply {
        Reply::Bytes(bytes) => stream.write_all(&bytes).await,
        Reply::Stall(bytes) => {
            stream.write_all(&bytes).await.unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.map(|_| ())
        }
        Reply::Endless(head) => {
            let mut written = stream.write_all(head.as_bytes()).await;
            while written.is_ok() {
                written = stream.write_all(&[b'x'; 4096]).await;
            }
            written
        }
        Reply::Echo => echo(&mut stream, &request).await,
        Reply::Deaf => Ok(()),
    };
    // A client that goes away is what several tests are about.
    drop(written);
    drop(stream.shutdown().await);
    left.notify_one();
}

async fn echo<S: AsyncWrite + Unpin>(stream: &mut S, request: &str) -> std::io::Result<()> {
    let line = request.replace("\r\n", "|");
    stream.write_all(format!("HTTP/1.1 200 OK\r\nx-echo: {line}\r\ncontent-length: {}\r\n\r\n", request.len()).as_bytes()).await?;
    for part in request.as_bytes().chunks(3) {
        stream.write_all(part).await?;
        stream.flush().await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Head and body, as far as the client sends them.
async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let (mut bytes, mut part) = (Vec::new(), [0; 1024]);
    while !is_whole(&bytes) {
        match stream.read(&mut part).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&part[..count]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with("0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |value| value.parse().unwrap());
    body.len() >= length
}
