//! The state of everything outside of the reactor: the clock, the peers, the kernel's tables.

use std::collections::{BTreeMap, VecDeque};

use echo_reactor::signals::Signal;
use fastrand::Rng;

use crate::account::Seen;
use crate::checks::Turn;
use crate::ledger::{Holder, Ledger, Link};
use crate::log_book;
use crate::scenario::{Faults, Millis, Scenario, Settings, When};
use crate::tcp::Tcp;
use crate::visitors::Lobby;

/// How often something happened, by its name.
pub(crate) type Tally = BTreeMap<&'static str, u64>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    Open,
    /// Nothing new gets into the queue.
    Shut,
    Closed,
}

/// A request to leave, and what may be a second one.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) began: Millis,
    /// The end of the last turn that began within the time for signals of the same request: it may have
    /// hidden a signal of that request.
    pub(crate) hidden_until: Millis,
    /// Signals that the reactor was given since, and may take for a second request.
    pub(crate) may_be_second: Vec<Signal>,
    /// At least one of them can only be a second request.
    pub(crate) is_second: bool,
}

/// Since the reactor got the first signal, if the drain has to wait.
#[derive(Clone, Debug)]
pub(crate) struct Delay {
    pub(crate) asked: Asked,
    pub(crate) ends: Millis,
}

#[derive(Clone, Debug)]
pub(crate) struct Drain {
    pub(crate) asked: Asked,
    pub(crate) deadline: Millis,
    /// The signal that the reactor took for a second request.
    pub(crate) forced: Option<Signal>,
}

/// A signal that the reactor has not seen yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raised {
    pub(crate) signal: Signal,
    pub(crate) at: Millis,
    /// When the turn began in which it was raised; `None` if the reactor was asleep.
    pub(crate) in_turn: Option<Millis>,
    /// How many turns have begun since.
    pub(crate) turns_since: usize,
    /// An equal signal came too, and the two became one.
    pub(crate) was_equal_to_another: bool,
}

pub(crate) struct World {
    pub(crate) dice: Rng,
    pub(crate) settings: Settings,
    pub(crate) faults: Faults,
    pub(crate) clock: Millis,
    pub(crate) links: Vec<Link>,
    /// Those who come to the status port.
    pub(crate) lobby: Lobby,
    /// What the kernel saw, to be held against the reactor's own account.
    pub(crate) seen: Seen,
    pub(crate) listener: Listener,
    pub(crate) queue: VecDeque<usize>,
    pub(crate) listener_edge: bool,
    /// Descriptors or memory have run out until then.
    pub(crate) exhausted_until: Millis,
    pub(crate) signals_to_come: VecDeque<(When, Signal)>,
    pub(crate) signals_pending: Vec<Raised>,
    pub(crate) signals_edge: bool,
    /// The event has told the reactor to look for signals.
    pub(crate) signals_told: bool,
    pub(crate) delay: Option<Delay>,
    pub(crate) drain: Option<Drain>,
    /// What the checks remember from call to call.
    pub(crate) turn: Turn,
    pub(crate) tally: Tally,
    /// Lines about messages that the log lacks, and the number that it says was left out.
    pub(crate) lines_missing: u64,
    pub(crate) lines_left_out: u64,
    calls: u64,
    pub(crate) steps: u64,
    /// What has happened, in a world that is traced.
    pub(crate) trace: Option<Vec<String>>,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        let mut dice = Rng::with_seed(seed);
        let Scenario { settings, faults, peers, visitors, signals } = Scenario::new(&mut dice);
        let links = peers.into_iter().map(|(peer, buffers)| Link {
            tcp: Tcp::new(buffers, peer.urgent_at),
            peer,
            ledger: Ledger::new(),
        });
        World {
            dice,
            clock: 0,
            links: links.collect(),
            lobby: Lobby::new(visitors),
            seen: Seen::default(),
            listener: Listener::Open,
            queue: VecDeque::new(),
            listener_edge: false,
            exhausted_until: 0,
            signals_to_come: signals.into(),
            signals_pending: Vec::new(),
            signals_edge: false,
            signals_told: false,
            delay: None,
            drain: None,
            turn: Turn::default(),
            tally: Tally::new(),
            lines_missing: 0,
            lines_left_out: 0,
            calls: 0,
            steps: 0,
            trace: None,
            settings,
            faults,
        }
    }

    /// The same world, which keeps a trace of everything that happens.
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

    pub(crate) fn interrupts(&mut self) -> bool {
        let strikes = self.strikes(self.faults.interrupt);
        if strikes {
            self.count("interrupted");
        }
        strikes
    }

    /// The reactor calls: its new log lines are checked, and something may happen between two calls.
    pub(crate) fn enter(&mut self) {
        self.calls += 1;
        self.check_call();
        self.read_log();
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

    /// Checks the lines that were logged since.
    pub(crate) fn read_log(&mut self) {
        for line in log_book::take() {
            self.note(|_| format!("log: {line}"));
            self.check_line(&line);
        }
    }

    pub(crate) fn raise_signals(&mut self) {
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

    pub(crate) fn raise(&mut self, signal: Signal) {
        self.note(|_| format!("signal: {signal}"));
        self.signals_to_come.pop_front();
        if let Some((when, _)) = self.signals_to_come.front_mut()
            && let When::Later(pause) = *when
        {
            *when = When::At(self.clock + pause);
        }
        let mut pending = self.signals_pending.iter_mut();
        match pending.find(|raised| raised.signal == signal) {
            Some(raised) => raised.was_equal_to_another = true,
            None => self.signals_pending.push(Raised {
                signal,
                at: self.clock,
                in_turn: (!self.turn.is_asleep).then_some(self.turn.now),
                turns_since: 0,
                was_equal_to_another: false,
            }),
        }
        self.signals_edge = true;
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
