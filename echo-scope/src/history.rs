//! What one server has told: its last second, and its last turns.

use std::collections::VecDeque;

use echo_status::{Frame, Tally, Turn};
use echo_watch::history::History as LastSecond;
use echo_watch::notes::{Note, notes};

/// How many turns are kept.
const TURNS_MAX: usize = 256;

/// What one server has told.
#[derive(Debug, Default)]
pub struct History {
    last_second: Option<LastSecond>,
    turns: VecDeque<Turn>,
    /// How many lives the server has had since it was first seen.
    lives: u32,
}

/// Where rates are counted from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Before<'a> {
    /// How long ago that was.
    pub span_us: u64,
    /// The counters then.
    pub tally: &'a Tally,
}

impl History {
    /// Adds a frame. A server that has started anew begins a new history.
    pub fn add(&mut self, frame: Frame) {
        let started = frame.server.started_unix_us;
        let is_same_life = |last: &Frame| last.server.started_unix_us == started;
        if !self.frame().is_some_and(is_same_life) {
            *self = History { lives: self.lives + 1, ..History::default() };
        }
        self.keep_turns(&frame.turns);
        match &mut self.last_second {
            Some(last_second) => last_second.add(frame),
            None => self.last_second = Some(LastSecond::new(frame)),
        }
    }

    /// The same turn may come twice: when a connection has broken off, the next one begins with the last turns.
    fn keep_turns(&mut self, turns: &[Turn]) {
        let last = self.turns.back().map_or(0, |turn| turn.number);
        self.turns.extend(turns.iter().filter(|turn| turn.number > last).cloned());
        let surplus = self.turns.len().saturating_sub(TURNS_MAX);
        self.turns.drain(..surplus);
    }

    /// The last frame. `None` before the first one.
    #[must_use]
    pub fn frame(&self) -> Option<&Frame> {
        self.last_second.as_ref().map(LastSecond::now)
    }

    /// What a reader should see in the last second.
    #[must_use]
    pub fn notes(&self) -> Vec<Note> {
        self.last_second.as_ref().map(notes).unwrap_or_default()
    }

    /// The counters a second before the last frame, or at the first one that is known.
    #[must_use]
    pub fn before(&self) -> Option<Before<'_>> {
        let last_second = self.last_second.as_ref()?;
        let span_us = last_second.window_us();
        (span_us > 0).then(|| Before { span_us, tally: &last_second.first().tally })
    }

    /// Messages a second, of late.
    #[must_use]
    pub fn messages_per_second(&self) -> Option<f64> {
        let last_second = self.last_second.as_ref().filter(|it| it.window_us() > 0)?;
        let messages = last_second.grown(|tally| tally.messages);
        #[allow(clippy::cast_precision_loss)]
        let (messages, span_us) = (messages as f64, last_second.window_us() as f64);
        Some(messages * 1e6 / span_us)
    }

    /// The turns that are kept, of those with higher numbers than `seen`.
    pub fn turns_after(&self, seen: u64) -> impl Iterator<Item = &Turn> {
        self.turns.iter().filter(move |turn| turn.number > seen)
    }

    /// How many lives the server has had since it was first seen.
    #[must_use]
    pub fn lives(&self) -> u32 {
        self.lives
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    /// A frame of the life that began at `life`, this long after its beginning.
    fn frame(life: u64, uptime_us: u64, turns: std::ops::RangeInclusive<u64>) -> Frame {
        let mut frame = sample::frame();
        frame.server.started_unix_us = life;
        frame.uptime_us = uptime_us;
        frame.tally.turns = *turns.end();
        frame.turns = turns.map(sample::turn).collect();
        frame
    }

    fn numbers(history: &History, seen: u64) -> Vec<u64> {
        history.turns_after(seen).map(|turn| turn.number).collect()
    }

    #[test]
    fn turns_are_kept_once_in_order_and_not_for_ever() {
        let mut history = History::default();
        history.add(frame(1, 1, 1..=3));
        history.add(frame(1, 2, 2..=5));
        assert_eq!(numbers(&history, 0), [1, 2, 3, 4, 5]);
        assert_eq!(numbers(&history, 4), [5]);
        history.add(frame(1, 3, 6..=300));
        assert_eq!(numbers(&history, 0), (45..=300).collect::<Vec<_>>());
    }

    #[test]
    fn another_life_is_another_history() {
        let mut history = History::default();
        assert_eq!((history.lives(), history.frame()), (0, None));
        history.add(frame(1, 5_000_000, 1..=200));
        history.add(frame(2, 10, 1..=3));
        assert_eq!((history.lives(), numbers(&history, 0)), (2, vec![1, 2, 3]));
        assert_eq!(history.before(), None);
    }

    #[test]
    fn rates_are_those_of_the_last_second() {
        let mut history = History::default();
        let mut spans = Vec::new();
        for number in 1..=7 {
            history.add(frame(1, number * 250_000, number..=number));
            let before = history.before();
            spans.push(before.map(|before| (before.span_us, before.tally.turns)));
        }
        let expected = [
            None,
            Some((250_000, 1)),
            Some((500_000, 1)),
            Some((750_000, 1)),
            Some((1_000_000, 1)),
            Some((1_000_000, 2)),
            Some((1_000_000, 3)),
        ];
        assert_eq!(spans, expected);
    }
}
