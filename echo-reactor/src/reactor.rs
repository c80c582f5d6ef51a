//! The loop.
//!
//! One turn is always the same, in this order:
//!
//! 1. wait for events, or for the nearest deadline
//! 2. take the time, once for all that follows
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

use crate::acceptor::{ACCEPTS_PER_TURN, Acceptor, Failure};
use crate::connection::{Connection, Desk, Progress};
use crate::deadlines::{Deadlines, Moment};
use crate::echo::Framing;
use crate::kernel::Kernel;
use crate::log_events;
use crate::signals::{SAME_REQUEST, Signal};
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
    Draining {
        /// Until then, a further signal belongs to the first one's request.
        same_request_until: Moment,
        deadline: Moment,
    },
    Stopped(Exit),
}

/// What bounds the reactor.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections may be open at once.
    pub connections_max: usize,
    /// How long a drain may take.
    pub drain_timeout: Duration,
}

/// The server: all its connections and the one thread that serves them.
pub struct Reactor<K: Kernel> {
    kernel: K,
    phase: Phase,
    limits: Limits,
    acceptor: Acceptor,
    connections: Slab<Connection<K::Socket>>,
    desk: Desk,
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
    pub fn new(kernel: K, limits: Limits, desk: Desk) -> Reactor<K> {
        Reactor {
            now: kernel.now(),
            kernel,
            phase: Phase::Running,
            limits,
            acceptor: Acceptor::new(limits.connections_max),
            // As large as it can get: one that doubles would copy all connections each time. What
            // is not used takes addresses, not memory.
            connections: Slab::with_capacity(limits.connections_max + ACCEPTS_PER_TURN),
            desk,
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
        self.set_clock_in_drain();
        let timeout = self.timeout();
        let Reactor { kernel, acceptor, ready, .. } = self;
        kernel.wait(timeout, |source, readiness| match source {
            Source::Connection(slot) => ready.push((slot, readiness)),
            Source::Listener => acceptor.queue_filled(),
            // Looked at in every turn: these events have done their part by ending the sleep.
            Source::Signals | Source::Log => {}
        });
    }

    /// The turns of a drain may take long, above all the first, which visits every connection. The
    /// deadline must not come later for that, and a signal that came in such a turn is seen behind it.
    fn set_clock_in_drain(&mut self) {
        let Phase::Draining { same_request_until, .. } = &mut self.phase else { return };
        let turn_began = mem::replace(&mut self.now, self.kernel.now());
        if self.desk.drain_began.is_some_and(|began| turn_began < began + SAME_REQUEST) {
            *same_request_until = self.now + SAME_REQUEST;
        }
    }

    /// How long the reactor may sleep; `None` is for ever.
    fn timeout(&self) -> Option<Duration> {
        if !self.unfinished.is_empty() || self.acceptor.is_ready() {
            return Some(Duration::ZERO);
        }
        let drain_deadline = match self.phase {
            Phase::Draining { deadline, .. } => deadline,
            Phase::Running | Phase::Stopped(_) => Moment::NEVER,
        };
        let next = self.deadlines.next().min(self.acceptor.retry_at()).min(drain_deadline);
        self.now.until(next)
    }

    fn obey_signals(&mut self) {
        let mut signals = Vec::new();
        self.kernel.signals(|signal| signals.push(signal));
        for signal in signals {
            match self.phase {
                Phase::Running => self.begin_drain(signal),
                Phase::Draining { same_request_until, .. } if self.now < same_request_until => {}
                Phase::Draining { .. } => {
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
        let drain_timeout = self.limits.drain_timeout;
        log_events::drain_begins(signal, self.connections.len(), drain_timeout);
        self.phase = Phase::Draining {
            same_request_until: self.now + SAME_REQUEST,
            deadline: self.now + drain_timeout,
        };
        self.desk.drain_began = Some(self.now);
        self.kernel.shut_queue();
        self.acceptor.queue_filled();
        self.unfinished = self.connections.iter().map(|(slot, _)| slot).collect();
        for (_, connection) in &mut self.connections {
            connection.begin_drain();
        }
    }

    fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining { .. })
    }

    fn serve_ready(&mut self) {
        let mut unfinished = mem::take(&mut self.unfinished);
        // One that was visited for an event and for its deadline, both in the last turn, may be in it
        // twice.
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
    fn serve(&mut self, slot: usize, mut readiness: Readiness) {
        let draining = self.is_draining();
        let Some(connection) = self.connections.get_mut(slot) else { return };
        if connection.closed().is_some() {
            return;
        }
        // The last visit of all must not trust in an event for what has arrived.
        readiness.readable |= draining;
        let (peer, framing) = (connection.peer(), self.desk.rules.framing);
        let mut seen = |bytes: &[u8]| match framing {
            Framing::Line => log_events::message_received(peer, bytes),
            Framing::Stream => log_events::bytes_received(peer, bytes),
        };
        match connection.advance(readiness, &mut self.desk, self.now, &mut seen) {
            Progress::Blocked if draining => connection.drain(self.now),
            Progress::Blocked | Progress::Closed => {}
            Progress::OutOfBudget => self.unfinished.push(slot),
        }
        self.follow_up(slot);
    }

    /// After a connection has changed: remembers to reap it, or to look at it in time.
    fn follow_up(&mut self, slot: usize) {
        let connection = &mut self.connections[slot];
        if connection.closed().is_some() {
            self.closed.push(slot);
            return;
        }
        let deadline = connection.deadline(&self.desk);
        if deadline < connection.check_at {
            self.deadlines.reschedule(slot, connection.check_at, deadline);
            connection.check_at = deadline;
        }
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTS_PER_TURN {
            let open = self.connections.len() - self.closed.len();
            if !self.acceptor.is_ready() || !self.acceptor.has_room(open, self.now) {
                return;
            }
            match self.kernel.accept() {
                Ok((socket, peer)) => self.welcome(Connection::new(socket, peer, self.now)),
                Err(error) => match Failure::from(&error) {
                    Failure::QueueEmpty if self.is_draining() => self.close_listener(),
                    Failure::QueueEmpty => self.acceptor.queue_emptied(),
                    Failure::Interrupted => {}
                    Failure::ConnectionGone => log_events::connection_gone(&error),
                    Failure::Exhausted => self.acceptor.exhausted(&error, self.now),
                },
            }
        }
    }

    /// Serves a newcomer at once, for its message is mostly there already. The poll need not know
    /// of a connection that ends with that.
    fn welcome(&mut self, connection: Connection<K::Socket>) {
        log_events::got_connection(connection.peer());
        let slot = self.connections.insert(connection);
        self.serve(slot, Readiness::READABLE);
        let connection = &mut self.connections[slot];
        if connection.closed().is_some() {
            return;
        }
        if let Err(error) = self.kernel.watch(&mut connection.socket, slot) {
            connection.fail(error.kind());
            self.follow_up(slot);
        }
    }

    fn close_listener(&mut self) {
        self.kernel.close_listener();
        self.acceptor.listener_closed();
        log_events::listener_closed();
    }

    fn expire(&mut self) {
        self.acceptor.retry(self.now);
        while let Some(slot) = self.deadlines.take_due(self.now) {
            let connection = &mut self.connections[slot];
            connection.check_at = Moment::NEVER;
            if connection.closed().is_some() {
                continue;
            }
            if connection.deadline(&self.desk) <= self.now {
                self.expire_connection(slot);
            } else {
                self.follow_up(slot);
            }
        }
        match self.phase {
            Phase::Draining { deadline, .. } if deadline <= self.now => self.abort_drain(),
            Phase::Running | Phase::Draining { .. } | Phase::Stopped(_) => {}
        }
    }

    /// Closes a connection whose time is over, unless something has arrived that gives it more: the
    /// process may have been stopped, and more connections may be ready than one turn is told of.
    fn expire_connection(&mut self, slot: usize) {
        self.serve(slot, Readiness::READABLE);
        let connection = &mut self.connections[slot];
        if connection.deadline(&self.desk) <= self.now {
            connection.expire(&self.desk, self.now);
            self.follow_up(slot);
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
        if !self.acceptor.is_closed() {
            self.close_listener();
        }
        for (slot, connection) in &mut self.connections {
            if connection.closed().is_none() {
                connection.abort();
                self.closed.push(slot);
            }
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

    fn leave_if_drained(&mut self) {
        if self.is_draining() && self.acceptor.is_closed() && self.connections.is_empty() {
            log_events::stopped();
            self.phase = Phase::Stopped(Exit::Drained);
        }
    }
}
