//! Records between those who made them and the thread that writes.

use std::sync::{
    Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use remit_core::{
    Error, Result,
    audit::{AuditRecord, Signer},
    clock::Timestamp,
    limit::{AUDIT_RECORD_MAX_BYTES, AUDIT_WAITING_MAX_BYTES},
};

/// A record without its number, which it gets when it is written.
pub(in crate::sqlite) struct Unnumbered {
    pub(super) at: Timestamp,
    /// A JSON object.
    pub(super) text: Vec<u8>,
}

impl Unnumbered {
    /// `record` as it is kept, but for its number.
    ///
    /// # Errors
    /// `limit` when it is too large.
    pub(super) fn new(record: &AuditRecord<'_>) -> Result<Self> {
        let mut text = Vec::with_capacity(640);
        serde_json::to_writer(&mut text, record).map_err(|error| Error::host("the record of the audit log could not be written", error))?;
        if text.len() > AUDIT_RECORD_MAX_BYTES {
            return Err(Error::limit(format!("a record of the audit log may have {AUDIT_RECORD_MAX_BYTES} bytes, and this one has more")));
        }
        Ok(Self { at: record.at(), text })
    }

    /// The record with its number in front.
    pub(super) fn numbered(&self, seq: u64) -> Vec<u8> {
        let mut record = format!("{{\"seq\":{seq},").into_bytes();
        record.extend_from_slice(self.text.get(1..).unwrap_or_default());
        record
    }
}

/// How a record waits.
pub(super) struct Waits {
    /// Whether it is the only one, so that nobody has told the thread yet.
    pub(super) first: bool,
    /// Whether so much waits that it is time to wait for the disk.
    pub(super) full: bool,
}

#[derive(Default)]
struct Queue {
    records: Vec<Unnumbered>,
    bytes: usize,
}

/// Records that wait, and how it stands with the log.
#[derive(Default)]
pub(in crate::sqlite) struct Waiting {
    queue: Mutex<Queue>,
    signer: OnceLock<Signer>,
    /// Whether what waits could not be written when it was tried last.
    failed: AtomicBool,
}

impl Waiting {
    /// From now on there is a log, and this signs it.
    pub(super) fn set_signer(&self, signer: Signer) {
        if self.signer.set(signer).is_err() {
            tracing::debug!("the audit log has a key already");
        }
    }

    /// What signs the log, where there is one.
    pub(in crate::sqlite) fn signer(&self) -> Option<&Signer> {
        self.signer.get()
    }

    /// Puts a record to those that wait.
    ///
    /// # Errors
    /// `limit` when it is too large; `invalid` when there is no log.
    pub(super) fn put(&self, record: &AuditRecord<'_>) -> Result<Waits> {
        if self.signer().is_none() {
            return Err(super::no_log());
        }
        let record = Unnumbered::new(record)?;
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.bytes += record.text.len();
        queue.records.push(record);
        Ok(Waits { first: queue.records.len() == 1, full: queue.bytes > AUDIT_WAITING_MAX_BYTES })
    }

    /// Takes all that wait, in their order.
    pub(super) fn take(&self) -> Vec<Unnumbered> {
        std::mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner)).records
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).records.is_empty()
    }

    /// Tells how writing went.
    pub(super) fn set_failed(&self, failed: bool) {
        self.failed.store(failed, Ordering::Release);
    }

    /// Whether something was taken and could not be written.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}
