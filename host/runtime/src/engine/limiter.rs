//! One bound over everything that a call's instances allocate.

use remit_core::limit::INSTANCES_MAX;
use wasmtime::ResourceLimiter;

use super::config::{MEMORIES_MAX, TABLES_MAX};

/// Host bytes of one table element.
const TABLE_ELEMENT_BYTES: usize = 8;

/// What a guest wanted and was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// A memory that would have passed the call's bound; what it would have held in all, in bytes.
    Memory(usize),
    /// A table that would have passed the call's bound; what the call would have held in all, in bytes.
    Table(usize),
}

/// Bounds all memories and tables of a call *together* (A2, A4), and the number of its instances (A5).
///
/// A refused growth is `-1` in the guest, as WebAssembly says; most guests then abort, which is reported as the limit that it was
/// because [`Limiter::refused`] remembers. What a call allocated is never given back before it ends, so a sum is enough.
#[derive(Debug)]
pub struct Limiter {
    max_bytes: usize,
    bytes: usize,
    refused: Option<Refused>,
}

impl Limiter {
    /// A limiter that allows `max_bytes` in all.
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, bytes: 0, refused: None }
    }

    /// The bound, in bytes.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// The most that memories and tables held at once, in bytes. They never shrink during a call, so it is also what they hold now.
    pub fn peak_bytes(&self) -> usize {
        self.bytes
    }

    /// The last growth that was refused, if any.
    pub fn refused(&self) -> Option<Refused> {
        self.refused
    }

    /// Counts `grown` bytes more, or refuses them. What the guest's own declared maximum forbids is refused without being counted.
    ///
    /// Nothing is taken back when the machine cannot give what was allowed: wasmtime reports such a failure also for growths that
    /// were never asked for here, and subtracting for those would let a guest pass the bound.
    fn grow(&mut self, grown: usize, own_maximum: bool, refused: fn(usize) -> Refused) -> bool {
        if own_maximum {
            return false;
        }
        let wanted = self.bytes.saturating_add(grown);
        if wanted > self.max_bytes {
            self.refused = Some(refused(wanted));
            return false;
        }
        self.bytes = wanted;
        true
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current), maximum.is_some_and(|maximum| desired > maximum), Refused::Memory))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let grown = desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT_BYTES);
        Ok(self.grow(grown, maximum.is_some_and(|maximum| desired > maximum), Refused::Table))
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }
}
