//! How much one principal, and one project, may have running at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use remit_core::{Error, Result};

/// A bound of what runs at once. The default bounds nothing beyond what the engine itself has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Calls in flight.
    pub calls: usize,
    /// Their memory bounds together, in MiB.
    pub memory_mib: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { calls: usize::MAX, memory_mib: u64::MAX }
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Used {
    calls: usize,
    memory_mib: u64,
}

/// What runs now.
#[derive(Debug)]
pub(crate) struct Quotas {
    per_principal: Quota,
    per_project: Quota,
    used: Mutex<HashMap<String, Used>>,
}

/// A place that is given back when it is dropped.
pub(crate) struct Place {
    quotas: Arc<Quotas>,
    taken: Vec<String>,
    memory_mib: u64,
}

impl Quotas {
    pub fn new(per_principal: Quota, per_project: Quota) -> Arc<Self> {
        Arc::new(Self { per_principal, per_project, used: Mutex::default() })
    }

    /// Takes a place for a call of `memory_mib`.
    ///
    /// # Errors
    /// `limit`, at once, when a bound is reached.
    pub fn take(self: &Arc<Self>, principal: &str, project: &str, memory_mib: u32) -> Result<Place> {
        let mut place = Place { quotas: self.clone(), taken: Vec::new(), memory_mib: u64::from(memory_mib) };
        for (quota, of) in [(self.per_principal, principal), (self.per_project, project)] {
            if quota == Quota::default() {
                continue;
            }
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            let now = used.entry(of.to_owned()).or_default();
            if now.calls >= quota.calls || now.memory_mib + place.memory_mib > quota.memory_mib {
                return Err(Error::limit(format!("`{of}` has {} calls with {} MiB running already", now.calls, now.memory_mib))
                    .hint("wait until one of them ends"));
            }
            now.calls += 1;
            now.memory_mib += place.memory_mib;
            place.taken.push(of.to_owned());
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut used = self.quotas.used.lock().unwrap_or_else(PoisonError::into_inner);
        for of in &self.taken {
            if let Some(now) = used.get_mut(of) {
                now.calls -= 1;
                now.memory_mib -= self.memory_mib;
                if now.calls == 0 {
                    used.remove(of);
                }
            }
        }
    }
}
