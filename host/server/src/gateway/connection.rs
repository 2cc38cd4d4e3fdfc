//! One conversation with a server: its tools, and its answers.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex as StdMutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use remit_core::{
    Blame, Error, Kind, Result,
    limit::{CallLimits, OUTSIDE_LIST_MS, OUTSIDE_MESSAGE_BYTES, TOOLS_MAX},
    plugin::{Adopted, Definition, Effect, PluginName, adopt, text::visible},
    project::Remote,
};
use remit_runtime::{
    Output,
    capability::{call::now, scrub::Needles},
};
use rmcp::{
    ServiceError,
    model::{
        CallToolRequestParams, CallToolResponse, ClientCapabilities, ClientConfig, ClientRequest, Implementation, JsonObject,
        ListToolsRequest, PaginatedRequestParams, ProtocolVersion, ServerResult, Tool,
    },
    service::{ClientInitializeError, ClientLifecycleMode, RoleClient, RunningService, serve_client, serve_client_with_lifecycle},
    transport::{DynamicTransportError, WorkerTransport, async_rw::AsyncRwTransport, streamable_http_client::StreamableHttpError},
};
use tokio::{
    process::{ChildStdin, ChildStdout},
    sync::Mutex,
};

use super::{
    clean,
    heard::Heard,
    line::Lines,
    process::Process,
    remote::{Failure, Sender},
};

type Client = RunningService<RoleClient, ClientConfig>;

/// A server that said who it is and which tools it has.
pub(super) struct Connection {
    client: Client,
    server: At,
    secrets: Arc<Needles>,
    tools: Mutex<Listed>,
    effects: BTreeMap<String, Effect>,
    /// The server said that its tools changed.
    changed: Arc<AtomicBool>,
    exceeded: Arc<AtomicBool>,
    most: usize,
    used: StdMutex<Instant>,
}

/// Where the server is.
enum At {
    Process(Box<Mutex<Process>>),
    Url(Sender),
}

/// The tools as they were listed last.
struct Listed {
    adopted: Adopted,
    /// They have to be listed anew.
    stale: bool,
    /// Until when they are taken for true, where nothing would tell of a change.
    until: Option<Instant>,
}

