//! Where sessions, key-value data and the audit log are kept: SQLite behind the traits of [`remit_core::store`] and
//! [`remit_core::audit`].
//!
//! One thread writes. It takes all requests that are queued, runs each in its own savepoint of one transaction, commits once, and
//! answers them together; so many sessions share one sync of the disk. Reads run beside it, on connections of their own.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod fault;
mod folder;
mod owner;
mod sqlite;

pub use sqlite::{AuditPage, AuditRow, Sqlite, backup, restore};
