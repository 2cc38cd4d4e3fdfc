//! What a host and its compile worker say to each other: one order, one answer.
//!
//! Order: magic, the engine's configuration (32 bytes), memory bound, CPU bound, length (`u64`, little-endian each), component.
//! Answer: one byte that says what it is, length (`u64`), artefact or message.

use std::io::{self, Read, Write};

use super::super::artefact::Configuration;

const MAGIC: &[u8; 8] = b"remitcw1";
/// Bytes of an order before the component.
const ORDER_BYTES: usize = 8 + 32 + 3 * 8;
/// Bytes of an answer before its content.
pub(super) const ANSWER_BYTES: usize = 9;

/// What a worker is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) configuration: Configuration,
    pub(super) memory_max_bytes: u64,
    pub(super) cpu_max_s: u64,
}

impl Order {
    /// The order for a component of `length` bytes, which follow it.
    pub(super) fn encode(&self, length: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(ORDER_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.configuration.0);
        for number in [self.memory_max_bytes, self.cpu_max_s, length] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out
    }

    /// The order and the component's length.
    ///
    /// # Errors
    /// What reading fails with, `InvalidData` when it is no order.
    pub(super) fn read(from: &mut impl Read) -> io::Result<(Self, u64)> {
        let (mut magic, mut configuration) = ([0; 8], [0; 32]);
        from.read_exact(&mut magic)?;
        if &magic != MAGIC {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is not an order to compile"));
        }
        from.read_exact(&mut configuration)?;
        let (memory_max_bytes, cpu_max_s, length) = (number(from)?, number(from)?, number(from)?);
        Ok((Self { configuration: Configuration(configuration), memory_max_bytes, cpu_max_s }, length))
    }
}

fn number(from: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// What an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Compiled code.
    Artefact = 0,
    /// Why the component is not valid.
    Invalid = 1,
    /// Why the worker could not try.
    Failed = 2,
}

impl Answer {
    /// Writes the answer with its content.
    ///
    /// # Errors
    /// What writing fails with.
    pub(super) fn write(self, to: &mut impl Write, content: &[u8]) -> io::Result<()> {
        to.write_all(&[self as u8])?;
        to.write_all(&(content.len() as u64).to_le_bytes())?;
        to.write_all(content)?;
        to.flush()
    }

    /// The answer in `bytes`, whole; `None` when it was cut off or is none.
    pub(super) fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (head, content) = bytes.split_at_checked(ANSWER_BYTES)?;
        let (kind, length) = head.split_first()?;
        let kind = match kind {
            0 => Self::Artefact,
            1 => Self::Invalid,
            2 => Self::Failed,
            _ => return None,
        };
        (u64::from_le_bytes(length.try_into().ok()?) == content.len() as u64).then_some((kind, content))
    }
}
