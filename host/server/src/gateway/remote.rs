//! A server behind a URL: one request a message, sent by the host's own HTTP client, with the secret that the project names for it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, stream::BoxStream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use remit_core::{
    Error, Result,
    grant::FieldTarget,
    limit::{CallLimits, OUTSIDE_REQUESTS_MAX},
    plugin::PluginName,
    project::Remote,
    secret::ExposeSecret as _,
};
use remit_runtime::{
    GivenSecrets,
    capability::{
        http::{Destination, DirectAnswer, DirectFailure, Gateway},
        scrub::Needles,
    },
};
use rmcp::{
    model::{ClientJsonRpcMessage, ClientRequest, ErrorData, ServerJsonRpcMessage},
    transport::{
        common::client_side_sse::SseRetryPolicy,
        streamable_http_client::{
            SseError, StreamableHttpClient, StreamableHttpClientTransportConfig, StreamableHttpClientWorker, StreamableHttpError,
            StreamableHttpPostResponse,
        },
    },
};
use sse_stream::{Sse, SseStream};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// Sends messages to one server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Sender(Arc<Inner>);

struct Inner {
    destination: Destination,
    /// What every request has besides what the protocol says, the secret among it.
    headers: HeaderMap,
    deadline: Duration,
    most: usize,
    exceeded: Arc<AtomicBool>,
    expired: AtomicBool,
}

/// Why a message had no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// It was not sent, or not received, or not answered.
    #[error(transparent)]
    Exchange(#[from] DirectFailure),
    /// It was refused.
    #[error("it answered with HTTP {0}")]
    Status(StatusCode),
    /// The answer is no message.
    #[error("it answered with something that is no message of the protocol")]
    Unspoken,
}

impl Failure {
    /// Whether the server did nothing for the message: it was not sent, or refused before anything was done.
    pub(super) fn is_harmless(&self) -> bool {
        match self {
            Self::Exchange(DirectFailure::Unsent(_)) => true,
            Self::Status(status) => status.is_client_error() || status.is_redirection(),
            Self::Exchange(_) | Self::Unspoken => false,
        }
    }
}

/// An answer that broke off is not asked for again.
#[derive(Debug)]
struct Never;

impl SseRetryPolicy for Never {
    fn retry(&self, _: usize) -> Option<Duration> {
        None
    }
}

impl Sender {
    /// A sender to `remote`, and what is masked in all that comes back. One answer has at most `most` bytes; `exceeded` becomes true with
    /// the first one that has more.
    ///
    /// # Errors
    /// `invalid` when the secret does not fit into a header.
    pub(super) fn new(
        plugin: &PluginName,
        remote: &Remote,
        limits: CallLimits,
        (secrets, gateway): (&GivenSecrets, &Gateway),
        (most, exceeded): (usize, Arc<AtomicBool>),
    ) -> Result<(Self, Needles)> {
        let mut needles = Needles::default();
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("remit/", env!("CARGO_PKG_VERSION"))));
        if let Some(used) = &remote.secret {
            let secret = secrets.get(&used.name)?;
            needles.add_secret(secret.expose_secret());
            let unfit = |error: &dyn std::fmt::Display| {
                Error::invalid(format!("the secret `{}` of `{plugin}` does not fit into a header", used.name))
                    .hint("set it without line breaks")
                    .internal(error)
            };
            let FieldTarget::Header(name) = &used.target else { return Err(unfit(&"it goes elsewhere")) };
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| unfit(&error))?;
            let mut value = HeaderValue::from_str(&used.format.replacen("{}", secret.expose_secret(), 1)).map_err(|error| unfit(&error))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let permitted = remote.clone();
        let destination = Destination::new(gateway, &remote.url, move |address| permitted.permits(address))?;
        let deadline = Duration::from_millis(limits.deadline_ms);
        let inner = Inner { destination, headers, deadline, most, exceeded, expired: AtomicBool::new(false) };
        Ok((Self(Arc::new(inner)), needles))
    }

    /// The transport of the protocol over it. A session that the server forgot is not opened again beneath its user, who alone knows what
    /// may be said twice; no stream is taken up again.
    pub(super) fn transport(&self, remote: &Remote) -> StreamableHttpClientWorker<Self> {
        let mut config = StreamableHttpClientTransportConfig::with_uri(remote.to_string())
            .max_concurrent_requests(OUTSIDE_REQUESTS_MAX)
            .reinit_on_expired_session(false);
        config.retry_config = Arc::new(Never);
        StreamableHttpClientWorker::new(self.clone(), config)
    }

    /// Whether the server said that it has forgotten the session.
    pub(super) fn is_expired(&self) -> bool {
        self.0.expired.load(Ordering::Acquire)
    }

    async fn send(
        &self,
        method: Method,
        session: Option<&str>,
        custom: HashMap<HeaderName, HeaderValue>,
        body: Vec<u8>,
    ) -> std::result::Result<http::Response<DirectAnswer>, Failure> {
        let Inner { destination, headers, deadline, most, .. } = &*self.0;
        let mut all = HeaderMap::new();
        all.extend(custom);
        if !body.is_empty() {
            all.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        }
        all.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        if let Some(session) = session.and_then(|session| HeaderValue::from_str(session).ok()) {
            all.insert(SESSION, session);
        }
        // Last, so that nothing takes the secret's place.
        all.extend(headers.clone());
        destination.send(method, all, body.into(), *deadline, *most).await.map_err(|failure| self.noted(failure).into())
    }

    /// Notes that the server says too much.
    fn noted(&self, failure: DirectFailure) -> DirectFailure {
        if matches!(failure, DirectFailure::TooLarge(_)) {
            self.0.exceeded.store(true, Ordering::Release);
        }
        failure
    }

    async fn whole(&self, answer: DirectAnswer) -> std::result::Result<Vec<u8>, Failure> {
        answer.whole().await.map_err(|failure| self.noted(failure).into())
    }

    /// What a refusal says to `message` in the words of the protocol.
    ///
    /// # Errors
    /// `Status` when it says nothing in them.
    async fn refusal(
        &self,
        status: StatusCode,
        is_json: bool,
        answer: DirectAnswer,
        message: &ClientJsonRpcMessage,
        in_session: bool,
    ) -> std::result::Result<StreamableHttpPostResponse, Failure> {
        let ClientJsonRpcMessage::Request(request) = message else { return Err(Failure::Status(status)) };
        let said = match is_json {
            true => serde_json::from_slice(&self.whole(answer).await?).ok(),
            false => None,
        };
        // A server of the earlier revisions knows no discovery, and says so in its own way.
        let probing = matches!(request.request, ClientRequest::DiscoverRequest(_))
            && !in_session
            && status.is_client_error()
            && !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let error = match said {
            Some(ServerJsonRpcMessage::Error(said)) => said.error,
            _ if probing => ErrorData::invalid_request(format!("HTTP {status}"), None),
            _ => return Err(Failure::Status(status)),
        };
        Ok(StreamableHttpPostResponse::Json(ServerJsonRpcMessage::error(error, Some(request.id.clone())), None))
    }
}

