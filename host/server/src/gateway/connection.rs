//! One conversation with a running server: its tools, its answers, and what it asks of us, which is refused.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex as StdMutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use remit_core::{
    Blame, Error, Kind, Result,
    limit::{CallLimits, OUTSIDE_MESSAGE_BYTES, TOOLS_MAX},
    plugin::{Adopted, Definition, Effect, PluginName, adopt, text::visible},
};
use remit_runtime::{Output, capability::call::now};
use rmcp::{
    ClientHandler, ServiceError,
    model::{
        CallToolRequestParams, CallToolResponse, ClientCapabilities, ClientConfig, ClientRequest, CustomRequest, ElicitRequestParams,
        ElicitResult, ErrorData, Implementation, JsonObject, ListToolsRequest, PaginatedRequestParams, ServerResult,
    },
    service::{NotificationContext, RequestContext, RoleClient, RunningService, serve_client},
    transport::async_rw::AsyncRwTransport,
};
use tokio::{
    process::{ChildStdin, ChildStdout},
    sync::Mutex,
};

use super::{clean, line::Lines, process::Process};

/// A server that said who it is and which tools it has.
pub(super) struct Connection {
    client: RunningService<RoleClient, Client>,
    process: Mutex<Process>,
    tools: Mutex<Adopted>,
    effects: BTreeMap<String, Effect>,
    exceeded: Arc<AtomicBool>,
    most: usize,
    used: StdMutex<Instant>,
}

/// What is asked of us. A server gets no model, no folders and no person.
struct Client {
    /// Whether its tools have changed since they were listed.
    changed: AtomicBool,
}

impl Connection {
    /// Greets the server and lists its tools, which have these effects; `limits` bound what it may say in one message.
    ///
    /// # Errors
    /// `unavailable` when it ends or does not speak the protocol; `limit` when it says too much. The process is dropped by the caller.
    pub(super) async fn open(
        plugin: &PluginName,
        limits: CallLimits,
        effects: BTreeMap<String, Effect>,
        process: &mut Option<Process>,
        stdin: ChildStdin,
        stdout: ChildStdout,
    ) -> Result<Self> {
        let exceeded = Arc::new(AtomicBool::new(false));
        let most = OUTSIDE_MESSAGE_BYTES.max(limits.output_bytes().saturating_mul(2));
        let lines = Lines::new(stdout, most, exceeded.clone());
        let transport = AsyncRwTransport::new_client(lines, stdin).with_max_line_length(most);
        let client = serve_client(Client { changed: AtomicBool::new(false) }, transport).await;
        let unspoken = |error: &dyn std::fmt::Display| match exceeded.load(Ordering::Acquire) {
            true => too_long(plugin, most),
            false => Error::unavailable(format!("`{plugin}` cannot be started: its process does not answer as an MCP server"))
                .hint("run its command yourself and see what it says")
                .internal(error),
        };
        let client = client.map_err(|error| unspoken(&error))?;
        let tools = list(plugin, &client).await.map_err(|error| if client.is_transport_closed() { unspoken(&error) } else { error })?;
        let process = process.take().ok_or_else(|| Error::host("a process was opened twice", plugin))?;
        let tools = adopt(tools.iter().map(|tool| clean::tool(tool, &process.secrets)).collect(), &effects);
        let (process, tools, used) = (Mutex::new(process), Mutex::new(tools), StdMutex::new(now()));
        Ok(Self { client, process, tools, effects, exceeded, most, used })
    }

    /// The tools as they were listed; for one who wants nothing else of the server.
    pub(super) fn into_tools(self) -> Adopted {
        self.tools.into_inner()
    }

