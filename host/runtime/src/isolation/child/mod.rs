//! The process's side: it gives up what it could do, loads one component, and runs calls of it until the host is gone.

#[cfg(target_os = "linux")]
mod harden;
mod http;
mod link;
mod world;

use std::{
    io::{self, Read as _, Write as _},
    os::{fd::AsFd as _, unix::net::UnixStream},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use remit_core::{
    Error,
    grant::{Declared, Denial, Grants, Scope},
    plugin::Kind as PluginKind,
};
use tokio::sync::mpsc;
use wasmtime::{
    Store,
    component::{Component, Linker},
};

use self::link::Link;
use super::wire::{Broken, Done, Frames, Given, Held, Missed, News, Run, Start, ToHost, What, frame, message};
use crate::{
    capability::{CallState, call::now, http as gateway, stdio::Ring},
    engine::{CpuMeter, Failed},
    host::{Host, Running},
    plugin::Linked,
};

/// How often what a running guest wrote is passed on.
const FLUSH: Duration = Duration::from_millis(10);
/// Largest message before a call sets its own bound.
const FIRST_MAX_BYTES: usize = 64 << 10;

/// What a binary does when it is started as `<binary> __isolate` by a host that names it as its worker: it runs calls of one plugin,
/// and can do nothing but compute and ask that host. Its standard input is the socket to the host.
///
/// Gives up files, network and most system calls for the *whole process*, for good: call it from a fresh process, before any thread is
/// started, and end the process with what it returns.
pub fn isolation_worker_main() -> ExitCode {
    let held = match give_up() {
        Ok(held) => held,
        Err(error) => return unready(&format!("the process cannot give up its rights: {error}")),
    };
    match serve(held) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => unready(&error),
    }
}

#[cfg(target_os = "linux")]
use harden::{confine, give_up};