/// Why a call gave nothing.
pub(super) enum Stopped {
    /// The server has forgotten the session. What was `sent` of the call, it refused.
    Forgotten { sent: bool },
    /// Anything else.
    Failed(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Stopped {
    /// In the words of every other error.
    pub(super) fn error(self, plugin: &PluginName) -> Error {
        match self {
            Self::Failed(error) => error,
            Self::Forgotten { .. } => {
                Error::unavailable(format!("the server of `{plugin}` has forgotten the session, and refused the call")).hint("call again")
            }
        }
    }
}

fn most(limits: CallLimits) -> usize {
    OUTSIDE_MESSAGE_BYTES.max(limits.output_bytes().saturating_mul(2))
}

/// Who we are, and that there is nothing that we can be asked.
fn client() -> ClientConfig {
    ClientConfig::new(ClientCapabilities::default(), Implementation::new("remit", env!("CARGO_PKG_VERSION")))
}

impl Connection {
    /// Greets the server of a process and lists its tools, which have these effects; `limits` bound what it may say in one message.
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
        let (changed, exceeded) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
        let most = most(limits);
        let lines = Lines::new(stdout, most, exceeded.clone());
        let transport = AsyncRwTransport::new_client(lines, stdin).with_max_line_length(most);
        let unspoken = |error: &dyn std::fmt::Display| match exceeded.load(Ordering::Acquire) {
            true => too_long(plugin, most),
            false => Error::unavailable(format!("`{plugin}` cannot be started: its process does not answer as an MCP server"))
                .hint("run its command yourself and see what it says")
                .internal(error),
        };
        let client = serve_client(client(), Heard::new(transport, changed.clone())).await.map_err(|error| unspoken(&error))?;
        let listed = list(plugin, &client).await;
        let (tools, _) = listed.map_err(|error| if client.is_transport_closed() { unspoken(&error) } else { error })?;
        let process = process.take().ok_or_else(|| Error::host("a process was opened twice", plugin))?;
        let secrets = process.secrets.clone();
        let tools = Mutex::new(Listed { adopted: adopted(&tools, &secrets, &effects), stale: false, until: None });
        let (server, used) = (At::Process(Box::new(Mutex::new(process))), StdMutex::new(now()));
        Ok(Self { client, server, secrets, tools, effects, changed, exceeded, most, used })
    }

    /// Greets the server behind a URL, in the revisions without a handshake or with one, and lists its tools, which have these effects.
    ///
    /// # Errors
    /// `unavailable` when it cannot be reached, refuses or does not speak the protocol; `limit` when it says too much; those of a sender.
    pub(super) async fn reach(
        plugin: &PluginName,
        limits: CallLimits,
        effects: BTreeMap<String, Effect>,
        remote: &Remote,
        sender: impl FnOnce((usize, Arc<AtomicBool>)) -> Result<(Sender, Needles)>,
    ) -> Result<Self> {
        let (changed, exceeded) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
        let most = most(limits);
        let (sender, secrets) = sender((most, exceeded.clone()))?;
        let transport = Heard::new(WorkerTransport::spawn(sender.transport(remote)), changed.clone());
        let lifecycle = ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::V_2026_07_28], legacy_version: None };
        let unreached = |why: Option<&Failure>, error: &dyn std::fmt::Display| match (exceeded.load(Ordering::Acquire), why) {
            (true, _) => too_long(plugin, most),
            (false, Some(why)) => {
                let error = Error::unavailable(format!("`{plugin}` is not served: {why}"));
                if matches!(why, Failure::Status(status) if [401, 403].contains(&status.as_u16())) {
                    return error.hint(format!("give it its secret: `secret = {{ … }}` of `[plugins.{plugin}]` in `remit.toml`"));
                }
                error
            }
            (false, None) => Error::unavailable(format!("`{plugin}` is not served: its URL does not answer as an MCP server"))
                .hint("ask who runs it for the URL of its streamable HTTP transport")
                .internal(error),
        };
        let client = serve_client_with_lifecycle(client(), transport, lifecycle).await;
        let client = client.map_err(|error| unreached(why_uninitialized(&error), &error))?;
        let listed = list(plugin, &client).await;
        let (tools, ttl) = listed.map_err(|error| if exceeded.load(Ordering::Acquire) { too_long(plugin, most) } else { error })?;
        let secrets = Arc::new(secrets);
        let until = Some(now() + ttl);
        let tools = Mutex::new(Listed { adopted: adopted(&tools, &secrets, &effects), stale: false, until });
        let used = StdMutex::new(now());
        Ok(Self { client, server: At::Url(sender), secrets, tools, effects, changed, exceeded, most, used })
    }

    /// The tools as they were listed; for one who wants nothing else of the server, which is let go.
    pub(super) async fn into_tools(self) -> Adopted {
        if let At::Url(_) = &self.server
            && let Err(error) = self.client.cancel().await
        {
            tracing::debug!(%error, "a session was not ended");
        }
        self.tools.into_inner().adopted
    }

    /// Whether the server ended, has forgotten the session, or was given up.
    pub(super) fn is_closed(&self) -> bool {
        let forgotten = matches!(&self.server, At::Url(sender) if sender.is_expired());
        forgotten || self.exceeded.load(Ordering::Acquire) || self.client.is_transport_closed()
    }

    /// When it was called last.
    pub(super) fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What its process said on its standard error, where that ended.
    pub(super) async fn said(&self) -> String {
        match &self.server {
            At::Process(process) if self.is_closed() => process.lock().await.said().await,
            At::Process(_) | At::Url(_) => String::new(),
        }
    }

    /// Calls the tool that was approved as `locked`.
    ///
    /// # Errors
    /// `denied` when its definition is another one now; `unavailable` when it is gone, or the server is; `in-doubt` when the server ended, or
    /// did not answer, and the tool is `once`; `limit`, `invalid` and `guest`.
    pub(super) async fn call(
        &self,
        plugin: &PluginName,
        locked: &Definition,
        arguments: &JsonObject,
    ) -> std::result::Result<Output, Stopped> {
        let name = self.approved_name(plugin, locked).await?;
        let params = CallToolRequestParams::new(name).with_arguments(arguments.clone());
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = now();
        let answered = self.client.call_tool_once(params).await;
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = now();
        match answered {
            Ok(CallToolResponse::Complete(result)) => Ok(clean::output(&result, &self.secrets)?),
            Ok(_) => Err(Error::guest(format!("`{plugin}` answered with a question or a task; both are refused")).into()),
            Err(ServiceError::McpError(error)) => Err(clean::failure(&error, &self.secrets).into()),
            Err(error) => Err(self.stopped(plugin, locked, error)),
        }
    }

    /// Why a call has no answer.
    fn stopped(&self, plugin: &PluginName, called: &Definition, error: ServiceError) -> Stopped {
        let sent = match &error {
            ServiceError::TransportSend(error) => posted(error),
            _ => None,
        };
        match sent {
            _ if self.exceeded.load(Ordering::Acquire) => too_long(plugin, self.most).into(),
            Some(StreamableHttpError::SessionExpired) => Stopped::Forgotten { sent: true },
            Some(StreamableHttpError::Client(failure)) if failure.is_harmless() => {
                Error::unavailable(format!("`{plugin}` was not called: {failure}")).into()
            }
            None if matches!(error, ServiceError::UnexpectedResponse) => {
                Error::guest(format!("`{plugin}` answered with something that is no result")).internal(error).into()
            }
            _ => self.ended(plugin, Some(called)).internal(error).into(),
        }
    }

    /// The server ended or did not answer, while `called` ran or before it was called.
    fn ended(&self, plugin: &PluginName, called: Option<&Definition>) -> Error {
        if self.exceeded.load(Ordering::Acquire) {
            return too_long(plugin, self.most);
        }
        let how = match &self.server {
            At::Process(_) => "ended",
            At::Url(_) => "did not answer",
        };
        match called.filter(|tool| tool.effect == Effect::Once) {
            None => match &self.server {
                At::Process(_) => Error::unavailable(format!("the server of `{plugin}` ended during the call")),
                At::Url(_) => Error::unavailable(format!("the server of `{plugin}` did not answer the call")),
            },
            Some(tool) => Error::new(
                Kind::InDoubt,
                format!(
                    "the server of `{plugin}` {how} while `{}` ran; whether it took effect is not known, and it is not repeated",
                    tool.name
                ),
            ),
        }
    }

    /// The name by which the server knows a tool, when it is still what was approved (M1). After a notice that tools changed, or after a
    /// while where nothing would tell of it, they are listed anew first.
    async fn approved_name(&self, plugin: &PluginName, locked: &Definition) -> std::result::Result<String, Stopped> {
        let mut tools = self.tools.lock().await;
        // Kept with the list: a call that is dropped meanwhile leaves it to the next one.
        tools.stale |= self.changed.swap(false, Ordering::AcqRel) || tools.until.is_some_and(|until| until <= now());
        if tools.stale {
            match list(plugin, &self.client).await {
                Ok((listed, ttl)) => {
                    let until = matches!(self.server, At::Url(_)).then(|| now() + ttl);
                    *tools = Listed { adopted: adopted(&listed, &self.secrets, &self.effects), stale: false, until };
                }
                Err(_) if matches!(&self.server, At::Url(sender) if sender.is_expired()) => {
                    return Err(Stopped::Forgotten { sent: false });
                }
                Err(error) => return Err(if self.is_closed() { self.ended(plugin, None) } else { error }.into()),
            }
        }
        match tools.adopted.tools.get(&locked.name) {
            Some((name, definition)) if definition == locked => Ok(name.clone()),
            Some(_) => Err(changed(plugin, &locked.name).into()),
            None => Err(gone(plugin, &locked.name).into()),
        }
    }
}

