//! Fixed values that the project sets; capability `config`.

use crate::{Error, Result};

/// Reads a value, or none where the project sets none.
///
/// # Errors
///
/// `Failed` with the host's words.
pub fn get(key: &str) -> Result<Option<String>> {
    crate::host::config_get(key)
}

/// Reads a value that has to be there.
///
/// # Errors
///
/// `Unavailable` where the project does not set it; else as [`get`].
pub fn required(key: &str) -> Result<String> {
    get(key)?.ok_or_else(|| Error::unavailable(format!("the project does not set the configuration value `{key}`")))
}

/// Reads all values, as pairs of key and value.
///
/// # Errors
///
/// As [`get`].
pub fn all() -> Result<Vec<(String, String)>> {
    crate::host::config_all()
}
