//! The sleep of the reactor, and the events that end it.

use std::time::Duration;

use echo_reactor::kernel::Wakeup;
use echo_reactor::source::{Readiness, Source, WATCHERS};

use crate::scenario::{Millis, NEVER};
use crate::world::World;

impl World {
    /// Sleeps as epoll does, and says what has happened.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> (Vec<(Source, Readiness)>, Wakeup) {
        self.enter();
        self.seen.waits += 1;
        self.turn.is_asleep = true;
        let (events, wakeup) = self.sleep(timeout);
        self.turn.is_asleep = false;
        for raised in &mut self.signals_pending {
            raised.turns_since += 1;
        }
        (events, wakeup)
    }

    fn sleep(&mut self, timeout: Option<Duration>) -> (Vec<(Source, Readiness)>, Wakeup) {
        let timeout = timeout
            .map_or(NEVER, |timeout| u64::try_from(timeout.as_millis()).expect("a timeout fits"));
        self.check_turn(timeout);
        let wakes_at = self.clock.saturating_add(timeout);
        for _ in 0..self.dice.usize(..=self.faults.lag) {
            self.step();
        }
        loop {
            self.raise_signals();
            let is_interrupted = self.interrupts();
            let events = self.take_events();
            if is_interrupted || !events.is_empty() || self.signals_told {
                self.note(|_| format!("events: {events:?}"));
                self.turn.begins_with_event();
                return (events, self.wakeup(true));
            }
            if self.clock >= wakes_at {
                self.turn.begins_by_itself(timeout);
                return (events, self.wakeup(false));
            }
            if !self.step() && !self.has_edges() {
                self.pass_time(wakes_at);
            }
        }
    }

    fn wakeup(&mut self, by_event: bool) -> Wakeup {
        let is_full = self.strikes(self.faults.full);
        self.seen.full_waits += u64::from(is_full);
        Wakeup { by_event, is_full }
    }

    /// Nothing can happen now: the clock goes on, or the last signal comes.
    fn pass_time(&mut self, wakes_at: Millis) {
        let next = self.next_time().min(wakes_at);
        if next < NEVER {
            self.clock = self.clock.max(next);
        } else {
            let last = self.signals_to_come.front();
            let (_, signal) = *last.expect("the reactor never wakes up in a drain");
            self.raise(signal);
        }
    }

    fn has_edges(&self) -> bool {
        let links_have = self.links.iter().any(|link| link.tcp.has_edge());
        self.listener_edge || self.signals_edge || links_have || self.visitors_have_edges()
    }

    fn take_events(&mut self) -> Vec<(Source, Readiness)> {
        let mut events = Vec::new();
        let told_at_once = self.dice.bool();
        let mut is_told = || told_at_once || self.dice.bool();
        if self.listener_edge && is_told() {
            self.listener_edge = false;
            events.push((Source::Listener, Readiness::READABLE));
        }
        if self.signals_edge && is_told() {
            self.signals_edge = false;
            self.signals_told = true;
        }
        for link in self.links.iter_mut().filter(|link| link.tcp.has_edge()) {
            if let Some(slot) = link.ledger.slot
                && is_told()
            {
                link.tcp.take_edge();
                let readiness = link.tcp.readiness();
                if readiness.readable {
                    link.ledger.waits_for_visit.get_or_insert(0);
                }
                events.push((Source::Connection(slot), readiness));
            }
        }
        let visitors_are_told = told_at_once || self.dice.bool();
        events.extend(self.visitors_events(visitors_are_told));
        if self.strikes(self.faults.false_event) {
            self.count("false event");
            let event = self.false_event();
            events.push(event);
        }
        self.dice.shuffle(&mut events);
        for (source, _) in &events {
            self.seen.event(*source);
        }
        events
    }

    fn false_event(&mut self) -> (Source, Readiness) {
        let readable = self.dice.bool();
        let readiness = Readiness { readable, read_on: readable && self.dice.bool() };
        let source = match self.dice.u32(..8) {
            0 => Source::Listener,
            1 => Source::Status,
            2 => Source::Watcher(self.dice.usize(..WATCHERS)),
            _ => Source::Connection(self.dice.usize(..self.links.len() + 2)),
        };
        (source, readiness)
    }
}
