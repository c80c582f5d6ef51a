//! The loop.
//!
//! One turn is always the same, in this order:
//!
//! 1. wait for events, or for the nearest deadline
//! 2. now: take the time, for all that follows
//! 3. obey signals
//! 4. serve the connections that are ready
//! 5. accept new ones
//! 6. expire deadlines
//! 7. reap closed connections: slots are freed here and nowhere else, so that no event of this turn
//!    can reach a newcomer in an old slot
//! 8. leave, if a drain has nothing left to do
//! 9. flush the log

use std::mem;
use std::time::Duration;

use slab::Slab;

use crate::acceptor::Acceptor;
use crate::config::{Framing, Service};
use crate::connection::{Connection, Progress, Scratch, Turn};
use crate::deadlines::{Deadlines, Moment};
use crate::drain::Drain;
use crate::kernel::Kernel;
use crate::log_events;
use crate::signals::Signal;
use crate::source::{Readiness, Source};

/// How the reactor left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A signal came, and everything was closed in order or at the drain deadline.
    Drained,
    /// A second signal came: everything was dropped.
    Forced(Signal),
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Running,
    /// Since a signal came: finishes what has arrived, until the deadline.
    Draining(Drain),
    Stopped(Exit),
}

impl Phase {
    fn drain(&self) -> Option<&Drain> {
        match self {
            Phase::Draining(drain) => Some(drain),
            Phase::Running | Phase::Stopped(_) => None,
        }
    }
}

/// The server: all its connections and the one thread that serves them.
pub struct Reactor<K: Kernel> {
    kernel: K,
    service: Service,
    phase: Phase,
    acceptor: Acceptor,
    connections: Slab<Connection<K::Socket>>,
    scratch: Scratch,
    deadlines: Deadlines,
    /// This turn's events.
    ready: Vec<(usize, Readiness)>,
    /// Connections that ran out of budget: no event will come for what they left undone.
    unfinished: Vec<usize>,
    /// Connections that were closed in this turn.
    closed: Vec<usize>,
    now: Moment,
}

impl<K: Kernel> Reactor<K> {
    /// A reactor on a kernel that listens already.
    pub fn new(kernel: K, service: Service) -> Reactor<K> {
        let acceptor = Acceptor::new(service.connections_max);
        Reactor {
            now: kernel.now(),
            kernel,
            phase: Phase::Running,
            // As large as it can get: a slab that doubles would copy all connections each time. The
            // part that is not used takes addresses, not memory.
            connections: Slab::with_capacity(acceptor.slots_max()),
            acceptor,
            scratch: Scratch::new(&service.rules),
            service,
            deadlines: Deadlines::default(),
            ready: Vec::new(),
            unfinished: Vec::new(),
            closed: Vec::new(),
        }
    }

    /// Serves until a signal ends it.
    pub fn run(&mut self) -> Exit {
        log_events::proceed_to_accept();
        self.kernel.flush_log();
        loop {
            self.turn();
            if let Phase::Stopped(exit) = self.phase {
                return exit;
            }
        }
    }

    /// One turn of the loop.
    fn turn(&mut self) {
        self.wait();
        self.now = self.kernel.now();
        self.obey_signals();
        self.serve_ready();
        self.accept();
        self.expire();
        self.reap();
        self.leave_if_drained();
        self.kernel.flush_log();
    }

    fn wait(&mut self) {
        let timeout = self.timeout();
        let Reactor { kernel, acceptor, ready, .. } = self;
        kernel.wait(timeout, |source, readiness| match source {
            Source::Connection(slot) => ready.push((slot, readiness)),
            Source::Listener => acceptor.queue_filled(),
        });
    }

    /// How long the reactor may sleep; `None` is for ever.
    fn timeout(&mut self) -> Option<Duration> {
        if let Phase::Draining(drain) = &mut self.phase {
            // The first turn of a drain visits every connection. Its deadline must not come later for
            // that, so a drain looks at the clock again before it sleeps.
            let turn_began = mem::replace(&mut self.now, self.kernel.now());
            drain.turn_ends(turn_began, self.now);
        }
        if !self.unfinished.is_empty() || self.acceptor.is_ready() {
            return Some(Duration::ZERO);
        }
        let drain_deadline = self.phase.drain().map_or(Moment::NEVER, Drain::deadline);
        let next = self.deadlines.next().min(self.acceptor.retry_at()).min(drain_deadline);
        self.now.until(next)
    }

    fn serve_ready(&mut self) {
        let mut unfinished = mem::take(&mut self.unfinished);
        // A connection that was served twice in one turn is listed twice.
        unfinished.sort_unstable();
        unfinished.dedup();
        let mut ready = mem::take(&mut self.ready);
        for (slot, readiness) in ready.drain(..) {
            self.serve(slot, readiness);
        }
        for slot in unfinished {
            self.serve(slot, Readiness::READABLE);
        }
        // Keeps its memory for the next turn.
        self.ready = ready;
    }

    /// Lets one connection do what it can. An event may come too late for its connection.
    fn serve(&mut self, slot: usize, readiness: Readiness) {
        let Reactor { connections, service, phase, scratch, now, .. } = self;
        let Some(connection) = connections.get_mut(slot) else { return };
        if connection.closed().is_some() {
            return;
        }
        let (peer, framing) = (connection.peer(), service.rules.framing);
        let mut seen = |bytes: &[u8]| match framing {
            Framing::Line => log_events::message_received(peer, bytes),
            Framing::Stream => log_events::bytes_received(peer, bytes),
        };
        let turn = turn_of(service, phase, *now);
        match connection.advance(readiness, &turn, scratch, &mut seen) {
            Progress::Blocked | Progress::Closed => {}
            Progress::OutOfBudget => self.unfinished.push(slot),
        }
        self.follow_up(slot);
    }

