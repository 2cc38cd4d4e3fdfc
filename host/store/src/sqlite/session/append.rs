//! Records are added, and what belongs to them.

use std::collections::BTreeMap;

use remit_core::{
    Error,
    clock::Timestamp,
    id::SessionId,
    journal::{Line, Link, link},
    limit::{RECORD_MAX_BYTES, SESSION_MAX_BYTES},
    store::{Append, Component, Import, Place as After, SessionRow, Status, TurnClose, TurnOpen},
};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, params};

use super::{
    super::{
        failure::{Failure, conflict},
        value::{ByName, Named as _, Unsigned},
    },
    absent, called, chunk, content, input, owned, wait,
};

const INSERT: &str = "INSERT INTO records (session, branch, seq, at, link, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// What an append has to know of its session, and changes of it.
struct Place {
    session: i64,
    project: String,
    epoch: u64,
    status: Status,
    branch: u32,
    next_seq: u64,
    turn_seq: u64,
    turns: u32,
    bytes: u64,
    head: Link,
}

/// Adds records, with all that belongs to them.
pub(in crate::sqlite) fn append(connection: &Connection, append: &Append) -> Result<(), Failure> {
    let mut place = place(connection, append.session, append.epoch)?;
    let in_turn = place.turn_seq < place.next_seq;
    // A session that is full can still end its turn.
    let room = if append.close.is_some() { 2 * RECORD_MAX_BYTES as u64 } else { 0 };
    add(connection, &mut place, append.session, &append.records, SESSION_MAX_BYTES + room)?;
    if let Some(open) = &append.open {
        if in_turn {
            return Err(conflict(format!("a turn of the session `{}` has not ended", append.session)).into());
        }
        start_turn(connection, &mut place, append, open)?;
    } else if !in_turn {
        place.turn_seq = place.next_seq;
    }
    name(connection, place.session, &append.named)?;
    content::put(connection, place.session, &append.content)?;
    content::add_outputs(connection, place.session, &append.outputs)?;
    wait::open(connection, place.session, &place.project, append)?;
    wait::take(connection, place.session, &append.used)?;
    if let Some(close) = &append.close {
        if !in_turn && append.open.is_none() {
            return Err(conflict(format!("no turn of the session `{}` runs", append.session)).into());
        }
        end_turn(connection, &mut place, close)?;
        called::kill_under(connection, append.session, "when the turn that called it ended", append.at)?;
    }
    keep(connection, &place, append.at, append.status, &append.detail)
}

/// Makes a session with records.
pub(in crate::sqlite) fn import(connection: &Connection, import: &Import) -> Result<SessionRow, Failure> {
    let there = super::row::find(connection, import.new.id)?.is_some();
    let row = super::row::create(connection, &import.new)?;
    if there || row.id != import.new.id {
        return Err(conflict(format!("the session `{}` is there already", row.id)).into());
    }
    let mut place = place(connection, row.id, row.epoch)?;
    add(connection, &mut place, row.id, &import.records, SESSION_MAX_BYTES)?;
    content::put(connection, place.session, &import.content)?;
    content::share(connection, place.session, &import.uses)?;
    content::add_outputs(connection, place.session, &import.outputs)?;
    stand(connection, &mut place, &import.place, import.new.at)?;
    super::row::find(connection, row.id)?.map(|kept| kept.row).ok_or_else(|| absent(row.id).into())
}

/// Begins a new branch with the records before `seq`.
pub(in crate::sqlite) fn revert(
    connection: &Connection,
    id: SessionId,
    epoch: u64,
    seq: u64,
    after: &After,
    at: Timestamp,
) -> Result<(), Failure> {
    let mut place = place(connection, id, epoch)?;
    if seq > place.next_seq {
        return Err(Error::invalid(format!("the session `{id}` has no record {seq}")).into());
    }
    copy(connection, &mut place, id, seq)?;
    connection.prepare_cached("UPDATE sessions SET branch = ?2 WHERE session = ?1")?.execute(params![place.session, place.branch])?;
    connection.prepare_cached("DELETE FROM turns WHERE session = ?1 AND seq >= ?2")?.execute(params![place.session, Unsigned(seq)])?;
    connection.prepare_cached("DELETE FROM state WHERE session = ?1")?.execute([place.session])?;
    connection.prepare_cached("DELETE FROM workspaces WHERE session = ?1")?.execute([place.session])?;
    wait::cancel(connection, place.session)?;
    called::kill_under(connection, id, "when the turn that called it was taken back", at)?;
    stand(connection, &mut place, after, at)
}

