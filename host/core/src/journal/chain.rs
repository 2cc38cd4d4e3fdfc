//! The chain of digests through a journal: a record that was changed, removed or put elsewhere breaks it.

use sha2::{Digest as _, Sha256};

use super::Line;

/// SHA-256 over the link before and the record.
pub type Link = [u8; 32];

/// The link of `line` after the one `before` (zeros for a journal's first record).
pub fn link(before: &Link, line: &Line) -> Link {
    let mut hasher = Sha256::new();
    hasher.update(before);
    hasher.update(line.seq.to_le_bytes());
    hasher.update(line.at.0.to_le_bytes());
    hasher.update(line.text.as_bytes());
    hasher.finalize().into()
}
