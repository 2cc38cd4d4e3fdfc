//! How often something may happen: a token bucket, which is small; and how much in any minute, which is exact.

use crate::clock::Timestamp;

mod minute;

pub use minute::Minute;

/// A bucket that fills evenly and is full at first. It counts in microseconds of filling that are owed, by the generic cell rate
/// algorithm (ITU-T I.371).
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    /// When everything that was taken will be filled again, in microseconds.
    full_at: u64,
    interval: u64,
    depth: u64,
}

impl Bucket {
    /// One that gives `burst` at once, and `per_second` from then on; neither is 0.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let interval = 1_000_000 / u64::from(per_second.max(1));
        Self { full_at: 0, interval, depth: interval * u64::from(burst.max(1)) }
    }

    /// Takes one.
    ///
    /// # Errors
    /// How many milliseconds it takes until there is one again. Nothing was taken then.
    pub fn take(&mut self, now: Timestamp) -> Result<(), u64> {
        let now = now.0.saturating_mul(1000);
        // A clock that was set back costs a burst, and no more.
        self.full_at = self.full_at.clamp(now, now.saturating_add(self.depth));
        let then = self.full_at.saturating_add(self.interval);
        match then.saturating_sub(now).checked_sub(self.depth) {
            Some(missing) if missing > 0 => Err(missing.div_ceil(1000)),
            _ => {
                self.full_at = then;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