/// Begins the branch after `place`'s with its records before `seq`, links included: what is damaged stays so.
fn copy(connection: &Connection, place: &mut Place, id: SessionId, seq: u64) -> Result<(), Failure> {
    let old = (place.session, place.branch);
    place.branch += 1;
    chunk::copy(connection, old, seq)?;
    let begins = chunk::start(connection, old, seq)?;
    if begins < seq {
        unpack(connection, place, id, old, begins..seq)?;
    }
    let sql = "INSERT INTO records (session, branch, seq, at, link, text)
        SELECT session, branch + 1, seq, at, link, text FROM records WHERE session = ?1 AND branch = ?2 AND seq < ?3 ORDER BY seq";
    connection.prepare_cached(sql)?.execute(params![old.0, old.1, Unsigned(seq)])?;
    let (count, bytes) = chunk::size(connection, (place.session, place.branch))?;
    grow(place, id, bytes, SESSION_MAX_BYTES)?;
    place.head = super::journal::link_before(connection, place.session, place.branch, seq)?
        .filter(|_| count == seq)
        .ok_or_else(|| super::journal::damaged(id, seq.saturating_sub(1)))?;
    place.next_seq = seq;
    Ok(())
}

/// Adds records that the branch `old` has in a chunk, of which the new one takes only these.
fn unpack(connection: &Connection, place: &mut Place, id: SessionId, old: (i64, u32), seqs: std::ops::Range<u64>) -> Result<(), Failure> {
    let damaged = || super::journal::damaged(id, seqs.start);
    let before = super::journal::link_before(connection, old.0, old.1, seqs.start)?.ok_or_else(damaged)?;
    place.head = before;
    let mut statement = connection.prepare_cached(INSERT)?;
    chunk::each(connection, old, seqs.start, seqs.end, |chunk| {
        let lines = chunk.open(&mut before.clone()).ok_or_else(damaged)?;
        lines.iter().filter(|line| line.seq < seqs.end).try_for_each(|line| insert(&mut statement, place, line))?;
        Ok(())
    })
}

/// Counts what is added.
fn grow(place: &mut Place, id: SessionId, bytes: u64, most: u64) -> Result<(), Error> {
    place.bytes = place.bytes.saturating_add(bytes);
    if place.bytes > most {
        let message = format!("the session `{id}` would have more than {SESSION_MAX_BYTES} bytes of records");
        return Err(Error::limit(message).hint("go on in a new session"));
    }
    Ok(())
}

/// Puts a session to where its records lead.
fn stand(connection: &Connection, place: &mut Place, after: &After, at: Timestamp) -> Result<(), Failure> {
    place.turns = after.turns;
    place.turn_seq = after.open_turn.unwrap_or(place.next_seq);
    let state = after.state.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    change_state(connection, place.session, &state)?;
    leave(connection, place.session, after.left_by.as_ref())?;
    content::set_workspaces(connection, place.session, &after.workspaces)?;
    let status = if after.open_turn.is_some() { Status::Running } else { Status::Idle };
    keep(connection, place, at, status, "")
}

/// What other tables call a session that its caller owns.
pub(super) fn owned_session(connection: &Connection, id: SessionId, epoch: u64) -> Result<i64, Failure> {
    Ok(place(connection, id, epoch)?.session)
}

fn place(connection: &Connection, id: SessionId, epoch: u64) -> Result<Place, Failure> {
    let sql = "SELECT session, project, epoch, status, branch, next_seq, turn_seq, turns, bytes, head FROM sessions WHERE id = ?1";
    let found = connection.prepare_cached(sql)?.query_row([id.to_string()], |row| {
        // By number: a search for names would take a twentieth of a whole append.
        Ok(Place {
            session: row.get(0)?,
            project: row.get(1)?,
            epoch: row.get::<_, Unsigned>(2)?.0,
            status: row.get::<_, ByName<_>>(3)?.0,
            branch: row.get(4)?,
            next_seq: row.get::<_, Unsigned>(5)?.0,
            turn_seq: row.get::<_, Unsigned>(6)?.0,
            turns: row.get(7)?,
            bytes: row.get::<_, Unsigned>(8)?.0,
            head: row.get(9)?,
        })
    });
    let place = found.optional()?.ok_or_else(|| absent(id))?;
    if place.status == Status::Killed {
        return Err(conflict(format!("the session `{id}` was killed")).into());
    }
    if place.epoch != epoch {
        return Err(owned::fenced(id).into());
    }
    Ok(place)
}

