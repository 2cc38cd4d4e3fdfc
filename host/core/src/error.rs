//! One error for every door: a kind, a public message, hints, and whose fault it was.

use serde::{Deserialize, Serialize};

/// A result whose error is Remit's own.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it is; each door maps it once (exit code, MCP result, HTTP status).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Input that cannot be accepted as it is: arguments, a file, a component.
    Invalid,
    /// A right that is missing.
    Denied,
    /// A bound that was reached: time, memory, size, count.
    Limit,
    /// Something that was named does not exist.
    NotFound,
    /// The state is not what the request assumes.
    Conflict,
    /// It may work later or once something is set up: a missing secret, a plugin that is disabled.
    Unavailable,
    /// An effect may or may not have happened.
    InDoubt,
    /// A replay did not do what the journal says.
    Diverged,
    /// The guest failed: a trap, an error it returned, output it must not return.
    Guest,
    /// Remit or the machine failed.
    Host,
}

/// Who has to change something for it to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The component, or the input that was given to it.
    Guest,
    /// The grants: a person may widen them.
    Grant,
    /// Remit or the machine it runs on.
    Host,
    /// A system that was called.
    Outside,
}

/// A failure as a person or a program sees it.
///
/// `message` is public and names no host path or secret of another principal; `internal` is for logs only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What sort of failure it is.
    pub kind: Kind,
    /// Whose fault it was.
    pub blame: Blame,
    /// One line, lowercase, without a final stop.
    pub message: String,
    /// What to do about it, the smallest change first. Never text of a guest.
    pub hints: Vec<String>,
    /// For logs; never shown to a guest or over the network.
    pub internal: Option<String>,
    /// A stable code, where an operator can fix it.
    pub code: Option<&'static str>,
}

impl Error {
    /// An error of `kind`, blamed on whoever is usually at fault for that kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let blame = match kind {
            Kind::Invalid | Kind::Guest | Kind::NotFound | Kind::Conflict | Kind::Limit | Kind::Diverged => Blame::Guest,
            Kind::Denied => Blame::Grant,
            Kind::Unavailable | Kind::InDoubt => Blame::Outside,
            Kind::Host => Blame::Host,
        };
        Self { kind, blame, message: message.into(), hints: Vec::new(), internal: None, code: None }
    }

    /// Input that cannot be accepted.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// A missing right.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(Kind::Denied, message)
    }

    /// A bound that was reached.
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(Kind::Limit, message)
    }

    /// Something that does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// Something that is not there now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    /// A failure of the guest.
    pub fn guest(message: impl Into<String>) -> Self {
        Self::new(Kind::Guest, message)
    }

    /// A failure of the host; `internal` goes to logs only.
    pub fn host(message: impl Into<String>, internal: impl std::fmt::Display) -> Self {
        let mut error = Self::new(Kind::Host, message);
        error.internal = Some(internal.to_string());
        error
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Sets whose fault it was.
    #[must_use]
    pub fn blame(mut self, blame: Blame) -> Self {
        self.blame = blame;
        self
    }

    /// Sets what logs say beside the message.
    #[must_use]
    pub fn internal(mut self, internal: impl std::fmt::Display) -> Self {
        self.internal = Some(internal.to_string());
        self
    }

    /// Sets the stable code.
    #[must_use]
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }
}
