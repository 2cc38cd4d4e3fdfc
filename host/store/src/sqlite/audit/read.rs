//! The log is read: page by page, or as a whole to verify it.

use remit_core::audit::{Checkpoint, Fault, PublicKey, Report, SignedCheckpoint, Verifier};
use rusqlite::{Connection, params};

use super::{
    super::{failure::Failure, value::Unsigned},
    write::head,
};

/// Which records to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditPage {
    /// Those after the one with this number, the first one first.
    After(u64),
    /// Those before it, the last one first.
    Before(u64),
}

/// A record of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number.
    pub seq: u64,
    /// The record, a JSON object, as it is kept.
    pub record: Vec<u8>,
}

pub(in crate::sqlite) fn page(connection: &Connection, page: AuditPage, limit: u32) -> Result<Vec<AuditRow>, Failure> {
    let (sql, seq) = match page {
        AuditPage::After(seq) => ("SELECT seq, record FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2", seq),
        AuditPage::Before(seq) => ("SELECT seq, record FROM audit WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2", seq),
    };
    // The largest of them is a number that SQLite has.
    let seq = seq.min(i64::MAX as u64);
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement
        .query_map(params![Unsigned(seq), limit], |row| Ok(AuditRow { seq: row.get::<_, Unsigned>(0)?.0, record: row.get(1)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Recomputes the log in the transaction of its caller.
pub(in crate::sqlite) fn verify(
    connection: &Connection,
    keys: &[PublicKey],
    given: Option<&SignedCheckpoint>,
) -> Result<Result<Report, Fault>, Failure> {
    let mut verifier = Verifier::new(keys, given);
    let mut rows = connection.prepare("SELECT seq, leaf, record FROM audit ORDER BY seq")?;
    let mut checkpoints = connection.prepare("SELECT size, note FROM audit_checkpoints ORDER BY size")?;
    let mut checkpoints = checkpoints.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    let mut next = checkpoints.next().transpose()?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        if let Err(fault) = verifier.row(seq, &row.get::<_, Vec<u8>>(1)?, &row.get::<_, Vec<u8>>(2)?) {
            return Ok(Err(fault));
        }
        while let Some((size, note)) = next.take_if(|(size, _)| *size <= seq) {
            if let Err(fault) = verifier.checkpoint(size, &note) {
                return Ok(Err(fault));
            }
            next = checkpoints.next().transpose()?;
        }
    }
    if let Some((size, note)) = checkpoints.last().transpose()?.or(next)
        && let Err(fault) = verifier.checkpoint(size, &note)
    {
        return Ok(Err(fault));
    }
    let head = head(connection)?.map(|head| Checkpoint::new(head.epoch, &head.tree));
    Ok(verifier.end(head.as_ref()))
}
