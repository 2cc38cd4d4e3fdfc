//! Values that outlive the call, in the scope that the grant names; capability `kv`.
//!
//! Every function fails with `Denied` where the right is missing, and with `Failed` where the store says no, such as when it is full.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Result, WithContext};

/// Reads the bytes of a key.
///
/// # Errors
///
/// `Denied` or `Failed`.
pub fn get(key: &str) -> Result<Option<Vec<u8>>> {
    crate::host::kv_get(key)
}

/// Writes the bytes of a key.
///
/// # Errors
///
/// `Denied` or `Failed`.
pub fn set(key: &str, value: impl AsRef<[u8]>) -> Result<()> {
    crate::host::kv_set(key, value.as_ref())
}

/// Removes a key; it may be missing.
///
/// # Errors
///
/// `Denied` or `Failed`.
pub fn delete(key: &str) -> Result<()> {
    crate::host::kv_delete(key)
}

/// Lists all keys, sorted.
///
/// # Errors
///
/// `Denied` or `Failed`.
pub fn keys() -> Result<Vec<String>> {
    crate::host::kv_keys()
}

/// Adds to a counter and returns its new value; a missing one starts at 0. Nobody comes between.
///
/// # Errors
///
/// `Denied`, or `Failed` where the value is not a counter.
pub fn increment(key: &str, delta: u64) -> Result<u64> {
    crate::host::kv_increment(key, delta)
}

/// Reads a value that was written as JSON.
///
/// # Errors
///
/// `Failed` where the bytes do not fit the type; else as [`get`].
pub fn get_json<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    match get(key)? {
        Some(bytes) => Ok(Some(serde_json::from_slice(&bytes).context(format!("the value of `{key}` does not fit"))?)),
        None => Ok(None),
    }
}

/// Writes a value as JSON.
///
/// # Errors
///
/// As [`set`].
pub fn set_json(key: &str, value: &impl Serialize) -> Result<()> {
    set(key, serde_json::to_vec(value)?)
}
