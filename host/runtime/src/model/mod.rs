//! Asking the models of a project: with the secret that the host attaches, again where one did not answer, and another one in its place.

mod exchange;

use std::time::{Duration, Instant};

use remit_core::{
    Error, Result,
    limit::{MODEL_PAUSE_MAX_MS, MODEL_PAUSE_MS},
    model::{Request, Response, Sending},
    project::Model,
    secret::SecretString,
};

use self::exchange::{Again, Exchange, Refused};
use crate::capability::{Event, Events, call::now, http::Gateway, scrub::Masks};

/// One call of a model.
pub(crate) struct Asking<'a> {
    /// The model, and those that are asked in its place; each with its name and its secret, if it has one.
    pub(crate) models: Vec<(&'a str, &'a Model, Option<SecretString>)>,
    /// What is asked.
    pub(crate) request: &'a Request,
    /// Tokens that the answer may have.
    pub(crate) max_tokens: u32,
    /// Names the call for the provider: the same for each repetition, and nothing else.
    pub(crate) key: String,
    /// Name lookup and TLS.
    pub(crate) gateway: &'a Gateway,
    /// When it has to have ended.
    pub(crate) by: Instant,
    /// Takes what the model says as it says it.
    pub(crate) events: Option<&'a Events>,
    /// What is masked in that.
    pub(crate) masks: &'a Masks,
}

impl Asking<'_> {
    /// Asks each model in its turn until one answers. Only a model that did not begin to answer is asked again, or another one in its place.
    ///
    /// # Errors
    /// `invalid` when the provider, or its API, does not take the request; `limit` when the answer is more than may be answered;
    /// `unavailable` when there is none.
    pub(crate) async fn answer(&self) -> Result<Response> {
        let mut last = None;
        for (name, model, secret) in &self.models {
            match self.ask(model, secret.as_ref()).await {
                Ok(response) => return Ok(response),
                Err(Refused { error, again }) => {
                    let error = Error { message: format!("the model `{name}`: {}", error.message), ..error };
                    if matches!(again, Again::Never) {
                        return Err(error);
                    }
                    tracing::debug!(model = name, %error, "a model did not answer");
                    last = Some(error);
                }
            }
        }
        Err(last.unwrap_or_else(|| Error::host("no model was asked", &self.key)))
    }

    async fn ask(&self, model: &Model, secret: Option<&SecretString>) -> Result<Response, Refused> {
        let sending = Sending { model: &model.id, max_tokens: self.max_tokens.min(model.max_output_tokens), stream: model.stream };
        let body = model.api.body(self.request, sending).map_err(Refused::never)?;
        let body = serde_json::to_vec(&body).map_err(|error| Refused::never(Error::host("a request cannot be written as JSON", error)))?;
        let exchange = Exchange { model, secret, key: &self.key, gateway: self.gateway, body: body.into() };
        let mut tried = 0;
        loop {
            let said = |text: &str| self.said(text);
            let refused = match exchange.once(self.by, &said).await {
                Ok(response) => return Ok(response),
                Err(refused) => refused,
            };
            let Some(pause) = pause(&refused.again, tried).filter(|pause| tried < model.retries && now() + *pause < self.by) else {
                return Err(refused);
            };
            tokio::time::sleep(pause).await;
            tried += 1;
        }
    }

    fn said(&self, text: &str) {
        if let Some(events) = self.events.filter(|_| !text.is_empty()) {
            events(Event::Said { text: remit_core::plugin::text::visible_lines(&self.masks.scrub(text.to_owned()), usize::MAX) });
        }
    }
}

/// How long to wait before a model is asked for the next time; none when it is not to be.
fn pause(again: &Again, tried: u32) -> Option<Duration> {
    let most = Duration::from_millis(MODEL_PAUSE_MAX_MS);
    match again {
        Again::Never => None,
        Again::Later(Some(wanted)) => Some(*wanted).filter(|wanted| *wanted <= most),
        Again::Later(None) => Some(Duration::from_millis(MODEL_PAUSE_MS).saturating_mul(1 << tried.min(16)).min(most)),
    }
}
