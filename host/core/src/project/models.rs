//! `[models.NAME]`: the models that agents ask by their names, and where each of them is.

use std::collections::BTreeMap;

use toml::Spanned;
use url::Url;

use super::{Problem, Remote, nearest, remote, table::Table};
use crate::{
    grant::{AddressPattern, FieldTarget, SecretUse},
    limit::{
        MODEL_DEADLINE_DEFAULT_MS, MODEL_DEADLINE_MAX_MS, MODEL_FALLBACK_MAX, MODEL_ID_MAX_BYTES, MODEL_IDLE_DEFAULT_MS,
        MODEL_RETRIES_DEFAULT, MODEL_RETRIES_MAX, MODEL_TOKENS_DEFAULT, MODEL_TOKENS_MAX, MODELS_MAX,
    },
    model::{Api, check_name},
    plugin::text::visible,
    secret,
};

/// One model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// How it is spoken to.
    pub api: Api,
    /// Where it is, with the secret that the host attaches and the addresses that may be connected to.
    pub remote: Remote,
    /// What its provider calls it.
    pub id: String,
    /// Tokens that one answer has at most.
    pub max_output_tokens: u32,
    /// A whole call, with what is tried again, in milliseconds.
    pub deadline_ms: u64,
    /// How long it may say nothing in the middle of an answer, in milliseconds.
    pub idle_ms: u64,
    /// How often it is asked again when it does not answer.
    pub retries: u32,
    /// Whether answers come in pieces.
    pub stream: bool,
    /// Models that are asked in its place, in this order, when it does not answer. What they fall back to themselves is not asked.
    pub fallback: Vec<String>,
}

impl Model {
    /// Where its requests go.
    pub fn url(&self) -> Url {
        let mut url = self.remote.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(self.api.path().split('/'));
        }
        url
    }
}

/// `[models]`.
pub(super) fn models(root: &mut Table<'_>, problems: &mut Vec<Problem>) -> BTreeMap<String, Model> {
    let mut models = BTreeMap::new();
    let mut fallbacks: Vec<Spanned<String>> = Vec::new();
    for (name, table) in root.tables("models", "model", problems) {
        if let Err(error) = check_name(name.get_ref()) {
            problems.push(Problem::at(name.span(), error));
            continue;
        }
        if models.len() == MODELS_MAX {
            problems.push(
                Problem::new(name.span(), format!("a project has at most {MODELS_MAX} models")).hint("remove those that nobody asks"),
            );
            break;
        }
        let (model, others) = model(name.get_ref(), table, problems);
        fallbacks.extend(others);
        models.extend(model.map(|model| (name.into_inner(), model)));
    }
    fallbacks.iter().for_each(|name| known(name, &models, problems));
    models
}

/// Reports the name of a model that is none.
fn known(name: &Spanned<String>, models: &BTreeMap<String, Model>, problems: &mut Vec<Problem>) {
    if models.contains_key(name.get_ref()) {
        return;
    }
    let problem = Problem::new(name.span(), format!("the project has no model `{}`", visible(name.get_ref(), 64)));
    problems.push(match nearest(name.get_ref(), models.keys().map(String::as_str)) {
        Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
        None => problem.hint("say where it is: `[models.NAME]` with `api`, `url` and `name`"),
    });
}

