//! SHA-256 of files, by which callers say which version they mean.

use std::io::{self, BufRead, Read};

use sha2::{Digest, Sha256};

/// The 64 hex digits of the SHA-256 of `bytes`.
pub fn of(bytes: &[u8]) -> String {
    hex(Sha256::new().chain_update(bytes))
}

fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A reader that hashes what is consumed.
pub struct Hashing<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: BufRead> Hashing<R> {
    /// Hashes what will be read from `inner`.
    pub fn new(inner: R) -> Self {
        Self { inner, hasher: Sha256::new() }
    }

    /// The 64 hex digits of the SHA-256 of what was consumed.
    pub fn finish(self) -> String {
        hex(self.hasher)
    }
}

impl<R: BufRead> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Hashing<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        // The buffer is filled already: `fill_buf` gave it to whoever consumes it now.
        if let Ok(buffer) = self.inner.fill_buf() {
            self.hasher.update(buffer.get(..amount).unwrap_or(buffer));
        }
        self.inner.consume(amount);
    }
}
