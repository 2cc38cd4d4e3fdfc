//! `remit mcp`: a project's tools for clients of the Model Context Protocol.

use std::{io::IsTerminal, num::NonZeroUsize, sync::Arc, thread};

use anyhow::Context as _;
use remit_core::{Error, Result, clock::Clock as _, identity::Principal, limit::MCP_POOL_CALLS, project::Project};
use remit_runtime::{
    project::{Keys, OpenProject},
    services::SystemClock,
};
use remit_server::mcp::{Address, Admission, Door, Listener, Members, Setup, Tokens};
use tokio::{runtime, sync::watch};

use super::{mcp_install::Install, mcp_supply::Supply};
use crate::{Exit, output, signals::Working};

/// Serve the project's tools and agents to an MCP client
///
/// Speaks the Model Context Protocol on standard input and output, or over HTTP with --http. Tools are those of the lock, named
/// `plugin__tool`, and agents `agents__NAME`; nothing is built, and a component is read at its first call. Changes of the project are
/// taken up while it runs.
///
/// Examples:
///   remit mcp install claude-code
///   remit mcp --project ~/work/acme
///   remit mcp --session desk
///   remit mcp --http 127.0.0.1:8123
///   remit mcp --http 127.0.0.1:8123 --host tools.example.com
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub struct Mcp {
    /// Serve over HTTP at this address of this machine; port 0 is any that is free
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Make all calls in this session, by its id or by a name of yours, which makes it where there is none
    #[arg(long, value_name = "ID|NAME")]
    session: Option<String>,
    /// A name that clients know the server by, where a reverse proxy stands before it; every client needs a key then
    #[arg(long = "host", value_name = "NAME", requires = "http")]
    hosts: Vec<String>,
    /// Ask every client for a key, those on this machine too
    #[arg(long, requires = "http")]
    require_key: bool,
    /// Leave out the plugin's name before its tools and prompts; for a project with one plugin
    #[arg(long)]
    no_prefix: bool,
    #[command(subcommand)]
    command: Option<McpCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum McpCommand {
    Install(Install),
}

impl super::Run {
    pub(super) fn mcp(&self, arguments: &Mcp) -> anyhow::Result<Exit> {
        match &arguments.command {
            Some(McpCommand::Install(arguments)) => self.mcp_install(arguments),
            None => self.mcp_serve(arguments),
        }
    }

    /// Opens the door of the project, and serves whoever comes until nobody is left or a signal comes.
    fn mcp_serve(&self, arguments: &Mcp) -> anyhow::Result<Exit> {
        let project = self.open_trusted()?;
        if arguments.no_prefix {
            one_plugin(&project.project)?;
        }
        let entrance = arguments.http.as_ref().map(|address| Entrance::new(&project, address, arguments)).transpose()?;
        let store = Arc::new(self.store(&project.state, true)?);
        let host = self.project_builder(&project, store.clone())?.pool(MCP_POOL_CALLS).build()?;
        let (offers, catalog) = watch::channel(Arc::default());
        let (accepting, accept_client) = watch::channel(project.project.approvals.accept_client);
        let door = Door::new(Setup {
            host: host.clone(),
            project: project.project.name.clone(),
            principal: self.environment.principal.clone(),
            time_zone: self.environment.time_zone.clone(),
            session: arguments.session.clone(),
            catalog,
            accept_client,
            seal: project.state.door_key()?,
        });
        let mut supply = Supply::new(self, host, project, offers, accepting, arguments.no_prefix);
        let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let runtime = runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
        let runtime = runtime.context("the async runtime cannot be started")?;
        let mut working = self.signals.work();
        let greeting = supply.greeting();
        let greet = |place: &str| output::note(&format!("{greeting} {place}"));
        let (owner, members) = (self.environment.principal.clone(), supply.members());
        let served = runtime.block_on(async {
            let serve = async {
                match entrance {
                    None => serve_lines(&door, &owner, greet, &mut working).await,
                    Some(entrance) => serve_http(&door, entrance, owner, members, greet, &mut working).await,
                }
            };
            tokio::select! {
                served = serve => served,
                never = supply.keep_up() => match never {},
            }
        });
        // What is left of the host may outlive the runtime, and the process does not wait for it.
        let written = runtime.block_on(store.audit_checkpoint());
        // Blocking host work of a dropped call must not hold up the exit.
        runtime.shutdown_background();
        let exit = served?;
        written?;
        Ok(exit)
    }
}

/// Where clients come in over HTTP, and by what.
struct Entrance {
    address: Address,
    keys: Keys,
    tokens: Option<Tokens>,
    required: bool,
}

impl Entrance {
    /// # Errors
    /// `invalid` when the address is none, or everybody needs a key and there is none.
    fn new(project: &OpenProject, address: &str, arguments: &Mcp) -> anyhow::Result<Self> {
        let gateway = project.gateway()?;
        let tokens = project.project.auth.clone().map(|auth| Tokens::new(auth, gateway));
        // Clients know the server by the name that their tokens are for.
        let own = project.project.auth.as_ref().map(|auth| auth.resource.authority().to_owned());
        let hosts: Vec<String> = arguments.hosts.iter().cloned().chain(own).collect();
        let address = Address::parse(address, &hosts)?;
        let (keys, required) = (project.state.keys()?, address.is_open() || arguments.require_key);
        if required && tokens.is_none() && !keys.any(SystemClock.now())? {
            let error = Error::invalid("every client needs a key here, and the project has none that holds");
            return Err(error.hint("remit key create --as PRINCIPAL").into());
        }
        Ok(Self { address, keys, tokens, required })
    }
}

/// Refuses names without a plugin where they could mean a tool of one or of another.
///
/// # Errors
/// `invalid` when the project has more than one plugin.
pub(super) fn one_plugin(project: &Project) -> Result<()> {
    let plugins = project.plugins.values().filter(|plugin| !plugin.agent).count();
    if plugins > 1 {
        let error = Error::invalid(format!("the project has {plugins} plugins, and without their names their tools cannot be told apart"));
        return Err(error.hint("leave out --no-prefix"));
    }
    Ok(())
}

/// Serves one client on standard input and output; a signal ends what runs.
async fn serve_lines(door: &Door, owner: &Principal, greet: impl Fn(&str), working: &mut Working<'_>) -> anyhow::Result<Exit> {
    greet(&format!("as {owner} (owner) on standard input"));
    if std::io::stdin().is_terminal() {
        output::note("  it waits for a client to speak; to set one up: remit mcp install CLIENT");
    }
    tokio::select! {
        biased;
        stopped = working.stopped() => Err(stopped.into()),
        served = door.serve_stdio() => Ok(served.map(|()| Exit::Done)?),
    }
}

/// Serves clients over HTTP; at a signal, what runs may end.
async fn serve_http(
    door: &Door,
    entrance: Entrance,
    owner: Principal,
    members: watch::Receiver<Arc<Members>>,
    greet: impl Fn(&str),
    working: &mut Working<'_>,
) -> anyhow::Result<Exit> {
    let Entrance { address, keys, tokens, required } = entrance;
    let listener = Listener::bind(address).await?;
    match required {
        true => greet(&format!("to who shows a key or a token, at {}", listener.url())),
        false => greet(&format!("as {owner} (owner) at {}", listener.url())),
    }
    let admission = Admission { keys, tokens, members, owner, required, clock: Arc::new(SystemClock) };
    let mut why = None;
    door.serve_http(listener, admission, async { why = Some(working.stopped().await) }).await;
    why.map_or(Ok(Exit::Done), |stopped| Err(stopped.into()))
}
