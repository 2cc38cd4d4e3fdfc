//! `remit:mcp` as guests speak it: which of its interfaces a component exports, and their values made the host's own, bounded.

use remit_bindings::{
    mcp::{
        asking::{AskerPre, exports::remit::mcp::asking::Outcome as ToolOutcome, remit::mcp::types as wit},
        prompts::{PrompterPre, exports::remit::mcp::prompts},
        resources::{LibrarianPre, exports::remit::mcp::resources},
    },
    tool::remit::tool::types::{Embedded as WitEmbedded, ResourceBody},
};
use remit_core::{
    Error, Result,
    grant::{Decision, MCP, Request, decide},
    limit::{
        MCP_COMPLETIONS_MAX, MCP_LISTED_MAX, MCP_LISTED_MAX_BYTES, MCP_QUESTIONS_MAX, MCP_QUESTIONS_MAX_BYTES, MCP_STATE_MAX_BYTES,
        MCP_URI_MAX_BYTES, TOOL_NAME_MAX_CHARS,
    },
    plugin::text::{visible, visible_lines},
};
use serde_json::Value;
use wasmtime::{
    Store,
    component::{Component, InstancePre},
};

use super::{Features, Message, Pause, Prompt, PromptArgument, Question, Reply, ResourceEntry, Round, Step};
use crate::{
    capability::CallState,
    engine::Failed,
    output::{Content, Embedded, Output, too_large},
    plugin::failure,
};

const ASKING: &str = "remit:mcp/asking@0.1.0";
const PROMPTS: &str = "remit:mcp/prompts@0.1.0";
const RESOURCES: &str = "remit:mcp/resources@0.1.0";
/// Longest text of a title, a description or a message that a client is shown.
const TEXT_MAX_CHARS: usize = 4096;

/// What a component exports of `remit:mcp`.
pub(crate) struct Served {
    asking: Option<AskerPre<CallState>>,
    prompts: Option<PrompterPre<CallState>>,
    resources: Option<LibrarianPre<CallState>>,
}

/// The denial of what the call in `store` may not do, when it may not.
fn refusal(store: &Store<CallState>, scope: &'static str) -> Result<()> {
    let call = &store.data().call;
    match decide(&Request::Custom { capability: MCP, request: scope }, &call.rights.resolved) {
        Decision::Allow(_) => {
            call.uses(&Request::Custom { capability: MCP, request: scope });
            Ok(())
        }
        Decision::Deny(denial) => {
            let error = Error::denied(denial.to_string());
            call.denials.record(denial);
            Err(error)
        }
    }
}

fn missing(interface: &str) -> Failed {
    Error::not_found(format!("the plugin does not export `{}`", interface.split('@').next().unwrap_or(interface))).into()
}

impl Served {
    /// Looks at what `component` exports.
    ///
    /// # Errors
    /// When an interface is not as it should be.
    pub fn new(component: &Component, pre: &InstancePre<CallState>) -> wasmtime::Result<Self> {
        let has = |name: &str| component.get_export_index(None, name).is_some();
        Ok(Self {
            asking: has(ASKING).then(|| AskerPre::new(pre.clone())).transpose()?,
            prompts: has(PROMPTS).then(|| PrompterPre::new(pre.clone())).transpose()?,
            resources: has(RESOURCES).then(|| LibrarianPre::new(pre.clone())).transpose()?,
        })
    }

    /// Calls a tool that may ask. Nothing, where its component has none that may.
    ///
    /// # Errors
    /// A failure of the guest or of the engine; `denied` for a question that was not granted.
    pub async fn tool(
        &self,
        mut store: &mut Store<CallState>,
        (name, arguments): (&str, &str),
        round: &Round,
        max_bytes: usize,
    ) -> Result<Option<(Step<Output>, usize)>, Failed> {
        let Some(pre) = &self.asking else { return Ok(None) };
        let guest = pre.instantiate_async(&mut store).await?;
        let round = to_wit(round);
        match guest.remit_mcp_asking().call_call(&mut store, name, &arguments.to_owned(), &round).await?.map_err(failure)? {
            ToolOutcome::Done(output) => Output::from_guest(output, max_bytes).map(|(output, bytes)| Some((Step::Done(output), bytes))),
            ToolOutcome::Asks(asked) => pause(store, asked).map(|(pause, bytes)| Some((Step::Asks(pause), bytes))),
        }
        .map_err(Into::into)
    }

