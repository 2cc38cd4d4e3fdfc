//! Time as an argument.

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl std::fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds, for example `2026-11-22T09:30:00.000Z`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match i64::try_from(self.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()) {
            Some(time) => write!(f, "{time:.3}"),
            None => write!(f, "{}ms", self.0),
        }
    }
}

/// Where a host's time comes from; a test or a replay gives its own.
pub trait Clock: Send + Sync {
    /// Now. May step backwards when the machine's clock is set; nothing correct rests on it alone.
    fn now(&self) -> Timestamp;
}
