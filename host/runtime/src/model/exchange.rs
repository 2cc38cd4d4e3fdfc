//! One request to a model, and its answer.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response as HttpResponse, StatusCode, header};
use remit_core::{
    Error, Result,
    grant::FieldTarget,
    limit::{MODEL_ANSWER_MAX_BYTES, MODEL_REFUSAL_MAX_BYTES},
    model::{Response, Stream as Pieces, refusal},
    project::Model,
    secret::{ExposeSecret as _, SecretString},
};
use tokio::time::timeout;

use crate::capability::{
    call::now,
    http::{Destination, DirectAnswer, DirectFailure, Gateway},
    scrub::{Needles, Scrubber},
};

/// What is sent to one model, as often as it takes.
pub(super) struct Exchange<'a> {
    pub(super) model: &'a Model,
    pub(super) secret: Option<&'a SecretString>,
    pub(super) key: &'a str,
    pub(super) gateway: &'a Gateway,
    pub(super) body: Bytes,
}

/// Why there is no answer.
pub(super) struct Refused {
    pub(super) error: Error,
    pub(super) again: Again,
}

/// Whether the same may be asked again.
pub(super) enum Again {
    /// It may have been answered, or would be refused again.
    Never,
    /// It was not answered; after so long, where the provider said so.
    Later(Option<Duration>),
}

impl Refused {
    pub(super) fn never(error: Error) -> Self {
        Self { error, again: Again::Never }
    }

    fn later(why: impl std::fmt::Display) -> Self {
        Self { error: Error::unavailable(format!("it does not answer: {why}")), again: Again::Later(None) }
    }
}

impl Exchange<'_> {
    /// Asks once. `said` hears what the model says as it says it.
    pub(super) async fn once(&self, by: Instant, said: &(dyn Fn(&str) + Sync)) -> Result<Response, Refused> {
        let permitted = self.model.remote.clone();
        let destination = Destination::new(self.gateway, &self.model.url(), move |address| permitted.permits(address));
        let destination = destination.map_err(Refused::never)?;
        let headers = self.headers().map_err(Refused::never)?;
        let left = by.saturating_duration_since(now());
        let sent = destination.send(Method::POST, headers, self.body.clone(), left, MODEL_ANSWER_MAX_BYTES).await;
        let response = sent.map_err(Refused::later)?;
        match response.status().is_success() {
            true => self.answer(response, said).await.map_err(Refused::never),
            false => Err(self.refused(response).await),
        }
    }

    fn headers(&self) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        let unfit = |error: &dyn std::fmt::Display| {
            Error::invalid("its secret does not fit into a header").hint("set it without line breaks").internal(error)
        };
        let fixed = [
            (header::CONTENT_TYPE.as_str(), "application/json"),
            (header::ACCEPT.as_str(), "application/json, text/event-stream"),
            (header::USER_AGENT.as_str(), concat!("remit/", env!("CARGO_PKG_VERSION"))),
            ("idempotency-key", self.key),
        ];
        for (name, value) in fixed.iter().chain(self.model.api.headers()) {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| Error::host("a header has no name", error))?;
            headers.insert(name, HeaderValue::from_str(value).map_err(|error| Error::host("a header has no value", error))?);
        }
        if let (Some(used), Some(secret)) = (&self.model.remote.secret, self.secret) {
            let FieldTarget::Header(name) = &used.target else { return Err(unfit(&"it goes elsewhere")) };
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| unfit(&error))?;
            let mut value = HeaderValue::from_str(&used.format.replacen("{}", secret.expose_secret(), 1)).map_err(|error| unfit(&error))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// The bytes of an answer, without the secret and without pauses that are too long.
    fn bytes(&self, answer: DirectAnswer) -> impl Stream<Item = Result<Bytes>> + Send {
        let idle = Duration::from_millis(self.model.idle_ms);
        let needles = self.secret.map(|secret| Needles::of(secret.expose_secret())).unwrap_or_default();
        let state = Some((Box::pin(answer.bytes()), Scrubber::new(needles)));
        futures::stream::try_unfold(state, move |state| async move {
            let Some((mut bytes, mut scrubber)) = state else { return Ok(None) };
            let next = timeout(idle, bytes.next()).await;
            let next = next.map_err(|_elapsed| {
                Error::unavailable(format!("it said nothing for {} ms in the middle of its answer", idle.as_millis()))
            })?;
            match next {
                None => Ok(Some((scrubber.finish(), None))),
                Some(Ok(chunk)) => Ok(Some((scrubber.push(chunk), Some((bytes, scrubber))))),
                Some(Err(too_large @ DirectFailure::TooLarge(_))) => Err(Error::limit(too_large.to_string())),
                Some(Err(failure)) => Err(Error::unavailable(format!("its answer broke off: {failure}"))),
            }
        })
    }

    async fn answer(&self, response: HttpResponse<DirectAnswer>, said: &(dyn Fn(&str) + Sync)) -> Result<Response> {
        let media = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let in_pieces = media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream");
        let mut bytes = pin!(self.bytes(response.into_body()));
        if in_pieces {
            let mut pieces = Pieces::new(self.model.api);
            while let Some(chunk) = bytes.next().await.filter(|_| !pieces.is_over()) {
                said(&pieces.push(&chunk?)?);
            }
            return pieces.finish();
        }
        let mut whole = Vec::new();
        while let Some(chunk) = bytes.next().await {
            whole.extend_from_slice(&chunk?);
        }
        let response = self.model.api.read(&whole)?;
        said(&response.text());
        Ok(response)
    }

    /// What an answer means that is none.
    async fn refused(&self, response: HttpResponse<DirectAnswer>) -> Refused {
        let status = response.status();
        let after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let why = self.reason(response.into_body()).await.map_or_else(String::new, |why| format!(": {why}"));
        let told = format!("it answered with HTTP {}{why}", status.as_u16());
        match status.as_u16() {
            408 | 409 | 425 | 429 | 500..=599 => {
                Refused { error: Error::unavailable(told), again: Again::Later(after.map(Duration::from_secs)) }
            }
            401 | 403 => Refused::never(Error::unavailable(told).hint("look at the model's `secret`: remit secret set NAME --for URL")),
            _ if status.is_redirection() => {
                Refused::never(Error::unavailable(told).hint("write the URL that it leads to: none is followed"))
            }
            _ => Refused::never(refused_request(status, told)),
        }
    }

    /// What a provider says about it, as far as it is read.
    async fn reason(&self, answer: DirectAnswer) -> Option<String> {
        let mut bytes = pin!(self.bytes(answer));
        let mut whole = Vec::new();
        while let Some(Ok(chunk)) = bytes.next().await {
            whole.extend_from_slice(&chunk);
            if whole.len() > MODEL_REFUSAL_MAX_BYTES {
                return None;
            }
        }
        refusal(&serde_json::from_slice(&whole).ok()?)
    }
}

fn refused_request(status: StatusCode, told: String) -> Error {
    match status {
        StatusCode::NOT_FOUND => Error::unavailable(told).hint("look at the model's `url` and `name` in `remit.toml`"),
        _ => Error::invalid(told),
    }
}
