//! The database file: opening it, its format, its connections.

use std::{path::PathBuf, time::Duration};

use remit_core::{Error, Kind, Result};
use rusqlite::{Connection, OpenFlags};

use super::failure::broken;
use crate::folder;

/// Marks the file as ours: `Rmit`.
const APPLICATION_ID: i32 = 0x526d_6974;
/// Each brings the database from one format to the next; the format is how many were applied.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_sessions.sql"),
    include_str!("../../migrations/0002_content.sql"),
    include_str!("../../migrations/0003_callers.sql"),
    include_str!("../../migrations/0004_inputs.sql"),
    include_str!("../../migrations/0005_finished.sql"),
    include_str!("../../migrations/0006_audit.sql"),
];
/// 8 MB of log: short enough to be copied while nobody notices, long enough that pages are written over in it.
const WAL_MAX_PAGES: u32 = 2000;
/// How long a connection waits for another process.
const BUSY: Duration = Duration::from_secs(10);

/// Where the database is, and how it is reached.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    /// The folder that it is in.
    pub(crate) folder: PathBuf,
    /// What it is called there.
    pub(crate) name: &'static str,
    /// The layer between SQLite and the files; the system's own when there is none.
    pub(crate) vfs: Option<String>,
    /// What brings it to its present format.
    pub(crate) migrations: &'static [&'static str],
    /// Pages of the write-ahead log from which on it is copied into the database.
    pub(crate) wal_max_pages: u32,
}

impl Database {
    /// The database in `folder`.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, name: folder::DATABASE, vfs: None, migrations: MIGRATIONS, wal_max_pages: WAL_MAX_PAGES }
    }

    /// Makes the database, or brings it to the present format. The caller keeps others from opening it meanwhile.
    ///
    /// The connection only reads. As long as it is open, SQLite does not read the whole log anew, whatever becomes of other connections:
    /// a commit that failed stays undone.
    ///
    /// # Errors
    /// `unavailable` when it is of a later format or there is no space; `invalid` when it is another program's; `host`.
    pub(super) fn prepare(&self) -> Result<Connection> {
        folder::reserve(&self.folder, self.name)?;
        let failed = |error: rusqlite::Error| broken(&error);
        let connection = self.connect().map_err(failed)?;
        let application: i32 = pragma(&connection, "application_id").map_err(failed)?;
        let format: u32 = pragma(&connection, "user_version").map_err(failed)?;
        let known = self.migrations.len() as u32;
        if application == 0 && format == 0 && is_empty(&connection).map_err(failed)? {
            // Before anything is written: pages that are free can be given back then.
            connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL").map_err(failed)?;
            log_ahead(&connection)?;
            self.migrate(&connection, 0).map_err(failed)?;
        } else if application != APPLICATION_ID {
            return Err(Error::invalid(format!("`{}` is not a state database of Remit", folder::DATABASE))
                .hint("move it away, and let `remit` make its own"));
        } else if format > known {
            let message = format!("the state database has format {format}, and this `remit` knows formats up to {known}");
            return Err(Error::new(Kind::Unavailable, message).hint("use the version of `remit` that wrote it, or a later one"));
        } else if format < known {
            self.keep_copy(&connection, format)?;
            self.migrate(&connection, format).map_err(failed)?;
        }
        connection.execute_batch("PRAGMA query_only = ON").map_err(failed)?;
        Ok(connection)
    }

    /// Applies what is missing, in one transaction.
    fn migrate(&self, connection: &Connection, from: u32) -> rusqlite::Result<()> {
        connection.execute_batch("BEGIN IMMEDIATE;")?;
        for migration in self.migrations.iter().skip(from as usize) {
            connection.execute_batch(migration)?;
        }
        connection
            .execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}; COMMIT;", self.migrations.len()))
    }

    /// Keeps the database as it is under its format's number.
    fn keep_copy(&self, connection: &Connection, format: u32) -> Result<()> {
        let name = format!("{}.{format}", folder::DATABASE);
        let path = self.folder.join(&name);
        folder::remove(&path)?;
        folder::reserve(&self.folder, &name)?;
        connection.execute("VACUUM INTO ?1", [path.to_string_lossy()]).map_err(|error| broken(&error))?;
        folder::sync(&self.folder)
    }

    /// A connection that writes. What it deletes is overwritten.
    pub(super) fn writer(&self) -> rusqlite::Result<Connection> {
        let connection = self.connect()?;
        connection.execute_batch(
            "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -2048;
            PRAGMA secure_delete = ON;",
        )?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    }

    /// A connection that reads.
    pub(super) fn reader(&self) -> rusqlite::Result<Connection> {
        let connection = self.connect()?;
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -2048;")?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(connection)
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let path = self.folder.join(self.name);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let connection = match &self.vfs {
            Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str()),
            None => Connection::open_with_flags(path, flags),
        }?;
        connection.busy_timeout(BUSY)?;
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF;")?;
        Ok(connection)
    }
}

/// Has the database write ahead into a log, which everything else here rests on.
fn log_ahead(connection: &Connection) -> Result<()> {
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(|error| broken(&error))?;
    if mode != "wal" {
        return Err(Error::host("the file system of the state database is not fit for it: it has no shared memory", mode)
            .hint("put its folder on a local disk"));
    }
    Ok(())
}

fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> rusqlite::Result<T> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}
