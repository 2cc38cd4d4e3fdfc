//! The audit log in tables: records that wait, how they are added, how they are read and verified.

mod read;
#[cfg(test)]
mod tests;
mod waiting;
mod write;

pub use read::{AuditPage, AuditRow};
pub(super) use write::{Head, Records, begin_epoch, head};

use std::sync::Arc;

use remit_core::{
    Error, Kind, Result,
    audit::{AuditRecord, AuditSink, Fault, Keep, PublicKey, Report, SignedCheckpoint, Signer},
    store::Later,
};

use self::waiting::Waiting;
use super::Sqlite;

impl Sqlite {
    /// Has it keep an audit log as well, whose checkpoints `signer` signs. Where records may not lag, [`Keep::Soon`] is [`Keep::Now`].
    #[must_use]
    pub fn audited(mut self, signer: Signer, may_lag: bool) -> Self {
        self.may_lag = may_lag;
        self.waiting.set_signer(signer);
        self
    }

    /// Records of the audit log.
    ///
    /// # Errors
    /// `host` when the store failed.
    pub fn audit_page(&self, page: AuditPage, limit: u32) -> Later<'static, Vec<AuditRow>> {
        self.read(move |connection| read::page(connection, page, limit))
    }

    /// Recomputes the log from its rows, as it is at one moment, with the signatures of `keys`, and holds it against the checkpoint that
    /// was given. Reads all of it.
    ///
    /// # Errors
    /// `host` when the store failed. What is wrong with the log is no error.
    pub fn audit_verify(&self, keys: Vec<PublicKey>, given: Option<SignedCheckpoint>) -> Later<'static, Result<Report, Fault>> {
        self.read(move |connection| read::verify(connection, &keys, given.as_ref()))
    }

    /// The log's checkpoint as it is now, signed and kept. `None` when it has no records.
    ///
    /// # Errors
    /// `invalid` when it has no key to sign with; those of writing.
    pub fn audit_checkpoint(&self) -> Later<'static, Option<String>> {
        let waiting = self.waiting.clone();
        self.write(move |connection| {
            let signer = waiting.signer().ok_or_else(no_log)?;
            let head = write::head(connection)?;
            Ok(head.map(|head| write::sign(connection, signer, &head)).transpose()?)
        })
    }

    /// Ends when what waits was written.
    fn written(&self) -> Later<'static, ()> {
        let written = self.write(|_| Ok(()));
        Box::pin(async move { written.await.map_err(withheld) })
    }
}

impl AuditSink for Sqlite {
    fn record(&self, record: &AuditRecord<'_>, keep: Keep) -> Later<'static, ()> {
        let lags = match self.waiting.put(record) {
            Ok(waits) => waits,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        if keep == Keep::Now || (keep == Keep::Soon && !self.may_lag) || lags.full {
            return self.written();
        }
        if lags.first {
            self.writer.wake();
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn ready(&self) -> Later<'static, ()> {
        match self.waiting.has_failed() {
            true => self.written(),
            false => Box::pin(std::future::ready(Ok(()))),
        }
    }
}

fn no_log() -> Error {
    Error::invalid("this store keeps no audit log").hint("give it a key to sign with: `audited(…)`")
}

fn withheld(error: Error) -> Error {
    let message = format!("the audit log could not be written, so what it is about is withheld: {}", error.message);
    Error { kind: Kind::Host, message, ..error }
}

/// What the thread that writes and the others share.
pub(super) type Shared = Arc<Waiting>;
