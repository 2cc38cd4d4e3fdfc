//! Content that is too large for a journal: bytes in pieces, each known by its SHA-256, and the trees of files that are made of them.

mod blob;
#[cfg(test)]
mod tests;
mod tree;

pub use blob::{Blob, Kept};
pub use tree::{Entry, Tree};
