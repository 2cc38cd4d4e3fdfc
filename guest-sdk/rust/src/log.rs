//! Lines for the person who runs the tool; they never reach the model.

use std::fmt::{self, Display};

/// How serious a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// For who looks for an error.
    Debug,
    /// For who runs it.
    Info,
    /// Something that may go wrong.
    Warn,
    /// Something that went wrong.
    Error,
}

impl Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

/// Writes a line of any level; `target` says which part of the plugin speaks and may be empty.
pub fn log(level: Level, target: &str, message: impl AsRef<str>) {
    crate::host::log(level, target, message.as_ref());
}

/// Writes a line about a step.
pub fn trace(message: impl AsRef<str>) {
    log(Level::Trace, "", message);
}

/// Writes a line for who looks for an error.
pub fn debug(message: impl AsRef<str>) {
    log(Level::Debug, "", message);
}

/// Writes a line for who runs it.
pub fn info(message: impl AsRef<str>) {
    log(Level::Info, "", message);
}

/// Writes a line about what may go wrong.
pub fn warn(message: impl AsRef<str>) {
    log(Level::Warn, "", message);
}

/// Writes a line about what went wrong.
pub fn error(message: impl AsRef<str>) {
    log(Level::Error, "", message);
}
