//! The bounds that a project sets for each of its plugins.

use serde::{Deserialize, Serialize};

use super::{KIB, MIB};

/// Bounds of one plugin's calls, as `limits` in `remit.toml` sets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallLimits {
    /// All memories and tables of a call together, in MiB (A2, A4). Default 64, maximum 1,024.
    #[serde(default = "memory_mib")]
    pub memory_mib: u32,
    /// The whole call, host calls included, in milliseconds (A1, A3). Default 30,000, maximum 3,600,000.
    #[serde(default = "deadline_ms")]
    pub deadline_ms: u64,
    /// The result as JSON, in KiB (A8). Default 1,024, maximum 65,536.
    #[serde(default = "output_kib")]
    pub output_kib: u32,
    /// Requests, and connections of `sockets`, of one session, or of one principal outside of sessions, in any minute (N15). Default 600,
    /// maximum 60,000. What is the default is not written, so that approvals of before hold.
    #[serde(default = "requests_per_minute", skip_serializing_if = "is_default_requests")]
    pub requests_per_minute: u32,
    /// What those send, heads and bodies, in KiB (N15). Default 65,536, maximum 16,777,216.
    #[serde(default = "sent_kib_per_minute", skip_serializing_if = "is_default_sent")]
    pub sent_kib_per_minute: u32,
    /// What those are sent, heads and bodies, in KiB (N15). Default 262,144, maximum 16,777,216.
    #[serde(default = "received_kib_per_minute", skip_serializing_if = "is_default_received")]
    pub received_kib_per_minute: u32,
}

const fn memory_mib() -> u32 {
    64
}
const fn deadline_ms() -> u64 {
    30_000
}
const fn output_kib() -> u32 {
    1024
}
const fn requests_per_minute() -> u32 {
    600
}
const fn sent_kib_per_minute() -> u32 {
    64 * KIB as u32
}
const fn received_kib_per_minute() -> u32 {
    256 * KIB as u32
}
const fn is_default_requests(value: &u32) -> bool {
    *value == requests_per_minute()
}
const fn is_default_sent(value: &u32) -> bool {
    *value == sent_kib_per_minute()
}
const fn is_default_received(value: &u32) -> bool {
    *value == received_kib_per_minute()
}

impl CallLimits {
    /// Largest `memory_mib`.
    pub const MEMORY_MAX_MIB: u32 = 1024;
    /// Largest `deadline_ms`.
    pub const DEADLINE_MAX_MS: u64 = 3_600_000;
    /// Largest `output_kib`.
    pub const OUTPUT_MAX_KIB: u32 = 65_536;
    /// Largest `requests_per_minute`.
    pub const REQUESTS_MAX: u32 = 60_000;
    /// Largest `sent_kib_per_minute`, and largest `received_kib_per_minute`.
    pub const TRAFFIC_MAX_KIB: u32 = 16 << 20;

    /// All of them, by the names that they have in `remit.toml`.
    pub fn named(&self) -> [(&'static str, u64); 6] {
        let Self { memory_mib, deadline_ms, output_kib, requests_per_minute, sent_kib_per_minute, received_kib_per_minute } = *self;
        [
            ("memory_mib", memory_mib.into()),
            ("deadline_ms", deadline_ms),
            ("output_kib", output_kib.into()),
            ("requests_per_minute", requests_per_minute.into()),
            ("sent_kib_per_minute", sent_kib_per_minute.into()),
            ("received_kib_per_minute", received_kib_per_minute.into()),
        ]
    }

    /// Whether none of them is higher than in `other`.
    pub fn is_within(&self, other: &Self) -> bool {
        self.named().into_iter().zip(other.named()).all(|((_, own), (_, other))| own <= other)
    }

    /// Bytes of memory and tables.
    pub fn memory_bytes(&self) -> usize {
        self.memory_mib as usize * MIB as usize
    }

    /// Bytes of output.
    pub fn output_bytes(&self) -> usize {
        self.output_kib as usize * KIB as usize
    }
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            memory_mib: memory_mib(),
            deadline_ms: deadline_ms(),
            output_kib: output_kib(),
            requests_per_minute: requests_per_minute(),
            sent_kib_per_minute: sent_kib_per_minute(),
            received_kib_per_minute: received_kib_per_minute(),
        }
    }
}
