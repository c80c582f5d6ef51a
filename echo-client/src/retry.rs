//! When a message without a reply is sent again. No clock is read here: the time is an argument.

use std::time::{Duration, Instant};

/// A server that restarts is usually back in a fraction of a second.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Long enough to cost nothing, and short enough to find the server soon after it is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The retries of one message.
///
/// Their time begins with the first failure. Each pause is twice the one before, up to a bound. The
/// last pause is cut, so that the last try begins when the time is over.
#[derive(Debug)]
pub struct Retry {
    timeout: Duration,
    give_up_at: Option<Instant>,
    next_pause: Duration,
}

impl Retry {
    /// A message that has not failed yet.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, give_up_at: None, next_pause: FIRST_PAUSE }
    }

    /// How long to wait after a failure at `now`; `None` when it is time to give up.
    pub fn pause_after_failure(&mut self, now: Instant) -> Option<Duration> {
        let give_up_at = *self.give_up_at.get_or_insert(now + self.timeout);
        let left = give_up_at.saturating_duration_since(now);
        let pause = self.next_pause.min(left);
        self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
        (!pause.is_zero()).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pauses_ms(timeout_ms: u64, try_ms: u64) -> Vec<u128> {
        let mut now = Instant::now();
        let mut retry = Retry::new(Duration::from_millis(timeout_ms));
        let mut pauses = Vec::new();
        while let Some(pause) = retry.pause_after_failure(now) {
            pauses.push(pause.as_millis());
            now += pause + Duration::from_millis(try_ms);
        }
        pauses
    }

    #[test]
    fn pauses_double_up_to_a_second_and_end_with_the_time() {
        assert_eq!(pauses_ms(3000, 0), [50, 100, 200, 400, 800, 1000, 450]);
    }

    #[test]
    fn the_time_of_the_tries_counts() {
        assert_eq!(pauses_ms(1000, 300), [50, 100, 200]);
    }

    #[test]
    fn no_time_means_no_retry() {
        assert!(pauses_ms(0, 0).is_empty());
    }

    proptest! {
        #[test]
        fn the_last_try_begins_no_later_than_the_time_is_over(timeout_ms in 0..100_000_u64) {
            let total: u128 = pauses_ms(timeout_ms, 0).iter().sum();
            prop_assert_eq!(total, u128::from(timeout_ms));
        }
    }
}
