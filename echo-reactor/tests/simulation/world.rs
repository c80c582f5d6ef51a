//! Everything outside of the reactor: the clock, the peers, the network, the kernel's tables.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use echo_reactor::signals::Signal;
use echo_reactor::source::{Readiness, Source};
use fastrand::Rng;

use crate::checks::Turn;
use crate::ledger::{Holder, Ledger, Link};
use crate::log_book;
use crate::peer::{Quit, Stage};
use crate::scenario::{Faults, Millis, NEVER, Scenario, Settings, When};
use crate::tcp::{End, LEAST_SEGMENT, Tcp};

/// How often something happened, by its name.
pub(crate) type Tally = BTreeMap<&'static str, u64>;

/// Far more than any life needs.
const STEPS_MAX: u64 = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    Open,
    /// Nothing new gets into the queue.
    Shut,
    Closed,
}

/// Since the reactor got the first signal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain {
    pub(crate) began: Millis,
    pub(crate) deadline: Millis,
    /// The second signal.
    pub(crate) forced: Option<Signal>,
}

pub(crate) struct World {
    pub(crate) dice: Rng,
    pub(crate) settings: Settings,
    pub(crate) faults: Faults,
    pub(crate) clock: Millis,
    pub(crate) links: Vec<Link>,
    pub(crate) listener: Listener,
    pub(crate) queue: VecDeque<usize>,
    pub(crate) listener_edge: bool,
    /// Descriptors or memory have run out until then.
    pub(crate) exhausted_until: Millis,
    signals_to_come: VecDeque<(When, Signal)>,
    pub(crate) signals_pending: Vec<Signal>,
    signals_edge: bool,
    /// The event has told the reactor to look for signals.
    pub(crate) signals_told: bool,
    pub(crate) drain: Option<Drain>,
    /// What the checks remember from call to call.
    pub(crate) turn: Turn,
    pub(crate) tally: Tally,
    calls: u64,
    steps: u64,
    /// What has happened, if someone wants to know.
    pub(crate) trace: Option<Vec<String>>,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        let mut dice = Rng::with_seed(seed);
        let Scenario { settings, faults, peers, signals } = Scenario::new(&mut dice);
        let links = peers.into_iter().map(|(peer, buffers)| Link {
            tcp: Tcp::new(buffers, peer.urgent_at),
            peer,
            ledger: Ledger::new(),
        });
        World {
            dice,
            clock: 0,
            links: links.collect(),
            listener: Listener::Open,
            queue: VecDeque::new(),
            listener_edge: false,
            exhausted_until: 0,
            signals_to_come: signals.into(),
            signals_pending: Vec::new(),
            signals_edge: false,
            signals_told: false,
            drain: None,
            turn: Turn::default(),
            tally: Tally::new(),
            calls: 0,
            steps: 0,
            trace: None,
            settings,
            faults,
        }
    }

    /// The same world, which tells everything that happens.
    pub(crate) fn traced(self) -> World {
        let scenario = vec![format!("{:?}", self.settings), format!("{:?}", self.faults)];
        World { trace: Some(scenario), ..self }
    }

    /// Adds to the trace, if there is one.
    pub(crate) fn note(&mut self, event: impl FnOnce(&World) -> String) {
        if self.trace.is_some() {
            let line = format!("{:>7} ms  {}", self.clock, event(self));
            self.trace.get_or_insert_default().push(line);
        }
    }

    pub(crate) fn count(&mut self, name: &'static str) {
        *self.tally.entry(name).or_default() += 1;
    }

    /// Whether a fault with this rate strikes now.
    pub(crate) fn strikes(&mut self, rate: u32) -> bool {
        rate > 0 && self.dice.u32(..1000) < rate
    }

    /// Whether a signal interrupts a call now.
    pub(crate) fn interrupts(&mut self) -> bool {
        let strikes = self.strikes(self.faults.interrupt);
        if strikes {
            self.count("interrupted");
        }
        strikes
    }

    /// The reactor calls. What it has logged is read, and whatever can happen between two calls
    /// happens.
    pub(crate) fn enter(&mut self) {
        self.calls += 1;
        self.check_call();
        for line in log_book::take() {
            self.note(|_| format!("log: {line}"));
            self.check_line(&line);
        }
        if self.strikes(self.faults.time_passes) {
            self.clock += self.dice.u64(1..20);
        }
        if self.strikes(self.faults.time_jumps) {
            self.count("time jump");
            self.clock += self.dice.u64(1..100_000);
        }
        if self.strikes(self.faults.bustle) {
            for _ in 0..self.dice.usize(1..6) {
                self.step();
            }
        }
        self.raise_signals();
    }

    fn raise_signals(&mut self) {
        while let Some(&(when, signal)) = self.signals_to_come.front() {
            let is_due = match when {
                When::At(time) => time <= self.clock,
                When::AfterCalls(calls) => calls <= self.calls,
                When::AtLast | When::Later(_) => false,
            };
            if !is_due {
                return;
            }
            self.raise(signal);
        }
    }

    fn raise(&mut self, signal: Signal) {
        self.note(|_| format!("signal: {signal}"));
        self.signals_to_come.pop_front();
        if let Some((when @ When::Later(_), _)) = self.signals_to_come.front_mut() {
            let When::Later(pause) = *when else { unreachable!() };
            *when = When::At(self.clock + pause);
        }
        if !self.signals_pending.contains(&signal) {
            self.signals_pending.push(signal);
        }
        self.signals_edge = true;
    }

    /// One thing happens out there, if anything can happen without time passing.
    fn step(&mut self) -> bool {
        self.steps += 1;
        assert!(self.steps < STEPS_MAX, "the life does not end");
        let count = self.links.len();
        let first = self.dice.usize(..count);
        (first..first + count).any(|number| self.act(number % count))
    }

    fn act(&mut self, id: usize) -> bool {
        if self.links[id].peer.quit.is_some_and(|(at, _)| at <= self.clock) {
            return self.quit(id);
        }
        let first = self.dice.u8(..3);
        (first..first + 3).any(|turn| match turn % 3 {
            0 => self.peer_writes(id),
            1 => self.peer_reads(id),
            _ => self.network_moves(id),
        })
    }

    fn quit(&mut self, id: usize) -> bool {
        let Link { peer, tcp, .. } = &mut self.links[id];
        let Some((_, how)) = peer.quit.take() else { return false };
        if !peer.is_connected() {
            return false;
        }
        peer.stage = Stage::Gone;
        match how {
            Quit::Close => tcp.close_by_peer(),
            Quit::Reset => tcp.reset_by_peer(),
        }
        self.note(|_| format!("peer {id} leaves: {how:?}"));
        self.count("peer leaves");
        true
    }

    fn peer_writes(&mut self, id: usize) -> bool {
        if self.clock < self.links[id].next_write() {
            return false;
        }
        if self.links[id].peer.stage == Stage::Unconnected {
            self.connect(id);
            return true;
        }
        let Link { peer, tcp, .. } = &mut self.links[id];
        let left = peer.output.len() - peer.sent;
        let length = left.min(peer.write.bytes_max).min(tcp.window());
        tcp.arrive(length);
        peer.sent += length;
        let ends = peer.wants_to_end_output() && (length == 0 || peer.end_comes_with_data);
        if ends {
            peer.has_ended_output = true;
            tcp.end_input();
        }
        peer.next_write = self.clock + self.dice.u64(..=peer.write.pause_max);
        self.note(|_| format!("peer {id} sends {length}{}", if ends { " and ends" } else { "" }));
        true
    }

    fn connect(&mut self, id: usize) {
        let has_room = self.queue.len() < self.settings.backlog;
        let peer = &mut self.links[id].peer;
        let gives_up = self.listener != Listener::Open || !has_room && self.dice.u8(..4) == 0;
        if gives_up {
            peer.stage = Stage::Refused;
        } else if has_room {
            peer.stage = Stage::Connected;
            peer.next_write = self.clock;
            self.queue.push_back(id);
            self.listener_edge = true;
        } else {
            peer.next_write = self.clock + 1000;
        }
        self.note(|world| format!("peer {id} connects: {:?}", world.links[id].peer.stage));
    }

    fn peer_reads(&mut self, id: usize) -> bool {
        if self.clock < self.links[id].next_read() {
            return false;
        }
        let Link { peer, tcp, .. } = &mut self.links[id];
        let count = tcp.take(peer.read.bytes_max);
        peer.next_read = self.clock + self.dice.u64(..=peer.read.pause_max);
        if count == 0 {
            self.peer_sees_end(id);
        }
        self.note(|world| format!("peer {id} reads {count}, {:?}", world.links[id].peer.end));
        true
    }

    fn peer_sees_end(&mut self, id: usize) {
        let Link { peer, tcp, .. } = &mut self.links[id];
        peer.end = tcp.end_for_peer();
        if peer.end == Some(End::Reset) || !peer.stays_after_end {
            peer.stage = Stage::Gone;
            tcp.close_by_peer();
        }
    }

    fn network_moves(&mut self, id: usize) -> bool {
        if self.clock < self.links[id].next_transmit() {
            return false;
        }
        let bytes_max = if self.dice.bool() { usize::MAX } else { self.dice.usize(..3000) };
        let Link { peer, tcp, .. } = &mut self.links[id];
        tcp.stop_holding();
        tcp.transmit(bytes_max.max(LEAST_SEGMENT));
        peer.next_transmit = self.clock + self.dice.u64(..=peer.latency_max);
        self.note(|world| {
            format!("network: {} bytes for peer {id} left", world.links[id].tcp.in_send_buffer())
        });
        true
    }

    /// When something can happen next by the clock alone.
    fn next_time(&self) -> Millis {
        let signal = match self.signals_to_come.front() {
            Some(&(When::At(time), _)) => time,
            _ => NEVER,
        };
        let times = self.links.iter().map(|link| {
            let quit = link.peer.quit.filter(|_| link.peer.is_connected());
            let quit = quit.map_or(NEVER, |(at, _)| at);
            quit.min(link.next_write()).min(link.next_read()).min(link.next_transmit())
        });
        times.fold(signal, Millis::min)
    }

    /// Sleeps as epoll does, and says what has happened.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> Vec<(Source, Readiness)> {
        self.enter();
        let timeout = timeout
            .map_or(NEVER, |timeout| u64::try_from(timeout.as_millis()).expect("a timeout fits"));
        self.check_turn(timeout);
        let wakes_at = self.clock.saturating_add(timeout);
        for _ in 0..self.dice.usize(..=self.faults.lag) {
            self.step();
        }
        loop {
            self.raise_signals();
            if self.interrupts() {
                self.turn.begins_with_event();
                return Vec::new();
            }
            let events = self.take_events();
            if !events.is_empty() {
                self.note(|_| format!("events: {events:?}"));
                self.turn.begins_with_event();
                return events;
            }
            if self.clock >= wakes_at {
                self.turn.begins_after_sleep(timeout);
                return events;
            }
            if !self.step() && !self.has_edges() {
                self.pass_time(wakes_at);
            }
        }
    }

    /// Nothing can happen now: it is later, or this is the time for the last signal.
    fn pass_time(&mut self, wakes_at: Millis) {
        let next = self.next_time().min(wakes_at);
        if next < NEVER {
            self.clock = self.clock.max(next);
        } else {
            let last = self.signals_to_come.front();
            let (_, signal) = *last.expect("the reactor sleeps for ever in a drain");
            self.raise(signal);
        }
    }

    fn has_edges(&self) -> bool {
        self.listener_edge || self.signals_edge || self.links.iter().any(|link| link.tcp.has_edge())
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
            events.push((Source::Signals, Readiness::READABLE));
        }
        for link in self.links.iter_mut().filter(|link| link.tcp.has_edge()) {
            if let Some(slot) = link.ledger.slot
                && is_told()
            {
                link.tcp.take_edge();
                events.push((Source::Connection(slot), link.tcp.readiness()));
            }
        }
        if self.strikes(self.faults.false_event) {
            self.count("false event");
            let event = self.false_event();
            events.push(event);
        }
        self.dice.shuffle(&mut events);
        events
    }

    fn false_event(&mut self) -> (Source, Readiness) {
        let readable = self.dice.bool();
        let readiness = Readiness { readable, read_on: readable && self.dice.bool() };
        let source = match self.dice.u32(..6) {
            0 => Source::Listener,
            1 => Source::Signals,
            2 => Source::Log,
            _ => Source::Connection(self.dice.usize(..self.links.len() + 2)),
        };
        (source, readiness)
    }

    /// The process has left: the kernel delivers what it still has, and the peers finish.
    pub(crate) fn settle(&mut self) {
        self.signals_to_come.clear();
        loop {
            while self.step() {}
            match self.next_time() {
                NEVER => return,
                time => self.clock = time,
            }
        }
    }

    pub(crate) fn open_count(&self) -> usize {
        self.links.iter().filter(|link| link.is_open()).count()
    }

    /// The kernel resets a connection that was not accepted.
    pub(crate) fn lose(&mut self, id: usize) {
        let Link { tcp, ledger, .. } = &mut self.links[id];
        ledger.holder = Holder::Lost;
        tcp.close(true);
    }
}

impl Link {
    fn next_write(&self) -> Millis {
        let Link { peer, tcp, .. } = self;
        let can_write = match peer.stage {
            Stage::Unconnected => true,
            Stage::Connected if peer.has_more_to_send() => tcp.window() > 0,
            Stage::Connected => peer.wants_to_end_output(),
            Stage::Refused | Stage::Gone => false,
        };
        if can_write { peer.next_write } else { NEVER }
    }

    fn next_read(&self) -> Millis {
        let Link { peer, tcp, .. } = self;
        let can_read = peer.is_connected() && peer.end.is_none() && tcp.can_take();
        if can_read { peer.next_read.max(peer.reads_from) } else { NEVER }
    }

    fn next_transmit(&self) -> Millis {
        let Link { peer, tcp, .. } = self;
        if tcp.can_transmit() || tcp.is_holding() { peer.next_transmit } else { NEVER }
    }
}
