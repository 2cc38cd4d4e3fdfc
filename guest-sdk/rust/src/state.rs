//! What an agent keeps in its session from turn to turn, committed together with the journal.
//!
//! A key has at most 512 bytes, a value 256 KiB, all keys and values together 16 MiB.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Result, WithContext};

/// Reads a value that was written as JSON.
///
/// # Errors
///
/// `Failed` where the bytes do not fit the type.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    match get_bytes(key) {
        Some(bytes) => Ok(Some(serde_json::from_slice(&bytes).context(format!("the value of `{key}` does not fit"))?)),
        None => Ok(None),
    }
}

/// Writes a value as JSON.
///
/// # Errors
///
/// `Limit` where key, value or the whole state would be too large; `Failed` where the value cannot be written as JSON.
pub fn put(key: &str, value: &impl Serialize) -> Result<()> {
    put_bytes(key, serde_json::to_vec(value)?)
}

/// Removes a key; it may be missing.
pub fn delete(key: &str) {
    crate::host::state_delete(key);
}

/// Lists the keys that begin with `prefix`, sorted by bytes.
pub fn keys(prefix: &str) -> Vec<String> {
    crate::host::state_keys(prefix)
}

/// Reads the bytes of a key.
pub fn get_bytes(key: &str) -> Option<Vec<u8>> {
    crate::host::state_get(key)
}

/// Writes the bytes of a key.
///
/// # Errors
///
/// `Limit` where key, value or the whole state would be too large.
pub fn put_bytes(key: &str, value: impl AsRef<[u8]>) -> Result<()> {
    crate::host::state_put(key, value.as_ref())
}
