//! Time, as the reactor sees it, and the order in which deadlines are checked.
//!
//! Checks are lazy. A connection is scheduled once, for the moment when its deadline could pass at
//! the earliest; a message that moves the deadline away touches nothing here. When the check is
//! due, the reactor asks the connection, and schedules the next check if there is still time.

use std::collections::BTreeSet;
use std::ops::Add;
use std::time::Duration;

/// A point in time: whole milliseconds since the reactor's start, which is as fine as `epoll_wait`
/// sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// The moment that all others are counted from.
    pub const START: Moment = Moment(0);

    /// Later than every moment that can be reached.
    pub const NEVER: Moment = Moment(u64::MAX);

    /// The moment when `elapsed` has passed since the start, rounded down.
    #[must_use]
    pub fn after_start(elapsed: Duration) -> Moment {
        Moment(millis(elapsed))
    }

    /// How long it has been since `earlier`: zero if that is still to come.
    #[must_use]
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The next moment that is a whole number of `periods` after the start.
    #[must_use]
    pub fn next_tick(self, period: Duration) -> Moment {
        let period = millis(period);
        Moment((self.0 / period + 1) * period)
    }

    /// How long it is until `later`: zero if that has passed, `None` if it never comes.
    #[must_use]
    pub fn until(self, later: Moment) -> Option<Duration> {
        let never = later == Moment::NEVER;
        (!never).then(|| Duration::from_millis(later.0.saturating_sub(self.0)))
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, duration: Duration) -> Moment {
        Moment(self.0.saturating_add(millis(duration)))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A slot and the moment of its check, in one word: this is half the memory of a pair, and every idle
/// connection has a check. The moment comes first, so that checks sort by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Check(u64);

impl Check {
    /// Room for 16 million slots, which leaves 34 years for the moment.
    const SLOT_BITS: u32 = 24;

    fn new(moment: Moment, slot: usize) -> Check {
        let check = Check(moment.0 << Check::SLOT_BITS | slot as u64);
        assert!((check.moment(), check.slot()) == (moment, slot), "{moment:?}, {slot} do not fit");
        check
    }

    fn moment(self) -> Moment {
        Moment(self.0 >> Check::SLOT_BITS)
    }

    fn slot(self) -> usize {
        let slot = self.0 & ((1 << Check::SLOT_BITS) - 1);
        usize::try_from(slot).expect("it was a usize before")
    }
}

/// Which slot is to be checked when. It holds one entry for each scheduled slot.
#[derive(Debug, Default)]
pub struct Deadlines {
    checks: BTreeSet<Check>,
}

impl Deadlines {
    /// Moves the check of `slot` from `from` to `to`; [`Moment::NEVER`] stands for no check.
    pub fn reschedule(&mut self, slot: usize, from: Moment, to: Moment) {
        if from != Moment::NEVER {
            let was_scheduled = self.checks.remove(&Check::new(from, slot));
            debug_assert!(was_scheduled, "slot {slot} was not scheduled for {from:?}");
        }
        if to != Moment::NEVER {
            self.checks.insert(Check::new(to, slot));
        }
    }

    /// The moment of the next check, [`Moment::NEVER`] if there is none.
    #[must_use]
    pub fn next(&self) -> Moment {
        self.checks.first().map_or(Moment::NEVER, |check| check.moment())
    }

    /// Takes out one slot whose check is due.
    pub fn take_due(&mut self, now: Moment) -> Option<usize> {
        let check = *self.checks.first()?;
        (check.moment() <= now).then(|| {
            self.checks.pop_first();
            check.slot()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use echo_common::setting::DURATION_MAX;

    fn at(millis: u64) -> Moment {
        Moment::after_start(Duration::from_millis(millis))
    }

    #[test]
    fn moments_round_down_and_never_overflow() {
        assert_eq!(Moment::after_start(Duration::from_micros(1999)), at(1));
        assert_eq!(at(5) + Duration::MAX, Moment::NEVER);
        assert_eq!(at(5).until(at(7)), Some(Duration::from_millis(2)));
        assert_eq!(at(7).until(at(5)), Some(Duration::ZERO));
        assert_eq!(at(7).until(Moment::NEVER), None);
    }

    #[test]
    fn a_check_holds_the_largest_slot_and_the_longest_timeout() {
        let (late, slot) = (at(0) + 2 * DURATION_MAX, 16_777_215);
        assert_eq!((Check::new(late, slot).moment(), Check::new(late, slot).slot()), (late, slot));
        assert!(Check::new(at(1), slot) < Check::new(at(2), 0));
    }

    #[test]
    #[should_panic = "do not fit"]
    fn a_slot_that_does_not_fit_is_a_bug() {
        let _ = Check::new(at(0), 16_777_216);
    }

    #[test]
    fn checks_come_due_in_order_and_once() {
        let mut deadlines = Deadlines::default();
        for (slot, millis) in [(1, 30), (2, 10), (3, 20), (4, 10)] {
            deadlines.reschedule(slot, Moment::NEVER, at(millis));
        }
        deadlines.reschedule(3, at(20), at(40));
        deadlines.reschedule(1, at(30), Moment::NEVER);
        assert_eq!((deadlines.next(), deadlines.take_due(at(9))), (at(10), None));
        assert_eq!(deadlines.take_due(at(10)), Some(2));
        assert_eq!(deadlines.take_due(at(10)), Some(4));
        assert_eq!((deadlines.next(), deadlines.take_due(at(39))), (at(40), None));
        assert_eq!(deadlines.take_due(at(50)), Some(3));
        assert_eq!((deadlines.next(), deadlines.take_due(at(50))), (Moment::NEVER, None));
    }
}