    /// After a connection has changed: remembers to reap it, or to look at it in time.
    fn follow_up(&mut self, slot: usize) {
        let turn = turn_of(&self.service, &self.phase, self.now);
        let connection = &mut self.connections[slot];
        if connection.closed().is_some() {
            self.closed.push(slot);
            return;
        }
        let deadline = connection.deadline(&turn).at;
        if deadline < connection.check_at {
            self.deadlines.reschedule(slot, connection.check_at, deadline);
            connection.check_at = deadline;
        }
    }

    fn accept(&mut self) {
        self.acceptor.begin_turn(self.now);
        loop {
            let open = self.connections.len() - self.closed.len();
            match self.acceptor.next(&mut self.kernel, open, self.now) {
                Some((socket, peer)) => self.welcome(Connection::new(socket, peer, self.now)),
                None => return,
            }
        }
    }

    /// Serves a newcomer at once, because its message is usually there already. The poll need not
    /// know of a connection that ends with that.
    fn welcome(&mut self, connection: Connection<K::Socket>) {
        log_events::got_connection(connection.peer());
        let slot = self.connections.insert(connection);
        self.serve(slot, Readiness::READABLE);
        let connection = &mut self.connections[slot];
        if connection.closed().is_some() {
            return;
        }
        if let Err(error) = self.kernel.watch(&mut connection.socket, Source::Connection(slot)) {
            connection.fail(error.kind());
            self.follow_up(slot);
        }
    }

    fn expire(&mut self) {
        while let Some(slot) = self.deadlines.take_due(self.now) {
            let turn = turn_of(&self.service, &self.phase, self.now);
            let connection = &mut self.connections[slot];
            connection.check_at = Moment::NEVER;
            if connection.closed().is_some() {
                continue;
            }
            if connection.deadline(&turn).at <= self.now {
                self.expire_connection(slot);
            } else {
                self.follow_up(slot);
            }
        }
        if self.phase.drain().is_some_and(|drain| drain.deadline() <= self.now) {
            self.abort_drain();
        }
    }

    /// Closes a connection whose time is over, unless something has arrived that gives it more: the
    /// process may have been stopped, and more connections may be ready than one turn is told of.
    fn expire_connection(&mut self, slot: usize) {
        self.serve(slot, Readiness::READABLE);
        let turn = turn_of(&self.service, &self.phase, self.now);
        let connection = &mut self.connections[slot];
        if connection.deadline(&turn).at <= self.now {
            connection.expire(&turn);
            self.follow_up(slot);
        }
    }

    fn reap(&mut self) {
        if self.closed.is_empty() {
            return;
        }
        for slot in self.closed.drain(..) {
            let connection = self.connections.remove(slot);
            self.deadlines.reschedule(slot, connection.check_at, Moment::NEVER);
            let reason = connection.closed().expect("only closed connections are reaped");
            log_events::connection_closed(connection.peer(), reason, connection.messages());
        }
        self.acceptor.slot_freed();
    }

    // The way out.

    fn obey_signals(&mut self) {
        let mut signals = Vec::new();
        self.kernel.signals(|signal| signals.push(signal));
        for signal in signals {
            match self.phase {
                Phase::Running => self.begin_drain(signal),
                Phase::Draining(drain) if drain.is_same_request(self.now) => {}
                Phase::Draining(_) => {
                    log_events::forced_out(signal, self.connections.len());
                    self.abort_all();
                    self.phase = Phase::Stopped(Exit::Forced(signal));
                }
                Phase::Stopped(_) => {}
            }
        }
    }

    /// From here on nothing new is let in, and what has arrived is finished: the listen queue is
    /// emptied, and every connection is read once more and answered.
    fn begin_drain(&mut self, signal: Signal) {
        let drain_timeout = self.service.drain_timeout;
        log_events::drain_begins(signal, self.connections.len(), drain_timeout);
        self.phase = Phase::Draining(Drain::begin(self.now, drain_timeout));
        self.acceptor.last_call(&mut self.kernel);
        self.unfinished = self.connections.iter().map(|(slot, _)| slot).collect();
        for (_, connection) in &mut self.connections {
            connection.begin_drain();
        }
    }

    fn abort_drain(&mut self) {
        let left = self.connections.iter().filter(|(_, connection)| connection.owes()).count();
        if left > 0 || !self.acceptor.is_closed() {
            log_events::drain_deadline_passed(left);
        }
        self.abort_all();
    }

    fn abort_all(&mut self) {
        self.acceptor.close(&mut self.kernel);
        for (slot, connection) in &mut self.connections {
            if connection.closed().is_none() {
                connection.abort();
                self.closed.push(slot);
            }
        }
    }

    fn leave_if_drained(&mut self) {
        let is_drained = self.acceptor.is_closed() && self.connections.is_empty();
        if is_drained && self.phase.drain().is_some() {
            log_events::stopped();
            self.phase = Phase::Stopped(Exit::Drained);
        }
    }
}

/// What holds for every connection that is visited now.
fn turn_of<'a>(service: &'a Service, phase: &'a Phase, now: Moment) -> Turn<'a> {
    let Service { rules, timeouts, .. } = service;
    Turn { rules, timeouts, drain: phase.drain(), now }
}