fn adopted(tools: &[Tool], secrets: &Needles, effects: &BTreeMap<String, Effect>) -> Adopted {
    adopt(tools.iter().map(|tool| clean::tool(tool, secrets)).collect(), effects)
}

fn posted(error: &DynamicTransportError) -> Option<&StreamableHttpError<Failure>> {
    error.error.downcast_ref()
}

/// What of the way to a server failed, when that is why no conversation began.
fn why_uninitialized(error: &ClientInitializeError) -> Option<&Failure> {
    match error {
        ClientInitializeError::TransportError { error, .. } => match posted(error)? {
            StreamableHttpError::Client(failure) => Some(failure),
            _ => None,
        },
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => why_uninitialized(fallback),
        _ => None,
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

/// All tools, asked for anew, page by page, and how long they may be taken for true; a server that never comes to an end is cut off.
async fn list(plugin: &PluginName, client: &Client) -> Result<(Vec<Tool>, Duration)> {
    let too_many = || Error::limit(format!("`{plugin}` lists more than {TOOLS_MAX} tools")).hint("have its server offer fewer");
    let mut tools = Vec::new();
    let mut cursor = None;
    let mut ttl_ms = OUTSIDE_LIST_MS;
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
                ttl_ms = ttl_ms.min(page.ttl_ms.unwrap_or(OUTSIDE_LIST_MS));
            }
            _ => return Err(unlisted(&"the answer is no list")),
        }
        match (tools.len() > TOOLS_MAX, &cursor) {
            (true, _) => return Err(too_many()),
            (false, None) => return Ok((tools, Duration::from_millis(ttl_ms))),
            (false, Some(_)) => {}
        }
    }
    Err(too_many())
}
