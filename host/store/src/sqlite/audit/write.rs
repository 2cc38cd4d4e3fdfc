//! Records are added. Number, hash and tree are taken within the transaction, since other processes add to the same log.
#![expect(clippy::disallowed_methods, reason = "how long ago a checkpoint was signed is measured here")]

use std::time::{Duration, Instant};

use remit_core::{
    Error,
    audit::{Aside, AuditRecord, Checkpoint, EpochRecord, Signer, Tree, leaf_hash},
    clock::Timestamp,
    id::EpochId,
    identity::Principal,
    limit::{AUDIT_CHECKPOINT_MS, AUDIT_LAG_MS},
};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

use super::{
    super::{failure::Failure, value::Unsigned},
    Shared,
    waiting::Unnumbered,
};

/// How often it is signed at most, and how long after a failure it is written again.
const CHECKPOINT: Duration = Duration::from_millis(AUDIT_CHECKPOINT_MS);

/// The end of the log.
pub(in crate::sqlite) struct Head {
    pub(super) epoch: EpochId,
    pub(super) tree: Tree,
}

/// The end of the log; `None` when it has no records yet.
pub(in crate::sqlite) fn head(connection: &Connection) -> Result<Option<Head>, Failure> {
    let sql = "SELECT epoch, size, roots FROM audit_head";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Unsigned>(1)?.0, row.get::<_, Vec<u8>>(2)?));
    let Some((epoch, size, roots)) = connection.prepare_cached(sql)?.query_row([], row).optional()? else { return Ok(None) };
    let tree = Tree::from_bytes(size, &roots).ok_or_else(|| changed("its end is damaged"))?;
    Ok(Some(Head { epoch: epoch.parse::<EpochId>()?, tree }))
}

/// Begins an epoch, with a record: the first of the log, or the one after a backup took its place.
pub(in crate::sqlite) fn begin_epoch(
    connection: &Connection,
    at: Timestamp,
    principal: Option<&Principal>,
    aside: Option<&Head>,
) -> Result<Head, Failure> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| Error::host("the machine gives no random numbers", error))?;
    let epoch = EpochId::new(at, u128::from_le_bytes(random));
    let tree = head(connection)?.map(|head| head.tree).unwrap_or_default();
    let mut head = Head { epoch, tree };
    let aside = aside.map(|head| Aside::new(head.epoch, &head.tree));
    let record = AuditRecord::Epoch(EpochRecord { at, epoch, principal, aside });
    add(connection, &mut head, &Unnumbered::new(&record)?)?;
    keep(connection, &head)?;
    Ok(head)
}

/// Signs the log as it is, and keeps that.
pub(in crate::sqlite) fn sign(connection: &Connection, signer: &Signer, head: &Head) -> rusqlite::Result<String> {
    let note = signer.sign(&Checkpoint::new(head.epoch, &head.tree));
    let sql = "INSERT INTO audit_checkpoints (size, note) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    connection.prepare_cached(sql)?.execute(params![Unsigned(head.tree.size()), note])?;
    Ok(note)
}

fn add(connection: &Connection, head: &mut Head, record: &Unnumbered) -> Result<(), Failure> {
    let seq = head.tree.size() + 1;
    let record = record.numbered(seq);
    let leaf = leaf_hash(&record);
    let sql = "INSERT INTO audit (seq, leaf, record) VALUES (?1, ?2, ?3)";
    let added = connection.prepare_cached(sql)?.execute(params![Unsigned(seq), leaf, record]);
    added.map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => Failure::Refused(changed(&format!("record {seq} is there, and it never took one"))),
        _ => Failure::Broken(error),
    })?;
    head.tree.push(leaf);
    Ok(())
}

fn keep(connection: &Connection, head: &Head) -> rusqlite::Result<()> {
    let sql = "INSERT INTO audit_head (log, epoch, size, roots) VALUES (1, ?1, ?2, ?3)
        ON CONFLICT (log) DO UPDATE SET epoch = excluded.epoch, size = excluded.size, roots = excluded.roots";
    let row = params![head.epoch.to_string(), Unsigned(head.tree.size()), head.tree.to_bytes()];
    connection.prepare_cached(sql)?.execute(row).map(drop)
}

