//! Records of turns that ended, packed: many of them in one row, compressed. Which records there are and how they are chained stays the same.

use remit_core::{
    clock::Timestamp,
    id::SessionId,
    journal::{Line, Link, link},
    limit::{CHUNK_MAX_BYTES, RECORD_MAX_BYTES},
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    super::{failure::Failure, value::Unsigned},
    journal::{line, link_before},
};

/// Bytes of records from which on it pays to pack them. Fewer stay as they are, so that a short turn is not packed by itself.
const CHUNK_MIN_BYTES: usize = 16 << 10;
/// Most chunks that are made at once, so that others do not wait for long.
const CHUNKS_AT_ONCE: usize = 4;
/// Bytes before each text: when it was made, and how long it is.
const HEAD_BYTES: usize = 12;

/// A chunk as it is kept.
pub(super) struct Chunk<'a> {
    pub(super) seq: u64,
    count: u64,
    raw: u64,
    link: Option<Link>,
    data: &'a [u8],
}

impl Chunk<'_> {
    /// Its records, if they are those that were written after the one with the link `before`; that becomes the link of the last one.
    pub(super) fn open(&self, before: &mut Link) -> Option<Vec<Line>> {
        let raw = usize::try_from(self.raw).ok().filter(|raw| *raw <= CHUNK_MAX_BYTES + RECORD_MAX_BYTES + HEAD_BYTES)?;
        let mut bytes = vec![0; raw];
        lz4_flex::block::decompress_into(self.data, &mut bytes).ok().filter(|filled| *filled == raw)?;
        let mut rest = bytes.as_slice();
        let mut lines = Vec::new();
        while let Some((head, after)) = rest.split_first_chunk::<HEAD_BYTES>() {
            let (at, length) = (head.first_chunk()?, head.last_chunk()?);
            let (text, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            let seq = self.seq.checked_add(lines.len() as u64)?;
            lines.push(Line { seq, at: Timestamp(u64::from_le_bytes(*at)), text: String::from_utf8(text.to_vec()).ok()? });
            *before = link(before, lines.last()?);
            rest = after;
        }
        (rest.is_empty() && lines.len() as u64 == self.count && self.link.as_ref() == Some(before)).then_some(lines)
    }
}

/// Calls `with` for the chunks that hold records from `from` on and before `to`, in order.
pub(super) fn each(
    connection: &Connection,
    (session, branch): (i64, u32),
    from: u64,
    to: u64,
    mut with: impl FnMut(Chunk<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let sql = "SELECT seq, count, raw, link, data FROM chunks WHERE session = ?1 AND branch = ?2 AND seq >= ?3 AND seq < ?4 ORDER BY seq";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![session, branch, Unsigned(start(connection, (session, branch), from)?), Unsigned(to)])?;
    while let Some(row) = rows.next()? {
        let number = |column: usize| row.get::<_, Unsigned>(column).map(|number| number.0);
        let blob = |column: usize| row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from);
        with(Chunk { seq: number(0)?, count: number(1)?, raw: number(2)?, link: blob(3)?.try_into().ok(), data: blob(4)? })?;
    }
    Ok(())
}

/// The first record of the chunk that holds record `seq`; `seq` itself where no chunk does.
pub(super) fn start(connection: &Connection, place: (i64, u32), seq: u64) -> Result<u64, Failure> {
    Ok(last_from(connection, place, seq)?.filter(|(first, count, _)| seq - first < *count).map_or(seq, |(first, ..)| first))
}

/// The link of the last record before `seq`, if a chunk ends there.
pub(super) fn link_at_end(connection: &Connection, place: (i64, u32), seq: u64) -> Result<Option<Link>, Failure> {
    let Some(before) = seq.checked_sub(1) else { return Ok(None) };
    let last = last_from(connection, place, before)?;
    Ok(last.filter(|(first, count, _)| seq - first == *count).and_then(|(_, _, link)| link))
}

/// The last chunk that begins at `seq` or before: its first record, how many, its link.
fn last_from(connection: &Connection, (session, branch): (i64, u32), seq: u64) -> Result<Option<(u64, u64, Option<Link>)>, Failure> {
    let sql = "SELECT seq, count, link FROM chunks WHERE session = ?1 AND branch = ?2 AND seq <= ?3 ORDER BY seq DESC LIMIT 1";
    let read = |row: &Row<'_>| {
        let link = row.get_ref(2)?.as_blob()?.try_into().ok();
        Ok((row.get::<_, Unsigned>(0)?.0, row.get::<_, Unsigned>(1)?.0, link))
    };
    Ok(connection.prepare_cached(sql)?.query_row(params![session, branch, Unsigned(seq)], read).optional()?)
}

