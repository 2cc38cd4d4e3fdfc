//! Copies of a whole store: taken while it is used, and put back while it is not.
#![expect(clippy::disallowed_methods, reason = "this file puts databases in each other's place")]

#[cfg(test)]
mod tests;

use std::path::Path;

use remit_core::{Error, Kind, Result, clock::Timestamp, identity::Principal};
use rusqlite::Connection;

use super::{
    audit::{Head, begin_epoch, head},
    database::Database,
    failure::{Failure, broken},
};
use crate::{folder, owner};

/// What a database is called while it is being put back.
const INCOMING: &str = "state.db.incoming";
/// What the database that was in use before is called.
const BEFORE: &str = "state.db.before";

/// What has to change in a copy before it is used.
///
/// Nobody owns its sessions any more. What a session did after the copy was taken is not in it, so a turn that had not ended cannot go on
/// as if nothing had happened, an input that waited may have had its turn, and each session's records move to a new branch: keys of later calls are none that were used already.
const PUT_BACK: &str = "
    BEGIN IMMEDIATE;
    DELETE FROM owners;
    UPDATE waits SET state = 'cancelled' WHERE state IN ('open', 'decided');
    DELETE FROM inputs;
    CREATE TEMP TABLE moved AS SELECT session, branch AS old,
        1 + max(branch, coalesce((SELECT max(branch) FROM records WHERE records.session = sessions.session), 0),
            coalesce((SELECT max(branch) FROM chunks WHERE chunks.session = sessions.session), 0)) AS new FROM sessions;
    UPDATE chunks SET branch = (SELECT new FROM moved WHERE moved.session = chunks.session)
        WHERE branch = (SELECT old FROM moved WHERE moved.session = chunks.session);
    UPDATE records SET branch = (SELECT new FROM moved WHERE moved.session = records.session)
        WHERE branch = (SELECT old FROM moved WHERE moved.session = records.session);
    UPDATE sessions SET owner = NULL, epoch = epoch + 1, branch = (SELECT new FROM moved WHERE moved.session = sessions.session);
    DROP TABLE moved;
";

/// Copies the database in `folder` to the file `to`, which must not be there: all of it as it is at one moment. Others may use it
/// meanwhile. Durable on return. Blocks.
///
/// # Errors
/// `conflict` when `to` is there; those of opening the store; `unavailable` without space.
pub fn backup(folder: &Path, to: &Path) -> Result<()> {
    let name = to.file_name().ok_or_else(|| Error::invalid(format!("`{}` names no file", to.display())))?;
    let beside = to.parent().unwrap_or(Path::new("."));
    if to.exists() {
        return Err(Error::new(Kind::Conflict, format!("`{}` is there already", to.display())).hint("name a new one"));
    }
    let database = Database::new(folder.to_owned());
    folder::own(folder)?;
    let opening = folder::opening(folder)?;
    drop(database.prepare()?);
    drop(opening);
    let connection = database.writer().map_err(|error| broken(&error))?;
    folder::reserve(beside, &name.to_string_lossy())?;
    connection.execute("VACUUM INTO ?1", [to.to_string_lossy()]).map_err(|error| broken(&error))?;
    folder::sync(beside)
}

/// Puts a copy that [`backup`] made in place of the database in `folder`; that one is kept beside it as `state.db.before`. Turns that
/// had not ended when the copy was taken are quarantined. Returns how many. The audit log begins a new epoch, with a record that says that
/// `by` did this. Durable on return. Blocks.
///
/// # Errors
/// `conflict` while a process uses the store; `invalid` when `from` is no sound copy; `unavailable` when it is of a later format;
/// `not-found`; `host`. The database in `folder` is as it was then.
pub fn restore(folder: &Path, from: &Path, by: &Principal, at: Timestamp) -> Result<usize> {
    if !from.is_file() {
        return Err(Error::not_found(format!("there is no copy of a state database at `{}`", from.display())));
    }
    folder::own(folder)?;
    let opening = folder::opening(folder)?;
    if owner::any_alive(folder)? {
        let error = Error::new(Kind::Conflict, "another process uses the sessions of this project");
        return Err(error.hint("end it first: see `remit session list --status running`"));
    }
    for name in [INCOMING.to_owned(), format!("{INCOMING}-wal"), format!("{INCOMING}-shm")] {
        folder::remove(&folder.join(name))?;
    }
    let database = Database::new(folder.to_owned());
    let old = database.prepare()?;
    drop(old);
    let old = database.writer().map_err(|error| broken(&error))?;
    // A log that cannot be read is no reason to keep what it is in.
    let aside = head(&old).unwrap_or_else(|failure| {
        tracing::warn!(error = Error::from(failure).message, "the audit log that is put aside cannot be read");
        None
    });
    let open_turns = take_over(folder, from, aside.as_ref(), by, at)?;
    // What is in the log belongs to the database that goes; it is written into it first.
    old.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(|error| broken(&error))?;
    drop(old);
    let path = folder.join(folder::DATABASE);
    std::fs::rename(&path, folder.join(BEFORE)).map_err(|error| folder::failed("moved", &path, error))?;
    for name in ["state.db-wal", "state.db-shm"] {
        folder::remove(&folder.join(name))?;
    }
    let incoming = folder.join(INCOMING);
    std::fs::rename(&incoming, &path).map_err(|error| folder::failed("moved", &incoming, error))?;
    folder::sync(folder)?;
    drop(opening);
    Ok(open_turns)
}

/// Copies `from` beside the database, checks the copy and makes it ready to be used.
fn take_over(folder: &Path, from: &Path, aside: Option<&Head>, by: &Principal, at: Timestamp) -> Result<usize> {
    let incoming = folder.join(INCOMING);
    let unsound =
        |error: rusqlite::Error| Error::invalid(format!("`{}` is no sound copy of a state database", from.display())).internal(error);
    let copy = Connection::open_with_flags(from, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(unsound)?;
    folder::reserve(folder, INCOMING)?;
    copy.execute("VACUUM INTO ?1", [incoming.to_string_lossy()]).map_err(unsound)?;
    drop(copy);
    let database = Database { name: INCOMING, ..Database::new(folder.to_owned()) };
    drop(database.prepare()?);
    let connection = database.writer().map_err(|error| broken(&error))?;
    let sound: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(unsound)?;
    if sound != "ok" {
        return Err(Error::invalid(format!("`{}` is no sound copy of a state database", from.display())).internal(sound));
    }
    let act = |connection: &Connection| -> Result<usize, Failure> {
        connection.execute_batch(PUT_BACK)?;
        let detail = format!("put back from a backup on {at}; what its turn did after that is not known");
        let sql = "UPDATE sessions SET status = 'quarantined', detail = ?1 WHERE status IN ('running', 'waiting')";
        let open_turns = connection.execute(sql, [detail])?;
        begin_epoch(connection, at, Some(by), aside)?;
        connection.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE; PRAGMA journal_mode = WAL;")?;
        Ok(open_turns)
    };
    Ok(act(&connection)?)
}