/// The log was written to by something else.
fn changed(how: &str) -> Error {
    Error::host(format!("the audit log was changed from outside: {how}"), "not by this store").hint("see what it is: remit audit verify")
}

/// What the thread that writes has of the log.
pub(in crate::sqlite) struct Records {
    shared: Shared,
    /// Taken from those that wait, and not known to be durable.
    taken: Vec<Unnumbered>,
    /// Where a transaction put the first of them whose commit failed, or has not ended yet.
    tried: Option<u64>,
    /// Whether there are records that this process wrote and did not sign.
    unsigned: bool,
    /// Whether the transaction signs.
    signs: bool,
    /// When it was signed last, or tried.
    signed: Option<Instant>,
}

impl Records {
    pub(in crate::sqlite) fn new(shared: Shared) -> Self {
        Self { shared, taken: Vec::new(), tried: None, unsigned: false, signs: false, signed: None }
    }

    /// How long the thread may rest until there is something to write; `None` when there is nothing.
    pub(in crate::sqlite) fn rest(&self) -> Option<Duration> {
        match (self.taken.is_empty(), self.shared.is_empty()) {
            (false, _) => Some(CHECKPOINT),
            (true, false) => Some(Duration::from_millis(AUDIT_LAG_MS)),
            (true, true) => self.unsigned.then(|| self.signed.map_or(Duration::ZERO, |signed| CHECKPOINT.saturating_sub(signed.elapsed()))),
        }
    }

    /// Adds all that waits, and signs when it is time, or when this is the end. Tells whether anything was written.
    pub(in crate::sqlite) fn write(&mut self, connection: &Connection, is_end: bool) -> Result<bool, Failure> {
        self.signs = false;
        self.taken.extend(self.shared.take());
        if self.taken.is_empty() && !self.unsigned {
            return Ok(false);
        }
        let head = match (head(connection)?, self.taken.first()) {
            (None, Some(first)) => Some(begin_epoch(connection, first.at, None, None)?),
            (head, _) => head,
        };
        let Some(mut head) = head else {
            self.unsigned = false;
            return Ok(false);
        };
        self.leave_out_written(connection, head.tree.size())?;
        self.tried = Some(head.tree.size() + 1);
        for record in &self.taken {
            add(connection, &mut head, record)?;
        }
        keep(connection, &head)?;
        let is_time = is_end || self.signed.is_none_or(|signed| signed.elapsed() >= CHECKPOINT);
        if let Some(signer) = self.shared.signer().filter(|_| is_time) {
            sign(connection, signer, &head)?;
            self.signs = true;
        }
        Ok(true)
    }

    /// Leaves out what a transaction wrote after all whose commit was said to have failed.
    fn leave_out_written(&mut self, connection: &Connection, size: u64) -> Result<(), Failure> {
        let (Some(seq), Some(first)) = (self.tried, self.taken.first()) else { return Ok(()) };
        let sql = "SELECT record FROM audit WHERE seq = ?1";
        let there: Option<Vec<u8>> = connection.prepare_cached(sql)?.query_row([Unsigned(seq)], |row| row.get(0)).optional()?;
        if there.is_some_and(|record| record == first.numbered(seq)) {
            let written = usize::try_from(size + 1 - seq).unwrap_or(usize::MAX).min(self.taken.len());
            self.taken.drain(..written);
        }
        Ok(())
    }

    /// What was written is durable.
    pub(in crate::sqlite) fn kept(&mut self) {
        self.unsigned = !self.signs && (self.unsigned || !self.taken.is_empty());
        if self.signs {
            self.signed = Some(Instant::now());
        }
        self.taken.clear();
        self.tried = None;
        self.shared.set_failed(false);
    }

    /// It may not be. It is written again later, and nothing is called until that went well.
    pub(in crate::sqlite) fn lost(&mut self) {
        self.signed = Some(Instant::now());
        self.shared.set_failed(!self.taken.is_empty());
    }
}