    /// Whether the server ended, or was given up.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_transport_closed()
    }

    /// When it was called last.
    pub(super) fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it said on its standard error.
    pub(super) async fn said(&self) -> String {
        self.process.lock().await.said().await
    }

    /// Calls the tool that was approved as `locked`.
    ///
    /// # Errors
    /// `denied` when its definition is another one now; `unavailable` when it is gone, or the server is; `in-doubt` when the server ended and
    /// the tool is `once`; `limit`, `invalid` and `guest`.
    pub(super) async fn call(&self, plugin: &PluginName, locked: &Definition, arguments: &JsonObject) -> Result<Output> {
        let name = self.approved_name(plugin, locked).await?;
        let params = CallToolRequestParams::new(name).with_arguments(arguments.clone());
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = now();
        let answered = self.client.call_tool_once(params).await;
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = now();
        let process = self.process.lock().await;
        match answered {
            Ok(CallToolResponse::Complete(result)) => clean::output(&result, &process.secrets),
            Ok(_) => Err(Error::guest(format!("`{plugin}` answered with a question or a task; both are refused"))),
            Err(ServiceError::McpError(error)) => Err(clean::failure(&error, &process.secrets)),
            Err(error) if self.is_closed() => Err(self.ended(plugin, Some(locked)).internal(error)),
            Err(error) => Err(Error::guest(format!("`{plugin}` answered with something that is no result")).internal(error)),
        }
    }

    /// The server ended, while `called` ran or before it was called.
    fn ended(&self, plugin: &PluginName, called: Option<&Definition>) -> Error {
        if self.exceeded.load(Ordering::Acquire) {
            return too_long(plugin, self.most);
        }
        match called.filter(|tool| tool.effect == Effect::Once) {
            None => Error::unavailable(format!("the server of `{plugin}` ended during the call")),
            Some(tool) => Error::new(
                Kind::InDoubt,
                format!(
                    "the server of `{plugin}` ended while `{}` ran; whether it took effect is not known, and it is not repeated",
                    tool.name
                ),
            ),
        }
    }

    /// The name by which the server knows a tool, when it is still what was approved (M1). After a notice that tools changed, they are
    /// listed anew first.
    async fn approved_name(&self, plugin: &PluginName, locked: &Definition) -> Result<String> {
        let mut tools = self.tools.lock().await;
        if self.client.service().changed.swap(false, Ordering::AcqRel) {
            match list(plugin, &self.client).await {
                Ok(listed) => {
                    let process = self.process.lock().await;
                    *tools = adopt(listed.iter().map(|tool| clean::tool(tool, &process.secrets)).collect(), &self.effects);
                }
                Err(error) => {
                    self.client.service().changed.store(true, Ordering::Release);
                    return Err(if self.is_closed() { self.ended(plugin, None) } else { error });
                }
            }
        }
        match tools.tools.get(&locked.name) {
            Some((name, definition)) if definition == locked => Ok(name.clone()),
            Some(_) => Err(changed(plugin, &locked.name)),
            None => Err(gone(plugin, &locked.name)),
        }
    }
}

fn changed(plugin: &PluginName, tool: &str) -> Error {
    Error::denied(format!("`{plugin}/{tool}` is blocked: its description or a schema changed since it was reviewed"))
        .blame(Blame::Grant)
        .code("E-REVIEW")
        .hint("remit review")
}

fn gone(plugin: &PluginName, tool: &str) -> Error {
    Error::unavailable(format!("the server of `{plugin}` no longer tells of a tool `{tool}` that can be offered")).hint("remit review")
}

fn too_long(plugin: &PluginName, most: usize) -> Error {
    Error::limit(format!("the server of `{plugin}` said more than {most} bytes in one message, and was ended"))
        .hint("ask the tool for less, or raise `limits.output_kib` of the plugin in `remit.toml`")
}

/// All tools, asked for anew, page by page; a server that never comes to an end is cut off.
async fn list(plugin: &PluginName, client: &RunningService<RoleClient, Client>) -> Result<Vec<rmcp::model::Tool>> {
    let too_many = || Error::limit(format!("`{plugin}` lists more than {TOOLS_MAX} tools")).hint("have its server offer fewer");
    let mut tools = Vec::new();
    let mut cursor = None;
    for _page in 0..TOOLS_MAX {
        let params = PaginatedRequestParams::default().with_cursor(cursor);
        let request = ListToolsRequest { method: Default::default(), params: Some(params), extensions: Default::default() };
        let answered = client.send_request(ClientRequest::ListToolsRequest(request)).await;
        let unlisted = |error: &dyn std::fmt::Display| {
            Error::unavailable(format!("`{plugin}` does not list its tools: {}", visible(&error.to_string(), 240)))
        };
        match answered.map_err(|error| unlisted(&error))? {
            ServerResult::ListToolsResult(page) => {
                tools.extend(page.tools);
                cursor = page.next_cursor;
            }
            _ => return Err(unlisted(&"the answer is no list")),
        }
        match (tools.len() > TOOLS_MAX, &cursor) {
            (true, _) => return Err(too_many()),
            (false, None) => return Ok(tools),
            (false, Some(_)) => {}
        }
    }
    Err(too_many())
}

#[expect(deprecated, reason = "servers of earlier revisions ask for roots, and are refused")]
impl ClientHandler for Client {
    async fn list_roots(&self, _: RequestContext<RoleClient>) -> Result<rmcp::model::ListRootsResult, ErrorData> {
        Err(refused("roots/list"))
    }

    async fn create_elicitation(&self, _: ElicitRequestParams, _: RequestContext<RoleClient>) -> Result<ElicitResult, ErrorData> {
        Err(refused("elicitation/create"))
    }

    async fn on_custom_request(&self, _: CustomRequest, _: RequestContext<RoleClient>) -> Result<rmcp::model::CustomResult, ErrorData> {
        Err(refused("this method"))
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed.store(true, Ordering::Release);
    }

    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(ClientCapabilities::default(), Implementation::new("remit", env!("CARGO_PKG_VERSION")))
    }
}

fn refused(what: &str) -> ErrorData {
    ErrorData::new(rmcp::model::ErrorCode::METHOD_NOT_FOUND, format!("{what} is refused here"), None)
}
