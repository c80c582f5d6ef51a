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
//!    can reach a new connection in an old slot
//! 8. leave, if a drain has nothing left to do
//! 9. flush the log

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use slab::Slab;

use crate::acceptor::Acceptor;
use crate::config::Service;
use crate::connection::{Connection, Progress, Scratch, Turn};
use crate::deadlines::{Deadlines, Moment};
use crate::drain::Drain;
use crate::kernel::Kernel;
use crate::log_events;
use crate::message_log::MessageLog;
use crate::signals::{Request, Signal};
use crate::source::{Readiness, Source};
use crate::work::{self, Budget};

#[cfg(test)]
mod tests;

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
    /// A signal came: what has arrived is finished, until the deadline.
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
    message_log: MessageLog,
    /// Connections that wait for a visit, first come, first served. A connection waits here after an
    /// event, and after a visit that ran out of budget: no event will tell of the work that is left.
    ready: VecDeque<usize>,
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
            // The slab gets its full size at once: growing by doubling would copy every connection.
            // The unused part takes address space, not memory.
            connections: Slab::with_capacity(acceptor.slots_max()),
            acceptor,
            scratch: Scratch::new(&service.rules),
            message_log: MessageLog::new(&service),
            service,
            deadlines: Deadlines::default(),
            ready: VecDeque::new(),
            closed: Vec::new(),
        }
    }

    /// Serves until a signal makes the server leave.
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

    /// One turn: the phases in the order of the list above.
    fn turn(&mut self) {
        self.wait();
        self.now = self.kernel.now();
        self.obey_signals();
        self.serve_ready();
        self.accept();
        self.expire();
        self.reap();
        self.leave_if_drained();
        self.flush_log();
    }

    fn wait(&mut self) {
        let timeout = self.timeout();
        let Reactor { kernel, acceptor, connections, ready, .. } = self;
        kernel.wait(timeout, |source, readiness| match source {
            // The connection of an event may be gone.
            Source::Connection(slot) => {
                let Some(connection) = connections.get_mut(slot) else { return };
                connection.tell(readiness);
                if connection.join_queue() {
                    ready.push_back(slot);
                }
            }
            Source::Listener => acceptor.queue_filled(),
        });
    }

    /// How long the reactor may sleep; `None` is no limit.
    fn timeout(&mut self) -> Option<Duration> {
        if let Phase::Draining(drain) = &mut self.phase {
            // The turn has taken time. A drain reads the clock again before it sleeps, so that its
            // deadline is not late by that time, and to know when the turn ended.
            let turn_began = mem::replace(&mut self.now, self.kernel.now());
            drain.turn_ends(turn_began, self.now);
        }
        if !self.ready.is_empty() || self.acceptor.is_ready() {
            return Some(Duration::ZERO);
        }
        let drain_deadline = self.phase.drain().map_or(Moment::NEVER, Drain::deadline);
        let next = self.deadlines.next().min(self.acceptor.retry_at());
        self.now.until(next.min(drain_deadline).min(self.message_log.report_at()))
    }

    /// Visits each waiting connection once, until the budget is spent. The connections that are left
    /// come first in the next turn.
    fn serve_ready(&mut self) {
        let mut budget = Budget::new(self.service.work_per_turn / 2);
        for _ in 0..self.ready.len() {
            if budget.is_spent() {
                return;
            }
            let slot = self.ready.pop_front().expect("as many as were counted");
            if self.connections.get_mut(slot).is_some_and(Connection::leave_queue) {
                self.visit(slot, &mut budget);
            }
        }
    }

    /// Lets one connection go as far as it can, and takes note of the result.
    fn visit(&mut self, slot: usize, budget: &mut Budget) {
        if self.connections[slot].closed().is_none() {
            self.advance(slot, budget);
            self.follow_up(slot);
        }
    }

    fn advance(&mut self, slot: usize, budget: &mut Budget) {
        let Reactor { connections, service, phase, scratch, ready, message_log, now, .. } = self;
        let connection = &mut connections[slot];
        let (peer, now) = (connection.peer(), *now);
        let mut seen = |bytes: &[u8]| message_log.received(peer, bytes, now);
        let turn = turn_of(service, phase, now);
        let mut visit = Budget::new(work::PER_VISIT);
        let progress = connection.advance(&turn, scratch, &mut visit, &mut seen);
        budget.spend(visit.spent());
        if progress == Progress::OutOfBudget {
            connection.tell(Readiness::READABLE);
            if connection.join_queue() {
                ready.push_back(slot);
            }
        }
    }

    /// After a connection has changed: remembers to reap it, or to check its deadline in time.
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
        let mut budget = Budget::new(self.service.work_per_turn / 4);
        self.acceptor.begin_turn(self.now);
        while !budget.is_spent() {
            let open = self.connections.len() - self.closed.len();
            let next = self.acceptor.next(&mut self.kernel, open, self.now);
            let Some((socket, peer)) = next else { return };
            budget.spend(work::STEP);
            self.welcome(Connection::new(socket, peer, self.now), &mut budget);
        }
    }

    /// Visits a new connection at once, because its message has usually arrived already. If this visit
    /// closes the connection, the poll never has to know of it.
    fn welcome(&mut self, connection: Connection<K::Socket>, budget: &mut Budget) {
        log_events::got_connection(connection.peer());
        let slot = self.connections.insert(connection);
        self.visit(slot, budget);
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
        let mut budget = Budget::new(self.service.work_per_turn / 4);
        while !budget.is_spent()
            && let Some(slot) = self.deadlines.take_due(self.now)
        {
            budget.spend(work::MESSAGE);
            self.check_deadline(slot, &mut budget);
        }
        if self.phase.drain().is_some_and(|drain| drain.deadline() <= self.now) {
            self.abort_drain();
        }
    }

    /// Closes a connection whose time is over, unless unread input gives it more time. There can be
    /// unread input if the process was stopped, or if more connections are ready than one turn serves.
    fn check_deadline(&mut self, slot: usize, budget: &mut Budget) {
        let connection = &mut self.connections[slot];
        connection.check_at = Moment::NEVER;
        if connection.closed().is_some() {
            return;
        }
        let turn = turn_of(&self.service, &self.phase, self.now);
        if connection.deadline(&turn).at <= self.now {
            connection.tell(Readiness::READABLE);
            self.advance(slot, budget);
            let turn = turn_of(&self.service, &self.phase, self.now);
            self.connections[slot].expire(&turn);
        }
        self.follow_up(slot);
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

    fn flush_log(&mut self) {
        self.message_log.report_if_due(self.now);
        self.kernel.flush_log();
    }

    // The way out of the server.

    fn obey_signals(&mut self) {
        let mut requests = Vec::new();
        self.kernel.requests(|request| requests.push(request));
        for Request::Leave(signal) in requests {
            match self.phase {
                Phase::Running => self.begin_drain(signal),
                Phase::Draining(drain) if drain.is_same_request(self.now) => {}
                Phase::Draining(_) => {
                    log_events::forced_out(signal, self.connections.len());
                    self.abort_all();
                    self.message_log.report();
                    self.phase = Phase::Stopped(Exit::Forced(signal));
                }
                Phase::Stopped(_) => {}
            }
        }
    }

    /// From here on no connection gets into the listen queue. Those in the queue are accepted, and
    /// every connection is read once more and answered.
    fn begin_drain(&mut self, signal: Signal) {
        let drain_timeout = self.service.drain_timeout;
        log_events::drain_begins(signal, self.connections.len(), drain_timeout);
        self.phase = Phase::Draining(Drain::begin(self.now, drain_timeout));
        self.acceptor.last_call(&mut self.kernel);
        for (slot, connection) in &mut self.connections {
            connection.begin_drain();
            if connection.join_queue() {
                self.ready.push_back(slot);
            }
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
            self.message_log.report();
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
