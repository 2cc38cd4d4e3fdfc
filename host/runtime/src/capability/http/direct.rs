//! Requests of the host itself, to a place that the project names: the way of a guest's requests, but for the grant.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{Stream, stream::try_unfold};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use remit_core::{
    Error, Result,
    grant::address_class,
    limit::{HTTP_FIELDS_MAX_BYTES, OUTSIDE_CONNECT_MS},
};
use tokio::{
    task::AbortHandle,
    time::{Instant, timeout_at},
};
use url::Url;

use super::{
    connect::{self, Unopened},
    failure,
    gateway::Gateway,
    target::{Target, origin_form},
};
use crate::capability::call::now;

/// Where the host's own requests go, and by which addresses.
pub struct Destination {
    gateway: Gateway,
    target: Target,
    permits: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
}

/// Why there is no answer, or no more of it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nothing of the request was sent.
    #[error("it cannot be reached: {0}")]
    Unsent(String),
    /// The request may have been received.
    #[error("{0}")]
    Broken(&'static str),
    /// It says more than this many bytes.
    #[error("its answer has more than {0} bytes")]
    TooLarge(usize),
}

/// The body of an answer, in bytes and in time.
pub struct Answer {
    body: Incoming,
    left: usize,
    most: usize,
    by: Instant,
    _connection: Connection,
}

/// What moves the bytes; dropping it closes the connection.
struct Connection(AbortHandle);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Destination {
    /// The place that `url` names; only an address that `permits` allows is connected to.
    ///
    /// # Errors
    /// `invalid` when it is no URL that requests can be sent to.
    pub fn new(gateway: &Gateway, url: &Url, permits: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Result<Self> {
        let invalid = |why: &dyn fmt::Display| Error::invalid(format!("`{url}` is not the URL of a request: {why}"));
        let uri = url.as_str().parse().map_err(|error| invalid(&error))?;
        let target = Target::of(&uri).map_err(|refusal| invalid(&refusal.reason))?;
        Ok(Self { gateway: gateway.clone(), target, permits: Arc::new(permits) })
    }

    /// Sends one request on a connection of its own, and waits for the head of the answer. Nothing that leads elsewhere is followed.
    /// `deadline` covers the whole exchange, and the answer has at most `most` bytes. Cancel-safe: dropping the future, or the answer,
    /// closes the connection.
    ///
    /// # Errors
    /// By what failed.
    pub async fn send(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
        deadline: Duration,
        most: usize,
    ) -> std::result::Result<Response<Answer>, Failure> {
        let start = Instant::from_std(now());
        let by = start + deadline;
        let connected = by.min(start + Duration::from_millis(OUTSIDE_CONNECT_MS));
        let opened = connect::open(&self.gateway, &self.target, connected, |address| (self.permits)(address)).await;
        let stream = opened.map_err(|unopened| self.unsent(unopened))?;
        let request = self.request(method, headers, body)?;
        let head = async {
            let (mut sender, wire) = http1::Builder::new().max_buf_size(HTTP_FIELDS_MAX_BYTES).handshake(TokioIo::new(stream)).await?;
            let wire = tokio::spawn(async move {
                if let Err(error) = wire.await {
                    tracing::debug!(%error, "connection failed under its answer");
                }
            });
            let connection = Connection(wire.abort_handle());
            Ok((sender.send_request(request).await?, connection))
        };
        let head = timeout_at(by, head).await.map_err(|_elapsed| Failure::Broken("it did not answer in time"))?;
        let broken = |error: hyper::Error| failure::of_hyper(&error, wasmtime_wasi_http::Error::ConnectionTerminated);
        let (response, connection) = head.map_err(|error| Failure::Broken(failure::words(&broken(error))))?;
        let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
        if response.status() == StatusCode::SWITCHING_PROTOCOLS || !response.headers().get_all(header::CONTENT_ENCODING).iter().all(plain) {
            return Err(Failure::Broken("its answer is written in a way that was not asked for"));
        }
        Ok(response.map(|body| Answer { body, left: most, most, by, _connection: connection }))
    }

    fn request(&self, method: Method, headers: HeaderMap, body: Bytes) -> std::result::Result<Request<Full<Bytes>>, Failure> {
        let unfit = |error| Failure::Unsent(failure::words(&error).to_owned());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = origin_form(&self.target.url).map_err(unfit)?;
        *request.headers_mut() = headers;
        let own = [
            (header::HOST, self.target.host_header().map_err(unfit)?),
            (header::CONNECTION, HeaderValue::from_static("close")),
            (header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        ];
        request.headers_mut().extend(own.map(|(name, value)| (Some(name), value)));
        Ok(request)
    }

    fn unsent(&self, unopened: Unopened) -> Failure {
        Failure::Unsent(match unopened {
            Unopened::Forbidden(address) => self.forbidden(address),
            Unopened::Failed(error) => failure::words(&error).to_owned(),
        })
    }

    fn forbidden(&self, address: IpAddr) -> String {
        let class = address_class(address);
        format!("`{}` leads to {address}, a {class} address that `private` does not name", self.target.host)
    }
}

impl Answer {
    /// Its bytes, as they come.
    pub fn bytes(self) -> impl Stream<Item = std::result::Result<Bytes, Failure>> + Send {
        try_unfold(self, |mut answer| async move { Ok(answer.next().await?.map(|bytes| (bytes, answer))) })
    }

    /// All of it.
    ///
    /// # Errors
    /// By what failed.
    pub async fn whole(mut self) -> std::result::Result<Vec<u8>, Failure> {
        let mut whole = Vec::new();
        while let Some(bytes) = self.next().await? {
            whole.extend_from_slice(&bytes);
        }
        Ok(whole)
    }

    async fn next(&mut self) -> std::result::Result<Option<Bytes>, Failure> {
        loop {
            let frame = timeout_at(self.by, self.body.frame()).await.map_err(|_elapsed| Failure::Broken("it did not answer in time"))?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| {
                let error = failure::of_hyper(&error, wasmtime_wasi_http::Error::HttpResponseIncomplete);
                Failure::Broken(failure::words(&error))
            })?;
            // Trailers say nothing that is needed.
            let Ok(bytes) = frame.into_data() else { continue };
            self.left = self.left.checked_sub(bytes.len()).ok_or(Failure::TooLarge(self.most))?;
            return Ok(Some(bytes));
        }
    }
}
