//! How much was spent of something within the last minute.

use std::collections::VecDeque;

/// Seconds of a minute, and one more: what is counted for a second may have been spent at its end.
const WINDOW_SECONDS: u64 = 61;

/// What was spent within the last minute, second by second: in no minute whatsoever is more spent than is allowed.
#[derive(Debug, Default, Clone)]
pub struct Minute {
    /// Seconds in which something was spent, the oldest first, each with how much.
    spent: VecDeque<(u64, u64)>,
}

impl Minute {
    /// Spends `amount` where no more than `max` is spent within a minute then. `now_ms` is a time in milliseconds that never goes back.
    ///
    /// # Errors
    /// In how many milliseconds it would fit, nothing being spent meanwhile; what is more than `max` never fits. Nothing is spent then.
    pub fn spend(&mut self, amount: u64, max: u64, now_ms: u64) -> Result<(), u64> {
        self.fits(amount, max, now_ms)?;
        let second = now_ms / 1000;
        match self.spent.back_mut().filter(|(last, _)| *last == second) {
            Some((_, spent)) => *spent = spent.saturating_add(amount),
            None => self.spent.push_back((second, amount)),
        }
        Ok(())
    }

    /// Whether [`Minute::spend`] would be allowed.
    ///
    /// # Errors
    /// As there.
    pub fn fits(&mut self, amount: u64, max: u64, now_ms: u64) -> Result<(), u64> {
        let second = now_ms / 1000;
        self.spent.retain(|(at, _)| at + WINDOW_SECONDS > second);
        let mut held = self.spent.iter().fold(amount, |sum, (_, spent)| sum.saturating_add(*spent));
        let mut free_at = second;
        for (at, spent) in &self.spent {
            if held <= max {
                break;
            }
            held = held.saturating_sub(*spent);
            free_at = at + WINDOW_SECONDS;
        }
        match free_at {
            at if held > max => Err((at.max(second + WINDOW_SECONDS) * 1000).saturating_sub(now_ms)),
            at if at == second => Ok(()),
            at => Err((at * 1000).saturating_sub(now_ms)),
        }
    }

    /// Whether nothing was spent within the last minute.
    pub fn is_idle(&self, now_ms: u64) -> bool {
        self.spent.back().is_none_or(|(at, _)| at + WINDOW_SECONDS <= now_ms / 1000)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_allowed_is_allowed_once_in_any_minute() {
        let mut minute = Minute::default();
        assert_eq!(minute.spend(2, 3, 59_500), Ok(()));
        assert_eq!(minute.spend(1, 3, 60_000), Ok(()));
        assert_eq!(minute.spend(1, 3, 61_000), Err(59_000), "the two of second 59 are forgotten at second 120");
        assert_eq!(minute.spend(1, 3, 119_999), Err(1));
        assert_eq!(minute.spend(2, 3, 120_000), Ok(()));
        assert_eq!(minute.spend(1, 3, 120_000), Err(1_000));
        assert!(!minute.is_idle(180_999));
        assert!(minute.is_idle(181_000));
    }

    #[test]
    fn what_is_refused_is_not_spent_and_what_is_too_much_never_fits() {
        let mut minute = Minute::default();
        assert_eq!(minute.spend(4, 3, 1_000), Err(61_000));
        assert_eq!(minute.spend(u64::MAX, 3, 1_000), Err(61_000));
        assert_eq!(minute.spend(3, 3, 1_000), Ok(()));
        assert_eq!(minute.fits(0, 3, 1_000), Ok(()));
    }

    #[test]
    fn a_bound_that_was_lowered_holds_at_once() {
        let mut minute = Minute::default();
        assert_eq!(minute.spend(10, 10, 0), Ok(()));
        assert_eq!(minute.spend(1, 5, 30_000), Err(31_000));
        assert_eq!(minute.spend(1, 11, 30_000), Ok(()));
    }

    proptest! {
        #[test]
        fn no_minute_has_more_than_is_allowed_and_the_wait_is_long_enough(
            max in 1_u64..20,
            steps in proptest::collection::vec((0_u64..20_000, 0_u64..8), 1..60),
        ) {
            let mut minute = Minute::default();
            let (mut now, mut all) = (0, Vec::new());
            for (later, amount) in steps {
                now += later;
                match minute.spend(amount, max, now) {
                    Ok(()) => all.push((now, amount)),
                    Err(wait) if amount <= max => prop_assert_eq!(minute.clone().spend(amount, max, now + wait), Ok(())),
                    Err(_) => {}
                }
            }
            for (start, _) in &all {
                let within: u64 = all.iter().filter(|(at, _)| (*start..=start + 60_000).contains(at)).map(|(_, amount)| amount).sum();
                prop_assert!(within <= max, "{} in the minute from {}", within, start);
            }
        }
    }
}
