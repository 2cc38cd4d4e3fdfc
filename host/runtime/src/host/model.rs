//! A call of a model: what is decided before it is sent, and its record in the audit log.

use std::{sync::PoisonError, time::Duration};

use remit_core::{
    Error, Result,
    grant::{Denial, Request as Right},
    halt::Refusal,
    identity::Context,
    label::Flow,
    limit::MODEL_TOKENS_MAX,
    model::{Request as Question, Response},
    plugin::{Digest, Effect, MODELS, text::visible},
    project::Model,
    secret::{ExposeSecret as _, Place, SecretString, Wanted},
};

use super::{Inner, Outcome, Request, Served, admission::labelled, running::Running};
use crate::{
    capability::{Uses, call::now},
    engine::Failed,
    model::Asking,
    output::Output,
    secrets,
};

/// What is asked whom, once it is known to be allowed.
struct Admitted<'a> {
    models: Vec<(&'a str, &'a Model, Option<SecretString>)>,
    question: Question,
    max_tokens: u32,
}

impl Inner {
    /// Asks a model for the agent at the end of `context`. Nothing else has this way: a model is what an agent thinks with.
    pub(crate) async fn ask_model(&self, context: &Context, request: &Request<'_>) -> Outcome {
        let started = now();
        if let Err(error) = self.services.audit.ready().await {
            return Outcome::unrun(context.call, Err(error), Vec::new());
        }
        let mut running = Running { effect: Some(Effect::Idempotent), uses: Uses::kept(true), ..Running::default() };
        let result = self.attempt_model(context, request, &mut running).await.map_err(Failed::from);
        self.conclude(context, request, (started, running), result).await
    }

    async fn attempt_model(&self, context: &Context, request: &Request<'_>, running: &mut Running) -> Result<(Output, usize)> {
        let started = now();
        let (_in_flight, mut killed) = self.enter()?;
        let served = self.served(request)?;
        let admitted = self.admit_model(context, request, &served, running)?;
        let Some((_, model, _)) = admitted.models.first() else { return Err(Error::host("no model was asked", request.tool)) };
        let principal = context.principal.to_string();
        let _place = self.quotas.take(&principal, request.project, 0)?;
        let by = started + Duration::from_millis(context.deadline_ms.map_or(model.deadline_ms, |left| left.min(model.deadline_ms)));
        let late = || Error::unavailable(format!("the model `{}` did not answer within {} ms", request.tool, model.deadline_ms));
        let asking = Asking {
            models: admitted.models.clone(),
            request: &admitted.question,
            max_tokens: admitted.max_tokens,
            key: Digest::of(context.idempotency_key.as_deref().unwrap_or_default().as_bytes()).hex(),
            gateway: &self.services.gateway,
            by,
            events: request.events.as_ref(),
            masks: &running.masks,
        };
        let response = tokio::select! {
            biased;
            answer = tokio::time::timeout_at(by.into(), asking.answer()) => answer.map_err(|_elapsed| late())??,
            _ = killed.wait_for(|killed| *killed) => return Err(Error::unavailable("the host shut down during the call")),
            halted = self.until_halted(&context.principal, agent_of(context)) => return Err(halted),
        };
        running.seen.see(&served.labels.gives(MODELS, request.tool, false));
        output(&response)
    }

