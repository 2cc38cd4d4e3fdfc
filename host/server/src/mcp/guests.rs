//! Prompts and resources of plugins, as this door offers them.

use std::{collections::BTreeMap, sync::Arc};

use remit_core::{
    Error, Kind,
    identity::Role,
    limit::MCP_URI_MAX_BYTES,
    plugin::{PluginName, text::visible},
};
use remit_runtime::{
    Request,
    mcp::{Ask, Given, Message, Prompt, ResourceEntry, Step},
};
use rmcp::{
    ErrorData, RoleServer,
    model::{
        self, CompletionInfo, GetPromptRequestParams, GetPromptResponse, GetPromptResult, PromptMessage, ReadResourceResult, Resource,
        ResourceTemplate,
    },
    service::RequestContext,
};
use serde_json::{Map, Value, json};

use super::{
    Door, Who,
    name::names,
    shape,
    talk::{Brought, Stuck, Talk},
};

/// What roles name prompts and resources by, as the tools that they are.
const PROMPTS: &str = "mcp/prompt";
const RESOURCES: &str = "mcp/read";

type Prompts = BTreeMap<String, (PluginName, Prompt)>;

impl Door {
    /// What each of `plugins` lists of which `role` may have `what`, in the order of their names. One that cannot say is left out, with
    /// the reason in the log.
    async fn listed(&self, plugins: &[PluginName], role: &Role, what: &str) -> Vec<(PluginName, Arc<remit_runtime::plugin::Listed>)> {
        let mut all = Vec::new();
        for plugin in plugins.iter().filter(|plugin| role.allows(plugin.as_str(), what)) {
            match self.0.setup.host.listed(&self.0.setup.project, plugin).await {
                Ok(listed) => all.push((plugin.clone(), listed)),
                Err(error) => tracing::warn!(%plugin, internal = error.internal, "prompts and resources are left out: {error}"),
            }
        }
        all
    }

    /// The prompts that who has `role` may get, by the names that clients know.
    pub(super) async fn prompts(&self, role: &Role) -> Prompts {
        let catalog = self.catalog();
        let listed = self.listed(&catalog.prompts, role, PROMPTS).await;
        let all: BTreeMap<(&str, &str), (&PluginName, &Prompt)> = listed
            .iter()
            .flat_map(|(plugin, listed)| listed.0.iter().map(move |prompt| ((plugin.as_str(), prompt.name.as_str()), (plugin, prompt))))
            .collect();
        let named: BTreeMap<String, (&str, &str)> = match catalog.bare {
            true => all.keys().map(|id| (id.1.to_owned(), *id)).collect(),
            false => names(all.keys().copied()),
        };
        let known =
            |(name, id): (String, (&str, &str))| all.get(&id).map(|(plugin, prompt)| (name, ((*plugin).clone(), (*prompt).clone())));
        named.into_iter().filter_map(known).collect()
    }

    /// The resources and templates that who has `role` may read, each with the plugin that has it. Of two plugins that list the same, the
    /// first has it.
    pub(super) async fn resources_of_plugins(&self, role: &Role) -> BTreeMap<String, (PluginName, ResourceEntry)> {
        let catalog = self.catalog();
        let mut all = BTreeMap::new();
        for (plugin, listed) in self.listed(&catalog.resources, role, RESOURCES).await {
            for one in &listed.1 {
                all.entry(one.uri.clone()).or_insert_with(|| (plugin.clone(), one.clone()));
            }
        }
        all
    }

