//! Errors at this door: what a person reads, what a program reads, and the exit code.

use std::process::ExitCode;

use remit_core::{Error, Kind};

use crate::{output, signals::Stopped};

/// How a command ends; the numbers are fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked.
    Done = 0,
    /// The tool failed, its arguments included.
    Failed = 1,
    /// The command line or a configuration file is wrong.
    Usage = 2,
    /// A right was missing, a review found growth, or an audit log is not what was written.
    Denied = 3,
    /// A bound was reached.
    Limit = 4,
    /// Remit or the machine failed.
    Host = 5,
    /// A person has to decide first.
    Waiting = 6,
    /// Ctrl-C.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The exit code of an error that a tool call ended with.
pub fn exit_of_call(error: &Error, denied: bool) -> Exit {
    match error.kind {
        Kind::Denied if error.code == Some("E-APPROVAL") => Exit::Waiting,
        Kind::Limit => Exit::Limit,
        _ if denied => Exit::Denied,
        Kind::Denied => Exit::Denied,
        Kind::Host => Exit::Host,
        Kind::Unavailable | Kind::Conflict => Exit::Usage,
        Kind::Invalid | Kind::NotFound | Kind::Guest | Kind::InDoubt | Kind::Diverged => Exit::Failed,
    }
}

/// The exit code of an error of a command itself.
fn exit_of_command(error: &anyhow::Error) -> Exit {
    if let Some(stopped) = error.downcast_ref::<Stopped>() {
        return (*stopped).into();
    }
    match error.downcast_ref::<Error>() {
        Some(error) => match error.kind {
            Kind::Denied => Exit::Denied,
            Kind::Limit => Exit::Limit,
            Kind::Host => Exit::Host,
            Kind::Guest | Kind::Diverged | Kind::InDoubt => Exit::Failed,
            _ => Exit::Usage,
        },
        None if error.downcast_ref::<remit_core::project::ProjectError>().is_some() => Exit::Usage,
        None => Exit::Host,
    }
}

/// Prints why something was not done that ends with `exit` all the same.
pub fn refuse(error: &Error, exit: Exit, json: bool) -> Exit {
    if json {
        output::json(&as_json(&error.clone().into(), exit));
    }
    output::error(&with_hints(error));
    exit
}

/// Prints `error` and gives the exit code of the process.
pub fn report(error: &anyhow::Error, json: bool) -> ExitCode {
    print(error, json).into()
}

/// Prints `error` and tells how the command ends with it.
pub fn print(error: &anyhow::Error, json: bool) -> Exit {
    let exit = exit_of_command(error);
    if json {
        output::json(&as_json(error, exit));
    }
    output::error(&as_text(error));
    exit
}

fn as_text(error: &anyhow::Error) -> String {
    if let Some(error) = error.downcast_ref::<Error>() {
        return with_hints(error);
    }
    if let Some(problems) = error.downcast_ref::<remit_core::project::ProjectError>() {
        return problems.report().trim_end().to_owned();
    }
    format!("error: {error:#}")
}

/// One line, then what to do about it.
pub fn with_hints(error: &Error) -> String {
    let lead = if error.kind == Kind::Denied { "denied" } else { "error" };
    let hints = error.hints.iter().map(|hint| format!("\n  hint: {hint}"));
    format!("{lead}: {}{}", error.message, hints.collect::<String>())
}

fn as_json(error: &anyhow::Error, exit: Exit) -> serde_json::Value {
    let (kind, hints) = match (error.downcast_ref::<Error>(), error.downcast_ref::<Stopped>()) {
        (Some(error), _) => (serde_json::json!(error.kind), error.hints.clone()),
        (None, Some(Stopped::Interrupted)) => (serde_json::json!("interrupted"), Vec::new()),
        (None, Some(Stopped::Terminated)) => (serde_json::json!("terminated"), Vec::new()),
        (None, None) => (serde_json::json!("invalid"), Vec::new()),
    };
    serde_json::json!({ "error": { "kind": kind, "message": format!("{error:#}"), "hints": hints, "exit": exit as u8 } })
}
