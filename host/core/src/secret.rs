//! Secrets: named by grants, read by the host, never seen by a guest.

use crate::Result;

/// A secret's value: prints nothing of itself and overwrites its memory when dropped.
pub use secrecy::{ExposeSecret, SecretString};

/// Where a host finds secrets. Asked once per request that needs one; must not block for long.
pub trait SecretSource: Send + Sync {
    /// The value of `name`, or `None` when it is not set.
    ///
    /// # Errors
    /// `host` when the source itself failed.
    fn secret(&self, name: &str) -> Result<Option<SecretString>>;
}