#[cfg(not(target_os = "linux"))]
fn give_up() -> io::Result<Held> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn confine(_: super::wire::Bounds) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The socket to the host: standard input.
fn socket() -> io::Result<UnixStream> {
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Says why nothing can be run. The host that does not hear it finds the process ended.
fn unready(reason: &str) -> ExitCode {
    let said = frame(&ToHost::Unready(reason.to_owned()), FIRST_MAX_BYTES).map_err(io::Error::other);
    match said.and_then(|said| socket()?.write_all(&said)) {
        Ok(()) | Err(_) => ExitCode::FAILURE,
    }
}

/// A component that is ready to be called.
struct Guest {
    host: Host,
    linked: Linked,
    link: Arc<Link>,
}

fn serve(held: Held) -> Result<(), String> {
    let failed = |error: io::Error| error.to_string();
    let mut socket = socket().map_err(failed)?;
    let (start, code) = ordered(&mut socket).map_err(failed)?;
    let refused = |error: Error| format!("{error} ({})", error.internal.as_deref().unwrap_or_default());
    let host = Host::builder().build().map_err(refused)?;
    let component = host.inner().engine().handed(code).map_err(refused)?;
    let trouble = |error: wasmtime::Error| format!("{error:#}");
    // Images of memory are files without a name, and no more of those can be made later.
    component.initialize_copy_on_write_image().map_err(trouble)?;
    let (link, written) = Link::new();
    link.bound(FIRST_MAX_BYTES);
    let linked = linked(&host, &component, start.kind).map_err(trouble)?;
    let guest = Guest { host, linked, link };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime
        .block_on(async {
            socket.set_nonblocking(true)?;
            let (from, to) = tokio::net::UnixStream::from_std(socket)?.into_split();
            // The clock of a thread asks the kernel where it is when it is read first, which a confined process may not.
            CpuMeter::new(std::future::ready(()), &mut 0).await;
            confine(start.bounds)?;
            let (runs, mut asked) = mpsc::unbounded_channel();
            let calls = async {
                guest.link.say(&ToHost::Ready(held)).map_err(io::Error::other)?;
                while let Some(run) = asked.recv().await {
                    let done = guest.run(run).await;
                    let done = ToHost::Done(Box::new(done));
                    guest.link.say(&done).or_else(|error| guest.link.say(&too_much(&error))).map_err(io::Error::other)?;
                }
                Ok(())
            };
            // Whichever ends first: nothing goes on without the host.
            tokio::select! {
                heard = guest.link.listen(Frames::new(from), runs) => heard,
                written = link::write(to, written) => written,
                ended = calls => ended,
            }
        })
        .map_err(failed)
}

fn too_much(error: &Error) -> ToHost {
    ToHost::Done(Box::new(Done { given: Given::Failed(Broken::of(Failed::from(error.clone()))), memory_peak_bytes: 0, cpu_us: 0 }))
}

/// What the host orders, and the code of the component.
fn ordered(socket: &mut UnixStream) -> io::Result<(Start, Vec<u8>)> {
    let mut head = [0; 4];
    socket.read_exact(&mut head)?;
    let mut order = Vec::new();
    socket.take(u64::from(u32::from_le_bytes(head))).read_to_end(&mut order)?;
    let start: Start = message(&order)?;
    let mut code = Vec::new();
    socket.take(start.code_bytes).read_to_end(&mut code)?;
    match code.len() as u64 == start.code_bytes {
        true => Ok((start, code)),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn linked(host: &Host, component: &Component, kind: PluginKind) -> wasmtime::Result<Linked> {
    let mut linker: Linker<CallState> = host.inner().linker().clone();
    world::link(&mut linker)?;
    let pre = linker.instantiate_pre(component)?;
    match kind {
        PluginKind::Tool => Linked::tool(component, pre),
        _ => Ok(Linked::Plain(pre, Default::default())),
    }
}

impl Guest {
    /// One call, in a fresh instance, with no rights but to ask.
    async fn run(&self, run: Run) -> Done {
        let Run { what, environment, memory_bytes, hostcall_fuel, left_ms, message_max_bytes } = run;
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        self.link.bound(size(message_max_bytes));
        let deadline = now() + Duration::from_millis(left_ms);
        let running = Running::default();
        let declared = Declared { env: Some(Scope::Any), ..Declared::default() };
        let granted = Grants { env: environment.into_iter().collect(), ..Grants::default() };
        let state = self.host.inner().bare_state("isolated", (declared, granted), deadline, size(memory_bytes), &running);
        let mut state = match state {
            Ok(state) => state,
            Err(error) => return Done { given: Given::Failed(Broken::of(error.into())), memory_peak_bytes: 0, cpu_us: 0 },
        };
        state.custom.push(Box::new(Arc::clone(&self.link)));
        state.http = gateway::State::over(Box::new(http::Forward(Arc::clone(&self.link))));
        let mut store = self.host.inner().engine().store(state, deadline, size(hostcall_fuel));
        let mut cpu_us = 0;
        let given = {
            let mut called = std::pin::pin!(CpuMeter::new(self.call(&mut store, &what), &mut cpu_us));
            let mut flushes = tokio::time::interval(FLUSH);
            loop {
                tokio::select! {
                    biased;
                    given = &mut called => break given,
                    _ = flushes.tick() => self.flush(&running),
                }
            }
        };
        let given = given.unwrap_or_else(|failed| Given::Failed(Broken::of(failed.explain(&store.data().limiter))));
        let memory_peak_bytes = store.data().limiter.peak_bytes() as u64;
        // What the guest still held is let go of before the end of its call is told.
        drop(store);
        self.flush(&running);
        Done { given, memory_peak_bytes, cpu_us }
    }

    async fn call(&self, store: &mut Store<CallState>, what: &What) -> Result<Given, Failed> {
        match what {
            What::Tool { tool, arguments } => Ok(Given::Tool(self.linked.call(store, tool, arguments).await?)),
            What::Function { function, arguments, max_bytes } => {
                let arguments = serde_json::from_str(arguments).map_err(|error| Error::host("arguments came broken", error))?;
                let (interface, name) = (function.interface.as_deref(), function.function.as_str());
                let most = usize::try_from(*max_bytes).unwrap_or(usize::MAX);
                let outcome = self.linked.apply(store, (interface, name), &arguments, most).await?;
                Ok(Given::Function(outcome.into_json()))
            }
            What::Settle { tool, key } => Ok(Given::Fate(self.linked.ask_fate(store, tool, key).await?)),
        }
    }

    /// Passes on what the guest wrote, and what it reached for that is not here.
    fn flush(&self, running: &Running) {
        let tell = |ring: &Ring, news: fn(Bytes) -> News| {
            let written = ring.take();
            if !written.is_empty() {
                self.link.tell(news(written.into()));
            }
        };
        tell(&running.stdout, News::Stdout);
        tell(&running.stderr, News::Stderr);
        running.denials.take().iter().filter_map(missed).for_each(|missed| self.link.tell(News::Missed(missed)));
    }
}

/// What a denial of this process, which has no rights, says that the guest reached for.
fn missed(denial: &Denial) -> Option<Missed> {
    match denial.capability.as_str() {
        "fs" => {
            let (access, path) = denial.request.split_once(' ')?;
            Some(Missed::Path { path: path.to_owned(), write: access == "write" })
        }
        "sockets" => Some(Missed::Socket(denial.request.strip_prefix("open a socket to ").unwrap_or(&denial.request).to_owned())),
        _ => None,
    }
}

impl Broken {
    fn of(failed: Failed) -> Self {
        let Failed { error: Error { kind, message, hints, .. }, backtrace, .. } = failed;
        Self { kind, message, hints, backtrace }
    }
}
