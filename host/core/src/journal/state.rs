//! The state of a session within a turn.

use std::collections::BTreeMap;

use crate::{
    Error, Result,
    limit::{STATE_KEY_MAX_BYTES, STATE_MAX_BYTES, STATE_VALUE_MAX_BYTES},
};

/// The state as the code sees it, and what the turn changed of it.
#[derive(Debug)]
pub(super) struct State {
    values: BTreeMap<String, Vec<u8>>,
    bytes: usize,
    changes: BTreeMap<String, Option<Vec<u8>>>,
}

impl State {
    pub(super) fn new(values: BTreeMap<String, Vec<u8>>) -> Self {
        let bytes = values.iter().map(|(key, value)| key.len() + value.len()).sum();
        Self { values, bytes, changes: BTreeMap::new() }
    }

    pub(super) fn get(&self, key: &str) -> Option<&[u8]> {
        self.values.get(key).map(Vec::as_slice)
    }

    /// The keys that begin with `prefix`.
    pub(super) fn keys(&self, prefix: &str) -> Vec<String> {
        let from = self.values.range(prefix.to_owned()..).map(|(key, _)| key);
        from.take_while(|key| key.starts_with(prefix)).cloned().collect()
    }

    /// The bytes of the whole state if `key` had `value`.
    pub(super) fn after(&self, key: &str, value: Option<&[u8]>) -> Result<usize> {
        let held = self.values.get(key).map_or(0, |old| key.len() + old.len());
        let Some(value) = value else { return Ok(self.bytes - held) };
        if key.is_empty() || key.len() > STATE_KEY_MAX_BYTES {
            let message = format!("a key of {} bytes is not accepted: from 1 to {STATE_KEY_MAX_BYTES}", key.len());
            return Err(Error::invalid(message));
        }
        if value.len() > STATE_VALUE_MAX_BYTES {
            let message = format!("a value of {} bytes is not accepted: at most {STATE_VALUE_MAX_BYTES}", value.len());
            return Err(Error::invalid(message));
        }
        let bytes = self.bytes - held + key.len() + value.len();
        if bytes > STATE_MAX_BYTES {
            return Err(Error::invalid(format!("the session's state would have {bytes} bytes; at most {STATE_MAX_BYTES}")));
        }
        Ok(bytes)
    }

    /// Sets `key`; `bytes` is what [`State::after`] said.
    pub(super) fn set(&mut self, key: &str, value: Option<Vec<u8>>, bytes: usize) {
        self.bytes = bytes;
        match &value {
            Some(value) => drop(self.values.insert(key.to_owned(), value.clone())),
            None => drop(self.values.remove(key)),
        }
        self.changes.insert(key.to_owned(), value);
    }

    /// What the turn changed: keys with their new values; none removes.
    pub(super) fn take_changes(&mut self) -> BTreeMap<String, Option<Vec<u8>>> {
        std::mem::take(&mut self.changes)
    }
}