/// Adds records to a session that may grow to `most` bytes.
fn add(connection: &Connection, place: &mut Place, id: SessionId, records: &[Line], most: u64) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached(INSERT)?;
    for line in records {
        if line.seq != place.next_seq {
            let message = format!("the next record of the session `{id}` is {}, and not {}", place.next_seq, line.seq);
            return Err(conflict(message).into());
        }
        grow(place, id, line.text.len() as u64, most)?;
        insert(&mut statement, place, line)?;
    }
    Ok(())
}

fn insert(statement: &mut CachedStatement<'_>, place: &mut Place, line: &Line) -> rusqlite::Result<()> {
    place.head = link(&place.head, line);
    place.next_seq += 1;
    let row = params![place.session, place.branch, Unsigned(line.seq), Unsigned(line.at.0), place.head, line.text];
    statement.execute(row).map(drop)
}

fn start_turn(connection: &Connection, place: &mut Place, append: &Append, open: &TurnOpen) -> Result<(), Failure> {
    if append.records.first().is_none_or(|first| first.seq != open.seq) {
        return Err(conflict(format!("a turn of the session `{}` does not start with the record {}", append.session, open.seq)).into());
    }
    place.turn_seq = open.seq;
    place.turns += 1;
    let Some(key) = &open.key else { return Ok(()) };
    let sql = "INSERT INTO turns (session, key, seq) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    if connection.prepare_cached(sql)?.execute(params![place.session, key, Unsigned(open.seq)])? == 0 {
        return Err(conflict(format!("the session `{}` has a turn that was started with this key", append.session)).into());
    }
    input::take(connection, place.session, key)
}

/// Has keys name calls.
fn name(connection: &Connection, session: i64, named: &[(String, u64)]) -> Result<(), Failure> {
    let sql = "INSERT INTO turns (session, key, seq) VALUES (?1, ?2, ?3) ON CONFLICT (session, key) DO UPDATE SET seq = excluded.seq";
    for (key, seq) in named {
        connection.prepare_cached(sql)?.execute(params![session, key, Unsigned(*seq)])?;
    }
    Ok(())
}

fn end_turn(connection: &Connection, place: &mut Place, close: &TurnClose) -> Result<(), Failure> {
    place.turn_seq = place.next_seq;
    change_state(connection, place.session, &close.state)?;
    if close.left_by.is_some() {
        leave(connection, place.session, close.left_by.as_ref())?;
    }
    content::set_workspaces(connection, place.session, &close.workspaces)?;
    if close.leaves_waits {
        return Ok(());
    }
    wait::cancel(connection, place.session)
}

/// Keeps whose state it is.
fn leave(connection: &Connection, session: i64, by: Option<&Component>) -> Result<(), Failure> {
    let sql = "UPDATE sessions SET left_by = ?2, left_version = ?3 WHERE session = ?1";
    let version = by.and_then(|by| by.version.as_deref());
    connection.prepare_cached(sql)?.execute(params![session, by.map(|by| &by.digest), version])?;
    Ok(())
}

fn change_state(connection: &Connection, session: i64, changes: &BTreeMap<String, Option<Vec<u8>>>) -> Result<(), Failure> {
    let set = "INSERT INTO state (session, key, value) VALUES (?1, ?2, ?3) ON CONFLICT (session, key) DO UPDATE SET value = excluded.value";
    for (key, value) in changes {
        match value {
            Some(value) => connection.prepare_cached(set)?.execute(params![session, key, value])?,
            None => connection.prepare_cached("DELETE FROM state WHERE session = ?1 AND key = ?2")?.execute(params![session, key])?,
        };
    }
    Ok(())
}

fn keep(connection: &Connection, place: &Place, at: Timestamp, status: Status, detail: &str) -> Result<(), Failure> {
    let sql = "UPDATE sessions SET updated = ?2, status = ?3, detail = ?4, next_seq = ?5, turn_seq = ?6, turns = ?7, bytes = ?8, head = ?9
        WHERE session = ?1";
    connection.prepare_cached(sql)?.execute(params![
        place.session,
        Unsigned(at.0),
        status.name(),
        detail,
        Unsigned(place.next_seq),
        Unsigned(place.turn_seq),
        place.turns,
        Unsigned(place.bytes),
        place.head,
    ])?;
    Ok(())
}
