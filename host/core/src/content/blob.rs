//! Bytes as a row of pieces.

use serde::{Deserialize, Serialize};

use crate::{Error, Result, limit::PIECE_MAX_BYTES, plugin::Digest};

/// Bytes, named by their pieces: all of [`PIECE_MAX_BYTES`] but the last one, which has the rest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// How many bytes there are.
    pub size: u64,
    /// The digests of the pieces, in order.
    pub pieces: Vec<Digest>,
}

/// A result that is kept beside the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The digest of all of it.
    pub digest: Digest,
    /// How many bytes there are.
    pub size: u64,
}

impl Blob {
    /// What names `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self { size: bytes.len() as u64, pieces: Self::split(bytes).map(Digest::of).collect() }
    }

    /// The pieces of `bytes`.
    pub fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
        bytes.chunks(PIECE_MAX_BYTES)
    }

    /// Refuses what cannot name anything: more or fewer pieces than its size has.
    ///
    /// # Errors
    /// `invalid`.
    pub fn check(&self) -> Result<()> {
        match self.pieces.len() as u64 == self.size.div_ceil(PIECE_MAX_BYTES as u64) {
            true => Ok(()),
            false => Err(Error::invalid(format!("{} bytes are not {} pieces", self.size, self.pieces.len()))),
        }
    }

    /// The length of piece `number`.
    pub fn piece_len(&self, number: usize) -> u64 {
        self.size.saturating_sub((number as u64).saturating_mul(PIECE_MAX_BYTES as u64)).min(PIECE_MAX_BYTES as u64)
    }
}
