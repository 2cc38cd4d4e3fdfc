//! The command line of Remit: one command a file, each with its arguments, its help and one `execute`.

mod commands;
mod environment;
mod error;
mod opened;
mod output;
mod outside;
mod secrets;
mod signals;
mod signing;

use std::process::ExitCode;

use clap::Parser;

pub use error::Exit;

/// Runs sandboxed tools under grants.
///
/// Every command takes `--json` for programs: one JSON document on standard output, and nothing else there.
#[derive(Debug, Parser)]
#[command(name = "remit", version, propagate_version = true, arg_required_else_help = true, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: commands::Command,
}

/// What every command takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Global {
    /// The project's folder; default: REMIT_PROJECT, else the nearest one upward with a `remit.toml`
    #[arg(long, global = true, value_name = "DIR")]
    pub project: Option<std::path::PathBuf>,
    /// Print one JSON document for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more on standard error; twice for the engine's own words
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    if let Some(code) = commands::worker() {
        return code;
    }
    let arguments = Arguments::parse();
    let environment = match environment::Environment::read() {
        Ok(environment) => environment,
        Err(error) => return error::report(&error, arguments.global.json),
    };
    environment::start_logging(&environment, arguments.global.verbose);
    let signals = match signals::Signals::listen(arguments.global.json) {
        Ok(signals) => signals,
        Err(error) => return error::report(&error, arguments.global.json),
    };
    let command = commands::Run { global: arguments.global, environment, signals };
    match command.execute(arguments.command) {
        Ok(exit) => exit.into(),
        Err(error) => error::report(&error, command.global.json),
    }
}
