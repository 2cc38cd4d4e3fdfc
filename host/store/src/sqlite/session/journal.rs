//! What a journal says, and what hangs on it: records, state, turns.

use std::collections::BTreeMap;

use remit_core::{
    Error,
    clock::Timestamp,
    id::SessionId,
    journal::{Line, Link, link},
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    super::{failure::Failure, value::Unsigned},
    absent, chunk,
    row::find,
};

/// Most records that room is made for before they are seen.
const ROOM_MAX: usize = 1 << 16;

/// Records from `from` on, at most `limit`. Each has to fit to the one before, and the last one to what the session says.
pub(in crate::sqlite) fn records(connection: &Connection, id: SessionId, from: u64, limit: u32) -> Result<Vec<Line>, Failure> {
    let kept = find(connection, id)?.ok_or_else(|| absent(id))?;
    if from >= kept.row.next_seq || limit == 0 {
        return Ok(Vec::new());
    }
    let wanted = (kept.row.next_seq - from).min(limit.into());
    let (place, to) = ((kept.session, kept.row.branch), from + wanted);
    let mut expected = chunk::start(connection, place, from)?;
    let before = link_before(connection, place.0, place.1, expected)?;
    let mut before = before.ok_or_else(|| damaged(id, expected.saturating_sub(1)))?;
    let mut lines = Vec::with_capacity(usize::try_from(wanted).unwrap_or(usize::MAX).min(ROOM_MAX));
    chunk::each(connection, place, expected, to, |chunk| {
        let packed = if chunk.seq == expected { chunk.open(&mut before) } else { None };
        let packed = packed.ok_or_else(|| damaged(id, expected))?;
        expected += packed.len() as u64;
        lines.extend(packed.into_iter().filter(|line| (from..to).contains(&line.seq)));
        Ok(())
    })?;
    let sql = "SELECT seq, at, link, text FROM records WHERE session = ?1 AND branch = ?2 AND seq >= ?3 AND seq < ?4 ORDER BY seq";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![place.0, place.1, Unsigned(expected), Unsigned(to)])?;
    while let Some(row) = rows.next()? {
        let (line, kept_link) = line(row)?;
        before = link(&before, &line);
        if kept_link.as_ref() != Some(&before) {
            return Err(damaged(id, expected).into());
        }
        expected += 1;
        lines.push(line);
    }
    if expected < to || (expected == kept.row.next_seq && before != kept.head) {
        return Err(damaged(id, expected.min(kept.row.next_seq - 1)).into());
    }
    Ok(lines)
}

pub(super) fn line(row: &Row<'_>) -> rusqlite::Result<(Line, Option<Link>)> {
    let line = Line { seq: row.get::<_, Unsigned>(0)?.0, at: Timestamp(row.get::<_, Unsigned>(1)?.0), text: row.get(3)? };
    Ok((line, row.get_ref(2)?.as_blob()?.try_into().ok()))
}

/// The link of the record before `seq`, if there is one that is whole; zeros before the first record.
pub(super) fn link_before(connection: &Connection, session: i64, branch: u32, seq: u64) -> Result<Option<Link>, Failure> {
    let Some(before) = seq.checked_sub(1) else { return Ok(Some(Link::default())) };
    let sql = "SELECT link FROM records WHERE session = ?1 AND branch = ?2 AND seq = ?3";
    let row = params![session, branch, Unsigned(before)];
    match connection.prepare_cached(sql)?.query_row(row, |row| Ok(row.get_ref(0)?.as_blob()?.try_into().ok())).optional()? {
        Some(link) => Ok(link),
        None => chunk::link_at_end(connection, (session, branch), seq),
    }
}

/// The journal does not say what was written to it.
pub(super) fn damaged(id: SessionId, seq: u64) -> Error {
    Error::host(format!("the journal of the session `{id}` is damaged: record {seq} is not the one that was written"), "chain of digests")
        .hint("keep the folder of the state database as it is, and put back a copy of it from before")
}

/// The state as the last turn that ended left it.
pub(in crate::sqlite) fn state(connection: &Connection, id: SessionId) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let kept = find(connection, id)?.ok_or_else(|| absent(id))?;
    let mut statement = connection.prepare_cached("SELECT key, value FROM state WHERE session = ?1")?;
    let rows = statement.query_map([kept.session], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Where the turn that was started with `key` begins.
pub(in crate::sqlite) fn turn(connection: &Connection, id: SessionId, key: &str) -> Result<Option<u64>, Failure> {
    let sql = "SELECT seq FROM turns JOIN sessions USING (session) WHERE id = ?1 AND key = ?2";
    let found = connection.prepare_cached(sql)?.query_row(params![id.to_string(), key], |row| row.get::<_, Unsigned>(0)).optional()?;
    Ok(found.map(|seq| seq.0))
}
