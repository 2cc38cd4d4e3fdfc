//! What is known of a call while it runs.

use std::sync::Arc;

use cap_std::fs::Dir;
use remit_core::{
    audit::Metering,
    limit::CallLimits,
    plugin::{Digest, Effect},
};

use crate::{
    capability::{Denials, Seen, Uses, scrub::Masks, spend::Over, stdio::Ring},
    engine::Room,
};

/// What is known of a call while it runs.
#[derive(Default)]
pub(crate) struct Running {
    pub(super) settles: bool,
    pub(crate) denials: Denials,
    pub(super) seen: Arc<Seen>,
    pub(super) masks: Masks,
    pub(super) uses: Uses,
    /// The bound of its requests that it reached, if any.
    pub(super) over: Over,
    pub(super) limits: CallLimits,
    pub(super) digest: Option<Digest>,
    pub(super) effect: Option<Effect>,
    /// The workspace that it may write.
    pub(super) written: Option<Arc<Dir>>,
    pub(super) metering: Metering,
    pub(crate) stdout: Ring,
    pub(crate) stderr: Ring,
}

/// The place of one call. However the call ends, at its deadline too, it tells what memories and tables held at most.
pub(super) struct Metered<'a> {
    pub(super) room: Room,
    pub(super) memory_peak_bytes: &'a mut u64,
}

impl Drop for Metered<'_> {
    fn drop(&mut self) {
        *self.memory_peak_bytes = self.room.peak_bytes();
    }
}
