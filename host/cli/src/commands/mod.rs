//! The commands, one a file.

mod approval;
mod audit;
mod audit_export;
mod backup;
mod build;
mod call;
mod call_session;
mod completions;
mod demo;
mod demo_session;
mod doctor;
mod edit;
mod explain;
mod explain_past;
mod halt;
mod inspect;
mod key;
mod mcp;
mod mcp_install;
mod mcp_supply;
mod new;
mod prune;
mod review;
mod review_show;
mod run;
mod secret;
mod session;
mod session_output;
mod session_past;
mod session_show;
mod trust;

use std::{future::Future, process::ExitCode};

use anyhow::Context as _;
use remit_core::{limit::DAY_MS, plugin::Effect};
use remit_server::gateway::{KEEPER, keeper_main};

use crate::{
    Exit, Global,
    environment::Environment,
    signals::{Signals, Stopped},
};

/// What can be run.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Call(call::Call),
    Run(run::RunAgent),
    #[command(subcommand)]
    Session(session::Session),
    #[command(subcommand)]
    Approval(approval::Approval),
    #[command(subcommand)]
    Audit(audit::Audit),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Prune(prune::Prune),
    Inspect(inspect::Inspect),
    Explain(explain::Explain),
    New(new::New),
    Build(build::Build),
    Add(edit::Add),
    Remove(edit::Remove),
    Grant(edit::Grant),
    Revoke(edit::Revoke),
    Review(review::Review),
    Trust(trust::Trust),
    Disable(halt::Disable),
    Enable(halt::Enable),
    Stop(halt::Stop),
    Start(halt::Start),
    #[command(subcommand)]
    Key(key::Key),
    #[command(subcommand)]
    Secret(secret::Secret),
    Mcp(mcp::Mcp),
    Demo(demo::Demo),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
}

/// One run of the command line.
pub struct Run {
    pub(crate) global: Global,
    pub(crate) environment: Environment,
    pub(crate) signals: Signals,
}

impl Run {
    /// Runs `command`.
    ///
    /// # Errors
    /// Whatever kept it from doing what it was asked; a tool's own failure is an [`Exit`].
    pub fn execute(&self, command: Command) -> anyhow::Result<Exit> {
        match command {
            Command::Call(arguments) => self.call(arguments),
            Command::Run(arguments) => self.run_agent(&arguments),
            Command::Session(command) => self.session(&command),
            Command::Approval(command) => self.approval(command),
            Command::Audit(command) => self.audit(&command),
            Command::Backup(arguments) => self.backup(&arguments),
            Command::Restore(arguments) => self.restore(&arguments),
            Command::Prune(arguments) => self.prune(&arguments),
            Command::Inspect(arguments) => self.inspect(&arguments),
            Command::Explain(arguments) => self.explain(&arguments),
            Command::New(arguments) => self.new_plugin(&arguments),
            Command::Build(arguments) => self.build(&arguments),
            Command::Add(arguments) => self.add(&arguments),
            Command::Remove(arguments) => self.remove(&arguments),
            Command::Grant(arguments) => self.grant(&arguments),
            Command::Revoke(arguments) => self.revoke(&arguments),
            Command::Review(arguments) => self.review(&arguments),
            Command::Trust(arguments) => self.trust(&arguments),
            Command::Disable(arguments) => self.disable(arguments),
            Command::Enable(arguments) => self.enable(arguments),
            Command::Stop(arguments) => self.stop(arguments),
            Command::Start(_) => self.start(),
            Command::Key(command) => self.key(&command),
            Command::Secret(command) => self.secret(&command),
            Command::Mcp(arguments) => self.mcp(&arguments),
            Command::Demo(arguments) => self.demo(&arguments),
            Command::Doctor(arguments) => self.doctor(&arguments),
            Command::Completions(arguments) => self.completions(&arguments),
        }
    }

    /// Runs `work` on a runtime of its own; Ctrl-C and SIGTERM drop it, which ends whatever runs in it.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("the async runtime cannot be started")?;
        let mut working = self.signals.work();
        let ended = runtime.block_on(async {
            tokio::select! {
                biased;
                stopped = working.stopped() => Err(stopped.into()),
                ended = work => ended,
            }
        });
        // Blocking host work of a dropped call must not hold up the exit.
        runtime.shutdown_background();
        ended
    }
}

/// Acts as the compile worker, or as the keeper of an outside server, when this process was started as one.
pub fn worker() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next()?.to_str()? {
        "__compile" => Some(remit_runtime::engine::compile_worker_main(std::io::stdin().lock(), std::io::stdout().lock())),
        "__isolate" => Some(remit_runtime::isolation_worker_main()),
        KEEPER => Some(keeper_main(arguments)),
        _ => None,
    }
}

/// An effect class as it is written in files.
pub fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "read",
        Effect::Idempotent => "idempotent",
        Effect::Once => "once",
    }
}

/// Milliseconds of `30d`, `12h` or `15m`.
fn span(text: &str) -> Result<u64, String> {
    let unit = |suffix, ms| text.strip_suffix(suffix).and_then(|number: &str| number.parse::<u64>().ok()?.checked_mul(ms));
    let units = unit('d', DAY_MS).or_else(|| unit('h', DAY_MS / 24)).or_else(|| unit('m', 60_000));
    units.ok_or_else(|| "write a number of days, hours or minutes, such as 30d, 12h or 15m".to_owned())
}

/// Adds a member to a JSON object.
pub fn add(object: &mut serde_json::Value, name: &str, value: serde_json::Value) {
    if let serde_json::Value::Object(members) = object {
        members.insert(name.to_owned(), value);
    }
}

/// Asks a yes or no; `yes` answers it. Where nobody can be asked, the answer is no, with what to do instead.
pub fn confirm(question: &str, yes: bool) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    if !crate::output::interactive() {
        let error = remit_core::Error::invalid("nobody can be asked here, so nothing was written")
            .hint("say yes with --yes once you have read what stands above");
        return Err(error.into());
    }
    answer(question)
}

/// Asks the person at the terminal for what nobody is to see; Esc is `None`.
pub fn hidden(question: inquire::Password<'_>) -> anyhow::Result<Option<String>> {
    match question.with_display_mode(inquire::PasswordDisplayMode::Hidden).prompt() {
        // A prompt takes Ctrl-C as a key, so no signal comes.
        Err(inquire::InquireError::OperationInterrupted) => Err(Stopped::Interrupted.into()),
        Err(inquire::InquireError::OperationCanceled) => Ok(None),
        given => Ok(Some(given?)),
    }
}

/// Asks the person at the terminal; Esc is a no.
pub fn answer(question: &str) -> anyhow::Result<bool> {
    match inquire::Confirm::new(question).with_default(false).prompt() {
        // A prompt takes Ctrl-C as a key, so no signal comes.
        Err(inquire::InquireError::OperationInterrupted) => Err(Stopped::Interrupted.into()),
        Err(inquire::InquireError::OperationCanceled) => Ok(false),
        answered => Ok(answered?),
    }
}
