//! What a client carries from one request to the next for this server: readable to it, but not to be changed, nor used for anything
//! else or by anybody else.

use std::time::Duration;

use rmcp::model::{RequestStateCodec, SealOptions};

/// Seals and opens with one key.
pub(super) struct Seal(RequestStateCodec);

impl Seal {
    /// With this key, which nobody else knows.
    pub fn new(key: [u8; 32]) -> Self {
        Self(RequestStateCodec::new_unchecked(key))
    }

    /// Seals `payload` for `ttl`, to be opened with the same `associated` data.
    pub fn seal(&self, associated: &[u8], payload: &[u8], ttl: Duration) -> String {
        self.0.seal_with(payload, &SealOptions::new().associated_data(associated).ttl(ttl))
    }

    /// What was sealed, when it was sealed here with this associated data, was not changed and is not too old.
    pub fn open(&self, associated: &[u8], sealed: &str) -> Option<Vec<u8>> {
        self.0.open_with(sealed, associated).ok()
    }
}

#[cfg(test)]
mod tests;