type Posted = std::result::Result<StreamableHttpPostResponse, StreamableHttpError<Failure>>;

impl StreamableHttpClient for Sender {
    type Error = Failure;

    async fn post_message(
        &self,
        _: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _: Option<String>,
        custom: HashMap<HeaderName, HeaderValue>,
    ) -> Posted {
        let body = serde_json::to_vec(&message)?;
        let response = self.send(Method::POST, session.as_deref(), custom, body).await.map_err(StreamableHttpError::Client)?;
        let (head, answer) = response.into_parts();
        let expects = matches!(message, ClientJsonRpcMessage::Request(_));
        let media = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let opened = head.headers.get(SESSION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        match head.status {
            StatusCode::NOT_FOUND if session.is_some() => {
                self.0.expired.store(true, Ordering::Release);
                Err(StreamableHttpError::SessionExpired)
            }
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT => Ok(StreamableHttpPostResponse::Accepted),
            status if !status.is_success() => {
                self.refusal(status, media == JSON, answer, &message, session.is_some()).await.map_err(StreamableHttpError::Client)
            }
            _ if !expects => Ok(StreamableHttpPostResponse::Accepted),
            _ if media == EVENTS => {
                let sender = self.clone();
                let bytes = answer.bytes().map(move |bytes| bytes.map_err(|failure| sender.noted(failure)));
                Ok(StreamableHttpPostResponse::Sse(SseStream::from_bytes_stream(bytes.boxed()).boxed(), opened))
            }
            _ if media == JSON => {
                let body = self.whole(answer).await.map_err(StreamableHttpError::Client)?;
                let message = serde_json::from_slice(&body).map_err(|error| {
                    tracing::debug!(%error, "an outside server's answer is no message");
                    StreamableHttpError::Client(Failure::Unspoken)
                })?;
                Ok(StreamableHttpPostResponse::Json(message, opened))
            }
            _ => Err(StreamableHttpError::Client(Failure::Unspoken)),
        }
    }

    async fn delete_session(
        &self,
        _: Arc<str>,
        session: Arc<str>,
        _: Option<String>,
        custom: HashMap<HeaderName, HeaderValue>,
    ) -> std::result::Result<(), StreamableHttpError<Failure>> {
        self.send(Method::DELETE, Some(&session), custom, Vec::new()).await.map(drop).map_err(StreamableHttpError::Client)
    }

    /// Nothing is listened to beside answers: tools are listed anew instead.
    async fn get_stream(
        &self,
        _: Arc<str>,
        _: Option<Arc<str>>,
        _: Option<String>,
        _: Option<String>,
        _: HashMap<HeaderName, HeaderValue>,
    ) -> std::result::Result<BoxStream<'static, std::result::Result<Sse, SseError>>, StreamableHttpError<Failure>> {
        Err(StreamableHttpError::ServerDoesNotSupportSse)
    }
}
