//! What was refused during one call. Guests swallow errors, so the host keeps its own record.

use std::sync::{Arc, Mutex, PoisonError};

use remit_core::{grant::Denial, limit::DENIALS_MAX};

/// The denials of one call, shared by its capabilities. Equal ones count once; at most [`DENIALS_MAX`] are kept.
#[derive(Debug, Clone, Default)]
pub struct Denials(Arc<Mutex<Vec<Denial>>>);

impl Denials {
    /// Keeps `denial`.
    pub fn record(&self, denial: Denial) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < DENIALS_MAX && !kept.contains(&denial) {
            // Not what was asked for: the guest wrote that, and it may hold a secret that only its result is masked of.
            tracing::info!(plugin = denial.plugin, capability = denial.capability, "denied");
            kept.push(denial);
        }
    }

    /// Takes what was kept.
    pub fn take(&self) -> Vec<Denial> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