    /// Asks a plugin for something that is no tool. Who takes the request back ends the guest.
    async fn ask_plugin(
        &self,
        who: &Who,
        plugin: &PluginName,
        (ask, arguments): (Ask<'_>, &str),
        context: &RequestContext<RoleServer>,
    ) -> Result<Given, Error> {
        let setup = &self.0.setup;
        let Ok(_room) = self.0.calls.try_acquire() else {
            return Err(Error::limit("too many calls are in flight: ask again when some have ended"));
        };
        let acting = who.context(setup)?;
        let request = Request::new(&setup.project, plugin.as_str(), ask.name(), arguments);
        tokio::select! {
            biased;
            () = context.ct.cancelled() => Err(Error::unavailable("the request was taken back")),
            () = who.withdrawn() => Err(Error::unavailable("what let this client in was withdrawn")),
            outcome = setup.host.ask(&acting, &request, ask) => outcome.result,
        }
    }

    /// Gets a prompt.
    ///
    /// # Errors
    /// `invalid params` when it is unknown, or its arguments are not those that it takes; others as the plugin fails.
    pub(super) async fn prompt(
        &self,
        who: &Who,
        request: GetPromptRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let prompts = self.prompts(&who.role).await;
        let (plugin, prompt) = prompts.get(&request.name).ok_or_else(|| unknown_prompt(&request.name))?;
        let arguments = arguments(prompt, request.arguments.unwrap_or_default())?;
        let brought = Brought { answers: request.input_responses, state: request.request_state };
        let mut talk = Talk::new(self, &who.principal, context, plugin.as_str(), ("prompts/get", &request.name, &arguments), brought)?;
        loop {
            let ask = Ask::Prompt { name: &prompt.name, round: &talk.round };
            match self.ask_plugin(who, plugin, (ask, &arguments), context).await.map_err(refused)? {
                Given::Prompt(Step::Done(messages)) => {
                    let mut result = GetPromptResult::new(messages.into_iter().map(message).collect());
                    result.description.clone_from(&prompt.description);
                    return Ok(result.into());
                }
                Given::Prompt(Step::Asks(pause)) => match talk.put(pause).await {
                    Ok(None) => {}
                    Ok(Some(required)) => return Ok(required.into()),
                    Err(Stuck::Protocol(error)) => return Err(error),
                    Err(Stuck::Told(error)) => return Err(refused(error)),
                },
                other => return Err(refused(mixed_up(&other))),
            }
        }
    }

    /// Values for an argument of a prompt; none for anything else.
    ///
    /// # Errors
    /// As [`Door::prompt`].
    pub(super) async fn complete(
        &self,
        who: &Who,
        request: model::CompleteRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CompletionInfo, ErrorData> {
        let values = match &request.r#ref {
            model::Reference::Prompt(named) => {
                let prompts = self.prompts(&who.role).await;
                let (plugin, prompt) = prompts.get(&named.name).ok_or_else(|| unknown_prompt(&named.name))?;
                let (name, argument, start) = (prompt.name.as_str(), request.argument.name.as_str(), request.argument.value.as_str());
                if !prompt.arguments.iter().any(|one| one.name == argument) {
                    return Err(ErrorData::invalid_params("the prompt has no such argument", None));
                }
                let asked = json!({ "prompt": name, "argument": argument, "start": start }).to_string();
                match self.ask_plugin(who, plugin, (Ask::Complete { name, argument, start }, &asked), context).await.map_err(refused)? {
                    Given::Values(values) => values,
                    other => return Err(refused(mixed_up(&other))),
                }
            }
            _ => Vec::new(),
        };
        CompletionInfo::with_all_values(values).map_err(|error| ErrorData::internal_error(error, None))
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// `resource not found` when no plugin lists it, or the one that does has none there; others as the plugin fails.
    pub(super) async fn read_of_plugins(
        &self,
        who: &Who,
        uri: &str,
        context: &RequestContext<RoleServer>,
    ) -> Result<ReadResourceResult, ErrorData> {
        let resources = self.resources_of_plugins(&who.role).await;
        let plugin = self.owner(&resources, uri)?;
        let asked = json!({ "uri": uri }).to_string();
        match self.ask_plugin(who, plugin, (Ask::Read { uri }, &asked), context).await.map_err(refused)? {
            Given::Contents(contents) if contents.is_empty() => Err(unknown_resource(uri)),
            Given::Contents(contents) => Ok(ReadResourceResult::new(contents.into_iter().map(shape::contents).collect())),
            other => Err(refused(mixed_up(&other))),
        }
    }

    /// The plugin that has the resource: who lists it, else who has a template for it.
    ///
    /// # Errors
    /// `resource not found` when nobody has.
    pub(super) fn owner<'a>(
        &self,
        resources: &'a BTreeMap<String, (PluginName, ResourceEntry)>,
        uri: &str,
    ) -> Result<&'a PluginName, ErrorData> {
        if uri.len() > MCP_URI_MAX_BYTES {
            return Err(unknown_resource(&visible(uri, 64)));
        }
        let exact = resources.get(uri).filter(|(_, one)| !one.is_template());
        let found = exact.or_else(|| resources.values().find(|(_, one)| one.is_template() && one.covers(uri)));
        found.map(|(plugin, _)| plugin).ok_or_else(|| unknown_resource(uri))
    }
}

