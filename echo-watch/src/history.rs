//! The frames of the last second: a frame holds totals, and rates are the differences of two.

use std::collections::VecDeque;

use echo_status::{Frame, Phases, Tally, Turn};

use crate::figures::{self, SECOND_US};

/// A frame, and those of the second before it, all of one life of a server.
#[derive(Debug)]
pub struct History {
    now: Frame,
    /// Oldest first.
    before: VecDeque<Frame>,
}

impl History {
    /// Begins with the first frame that is seen.
    #[must_use]
    pub fn new(first: Frame) -> History {
        History { now: first, before: VecDeque::new() }
    }

    /// Adds the next frame. A frame of another life begins anew: its counts begin at 0.
    pub fn add(&mut self, frame: Frame) {
        let is_same_life = frame.server.started_unix_us == self.now.server.started_unix_us
            && frame.uptime_us >= self.now.uptime_us;
        if !is_same_life {
            *self = History::new(frame);
            return;
        }
        self.before.push_back(std::mem::replace(&mut self.now, frame));
        let is_old_enough = |frame: &Frame| self.now.uptime_us - frame.uptime_us >= SECOND_US;
        while self.before.get(1).is_some_and(is_old_enough) {
            self.before.pop_front();
        }
    }

    /// The newest frame.
    #[must_use]
    pub fn now(&self) -> &Frame {
        &self.now
    }

    /// The frame that the newest is compared with; that one itself if there is no other.
    #[must_use]
    pub fn first(&self) -> &Frame {
        self.before.front().unwrap_or(&self.now)
    }

    /// Whether there is a frame to compare with.
    pub(crate) fn has_rates(&self) -> bool {
        self.window_us() > 0
    }

    /// How far apart the frames are whose difference is shown: about a second, once there are as many.
    #[must_use]
    pub fn window_us(&self) -> u64 {
        self.now.uptime_us - self.first().uptime_us
    }

    /// How much a count has grown in the last second.
    pub fn grown(&self, count: impl Fn(&Tally) -> u64) -> u64 {
        count(&self.now.tally).saturating_sub(count(&self.first().tally))
    }

    /// The same, by the second, as a figure.
    pub(crate) fn a_second(&self, count: impl Fn(&Tally) -> u64) -> String {
        figures::a_second(self.grown(count), self.window_us())
    }

    /// The turns of the last second that the server has told of, oldest first.
    pub(crate) fn turns(&self) -> impl DoubleEndedIterator<Item = &Turn> {
        // Those of the first frame are older than it.
        self.before.iter().skip(1).chain([&self.now]).flat_map(|frame| &frame.turns)
    }

    /// The turn that took longest, without its sleep.
    pub(crate) fn longest_turn(&self) -> Option<&Turn> {
        self.turns().max_by_key(|turn| length_us(turn))
    }
}

/// The phases of a turn by their names, in their order.
pub(crate) fn named(phases: &Phases) -> [(&'static str, u64); 7] {
    [
        ("signals", phases.signals),
        ("serve", phases.serve),
        ("accept", phases.accept),
        ("expire", phases.expire),
        ("reap", phases.reap),
        ("status", phases.status),
        ("log", phases.log),
    ]
    .map(|(name, us)| (name, figures::whole(us)))
}

/// How long a turn took, without its sleep.
pub(crate) fn length_us(turn: &Turn) -> u64 {
    let Phases { signals, serve, accept, expire, reap, status, log } = turn.phases;
    figures::whole(signals + serve + accept + expire + reap + status + log)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{at, turn};

    #[test]
    fn a_rate_is_the_difference_of_two_frames_a_second_apart() {
        let mut history = History::new(at(0));
        assert_eq!((history.has_rates(), history.window_us()), (false, 0));
        assert_eq!(history.a_second(|tally| tally.messages), "0");
        for quarter in 1..=20 {
            let mut frame = at(quarter * 250_000);
            frame.tally.messages = quarter * 100;
            history.add(frame);
            assert_eq!(history.window_us(), (quarter * 250_000).min(SECOND_US));
            assert_eq!(history.grown(|tally| tally.messages), (quarter * 100).min(400));
            assert_eq!(history.a_second(|tally| tally.messages), "400");
        }
    }

    #[test]
    fn frames_that_come_rarely_are_compared_all_the_same() {
        let mut history = History::new(at(0));
        for seconds in [3, 6] {
            let mut frame = at(seconds * SECOND_US);
            frame.tally.turns = seconds * 10;
            history.add(frame);
            assert_eq!((history.window_us(), history.grown(|tally| tally.turns)), (3_000_000, 30));
        }
    }

    #[test]
    fn another_life_begins_anew() {
        let mut old = at(5_000_000);
        old.tally.messages = 1_000;
        let mut history = History::new(old);
        let mut restarted = at(10_000);
        restarted.server.started_unix_us += 6_000_000;
        history.add(restarted);
        assert_eq!((history.has_rates(), history.now().uptime_us), (false, 10_000));
        // A clock that was set back can give two lives the same start.
        history.add(at(5_000));
        assert_eq!((history.has_rates(), history.now().uptime_us), (false, 5_000));
    }

    #[test]
    fn the_longest_turn_is_one_of_the_last_second() {
        let mut first = at(0);
        first.turns = vec![turn(1, 9_000)];
        let mut history = History::new(first);
        for (quarter, us) in [(1, 300), (2, 2_100), (3, 80)] {
            let mut frame = at(quarter * 250_000);
            frame.turns = vec![turn(10 * quarter, us), turn(10 * quarter + 1, 7)];
            history.add(frame);
        }
        assert_eq!(history.longest_turn().map(|turn| turn.number), Some(20));
        assert_eq!(
            history.turns().map(|turn| turn.number).collect::<Vec<_>>(),
            [10, 11, 20, 21, 30, 31]
        );
    }
}