    /// What is decided before anything is sent: what is halted, the agent's grant of the start of its turn and of now, the model's own bound,
    /// labels, and the secrets.
    fn admit_model<'a>(&self, context: &Context, request: &Request<'_>, served: &'a Served, running: &mut Running) -> Result<Admitted<'a>> {
        let agent = agent_of(context);
        let refuse = |denial: Denial, denials: &crate::capability::Denials| {
            let error = denial.command().into_iter().fold(Error::denied(denial.to_string()), Error::hint);
            denials.record(denial);
            error
        };
        if let Some(Refusal { reason, hint }) = self.halted(&context.principal, agent)? {
            let denial = Denial::halted(agent, request.tool, reason);
            return Err(refuse(denial, &running.denials).hint(hint).code("E-HALTED"));
        }
        let question = Question::parse(request.arguments)?;
        let asked = question.max_output_tokens.unwrap_or(1);
        let granted = context.held.model(agent, request.tool, asked).map_err(|denial| refuse(*denial, &running.denials))?;
        let (_, model) = served.model(request.tool)?;
        running.digest = Some(asked_of(model, request.arguments));
        if asked > model.max_output_tokens {
            let error = Error::invalid(format!("the model `{}` answers in at most {} tokens", request.tool, model.max_output_tokens));
            return Err(error.hint("ask for fewer, or raise its `max_output_tokens` in `remit.toml`"));
        }
        running.seen = served.seen(context, request);
        if let Flow::Refuse(denial) | Flow::Ask(denial) =
            served.labels.decide((MODELS, request.tool), false, &context.labels, &request.cleared)
        {
            let error = labelled(&denial, context.session);
            running.denials.record(denial);
            return Err(error);
        }
        let bound = question.max_output_tokens.into_iter().chain(granted).min().unwrap_or(MODEL_TOKENS_MAX);
        let mut models = Vec::new();
        for name in std::iter::once(request.tool).chain(model.fallback.iter().map(String::as_str)) {
            let (name, model) = served.model(name)?;
            let secret = self.secret_of(context, request, (name, model)).map_err(|denial| refuse(*denial, &running.denials))?;
            if let Some(secret) = &secret {
                running.masks.add(secret.expose_secret());
            }
            models.push((name, model, secret));
        }
        running.uses.record(agent, &Right::Model { name: request.tool, max_tokens: asked });
        Ok(Admitted { models, question, max_tokens: bound })
    }

    fn secret_of(
        &self,
        context: &Context,
        request: &Request<'_>,
        (name, model): (&str, &Model),
    ) -> Result<Option<SecretString>, Box<Denial>> {
        let Some(used) = &model.remote.secret else { return Ok(None) };
        let url = model.url();
        let place = Place::Url(&url);
        let wanted = Wanted { name: &used.name, project: request.project, principal: &context.principal, place };
        let value = secrets::ask(self.services.secrets.as_ref(), &wanted);
        let unset =
            |error: Error| Denial::secret(agent_of(context), "model", &format!("ask the model {name}"), &used.name, place, error.message);
        value.map(Some).map_err(|error| Box::new(unset(error)))
    }

    /// What is known of a call of a model before it is made: what is asked of whom, by a digest.
    ///
    /// # Errors
    /// `not-found`.
    pub(crate) fn describe_model(&self, request: &Request<'_>) -> Result<String> {
        Ok(asked_of(self.served(request)?.model(request.tool)?.1, request.arguments).to_string())
    }

    fn served(&self, request: &Request<'_>) -> Result<std::sync::Arc<Served>> {
        let projects = self.projects.read().unwrap_or_else(PoisonError::into_inner);
        let served = projects.get(request.project).cloned();
        served.ok_or_else(|| Error::not_found(format!("no project `{}` is loaded", visible(request.project, 64))))
    }
}

impl Served {
    fn model(&self, name: &str) -> Result<(&str, &Model)> {
        let found = self.models.get_key_value(name).map(|(name, model)| (name.as_str(), model));
        found.ok_or_else(|| {
            let names: Vec<_> = self.models.keys().map(String::as_str).collect();
            Error::not_found(format!("the project has no model `{}`", visible(name, 64))).hint(format!("it has: {}", names.join(", ")))
        })
    }
}

/// The agent at the end of the chain of callers.
fn agent_of(context: &Context) -> &str {
    context.delegation.last().map_or("", String::as_str)
}

/// What is asked of whom: the same request to the same model has the same digest.
fn asked_of(model: &Model, request: &str) -> Digest {
    Digest::of(format!("{}\n{}\n{}\n{request}", model.api, model.url(), model.id).as_bytes())
}

/// An answer as a journal keeps the result of a call.
fn output(response: &Response) -> Result<(Output, usize)> {
    let value = serde_json::to_value(response).map_err(|error| Error::host("an answer cannot be written as JSON", error))?;
    let bytes = value.to_string().len();
    Ok((Output { content: Vec::new(), structured: Some(value) }, bytes))
}
