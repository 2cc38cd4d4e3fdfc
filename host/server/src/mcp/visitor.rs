//! One client at the door: what it may ask, and what it is told.

#![allow(deprecated, reason = "the protocol advises against its log messages by now, and clients of every revision ask for them")]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use remit_core::{
    identity::Role,
    limit::{MCP_LIST_TTL_MS, MCP_SUBSCRIPTIONS_MAX},
    plugin::{PluginName, text::visible},
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams, CompleteResult, CustomRequest,
        CustomResult, ErrorCode, GetPromptRequestParams, GetPromptResponse, GetTaskParams, GetTaskResult, Implementation,
        ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams, ProtocolVersion,
        ReadResourceRequestParams, ReadResourceResponse, ResourceUpdatedNotificationParam, ServerCapabilities, ServerConfig,
        SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
    },
    service::{NotificationContext, RequestContext, ServiceError, SubscriptionContext, SubscriptionSendError},
};
use tokio::{sync::watch, task::AbortHandle};

use super::{
    Catalog, Door, Who,
    call::Asked,
    guests::{listed_prompt, listed_resource, listed_template},
    in_session::InSession,
    resource::is_own,
    search, shape,
    talk::Brought,
};

/// What a model that uses these tools should know.
const INSTRUCTIONS: &str = "Each tool runs in a sandbox and may touch only what its project granted. A result with `isError` and \
     `denials` names the right that was missing and the smallest grant that would allow it. You cannot grant it: tell the person \
     you work for, or do without.";

/// One client. Over HTTP without a session, one request.
pub struct Visitor {
    door: Door,
    /// Who it is; none over HTTP, where each request says so.
    who: Option<Arc<Who>>,
    calls: Arc<InSession>,
    /// The least severe lines that a client of the handshake era wants to read.
    level: Mutex<Level>,
    /// The resources that a client of the handshake era wants to be told of.
    subscribed: Arc<Mutex<BTreeSet<String>>>,
    /// Tells a client of the handshake era of changes.
    teller: Mutex<Option<AbortHandle>>,
}

/// How severe a line for the log is.
pub(super) type Level = rmcp::model::LoggingLevel;

impl Visitor {
    pub fn new(door: Door, who: Option<Arc<Who>>) -> Self {
        Self { door, who, calls: Arc::default(), level: Mutex::new(Level::Info), subscribed: Arc::default(), teller: Mutex::default() }
    }

    /// The same, with a session of its own for its calls.
    pub fn with_session(mut self) -> Self {
        self.calls = Arc::new(InSession::own());
        self
    }

    /// Who makes a request. Over HTTP a session has one visitor, and each request of it what its own key allows.
    fn who(&self, context: &RequestContext<RoleServer>) -> Result<Arc<Who>, ErrorData> {
        let parts = context.extensions.get::<http::request::Parts>();
        let who = parts.and_then(|parts| parts.extensions.get::<Arc<Who>>()).or(self.who.as_ref());
        who.cloned().ok_or_else(|| ErrorData::internal_error("nobody was let in with this request", None))
    }

    /// The least severe lines that the client wants for this request. Without a handshake it says so in the request, or gets none.
    pub(super) fn level(&self, context: &RequestContext<RoleServer>) -> Option<Level> {
        if stateless(context) {
            return context.meta.log_level();
        }
        Some(*self.level.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        if let Some(teller) = self.teller.get_mut().unwrap_or_else(PoisonError::into_inner) {
            teller.abort();
        }
    }
}

impl Door {
    /// What comes of a call: of a tool, of an agent, or of what tools are searched by.
    async fn called(
        &self,
        who: &Arc<Who>,
        mut request: CallToolRequestParams,
        (level, place): (Option<Level>, &InSession),
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let catalog = self.catalog();
        let arguments = request.arguments.take().unwrap_or_default();
        let asked = match &*request.name {
            search::SEARCH if catalog.is_searched() => return Ok(search::answer(&catalog, &who.role, &arguments).into()),
            search::CALL if catalog.is_searched() => search::called(&catalog, &who.role, arguments),
            name => Ok((catalog.find(name, &who.role).ok_or_else(|| unknown(name))?, arguments)),
        };
        match asked {
            Ok((offer, arguments)) if offer.is_agent() => {
                request.arguments = Some(arguments);
                self.call_agent(who, offer, request, level, context).await
            }
            Ok((offer, arguments)) => {
                let brought = Brought { answers: request.input_responses, state: request.request_state };
                self.call(Asked { who, offer, arguments, brought, level, place }, context).await
            }
            Err(error) => Ok(shape::failure(&error).into()),
        }
    }
}

/// Whether the request belongs to the revisions without a handshake.
pub(super) fn stateless(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| !version.has_initialize())
}

fn unknown(tool: &str) -> ErrorData {
    ErrorData::invalid_params(format!("unknown tool: `{}`", visible(tool, 64)), None)
}

/// Whether there may be prompts, and resources.
fn has(catalog: &watch::Receiver<Arc<Catalog>>) -> (bool, bool) {
    let catalog = catalog.borrow();
    (!catalog.prompts.is_empty(), !catalog.resources.is_empty())
}