fn model(name: &str, mut table: Table<'_>, problems: &mut Vec<Problem>) -> (Option<Model>, Vec<Spanned<String>>) {
    let before = problems.len();
    let api: Option<Api> = table.required("api", "api = \"openai-chat\"", problems);
    let written: Option<Spanned<String>> = table.required("url", "url = \"https://api.example.com/v1\"", problems);
    let url = written.as_ref().and_then(|written| remote::url(written, problems));
    if let (Some(url), Some(written)) = (&url, &written)
        && url.query().is_some()
    {
        let problem = Problem::new(written.span(), "the URL of a model has a query, behind which nothing can stand");
        problems.push(problem.hint("write the part that all requests have, such as `https://api.example.com/v1`"));
    }
    let id: Option<Spanned<String>> = table.required("name", "name = \"the model, as its provider calls it\"", problems);
    if let Some(id) = &id
        && (id.get_ref().is_empty() || id.get_ref().len() > MODEL_ID_MAX_BYTES || visible(id.get_ref(), usize::MAX) != *id.get_ref())
    {
        let problem = Problem::new(id.span(), format!("`{}` is not the name of a model", visible(id.get_ref(), 64)));
        problems.push(problem.hint(format!("write it as its provider does, in one plain line of at most {MODEL_ID_MAX_BYTES} bytes")));
    }
    let secret: Option<Spanned<String>> = table.optional("secret", problems);
    if let Some(error) = secret.as_ref().and_then(|secret| Some(Problem::at(secret.span(), secret::check_name(secret.get_ref()).err()?))) {
        problems.push(error);
    }
    let private: Vec<Spanned<String>> = table.optional("private", problems).unwrap_or_default();
    let parse = |text: &Spanned<String>| text.get_ref().parse().map_err(|error| problems.push(Problem::at(text.span(), error))).ok();
    let private: Vec<AddressPattern> = private.iter().filter_map(parse).collect();
    let max_output_tokens = number(&mut table, "max_output_tokens", (1, MODEL_TOKENS_DEFAULT.into(), MODEL_TOKENS_MAX.into()), problems);
    let deadline_ms = number(&mut table, "deadline_ms", (1, MODEL_DEADLINE_DEFAULT_MS, MODEL_DEADLINE_MAX_MS), problems);
    let idle_ms = number(&mut table, "idle_ms", (1, MODEL_IDLE_DEFAULT_MS, MODEL_DEADLINE_MAX_MS), problems);
    let retries = number(&mut table, "retries", (0, MODEL_RETRIES_DEFAULT.into(), MODEL_RETRIES_MAX.into()), problems);
    let stream = table.optional("stream", problems).unwrap_or(true);
    let fallback = fallback(name, &mut table, problems);
    table.finish(problems);
    let names = fallback.iter().map(|name| name.get_ref().clone()).collect();
    let made = url.zip(id).zip(api).filter(|_| problems.len() == before).map(|((url, id), api)| {
        let (header, format) = api.credential();
        let target = FieldTarget::Header(header.to_owned());
        let secret = secret.map(|name| SecretUse { name: name.into_inner(), target, format: format.to_owned() });
        Model {
            api,
            remote: Remote { url, secret, private },
            id: id.into_inner(),
            max_output_tokens: u32::try_from(max_output_tokens).unwrap_or(MODEL_TOKENS_MAX),
            deadline_ms,
            idle_ms,
            retries: u32::try_from(retries).unwrap_or(MODEL_RETRIES_MAX),
            stream,
            fallback: names,
        }
    });
    (made, fallback)
}

/// The models that are asked in place of `name`, each once.
fn fallback(name: &str, table: &mut Table<'_>, problems: &mut Vec<Problem>) -> Vec<Spanned<String>> {
    let all: Vec<Spanned<String>> = table.optional("fallback", problems).unwrap_or_default();
    for (place, other) in all.iter().enumerate() {
        if place == MODEL_FALLBACK_MAX {
            let problem = Problem::new(other.span(), format!("`fallback` names more than {MODEL_FALLBACK_MAX} models"));
            problems.push(problem.hint("name those alone that may well answer"));
        }
        if other.get_ref() == name || all.iter().take(place).any(|before| before.get_ref() == other.get_ref()) {
            let problem = Problem::new(other.span(), format!("`{}` would be asked twice", visible(other.get_ref(), 64)));
            problems.push(problem.hint("name each model once; `retries` says how often one is asked again"));
        }
    }
    all
}

/// A number between the first and the last of `bounds`; the one in the middle when it is not written.
fn number(table: &mut Table<'_>, key: &'static str, bounds: (u64, u64, u64), problems: &mut Vec<Problem>) -> u64 {
    let (least, default, most) = bounds;
    let Some(written): Option<Spanned<u64>> = table.optional(key, problems) else { return default };
    let value = *written.get_ref();
    if value < least || value > most {
        problems.push(Problem::new(written.span(), format!("`{key}` is {value}")).hint(format!("write a number from {least} to {most}")));
    }
    value
}
