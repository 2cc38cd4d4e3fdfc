//! How much one visitor may ask of the door over HTTP, in a second and at once (M14).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use remit_core::{
    clock::Timestamp,
    identity::Principal,
    limit::{MCP_RATE_BURST, MCP_RATE_PER_SECOND, MCP_REQUESTS_PER_PRINCIPAL_MAX},
    rate::Bucket,
};

/// What each principal has asked for. Only principals with a role come here, so there are as many as the project names.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<Principal, Share>>);

#[derive(Debug)]
struct Share {
    bucket: Bucket,
    running: usize,
}

/// A request that is being answered; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    pace: Arc<Pace>,
    principal: Principal,
}

/// Too much: when to try again, in milliseconds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMuch(pub u64);

impl Pace {
    /// Lets a request of `principal` begin.
    ///
    /// # Errors
    /// At once, when it has asked for too much already.
    pub fn take(self: &Arc<Self>, principal: &Principal, now: Timestamp) -> Result<Place, TooMuch> {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = || Share { bucket: Bucket::new(MCP_RATE_PER_SECOND, MCP_RATE_BURST), running: 0 };
        let share = shares.entry(principal.clone()).or_insert_with(full);
        if share.running >= MCP_REQUESTS_PER_PRINCIPAL_MAX {
            return Err(TooMuch(1000));
        }
        share.bucket.take(now).map_err(TooMuch)?;
        share.running += 1;
        Ok(Place { pace: self.clone(), principal: principal.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut shares = self.pace.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get_mut(&self.principal) {
            share.running -= 1;
        }
    }
}

#[cfg(test)]
mod tests;
