//! Key-value data in tables. Each function runs in a transaction that its caller began.

use remit_core::{Error, store::KvSpace};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{failure::Failure, value::Unsigned};

/// The value of `key`.
pub(super) fn get(connection: &Connection, space: &KvSpace, key: &str) -> Result<Option<Vec<u8>>, Failure> {
    let sql = "SELECT value FROM kv JOIN kv_spaces USING (space) WHERE project = ?1 AND scope = ?2 AND plugin = ?3 AND key = ?4";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row(params![space.project, space.scope, space.plugin, key], |row| row.get(0)).optional()?)
}

/// A space, and the size of what is in it.
struct Place {
    space: i64,
    bytes: u64,
}

fn place(connection: &Connection, space: &KvSpace) -> Result<Option<Place>, Failure> {
    let sql = "SELECT space, bytes FROM kv_spaces WHERE project = ?1 AND scope = ?2 AND plugin = ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row(params![space.project, space.scope, space.plugin], |row| {
        Ok(Place { space: row.get(0)?, bytes: row.get::<_, Unsigned>(1)?.0 })
    });
    Ok(found.optional()?)
}

fn made_place(connection: &Connection, space: &KvSpace) -> Result<Place, Failure> {
    if let Some(place) = place(connection, space)? {
        return Ok(place);
    }
    let sql = "INSERT INTO kv_spaces (project, scope, plugin, bytes) VALUES (?1, ?2, ?3, 0)";
    connection.prepare_cached(sql)?.execute(params![space.project, space.scope, space.plugin])?;
    Ok(Place { space: connection.last_insert_rowid(), bytes: 0 })
}

/// The bytes that an entry takes, and 0 when it is not there.
fn size(connection: &Connection, place: &Place, key: &str) -> Result<u64, Failure> {
    let sql = "SELECT length(value) FROM kv WHERE space = ?1 AND key = ?2";
    let value = connection.prepare_cached(sql)?.query_row(params![place.space, key], |row| row.get::<_, Unsigned>(0)).optional()?;
    Ok(value.map_or(0, |value| value.0 + key.len() as u64))
}

fn keep_size(connection: &Connection, place: &Place, bytes: u64) -> Result<(), Failure> {
    connection.prepare_cached("UPDATE kv_spaces SET bytes = ?2 WHERE space = ?1")?.execute(params![place.space, Unsigned(bytes)])?;
    Ok(())
}

/// Sets `key`, if the space then has at most `max_bytes`.
pub(super) fn set(connection: &Connection, space: &KvSpace, key: &str, value: &[u8], max_bytes: u64) -> Result<(), Failure> {
    let place = made_place(connection, space)?;
    let others = place.bytes.saturating_sub(size(connection, &place, key)?);
    let bytes = others + (key.len() + value.len()) as u64;
    if bytes > max_bytes {
        return Err(Error::limit(format!("key-value storage is full: its bound is {max_bytes} bytes")).into());
    }
    let sql = "INSERT INTO kv (space, key, value) VALUES (?1, ?2, ?3) ON CONFLICT (space, key) DO UPDATE SET value = excluded.value";
    connection.prepare_cached(sql)?.execute(params![place.space, key, value])?;
    keep_size(connection, &place, bytes)
}

/// Adds to the number at `key`.
pub(super) fn increment(connection: &Connection, space: &KvSpace, key: &str, delta: i64, max_bytes: u64) -> Result<i64, Failure> {
    let old = match get(connection, space, key)? {
        Some(value) => std::str::from_utf8(&value).ok().and_then(|text| text.parse::<i64>().ok()),
        None => Some(0),
    };
    let old = old.ok_or_else(|| Error::invalid("the value is not a whole number"))?;
    let sum = old.checked_add(delta).ok_or_else(|| Error::invalid("the sum is too large"))?;
    set(connection, space, key, sum.to_string().as_bytes(), max_bytes)?;
    Ok(sum)
}

/// Removes `key`.
pub(super) fn delete(connection: &Connection, space: &KvSpace, key: &str) -> Result<(), Failure> {
    let Some(place) = place(connection, space)? else { return Ok(()) };
    let size = size(connection, &place, key)?;
    if connection.prepare_cached("DELETE FROM kv WHERE space = ?1 AND key = ?2")?.execute(params![place.space, key])? > 0 {
        keep_size(connection, &place, place.bytes.saturating_sub(size))?;
    }
    Ok(())
}

/// Keys after `after`, sorted by bytes.
pub(super) fn keys(connection: &Connection, space: &KvSpace, after: Option<&str>, limit: usize) -> Result<Vec<String>, Failure> {
    let sql = "SELECT key FROM kv JOIN kv_spaces USING (space)
        WHERE project = ?1 AND scope = ?2 AND plugin = ?3 AND (?4 IS NULL OR key > ?4) ORDER BY key LIMIT ?5";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![space.project, space.scope, space.plugin, after, limit], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
