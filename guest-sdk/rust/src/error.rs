use std::error::Error as StdError;
use std::fmt::{self, Display};
use std::io;

/// A result whose error is what a tool answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Names why a tool did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The arguments are wrong; the message says how.
    InvalidArguments,
    /// A right is missing. The host adds its own record of what it refused.
    Denied,
    /// It may work later.
    Unavailable,
    /// A bound was reached. Only agents see it; as a tool's answer it is `Failed`.
    Limit,
    /// A call of an agent may have happened or not, and nobody can tell. Only agents see it; as a tool's answer it is `Failed`.
    InDoubt,
    /// Anything else.
    Failed,
}

/// What a tool answers when it did not do it: a kind and a message for the model.
///
/// `?` turns every `std::error::Error` into one: `PermissionDenied` becomes [`ErrorKind::Denied`], a lost or slow connection
/// becomes [`ErrorKind::Unavailable`], the rest becomes [`ErrorKind::Failed`]; the message names the whole chain of causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    /// Says that the arguments are wrong, and how.
    pub fn invalid_arguments(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArguments, message)
    }

    /// Says that a right is missing.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Denied, message)
    }

    /// Says that it may work later.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// Says that it did not work.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message)
    }

    /// Builds an error of any kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Tells why it did not work.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the message for the model.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Puts what was tried before the message and keeps the kind.
    #[must_use]
    pub fn context(self, tried: impl Display) -> Self {
        Self { kind: self.kind, message: format!("{tried}: {}", self.message) }
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: StdError + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let mut kind = ErrorKind::Failed;
        let mut message = error.to_string();
        let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
        while let Some(current) = cause {
            if let (ErrorKind::Failed, Some(io)) = (kind, current.downcast_ref::<io::Error>()) {
                kind = kind_of_io(io.kind());
            }
            let text = current.to_string();
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = current.source();
        }
        Self { kind, message }
    }
}

/// Maps what the system says to what the model needs to know.
fn kind_of_io(kind: io::ErrorKind) -> ErrorKind {
    match kind {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        io::ErrorKind::TimedOut
        | io::ErrorKind::WouldBlock
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::ResourceBusy => ErrorKind::Unavailable,
        _ => ErrorKind::Failed,
    }
}

/// Adds what was tried to the error of a result.
pub trait WithContext<T> {
    /// Puts what was tried before the error's message: ``read(path).context(format!("cannot read `{path}`"))?``.
    ///
    /// # Errors
    ///
    /// The error of the result, with its kind kept.
    fn context(self, tried: impl Display) -> Result<T>;
}

impl<T, E: Into<Error>> WithContext<T> for std::result::Result<T, E> {
    fn context(self, tried: impl Display) -> Result<T> {
        self.map_err(|error| error.into().context(tried))
    }
}

#[cfg(test)]
mod tests;
