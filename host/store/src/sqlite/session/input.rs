//! Inputs that wait for their turn.

use remit_core::{
    Error,
    id::SessionId,
    limit::INPUTS_QUEUED_MAX,
    store::{QueuedInput, Status},
};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    super::{
        failure::{Failure, conflict},
        value::{Unsigned, parsed, time},
    },
    absent,
    row::find,
};

/// Puts an input behind those that wait, or finds it there. Returns its place, from 1; none when a turn was started with its key.
pub(in crate::sqlite) fn queue(connection: &Connection, id: SessionId, input: &QueuedInput) -> Result<Option<u32>, Failure> {
    let kept = find(connection, id)?.ok_or_else(|| absent(id))?;
    if kept.row.status == Status::Killed {
        return Err(conflict(format!("the session `{id}` was killed")).into());
    }
    if super::turn(connection, id, &input.key)?.is_some() {
        return Ok(None);
    }
    let sql = "SELECT input FROM inputs WHERE session = ?1 AND key = ?2";
    let held: Option<String> = connection.prepare_cached(sql)?.query_row(params![kept.session, input.key], |row| row.get(0)).optional()?;
    match held {
        Some(held) if held != input.input => {
            return Err(conflict("the key was used with another input").hint("use a new key for a new input").into());
        }
        Some(_) => {}
        None if kept.row.queued >= INPUTS_QUEUED_MAX => {
            let message = format!("{INPUTS_QUEUED_MAX} inputs wait for the session `{id}` already");
            return Err(Error::limit(message).hint(format!("let it go on first: remit session resume {id}")).into());
        }
        None => {
            let sql = "INSERT INTO inputs (session, key, principal, time_zone, at, input) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let QueuedInput { key, principal, time_zone, at, input } = input;
            let row = params![kept.session, key, principal.to_string(), time_zone, Unsigned(at.0), input];
            connection.prepare_cached(sql)?.execute(row)?;
        }
    }
    let sql = "SELECT count(*) FROM inputs WHERE session = ?1 AND number <= (SELECT number FROM inputs WHERE session = ?1 AND key = ?2)";
    Ok(Some(connection.prepare_cached(sql)?.query_row(params![kept.session, input.key], |row| row.get(0))?))
}

/// Inputs that wait, the next one first.
pub(in crate::sqlite) fn list(connection: &Connection, id: SessionId) -> Result<Vec<QueuedInput>, Failure> {
    let sql = "SELECT inputs.key, inputs.principal, inputs.time_zone, inputs.at, inputs.input FROM inputs JOIN sessions USING (session)
        WHERE sessions.id = ?1 ORDER BY inputs.number";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([id.to_string()], |row| {
        Ok(QueuedInput {
            key: row.get("key")?,
            principal: parsed(row, "principal")?,
            time_zone: row.get("time_zone")?,
            at: time(row, "at")?,
            input: row.get("input")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Takes the input that starts a turn under `key` out of those that wait, where it is one of them.
pub(super) fn take(connection: &Connection, session: i64, key: &str) -> Result<(), Failure> {
    connection.prepare_cached("DELETE FROM inputs WHERE session = ?1 AND key = ?2")?.execute(params![session, key])?;
    Ok(())
}

/// Drops all that wait.
pub(super) fn clear(connection: &Connection, session: i64) -> Result<(), Failure> {
    connection.prepare_cached("DELETE FROM inputs WHERE session = ?1")?.execute([session])?;
    Ok(())
}