fn unknown_prompt(name: &str) -> ErrorData {
    ErrorData::invalid_params(format!("unknown prompt: `{}`", visible(name, 64)), None)
}

fn unknown_resource(uri: &str) -> ErrorData {
    ErrorData::resource_not_found("resource not found", Some(json!({ "uri": uri })))
}

fn mixed_up(given: &Given) -> Error {
    Error::host("the plugin gave something else than it was asked for", format!("{given:?}"))
}

/// A failure where there is no result to put it into.
fn refused(error: Error) -> ErrorData {
    tracing::debug!(internal = error.internal, "{error}");
    match error.kind {
        Kind::Invalid | Kind::NotFound => ErrorData::invalid_params(error.message, None),
        Kind::Denied => ErrorData::invalid_request(error.message, None),
        _ => ErrorData::internal_error(error.message, None),
    }
}

/// The arguments of a prompt as a JSON object of texts.
///
/// # Errors
/// `invalid params` when a required one is missing, one is unknown, or one is no text.
fn arguments(prompt: &Prompt, given: Map<String, Value>) -> Result<String, ErrorData> {
    let wrong = |what: String| Err(ErrorData::invalid_params(what, None));
    if let Some(missing) = prompt.arguments.iter().find(|one| one.required && !given.contains_key(&one.name)) {
        return wrong(format!("the prompt needs the argument `{}`", missing.name));
    }
    for (name, value) in &given {
        if !value.is_string() || !prompt.arguments.iter().any(|one| one.name == *name) {
            return wrong(format!("the prompt takes no argument `{}`, or it is no text", visible(name, 64)));
        }
    }
    Ok(Value::Object(given).to_string())
}

fn message(message: Message) -> PromptMessage {
    let role = if message.assistant { model::Role::Assistant } else { model::Role::User };
    PromptMessage::new(role, shape::piece(message.content))
}

/// A prompt as the protocol has it.
pub(super) fn listed_prompt(name: &str, prompt: &Prompt) -> model::Prompt {
    let argument = |one: &remit_runtime::mcp::PromptArgument| {
        let mut argument = model::PromptArgument::new(one.name.clone()).with_required(one.required);
        argument.description.clone_from(&one.description);
        argument
    };
    let arguments: Vec<_> = prompt.arguments.iter().map(argument).collect();
    let mut listed = model::Prompt::new(name, prompt.description.clone(), (!arguments.is_empty()).then_some(arguments));
    listed.title.clone_from(&prompt.title);
    listed
}

/// A resource as the protocol has it.
pub(super) fn listed_resource(one: &ResourceEntry) -> Resource {
    let mut listed = Resource::new(one.uri.clone(), one.name.clone());
    (listed.title, listed.description, listed.mime_type) = (one.title.clone(), one.description.clone(), one.mime_type.clone());
    listed
}

/// A template as the protocol has it.
pub(super) fn listed_template(one: &ResourceEntry) -> ResourceTemplate {
    let mut listed = ResourceTemplate::new(one.uri.clone(), one.name.clone());
    (listed.title, listed.description, listed.mime_type) = (one.title.clone(), one.description.clone(), one.mime_type.clone());
    listed
}
