//! One call in a process of its own.

use std::{io, sync::Arc, time::Instant};

use remit_core::{
    Error, Kind,
    grant::{Decision, Request, decide},
    limit::{GUEST_TEXT_MAX_CHARS, HOSTCALL_FUEL},
    plugin::text::visible,
};

use super::{
    Code, Isolated, Whose, answer,
    exchange::Exchanges,
    process::Process,
    wire::{Broken, Done, Given, News, Question, Run, ToHost, ToProcess, What, message},
};
use crate::{
    capability::{CallState, call::now},
    engine::Failed,
    output::Output,
    plugin::{Fate, failure, fate, function_output},
};

/// What a message may hold beside what a guest passes.
const MESSAGE_OVERHEAD_BYTES: usize = 64 << 10;

/// A call that runs in a process of its own, and its rights, which are here. Dropping it kills the process, unless the call ended well.
pub(crate) struct Apart {
    isolated: Arc<Isolated>,
    code: Arc<Code>,
    whose: Whose,
    state: CallState,
    stdio: [crate::capability::stdio::Ring; 2],
    hostcall_fuel: usize,
    deadline: Instant,
    exchanges: Exchanges,
    /// What memories and tables held at most, as the process tells.
    pub peak_bytes: u64,
    /// CPU time of the guest, in microseconds, as the process tells; never more than passed.
    pub cpu_us: u64,
}

impl Apart {
    /// A call of `code` for `whose`, with the rights of `state`. `stdio` takes what the guest writes to its output and its errors.
    pub fn new(
        isolated: &Arc<Isolated>,
        (code, whose): (Arc<Code>, Whose),
        state: CallState,
        stdio: [crate::capability::stdio::Ring; 2],
        hostcall_fuel: usize,
        deadline: Instant,
    ) -> Self {
        let exchanges = Exchanges::default();
        Self { isolated: Arc::clone(isolated), code, whose, state, stdio, hostcall_fuel, deadline, exchanges, peak_bytes: 0, cpu_us: 0 }
    }

    /// Calls `tool`. Returns the result, of `max_bytes` at most, and its size.
    ///
    /// # Errors
    /// Those of a call in this process; `guest` when the process ended, or broke the rules of its socket.
    pub async fn run(&mut self, tool: &str, arguments: &str, max_bytes: usize) -> Result<(Output, usize), Failed> {
        let arguments = arguments.to_owned();
        let what = match self.code.functions.get(tool).cloned() {
            Some(function) => What::Function { function, arguments, max_bytes: max_bytes as u64 },
            None => What::Tool { tool: tool.to_owned(), arguments },
        };
        match self.go(what, max_bytes).await? {
            Given::Tool(result) => Ok(Output::from_guest(result.map_err(failure)?, max_bytes)?),
            Given::Function(outcome) => Ok(function_output(outcome, max_bytes)?),
            Given::Fate(_) | Given::Failed(_) => Err(self.unruly("it answered something else").into()),
        }
    }

    /// Asks what became of the call of `tool` with `key`.
    ///
    /// # Errors
    /// Those of [`Apart::run`].
    pub async fn settle(&mut self, tool: &str, key: &str, max_bytes: usize) -> Result<(Fate, usize), Failed> {
        match self.go(What::Settle { tool: tool.to_owned(), key: key.to_owned() }, max_bytes).await? {
            Given::Fate(told) => Ok(fate(told.map_err(failure)?, max_bytes)?),
            Given::Tool(_) | Given::Function(_) | Given::Failed(_) => Err(self.unruly("it answered something else").into()),
        }
    }

    async fn go(&mut self, what: What, max_bytes: usize) -> Result<Given, Failed> {
        let mut process = self.isolated.take(&self.code, &self.whose, self.state.limiter.max_bytes()).await?;
        let started = now();
        let message_max_bytes = self.hostcall_fuel.max(max_bytes).max(HOSTCALL_FUEL).saturating_add(MESSAGE_OVERHEAD_BYTES);
        let run = Run {
            what,
            environment: self.environment(),
            memory_bytes: self.state.limiter.max_bytes() as u64,
            hostcall_fuel: self.hostcall_fuel as u64,
            left_ms: u64::try_from(self.deadline.saturating_duration_since(started).as_millis()).unwrap_or(u64::MAX),
            message_max_bytes: message_max_bytes as u64,
        };
        let ended = self.follow(&mut process, run, message_max_bytes).await;
        let passed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let Done { given, memory_peak_bytes, cpu_us } = match ended {
            Ok(done) => done,
            Err(Ended::Failed(failed)) => return Err(failed),
            Err(Ended::Socket(error)) => return Err(self.lost(process, &error).await.into()),
        };
        self.exchanges = Exchanges::default();
        self.peak_bytes = memory_peak_bytes.min(self.state.limiter.max_bytes() as u64);
        self.cpu_us = cpu_us.min(passed_us);
        process.spent_us = process.spent_us.saturating_add(passed_us.min(cpu_us));
        match given {
            Given::Failed(broken) => Err(told(broken)),
            given => {
                self.isolated.keep(&self.code, &self.whose, process);
                Ok(given)
            }
        }
    }