/// What other tables call the session `id`, if it pays to pack some of it.
pub(super) fn worth_packing(connection: &Connection, id: SessionId) -> Result<Option<i64>, Failure> {
    let sql = "SELECT session FROM sessions WHERE id = ?1 AND ?2 <= (SELECT coalesce(sum(octet_length(text)), 0) FROM records
        WHERE records.session = sessions.session AND records.branch = sessions.branch AND seq < turn_seq)";
    let found = connection.prepare_cached(sql)?.query_row(params![id.to_string(), Unsigned(CHUNK_MIN_BYTES as u64)], |row| row.get(0));
    Ok(found.optional()?)
}

/// Packs records of turns that ended, as far as it pays. What is damaged stays as it is.
pub(in crate::sqlite) fn pack(connection: &Connection, session: i64) -> Result<(), Failure> {
    let sql = "SELECT branch, turn_seq FROM sessions WHERE session = ?1";
    let read = |row: &Row<'_>| Ok((row.get::<_, u32>(0)?, row.get::<_, Unsigned>(1)?.0));
    let Some((branch, end)) = connection.prepare_cached(sql)?.query_row([session], read).optional()? else { return Ok(()) };
    for _ in 0..CHUNKS_AT_ONCE {
        if !pack_one(connection, (session, branch), end)? {
            break;
        }
    }
    Ok(())
}

/// Packs the first records of a branch that are not yet, and are before `end`. Tells whether it did.
fn pack_one(connection: &Connection, (session, branch): (i64, u32), end: u64) -> Result<bool, Failure> {
    let sql = "SELECT seq, at, link, text FROM records WHERE session = ?1 AND branch = ?2 AND seq < ?3 ORDER BY seq";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![session, branch, Unsigned(end)])?;
    let (mut raw, mut first, mut next, mut before) = (Vec::new(), 0, 0, Link::default());
    while let Some(row) = rows.next()? {
        let (line, kept_link) = line(row)?;
        if raw.is_empty() {
            (first, next) = (line.seq, line.seq);
            let Some(found) = link_before(connection, session, branch, first)? else { return Ok(false) };
            before = found;
        }
        before = link(&before, &line);
        let Some(length) = u32::try_from(line.text.len()).ok().filter(|_| line.seq == next && kept_link == Some(before)) else {
            tracing::warn!(session, seq = line.seq, "a damaged journal is not packed");
            return Ok(false);
        };
        raw.extend(line.at.0.to_le_bytes());
        raw.extend(length.to_le_bytes());
        raw.extend(line.text.as_bytes());
        next += 1;
        if raw.len() > CHUNK_MAX_BYTES {
            break;
        }
    }
    if raw.len() < CHUNK_MIN_BYTES {
        return Ok(false);
    }
    let sql = "INSERT INTO chunks (session, branch, seq, count, raw, link, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let data = lz4_flex::block::compress(&raw);
    let [count, raw] = [next - first, raw.len() as u64].map(Unsigned);
    connection.prepare_cached(sql)?.execute(params![session, branch, Unsigned(first), count, raw, before, data])?;
    let sql = "DELETE FROM records WHERE session = ?1 AND branch = ?2 AND seq < ?3";
    connection.prepare_cached(sql)?.execute(params![session, branch, Unsigned(next)])?;
    Ok(true)
}

/// Begins the branch after `branch` with its chunks that end before `seq`, as they are.
pub(super) fn copy(connection: &Connection, (session, branch): (i64, u32), seq: u64) -> Result<(), Failure> {
    let sql = "INSERT INTO chunks (session, branch, seq, count, raw, link, data)
        SELECT session, branch + 1, seq, count, raw, link, data FROM chunks WHERE session = ?1 AND branch = ?2 AND seq + count <= ?3";
    connection.prepare_cached(sql)?.execute(params![session, branch, Unsigned(seq)])?;
    Ok(())
}

/// How many records of a branch there are, and how many bytes their texts have.
pub(super) fn size(connection: &Connection, (session, branch): (i64, u32)) -> Result<(u64, u64), Failure> {
    let of = "WHERE session = ?1 AND branch = ?2";
    let sql = format!(
        "SELECT (SELECT count(*) FROM records {of}) + (SELECT coalesce(sum(count), 0) FROM chunks {of}),
            (SELECT coalesce(sum(octet_length(text)), 0) FROM records {of}) + (SELECT coalesce(sum(raw - {HEAD_BYTES} * count), 0) FROM chunks {of})"
    );
    let read = |row: &Row<'_>| Ok((row.get::<_, Unsigned>(0)?.0, row.get::<_, Unsigned>(1)?.0));
    Ok(connection.prepare_cached(&sql)?.query_row(params![session, branch], read)?)
}
