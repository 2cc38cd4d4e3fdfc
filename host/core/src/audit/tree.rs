//! The Merkle tree of RFC 6962, section 2.1, as far as a log needs it that is read as a whole: its root, from records one after the other.
//!
//! There are no proofs: whoever verifies has the records, and recomputes.

#[cfg(test)]
mod tests;

use sha2::{Digest as _, Sha256};

/// A SHA-256.
pub type Hash = [u8; 32];

/// The hash of a record.
pub fn leaf_hash(record: &[u8]) -> Hash {
    Sha256::new_with_prefix([0_u8]).chain_update(record).finalize().into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new_with_prefix([1_u8]).chain_update(left).chain_update(right).finalize().into()
}

/// A tree that grows at its end. Of what is there it keeps the roots of its perfect subtrees alone, at most 64.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    size: u64,
    /// The larger ones first: one for each bit of the size that is set.
    roots: Vec<Hash>,
}

impl Tree {
    /// The tree with `size` leaves whose perfect subtrees have the roots `bytes`, as [`Tree::to_bytes`] gave them. `None` when they are
    /// not as many as such a tree has.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (roots, rest) = bytes.as_chunks::<32>();
        (rest.is_empty() && roots.len() == size.count_ones() as usize).then(|| Self { size, roots: roots.to_vec() })
    }

    /// The roots of its perfect subtrees.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.roots.concat()
    }

    /// Leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut root = leaf;
        // Two perfect trees of one size are one that is perfect.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                root = node_hash(&left, &root);
            }
        }
        self.roots.push(root);
        self.size += 1;
    }

    /// The root of the whole.
    pub fn root(&self) -> Hash {
        let all = self.roots.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        all.unwrap_or_else(|| Sha256::digest(b"").into())
    }
}