fn unknown_method(method: &str) -> ErrorData {
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("unknown method: `{}`", visible(method, 64)), None)
}

/// Refuses a method that needs what no plugin has.
fn needs(plugins: &[PluginName], method: &str) -> Result<(), ErrorData> {
    if plugins.is_empty() { Err(unknown_method(method)) } else { Ok(()) }
}

/// Refuses a cursor where there is one page: it is of no list that there is.
fn one_page(request: Option<PaginatedRequestParams>) -> Result<(), ErrorData> {
    match request.and_then(|request| request.cursor) {
        None => Ok(()),
        Some(_) => Err(ErrorData::invalid_params("this list has one page: ask for it without a cursor", None)),
    }
}

impl ServerHandler for Visitor {
    fn get_info(&self) -> ServerConfig {
        let catalog = self.door.catalog();
        let search = if catalog.is_searched() { search::INSTRUCTIONS } else { "" };
        let builder = ServerCapabilities::builder().enable_tools().enable_tool_list_changed().enable_logging().enable_tasks();
        let builder = builder.enable_prompts().enable_prompts_list_changed().enable_completions();
        let builder = builder.enable_resources().enable_resources_list_changed().enable_resources_subscribe();
        let mut capabilities = builder.build();
        if catalog.prompts.is_empty() {
            (capabilities.prompts, capabilities.completions) = (None, None);
        }
        if let (true, Some(resources)) = (catalog.resources.is_empty(), &mut capabilities.resources) {
            // Sessions alone are read: their list is not told of, nor is one of them.
            (resources.subscribe, resources.list_changed) = (None, None);
        }
        ServerConfig::new(capabilities)
            .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
            .with_server_info(Implementation::new("remit", env!("CARGO_PKG_VERSION")).with_title("Remit"))
            .with_instructions(format!("{INSTRUCTIONS}{search}"))
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        let who = self.who(&context)?;
        let page = self.door.catalog().page(cursor.as_deref(), &who.role);
        let (tools, next) = page.ok_or_else(|| ErrorData::invalid_params("this list has changed: ask for it without a cursor", None))?;
        let mut list = ListToolsResult { next_cursor: next, ..ListToolsResult::with_all_items(tools) };
        if stateless(&context) {
            list = list.with_ttl_ms(MCP_LIST_TTL_MS).with_cache_scope(CacheScope::Private);
        }
        Ok(list)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let catalog = self.door.catalog();
        let found = catalog.find(name, &Role::Owner).map(|offer| offer.tool.clone());
        found.or_else(|| search::tools().into_iter().find(|tool| catalog.is_searched() && tool.name == name))
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        let (door, who, level, place) = (self.door.clone(), self.who(&context)?, self.level(&context), self.calls.clone());
        let call = async move { door.called(&who, request, (level, &place), context).await };
        self.door.apart(call).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a call was lost");
            Err(ErrorData::internal_error("the call was lost", None))
        })
    }

    async fn get_task(&self, request: GetTaskParams, context: RequestContext<RoleServer>) -> Result<GetTaskResult, ErrorData> {
        self.door.get_task(&self.who(&context)?, &request.task_id, &context).await
    }

    async fn update_task(&self, request: UpdateTaskParams, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.door.update_task(&self.who(&context)?, &request.task_id, request.input_responses, &context).await
    }

    async fn cancel_task(&self, request: CancelTaskParams, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.door.cancel_task(&self.who(&context)?, &request.task_id).await
    }

    async fn set_level(&self, request: rmcp::model::SetLevelRequestParams, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        if stateless(&context) {
            return Err(unknown_method("logging/setLevel"));
        }
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = request.level;
        Ok(())
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        needs(&self.door.catalog().prompts, "prompts/list")?;
        one_page(request)?;
        let prompts = self.door.prompts(&self.who(&context)?.role).await;
        let mut list = ListPromptsResult::with_all_items(prompts.iter().map(|(name, (_, prompt))| listed_prompt(name, prompt)).collect());
        if stateless(&context) {
            list = list.with_ttl_ms(MCP_LIST_TTL_MS).with_cache_scope(CacheScope::Private);
        }
        Ok(list)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        needs(&self.door.catalog().prompts, "prompts/get")?;
        self.door.prompt(&*self.who(&context)?, request, &context).await
    }

    async fn complete(&self, request: CompleteRequestParams, context: RequestContext<RoleServer>) -> Result<CompleteResult, ErrorData> {
        needs(&self.door.catalog().prompts, "completion/complete")?;
        self.door.complete(&*self.who(&context)?, request, &context).await.map(CompleteResult::new)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let (who, cursor) = (self.who(&context)?, request.and_then(|request| request.cursor));
        let mut list = self.door.resources(&self.door.acting(&who)?, cursor.as_deref()).await?;
        if cursor.is_none() {
            let all = self.door.resources_of_plugins(&who.role).await;
            list.resources.splice(0..0, all.values().map(|(_, one)| one).filter(|one| !one.is_template()).map(listed_resource));
        }
        if stateless(&context) {
            list = list.with_ttl_ms(MCP_LIST_TTL_MS).with_cache_scope(CacheScope::Private);
        }
        Ok(list)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        one_page(request)?;
        let all = self.door.resources_of_plugins(&self.who(&context)?.role).await;
        let mut list = Door::resource_templates();
        list.resource_templates.extend(all.values().map(|(_, one)| one).filter(|one| one.is_template()).map(listed_template));
        if stateless(&context) {
            list = list.with_ttl_ms(MCP_LIST_TTL_MS).with_cache_scope(CacheScope::Private);
        }
        Ok(list)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let who = self.who(&context)?;
        let mut result = match is_own(&request.uri) {
            true => self.door.read(&self.door.acting(&who)?, &request.uri).await?,
            false => self.door.read_of_plugins(&who, &request.uri, &context).await?,
        };
        if stateless(&context) {
            // Nobody can tell how long what a plugin gives stays true.
            (result.ttl_ms, result.cache_scope) = (Some(0), Some(CacheScope::Private));
        }
        Ok(result.into())
    }

    /// What a client subscribes to it is told of when the project changes; plugins themselves tell of no change.
    async fn subscribe(&self, request: SubscribeRequestParams, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        needs(&self.door.catalog().resources, "resources/subscribe")?;
        self.door.owner(&self.door.resources_of_plugins(&self.who(&context)?.role).await, &request.uri)?;
        let mut subscribed = self.subscribed.lock().unwrap_or_else(PoisonError::into_inner);
        if subscribed.len() >= MCP_SUBSCRIPTIONS_MAX && !subscribed.contains(&request.uri) {
            return Err(ErrorData::invalid_request(format!("a client subscribes to {MCP_SUBSCRIPTIONS_MAX} resources at most"), None));
        }
        subscribed.insert(request.uri);
        Ok(())
    }

    async fn unsubscribe(&self, request: UnsubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.subscribed.lock().unwrap_or_else(PoisonError::into_inner).remove(&request.uri);
        Ok(())
    }

    /// A client of the handshake era is told of changes from here on.
    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let mut teller = self.teller.lock().unwrap_or_else(PoisonError::into_inner);
        if teller.is_none() {
            let mut catalog = self.door.0.setup.catalog.clone();
            catalog.mark_unchanged();
            let subscribed = self.subscribed.clone();
            let tell = async move {
                while catalog.changed().await.is_ok() {
                    let (prompts, resources) = has(&catalog);
                    let told = async {
                        context.peer.notify_tool_list_changed().await?;
                        if prompts {
                            context.peer.notify_prompt_list_changed().await?;
                        }
                        if resources {
                            context.peer.notify_resource_list_changed().await?;
                            let uris = subscribed.lock().unwrap_or_else(PoisonError::into_inner).clone();
                            for uri in uris {
                                context.peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await?;
                            }
                        }
                        Ok::<(), ServiceError>(())
                    };
                    if told.await.is_err() {
                        return;
                    }
                }
            };
            *teller = Some(tokio::spawn(tell).abort_handle());
        }
    }

    fn accepted_subscription_filter(&self, _: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(SubscriptionFilter::builder().tools_list_changed().prompts_list_changed().resources_list_changed().build())
    }

    /// A client of the revisions without a handshake is told of changes while it listens.
    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut catalog = self.door.0.setup.catalog.clone();
        catalog.mark_unchanged();
        let sink = context.sink();
        // What this stream did not ask for is left out.
        let told = |sent| matches!(sent, Ok(()) | Err(SubscriptionSendError::NotificationNotAccepted(_)));
        let tell = async {
            while catalog.changed().await.is_ok()
                && told(sink.notify_tool_list_changed().await)
                && told(sink.notify_prompt_list_changed().await)
                && told(sink.notify_resource_list_changed().await)
            {}
        };
        tokio::select! {
            () = context.cancelled() => {}
            () = tell => {}
        }
        Ok(())
    }

    /// What is no request that the protocol knows: its method is unknown, or its parameters are not those of its method.
    async fn on_custom_request(&self, request: CustomRequest, context: RequestContext<RoleServer>) -> Result<CustomResult, ErrorData> {
        let misfit = || ErrorData::invalid_params(format!("the parameters are not those of `{}`", request.method), None);
        let catalog = self.door.catalog();
        let known = match request.method.as_str() {
            "tools/call" | "tools/list" | "subscriptions/listen" => true,
            "resources/list" | "resources/templates/list" | "resources/read" => true,
            "tasks/get" | "tasks/update" | "tasks/cancel" => true,
            "initialize" | "logging/setLevel" => !stateless(&context),
            "resources/subscribe" | "resources/unsubscribe" => !stateless(&context) && !catalog.resources.is_empty(),
            "prompts/list" | "prompts/get" | "completion/complete" => !catalog.prompts.is_empty(),
            _ => false,
        };
        Err(if known { misfit() } else { unknown_method(&request.method) })
    }
}
