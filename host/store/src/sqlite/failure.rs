//! What can go wrong in the database, and what it means to the caller.

use remit_core::{Blame, Error, Kind};
use rusqlite::ErrorCode;

/// Why a request was not carried out.
#[derive(Debug)]
pub(super) enum Failure {
    /// It cannot be, as things are. The transaction goes on without it.
    Refused(Error),
    /// The database failed. The transaction is given up, and so is the connection.
    Broken(rusqlite::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Broken(error) => broken(&error),
        }
    }
}

/// A refusal because the state is not what the request assumes.
pub(super) fn conflict(message: impl Into<String>) -> Error {
    Error::new(Kind::Conflict, message)
}

/// What a failure of the database is to the caller.
pub(super) fn broken(error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        _ if is_full(error) => Error::unavailable("there is no space left for the state database").hint("free some space, and try again"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::unavailable("another process keeps the state database busy").hint("try again")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::new(Kind::Host, "the state database is damaged").hint("keep its folder as it is, and put back a copy of it from before")
        }
        _ => Error::new(Kind::Host, "the state database failed").hint("look at the disk, and try again"),
    }
    .blame(Blame::Host)
    .internal(error)
}

/// Whether there was no space.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    error.sqlite_error_code() == Some(ErrorCode::DiskFull) || extended == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}