    /// The granted environment; its values are no secrets.
    fn environment(&self) -> Vec<(String, String)> {
        let resolved = &self.state.call.rights.resolved;
        let allowed = |name: &str| matches!(decide(&Request::Env { name }, resolved), Decision::Allow(_));
        resolved.granted.env.iter().filter(|(name, _)| allowed(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Answers what the process asks, until the call has ended.
    async fn follow(&mut self, process: &mut Process, run: Run, max_bytes: usize) -> Result<Done, Ended> {
        process.say(&ToProcess::Run(Box::new(run))).await?;
        loop {
            let heard = tokio::select! {
                heard = process.hear(max_bytes) => heard?,
                came = self.exchanges.next(), if !self.exchanges.is_idle() => {
                    let (asked, answer) = came?;
                    process.say(&ToProcess::Answer(asked, answer)).await?;
                    continue;
                }
            };
            match message(&heard)? {
                ToHost::Ask(asked, question) => self.asked(process, asked, question).await?,
                ToHost::Tell(news) => self.told(&news),
                ToHost::Done(done) => return Ok(*done),
                ToHost::Ready(_) | ToHost::Unready(_) => return Err(io::Error::from(io::ErrorKind::InvalidData).into()),
            }
        }
    }

    async fn asked(&mut self, process: &mut Process, asked: u32, question: Question) -> Result<(), Ended> {
        match question {
            Question::Send(sent) => self.exchanges.send(self.state.http.hooks(), asked, sent),
            Question::Upload(number, part) => self.exchanges.upload(asked, number, part),
            Question::Download(number) => self.exchanges.download(asked, number),
            question => {
                let mut answered = std::pin::pin!(answer::answer(&mut self.state, question));
                let answer = loop {
                    tokio::select! {
                        biased;
                        answer = &mut answered => break answer?,
                        came = self.exchanges.next(), if !self.exchanges.is_idle() => {
                            let (asked, answer) = came?;
                            process.say(&ToProcess::Answer(asked, answer)).await?;
                        }
                    }
                };
                process.say(&ToProcess::Answer(asked, answer)).await?;
            }
        }
        Ok(())
    }

    fn told(&mut self, news: &News) {
        let [stdout, stderr] = &self.stdio;
        match news {
            News::Stdout(bytes) => stdout.push(bytes),
            News::Stderr(bytes) => stderr.push(bytes),
            News::Missed(missed) => answer::missed(&self.state, missed),
            News::Dropped(number) => self.exchanges.drop(*number),
        }
    }

    /// What a call that lost its process ended with.
    async fn lost(&mut self, mut process: Process, error: &io::Error) -> Error {
        if error.kind() == io::ErrorKind::InvalidData {
            return self.unruly(error);
        }
        let how = process.ended().await;
        Error::guest(format!("the isolated process of `{}` ended before it answered: {how}", self.code.plugin))
            .hint("the next call starts another one; tell the plugin's author, and Remit's, if it happens again")
            .internal(error)
    }

    /// A process that says what no process says: what runs in it is not what was started.
    fn unruly(&self, why: impl std::fmt::Display) -> Error {
        tracing::warn!(plugin = self.code.plugin, %why, "an isolated process broke the rules of its socket and was killed");
        Error::guest(format!("the isolated process of `{}` was killed: it broke the rules of its socket", self.code.plugin))
            .hint("take this for an attempt to leave the sandbox: look at what the plugin was given")
            .internal(why)
    }
}

/// Why nothing is heard any more.
enum Ended {
    Failed(Failed),
    Socket(io::Error),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

impl From<wasmtime::Error> for Ended {
    fn from(error: wasmtime::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// What a process says of a call that gave nothing: in its words where they are a guest's, with hints that are the host's own.
fn told(broken: Broken) -> Failed {
    let Broken { kind, message, hints, backtrace } = broken;
    let kind = match kind {
        Kind::Invalid | Kind::Limit | Kind::NotFound => kind,
        _ => Kind::Guest,
    };
    let error = Error::new(kind, visible(&message, GUEST_TEXT_MAX_CHARS));
    Failed::told(error, &hints, &backtrace)
}
