//! Noticing that somebody committed something, in this process or another one.

use rusqlite::Connection;

/// A connection that writes nothing: every commit is somebody else's to it, and SQLite counts those.
pub(super) struct Watch(pub(super) Connection);

impl Watch {
    /// A number that is another one after every commit.
    pub(super) fn version(&self) -> rusqlite::Result<u64> {
        self.0.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get::<_, u32>(0)).map(u64::from)
    }
}
