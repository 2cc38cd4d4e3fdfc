//! One request over HTTP: who makes it, whether there is room for it, and its answer.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, combinators::BoxBody};
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use remit_core::{
    limit::{MCP_BODY_DEADLINE_MS, MCP_MESSAGE_MAX_BYTES, MCP_REFUSALS_TOLD_PER_SECOND},
    rate::Bucket,
};
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};

use super::{
    Door,
    admission::{Admission, Refusal},
    http::PATH,
    pace::{Pace, Place, TooMuch},
    sessions::{AllSessions, Sessions},
    token::Tokens,
    visitor::Visitor,
    who::Who,
};

/// What an answer is made of.
pub(super) type Body = BoxBody<Bytes, Infallible>;

/// Where requests are received.
pub(super) struct Reception {
    door: Door,
    admission: Arc<Admission>,
    sessions: Arc<AllSessions>,
    pace: Arc<Pace>,
    config: StreamableHttpServerConfig,
    /// Lines in the log about those who are not let in.
    told: Mutex<Bucket>,
}

impl Reception {
    pub fn new(door: Door, admission: Admission, config: StreamableHttpServerConfig) -> Self {
        Self {
            door,
            admission: Arc::new(admission),
            sessions: Arc::new(AllSessions::new()),
            pace: Arc::default(),
            config,
            told: Mutex::new(Bucket::new(MCP_REFUSALS_TOLD_PER_SECOND, MCP_REFUSALS_TOLD_PER_SECOND)),
        }
    }

    /// Ends the streams that would go on for ever.
    pub fn end_streams(&self) {
        self.config.cancellation_token.cancel();
    }

    /// Answers a request. No browser takes an answer for a page or a script, whatever a tool wrote into it.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let mut response = self.reply(request).await;
        response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }

    /// Nothing of a request's body is read before it is known whose it is.
    async fn reply(&self, mut request: Request<Incoming>) -> Response<Body> {
        if request.method() == Method::GET
            && let Some(metadata) = self.admission.tokens.as_ref().and_then(|tokens| tokens.metadata_at(request.uri().path()))
        {
            return json(metadata);
        }
        if request.uri().path() != PATH {
            return plain(StatusCode::NOT_FOUND, "the protocol is served at /mcp\n");
        }
        if request.uri().query().is_some_and(|query| query.contains("access_token")) {
            return plain(StatusCode::BAD_REQUEST, "a token belongs into the header `authorization`, and never into an address\n");
        }
        let who = match self.admission.admit(request.headers()).await {
            Ok(who) => Arc::new(who),
            Err(refusal) => return self.refuse(&refusal),
        };
        // What was shown goes no further.
        request.headers_mut().remove(header::AUTHORIZATION);
        let place = match who.is_known().then(|| self.pace.take(&who.principal, self.admission.clock.now())).transpose() {
            Ok(place) => place,
            Err(TooMuch(wait_ms)) => return later(wait_ms),
        };
        let mut request = match whole(request).await {
            Ok(request) => request,
            Err(refused) => return refused,
        };
        request.extensions_mut().insert(who.clone());
        let response = self.service(&who).handle(request).await;
        match place {
            Some(place) => response.map(|body| Held::new(body, who, place).boxed()),
            None => response,
        }
    }

    /// The protocol as `who` is served.
    fn service(&self, who: &Who) -> StreamableHttpService<Visitor, Sessions> {
        let door = self.door.clone();
        let sessions = Sessions::of(self.sessions.clone(), who);
        StreamableHttpService::new(move || Ok(Visitor::new(door.clone(), None)), Arc::new(sessions), self.config.clone())
    }

    fn refuse(&self, refusal: &Refusal) -> Response<Body> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).take(self.admission.clock.now());
        if told.is_ok() {
            tracing::warn!(why = refusal.reason(), "a request was refused");
        }
        match refusal {
            Refusal::Nothing => self.challenge(StatusCode::UNAUTHORIZED, "", "a key or a token is needed: `authorization: Bearer …`\n"),
            Refusal::Unknown(_) => self.challenge(StatusCode::UNAUTHORIZED, ", error=\"invalid_token\"", "what was shown lets nobody in\n"),
            Refusal::NoRole(_) => plain(StatusCode::FORBIDDEN, "this principal has no role in this project\n"),
            Refusal::Scope => {
                let scopes = self.admission.tokens.as_ref().map(Tokens::scopes).unwrap_or_default();
                let more = format!(", error=\"insufficient_scope\", scope=\"{scopes}\"");
                self.challenge(StatusCode::FORBIDDEN, &more, "the token does not name the scopes that are needed\n")
            }
            Refusal::Unavailable(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "what was shown cannot be checked now\n"),
        }
    }

    /// Says what to show, and where it is said how to get it (RFC 6750, RFC 9728).
    fn challenge(&self, status: StatusCode, more: &str, text: &'static str) -> Response<Body> {
        let mut response = plain(status, text);
        let metadata = self.admission.tokens.as_ref().map(|tokens| format!(", resource_metadata=\"{}\"", tokens.metadata_url()));
        let value = format!("Bearer realm=\"remit\"{more}{}", metadata.unwrap_or_default());
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }
}

/// The request with its whole body, which has to come in time.
async fn whole(request: Request<Incoming>) -> Result<Request<Full<Bytes>>, Response<Body>> {
    let (parts, body) = request.into_parts();
    let read = Limited::new(body, MCP_MESSAGE_MAX_BYTES).collect();
    match tokio::time::timeout(Duration::from_millis(MCP_BODY_DEADLINE_MS), read).await {
        Ok(Ok(body)) => Ok(Request::from_parts(parts, Full::new(body.to_bytes()))),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(plain(StatusCode::PAYLOAD_TOO_LARGE, "the message is too large\n")),
        Ok(Err(_broken)) => Err(plain(StatusCode::BAD_REQUEST, "the body ends before its end\n")),
        Err(_elapsed) => Err(plain(StatusCode::REQUEST_TIMEOUT, "the body did not come in time\n")),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed());
    *response.status_mut() = status;
    response
}

fn json(text: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text)).boxed());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn later(wait_ms: u64) -> Response<Body> {
    let mut response = plain(StatusCode::TOO_MANY_REQUESTS, "too many requests of one principal\n");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait_ms.div_ceil(1000)));
    response
}

/// An answer that ends when its reader would not be let in any more, and holds its place until then.
struct Held {
    body: Option<Body>,
    withdrawn: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
    _place: Place,
}

impl Held {
    fn new(body: Body, who: Arc<Who>, place: Place) -> Self {
        let withdrawn = Box::pin(async move { who.withdrawn().await });
        Self { body: Some(body), withdrawn, _place: place }
    }
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.withdrawn.as_mut().poll(cx).is_ready() {
            // Dropping it tells whoever writes that nobody reads any more.
            self.body = None;
        }
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(|body| body.size_hint()).unwrap_or_default()
    }
}
