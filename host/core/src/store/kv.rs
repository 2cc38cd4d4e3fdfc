//! Key-value data of plugins.

use crate::Result;

/// Where key-value data of one plugin lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KvSpace {
    /// The project.
    pub project: String,
    /// The plugin.
    pub plugin: String,
    /// `project`, `user/<principal>` or `session/<id>`: the scope of the grant, resolved.
    pub scope: String,
}

/// Key-value storage. Keys are at most 1 KiB; a space is bounded in bytes (keys and values).
pub trait KvStore: Send + Sync {
    /// The value of `key`.
    ///
    /// # Errors
    /// `host` when the store failed.
    fn kv_get(&self, space: &KvSpace, key: &str) -> Result<Option<Vec<u8>>>;

    /// Sets `key`, keeping the space within `max_bytes`.
    ///
    /// # Errors
    /// `limit` when the space would exceed `max_bytes`; `host` when the store failed. Nothing changes then.
    fn kv_set(&self, space: &KvSpace, key: &str, value: Vec<u8>, max_bytes: u64) -> Result<()>;

    /// Adds `delta` to a decimal number at `key` (absent counts as 0), atomically, and returns the sum.
    ///
    /// # Errors
    /// `invalid` when the value is no number or the sum overflows; `limit` and `host` as for [`KvStore::kv_set`].
    fn kv_increment(&self, space: &KvSpace, key: &str, delta: i64, max_bytes: u64) -> Result<i64>;

    /// Removes `key`; absent is fine.
    ///
    /// # Errors
    /// `host` when the store failed.
    fn kv_delete(&self, space: &KvSpace, key: &str) -> Result<()>;

    /// Up to `limit` keys after `after`, sorted by bytes.
    ///
    /// # Errors
    /// `host` when the store failed.
    fn kv_keys(&self, space: &KvSpace, after: Option<&str>, limit: usize) -> Result<Vec<String>>;
}