    /// Gets a prompt.
    ///
    /// # Errors
    /// As [`Served::tool`]; `not-found` where the component has no prompts.
    pub async fn prompt(
        &self,
        mut store: &mut Store<CallState>,
        (name, arguments): (&str, &str),
        round: &Round,
        max_bytes: usize,
    ) -> Result<(Step<Vec<Message>>, usize), Failed> {
        refusal(store, "prompts")?;
        let pre = self.prompts.as_ref().ok_or_else(|| missing(PROMPTS))?;
        let guest = pre.instantiate_async(&mut store).await?;
        let round = to_wit(round);
        match guest.remit_mcp_prompts().call_get(&mut store, name, &arguments.to_owned(), &round).await?.map_err(failure)? {
            prompts::Outcome::Done(messages) => {
                let (messages, bytes) = self::messages(messages, max_bytes)?;
                Ok((Step::Done(messages), bytes))
            }
            prompts::Outcome::Asks(asked) => {
                let (pause, bytes) = pause(store, asked)?;
                Ok((Step::Asks(pause), bytes))
            }
        }
    }

    /// Values that begin with `start`.
    ///
    /// # Errors
    /// As [`Served::prompt`].
    pub async fn complete(
        &self,
        mut store: &mut Store<CallState>,
        (name, argument, start): (&str, &str, &str),
        max_bytes: usize,
    ) -> Result<(Vec<String>, usize), Failed> {
        refusal(store, "prompts")?;
        let pre = self.prompts.as_ref().ok_or_else(|| missing(PROMPTS))?;
        let guest = pre.instantiate_async(&mut store).await?;
        let mut values = guest.remit_mcp_prompts().call_complete(&mut store, name, argument, start).await?;
        values.truncate(MCP_COMPLETIONS_MAX);
        let bytes = values.iter().map(String::len).sum();
        if bytes > max_bytes {
            return Err(too_large(bytes, max_bytes).into());
        }
        Ok((values.iter().map(|value| visible(value, TEXT_MAX_CHARS)).collect(), bytes))
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// As [`Served::prompt`].
    pub async fn read(&self, mut store: &mut Store<CallState>, uri: &str, max_bytes: usize) -> Result<(Vec<Embedded>, usize), Failed> {
        refusal(store, "resources")?;
        let pre = self.resources.as_ref().ok_or_else(|| missing(RESOURCES))?;
        let guest = pre.instantiate_async(&mut store).await?;
        let contents = guest.remit_mcp_resources().call_read(&mut store, uri).await?.map_err(failure)?;
        let size = |one: &WitEmbedded| match &one.body {
            ResourceBody::Text(text) => text.len(),
            ResourceBody::Blob(bytes) => bytes.len(),
        };
        let bytes = contents.iter().map(size).sum();
        if bytes > max_bytes {
            return Err(too_large(bytes, max_bytes).into());
        }
        let embedded = contents.into_iter().filter_map(|one| match Content::from(wit_resource(one)) {
            Content::Resource { resource } => Some(resource),
            _ => None,
        });
        Ok((embedded.collect(), bytes))
    }

    /// The prompts that the component lists; none where it has none.
    ///
    /// # Errors
    /// A failure of the engine; `limit` for too many, `invalid` for one that is not acceptable.
    pub async fn prompts(&self, mut store: &mut Store<CallState>) -> Result<Vec<Prompt>, Failed> {
        let Some(pre) = &self.prompts else { return Ok(Vec::new()) };
        let guest = pre.instantiate_async(&mut store).await?;
        let listed = guest.remit_mcp_prompts().call_list(&mut store).await?;
        bounded("prompts", listed.len(), listed.iter().map(prompt_size).sum())?;
        let mut all: Vec<Prompt> = Vec::new();
        for one in listed {
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
            if one.name.is_empty() || one.name.len() > TOOL_NAME_MAX_CHARS || !one.name.chars().all(is_plain) {
                let message = format!("`{}` is not the name of a prompt", visible(&one.name, 64));
                return Err(Error::invalid(message).hint("use lowercase letters, digits, `_` and `-`").into());
            }
            if all.iter().any(|other| other.name == one.name) {
                return Err(Error::invalid(format!("two prompts are named `{}`", one.name)).into());
            }
            all.push(prompt(one));
        }
        Ok(all)
    }

    /// The resources that the component lists; none where it has none.
    ///
    /// # Errors
    /// As [`Served::prompts`].
    pub async fn resources(&self, mut store: &mut Store<CallState>) -> Result<Vec<ResourceEntry>, Failed> {
        let Some(pre) = &self.resources else { return Ok(Vec::new()) };
        let guest = pre.instantiate_async(&mut store).await?;
        let listed = guest.remit_mcp_resources().call_list(&mut store).await?;
        bounded("resources", listed.len(), listed.iter().map(resource_size).sum())?;
        let mut all: Vec<ResourceEntry> = Vec::new();
        for one in listed {
            let plain = visible(&one.uri, MCP_URI_MAX_BYTES) == one.uri && one.uri.contains(':') && !one.uri.contains(' ');
            if !plain || all.iter().any(|other| other.uri == one.uri) {
                let message = format!("`{}` is no URI, or is listed twice", visible(&one.uri, 128));
                return Err(Error::invalid(message).into());
            }
            all.push(resource(one));
        }
        Ok(all)
    }
}

fn bounded(what: &str, count: usize, bytes: usize) -> Result<()> {
    if count > MCP_LISTED_MAX || bytes > MCP_LISTED_MAX_BYTES {
        return Err(Error::limit(format!(
            "the plugin lists {count} {what} of {bytes} bytes; at most {MCP_LISTED_MAX} of {MCP_LISTED_MAX_BYTES} bytes are served"
        )));
    }
    Ok(())
}

fn length(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}

fn prompt_size(one: &prompts::Prompt) -> usize {
    let arguments = one.arguments.iter().map(|one| one.name.len() + length(&one.description) + 1);
    one.name.len() + length(&one.title) + length(&one.description) + arguments.sum::<usize>()
}

fn resource_size(one: &resources::Definition) -> usize {
    one.uri.len() + one.name.len() + length(&one.title) + length(&one.description) + length(&one.mime_type)
}

fn shown(text: Option<String>) -> Option<String> {
    text.map(|text| visible_lines(&text, TEXT_MAX_CHARS))
}

fn prompt(one: prompts::Prompt) -> Prompt {
    let argument = |one: prompts::Argument| PromptArgument {
        name: visible(&one.name, TEXT_MAX_CHARS),
        description: shown(one.description),
        required: one.required,
    };
    Prompt {
        name: one.name,
        title: shown(one.title),
        description: shown(one.description),
        arguments: one.arguments.into_iter().map(argument).collect(),
    }
}

fn resource(one: resources::Definition) -> ResourceEntry {
    ResourceEntry {
        uri: one.uri,
        name: visible(&one.name, TEXT_MAX_CHARS),
        title: shown(one.title),
        description: shown(one.description),
        mime_type: shown(one.mime_type),
    }
}

fn wit_resource(one: WitEmbedded) -> remit_bindings::tool::remit::tool::types::Content {
    remit_bindings::tool::remit::tool::types::Content::Resource(one)
}

fn messages(messages: Vec<wit::Message>, max_bytes: usize) -> Result<(Vec<Message>, usize)> {
    let (roles, content): (Vec<_>, Vec<_>) = messages.into_iter().map(|one| (one.role, one.content)).unzip();
    let output = remit_bindings::tool::remit::tool::types::Output { content, structured: None };
    let (output, bytes) = Output::from_guest(output, max_bytes)?;
    let message = |(role, content)| Message { assistant: role == wit::Role::Assistant, content };
    Ok((roles.into_iter().zip(output.content).map(message).collect(), bytes))
}

/// What a guest asks, when it may: bounded, and safe to show to a person.
///
/// # Errors
/// `denied` for a question that was not granted; `limit` for too much; `guest` for what is no question.
fn pause(store: &Store<CallState>, asked: wit::Pause) -> Result<(Pause, usize)> {
    let state = asked.state.as_ref().map_or(0, Vec::len);
    if state > MCP_STATE_MAX_BYTES || asked.questions.len() > MCP_QUESTIONS_MAX {
        return Err(Error::limit(format!(
            "the tool asks {} questions and keeps {state} bytes; at most {MCP_QUESTIONS_MAX} and {MCP_STATE_MAX_BYTES} are taken",
            asked.questions.len()
        )));
    }
    if asked.questions.is_empty() {
        return Err(Error::guest("the tool asks for answers, and asks no question"));
    }
    let (mut questions, mut left): (Vec<(String, Question)>, usize) = (Vec::new(), MCP_QUESTIONS_MAX_BYTES);
    for one in asked.questions {
        let (question, bytes) = question(one.request, left)?;
        left = left.checked_sub(bytes + one.key.len()).ok_or_else(too_long)?;
        refusal(store, question.scope())?;
        let key = visible(&one.key, 128);
        if key != one.key || key.is_empty() || questions.iter().any(|(other, _)| *other == key) {
            return Err(Error::guest(format!("`{key}` cannot be the key of a question, or is that of two")));
        }
        questions.push((key, question));
    }
    Ok((Pause { questions, state: asked.state }, MCP_QUESTIONS_MAX_BYTES.saturating_sub(left) + state))
}

fn too_long() -> Error {
    Error::limit(format!("the questions have more than {MCP_QUESTIONS_MAX_BYTES} bytes"))
}

/// A question, and its size.
fn question(request: wit::Request, max_bytes: usize) -> Result<(Question, usize)> {
    match request {
        wit::Request::Roots => Ok((Question::Roots, 0)),
        wit::Request::Elicit(form) => {
            let bytes = form.message.len() + form.schema.len();
            if bytes > max_bytes {
                return Err(too_long());
            }
            let schema: Value =
                serde_json::from_str(&form.schema).map_err(|error| Error::guest("the schema of a form is not JSON").internal(error))?;
            Ok((Question::Elicit { message: visible_lines(&form.message, TEXT_MAX_CHARS), schema }, bytes))
        }
        wit::Request::Sample(asked) => {
            let prompt = length(&asked.system_prompt);
            let (messages, bytes) = messages(asked.messages, max_bytes.checked_sub(prompt).ok_or_else(too_long)?)?;
            if messages.iter().any(|one| !matches!(one.content, Content::Text { .. })) {
                return Err(Error::guest("a model is asked with texts alone"));
            }
            Ok((Question::Sample { messages, system: asked.system_prompt, max_tokens: asked.max_tokens }, bytes + prompt))
        }
    }
}

fn to_wit(round: &Round) -> wit::Round {
    let Features { elicit, sample, roots } = round.features;
    let mut features = wit::Features::empty();
    for (has, flag) in [(elicit, wit::Features::ELICIT), (sample, wit::Features::SAMPLE), (roots, wit::Features::ROOTS)] {
        if has {
            features |= flag;
        }
    }
    let reply = |reply: &Reply| match reply {
        Reply::Accepted(value) => wit::Reply::Accepted(value.to_string()),
        Reply::Declined => wit::Reply::Declined,
        Reply::Cancelled => wit::Reply::Cancelled,
        Reply::Sampled(text) => wit::Reply::Sampled(text.clone()),
        Reply::Roots(roots) => {
            wit::Reply::Roots(roots.iter().map(|(uri, name)| wit::Root { uri: uri.clone(), name: name.clone() }).collect())
        }
    };
    let answers = round.answers.iter().map(|(key, one)| wit::Answer { key: key.clone(), reply: reply(one) });
    wit::Round { state: round.state.clone(), answers: answers.collect(), features }
}
