//! The loop.
//!
//! One turn is always the same, in this order:
//!
//! 1. wait for events, or for the nearest deadline
//! 2. now: take the time, for all that follows
//! 3. obey signals; a drain also begins here when its delay is over
//! 4. serve the connections that are ready
//! 5. accept new ones
//! 6. expire deadlines
//! 7. reap closed connections: slots are freed here and nowhere else, so that no event of this turn
//!    can reach a new connection in an old slot
//! 8. leave, if a drain has nothing left to do
//! 9. tell those who watch
//! 10. flush the log

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use echo_status::{Frame, Step, WokenBy};
use slab::Slab;

use crate::acceptor::Acceptor;
use crate::account::Account;
use crate::config::Service;
use crate::connection::{Connection, Progress, Scratch, Turn};
use crate::deadlines::{Deadlines, Moment};
use crate::drain::{Delay, Drain, OneRequest};
use crate::kernel::{Clock, Kernel};
use crate::log_events;
use crate::message_log::MessageLog;
use crate::signals::{Request, Signal};
use crate::source::{Readiness, Source};
use crate::timing::{Lap, Timing};
use crate::watchers::{Desk, Told, Watchers};
use crate::work::{self, Budget};

mod frame;
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

/// What tells one server from another, for those who watch.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// The host's name.
    pub host: String,
    /// Where clients are served.
    pub address: String,
    /// When the server started: since 1970.
    pub started: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Running,
    /// A signal came: all goes on as before, until the drain begins.
    Leaving(Delay),
    /// A signal came: what has arrived is finished, until the deadline.
    Draining(Drain),
    Stopped(Drain, Exit),
}

impl Phase {
    fn drain(&self) -> Option<&Drain> {
        match self {
            Phase::Draining(drain) => Some(drain),
            Phase::Running | Phase::Leaving(_) | Phase::Stopped(..) => None,
        }
    }

    /// The request to leave that is obeyed now.
    fn request(&mut self) -> Option<&mut OneRequest> {
        match self {
            Phase::Leaving(delay) => Some(&mut delay.request),
            Phase::Draining(drain) => Some(&mut drain.request),
            Phase::Running | Phase::Stopped(..) => None,
        }
    }

    /// When the next phase begins by itself.
    fn ends(&self) -> Moment {
        match self {
            Phase::Leaving(delay) => delay.ends(),
            Phase::Draining(drain) => drain.deadline(),
            Phase::Running | Phase::Stopped(..) => Moment::NEVER,
        }
    }
}

/// The server: all its connections and the one thread that serves them.
pub struct Reactor<K: Kernel> {
    kernel: K,
    service: Service,
    identity: Identity,
    clock: Clock,
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
    account: Account,
    watchers: Watchers<K::Socket>,
    /// Only while somebody watches.
    timing: Option<Box<Timing>>,
    now: Moment,
}

impl<K: Kernel> Reactor<K> {
    /// A reactor on a kernel that listens already.
    pub fn new(kernel: K, service: Service) -> Reactor<K> {
        let acceptor = Acceptor::new(service.connections_max);
        Reactor {
            now: kernel.now(),
            clock: kernel.clock(),
            kernel,
            phase: Phase::Running,
            // The slab gets its full size at once: growing by doubling would copy every connection.
            // The unused part takes address space, not memory.
            connections: Slab::with_capacity(acceptor.slots_max()),
            acceptor,
            scratch: Scratch::new(&service.rules),
            message_log: MessageLog::new(&service),
            service,
            identity: Identity::default(),
            deadlines: Deadlines::default(),
            ready: VecDeque::new(),
            closed: Vec::new(),
            account: Account::default(),
            watchers: Watchers::new(),
            timing: None,
        }
    }

    /// The same, and its frames say who it is.
    #[must_use]
    pub fn introduced(self, identity: Identity) -> Self {
        Reactor { identity, ..self }
    }

    /// Serves until a signal makes the server leave.
    pub fn run(&mut self) -> Exit {
        self.begin();
        loop {
            if let Some(exit) = self.turn() {
                return exit;
            }
        }
    }

    /// Before the first turn.
    pub fn begin(&mut self) {
        log_events::proceed_to_accept();
        self.kernel.flush_log();
    }

    /// What was counted until now.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// One turn: the phases in the order of the list above. Returns how the server has left, if it has.
    pub fn turn(&mut self) -> Option<Exit> {
        self.wait();
        self.now = self.kernel.now();
        self.obey_signals();
        self.serve_ready();
        self.accept();
        self.expire();
        self.reap();
        self.leave_if_drained();
        self.tell_watchers();
        self.flush_log();
        match self.phase {
            Phase::Stopped(_, exit) => Some(exit),
            Phase::Running | Phase::Leaving(_) | Phase::Draining(_) => None,
        }
    }

    /// The turn has taken time. Once a signal has come, the clock is read again before the sleep, so that the
    /// next phase is not late by that time, and to know when the turn ended.
    fn end_turn(&mut self) {
        if let Some(timing) = &mut self.timing {
            timing.ends(&self.account, self.phase.drain().is_some());
        }
        if let Some(request) = self.phase.request() {
            let turn_began = mem::replace(&mut self.now, self.kernel.now());
            request.turn_ends(turn_began, self.now);
        }
    }

    fn wait(&mut self) {
        self.end_turn();
        self.account.begin_turn();
        let has_work_left = self.has_work_left();
        let timeout = if has_work_left { Some(Duration::ZERO) } else { self.time_to_deadline() };
        let Reactor { kernel, acceptor, connections, ready, account, watchers, .. } = self;
        let Account { tally, follow, .. } = account;
        let events = &mut tally.events;
        let wakeup = kernel.wait(timeout, |source, readiness| match source {
            // The connection of an event may be gone.
            Source::Connection(slot) => {
                let Some(connection) = connections.get_mut(slot) else {
                    events.stale += 1;
                    return;
                };
                events.connection += 1;
                follow.event(slot, readiness);
                connection.tell(readiness);
                if connection.join_queue() {
                    ready.push_back(slot);
                }
            }
            Source::Listener => {
                events.listener += 1;
                acceptor.queue_filled();
            }
            Source::Status => {
                events.status += 1;
                watchers.queue_filled();
            }
            Source::Watcher(place) => {
                events.status += 1;
                watchers.tell(place, readiness);
            }
        });
        let woken_by = match wakeup.by_event {
            _ if has_work_left => WokenBy::WorkLeft,
            true => WokenBy::Event,
            false => WokenBy::Deadline,
        };
        account.wakes(woken_by);
        account.tally.budgets.events += u64::from(wakeup.is_full);
        if let Some(timing) = &mut self.timing {
            timing.wakes(account.tally.turns, woken_by, (self.clock)());
        }
    }

    /// A phase of the turn is over that had something to do. It is timed if somebody watches.
    fn lap(&mut self, lap: Lap) {
        if let Some(timing) = &mut self.timing {
            timing.lap(lap, (self.clock)());
        }
    }

    /// Whether there is work that no event will tell of.
    fn has_work_left(&self) -> bool {
        !self.ready.is_empty() || self.acceptor.is_ready() || self.watchers.have_work_left()
    }

    /// How long the reactor may sleep; `None` is no limit.
    fn time_to_deadline(&self) -> Option<Duration> {
        let next = self.deadlines.next().min(self.acceptor.retry_at());
        let next = next.min(self.phase.ends()).min(self.message_log.report_at());
        self.now.until(next.min(self.watchers.wake_at()))
    }

    /// Visits each waiting connection once, until the budget is spent. The connections that are left
    /// come first in the next turn.
    fn serve_ready(&mut self) {
        if self.ready.is_empty() {
            return;
        }
        let mut budget = Budget::new(self.service.work_per_turn / 2);
        for _ in 0..self.ready.len() {
            if budget.is_spent() {
                self.account.tally.budgets.serve += 1;
                break;
            }
            let slot = self.ready.pop_front().expect("as many as were counted");
            if self.connections.get_mut(slot).is_some_and(Connection::leave_queue) {
                self.visit(slot, &mut budget);
            }
        }
        self.lap(Lap::Serve);
    }

    /// Lets one connection go as far as it can, and takes note of the result.
    fn visit(&mut self, slot: usize, budget: &mut Budget) {
        if self.connections[slot].closed().is_none() {
            self.account.visits += 1;
            self.advance(slot, budget);
            self.follow_up(slot);
        }
    }

    fn advance(&mut self, slot: usize, budget: &mut Budget) {
        let Reactor {
            connections, service, phase, scratch, ready, message_log, account, now, ..
        } = self;
        let connection = &mut connections[slot];
        account.follow.attend(slot);
        let (peer, now) = (connection.peer(), *now);
        let mut seen = |bytes: &[u8]| message_log.received(peer, bytes, now);
        let turn = turn_of(service, phase, now);
        let mut visit = Budget::new(work::PER_VISIT);
        let progress = connection.advance(&turn, scratch, &mut visit, account, &mut seen);
        budget.spend(visit.spent());
        if progress == Progress::OutOfBudget {
            account.tally.budgets.visit += 1;
            account.follow.step(|| Step::OutOfBudget);
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
        self.acceptor.begin_turn(self.now, &mut self.account);
        if !self.acceptor.is_ready() {
            return;
        }
        let mut budget = Budget::new(self.service.work_per_turn / 4);
        while !budget.is_spent() {
            let open = self.connections.len() - self.closed.len();
            let Reactor { kernel, acceptor, account, now, .. } = self;
            let Some((socket, peer)) = acceptor.next(kernel, open, *now, account) else { break };
            budget.spend(work::STEP);
            let connection = Connection::new(socket, peer, *now, account);
            self.welcome(connection, &mut budget);
        }
        // The queue may hold more, for the next turn.
        self.account.tally.budgets.accept += u64::from(self.acceptor.is_ready());
        self.lap(Lap::Accept);
    }

    /// Visits a new connection at once, because its message has usually arrived already. If this visit
    /// closes the connection, the poll never has to know of it.
    fn welcome(&mut self, connection: Connection<K::Socket>, budget: &mut Budget) {
        log_events::got_connection(connection.peer());
        let peer = connection.peer();
        let slot = self.connections.insert(connection);
        self.account.follow.accepted(slot, || peer.plain().to_string());
        self.visit(slot, budget);
        let connection = &mut self.connections[slot];
        if connection.closed().is_some() {
            return;
        }
        self.account.tally.registrations += 1;
        match self.kernel.watch(&mut connection.socket, Source::Connection(slot)) {
            Ok(()) => self.account.follow.step(|| Step::Watched),
            Err(error) => {
                connection.fail(error.kind(), &mut self.account);
                self.follow_up(slot);
            }
        }
    }

    fn expire(&mut self) {
        let is_drain_over = self.phase.drain().is_some_and(|drain| drain.deadline() <= self.now);
        if self.deadlines.next() > self.now && !is_drain_over {
            return;
        }
        let mut budget = Budget::new(self.service.work_per_turn / 4);
        while !budget.is_spent()
            && let Some(slot) = self.deadlines.take_due(self.now)
        {
            budget.spend(work::MESSAGE);
            self.check_deadline(slot, &mut budget);
        }
        self.account.tally.budgets.expire += u64::from(self.deadlines.next() <= self.now);
        if is_drain_over {
            self.abort_drain();
        }
        self.lap(Lap::Expire);
    }

    /// Closes a connection whose time is over, unless unread input gives it more time. There can be
    /// unread input if the process was stopped, or if more connections are ready than one turn serves.
    fn check_deadline(&mut self, slot: usize, budget: &mut Budget) {
        let connection = &mut self.connections[slot];
        self.account.tally.deadlines.checked += 1;
        connection.check_at = Moment::NEVER;
        if connection.closed().is_some() {
            return;
        }
        let turn = turn_of(&self.service, &self.phase, self.now);
        if connection.deadline(&turn).at <= self.now {
            connection.tell(Readiness::READABLE);
            self.advance(slot, budget);
            let turn = turn_of(&self.service, &self.phase, self.now);
            self.connections[slot].expire(&turn, &mut self.account);
        }
        let is_put_off = self.connections[slot].closed().is_none();
        self.account.tally.deadlines.put_off += u64::from(is_put_off);
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
            let (peer, messages) = (connection.peer(), connection.messages());
            log_events::connection_closed(peer, reason, messages);
            let step = || Step::Closed { reason: reason.to_string(), messages };
            self.account.follow.closed(slot, step);
        }
        self.acceptor.slot_freed(self.now, &mut self.account);
        self.lap(Lap::Reap);
    }

    /// Nothing, unless somebody watches or wants to.
    fn tell_watchers(&mut self) {
        let is_over = matches!(self.phase, Phase::Stopped(..));
        let has_steps = self.account.follow.take_news();
        if !is_over && !has_steps && !self.watchers.have_work(self.now) {
            return;
        }
        if let Some(timing) = &mut self.timing
            && self.watchers.frame_is_due(self.now)
        {
            timing.frame_is_due((self.clock)());
        }
        let frame = self.frame();
        let Reactor { kernel, watchers, timing, account, clock, now, .. } = self;
        let mut tell = |Told { watchers, frames_lost, turns_from }: Told| Frame {
            watchers,
            frames_lost,
            turns: timing.as_ref().map_or(Vec::new(), |timing| timing.turns_from(turns_from)),
            ..frame.clone()
        };
        let mut desk = Desk { now: *now, clock, follow: &mut account.follow, tell: &mut tell };
        if is_over {
            watchers.part(&mut desk);
        } else {
            watchers.serve(kernel, &mut desk);
        }
        if !watchers.watch() {
            *timing = None;
        } else if timing.is_none() {
            *timing = Some(Box::new(Timing::begin(clock(), account)));
        }
        self.lap(Lap::Status);
    }

    fn flush_log(&mut self) {
        self.message_log.report_if_due(self.now);
        self.kernel.flush_log();
        self.lap(Lap::Log);
    }

    // The way out of the server.

    fn obey_signals(&mut self) {
        let mut requests = Vec::new();
        self.kernel.requests(|request| requests.push(request));
        for request in requests {
            match request {
                Request::Leave(signal) => self.obey_leave(signal),
                Request::Report => self.report(),
            }
            self.lap(Lap::Signals);
        }
        if let Phase::Leaving(delay) = self.phase
            && delay.ends() <= self.now
        {
            self.begin_drain(delay.signal());
        }
    }

    fn obey_leave(&mut self, signal: Signal) {
        match self.phase {
            Phase::Running if self.service.drain_delay.is_zero() => self.begin_drain(signal),
            Phase::Running => self.begin_delay(signal),
            Phase::Leaving(Delay { request, .. }) | Phase::Draining(Drain { request, .. })
                if request.includes(self.now) => {}
            Phase::Leaving(_) => self.begin_drain(signal),
            Phase::Draining(drain) => {
                log_events::forced_out(signal, self.connections.len());
                self.abort_all();
                self.message_log.report();
                self.phase = Phase::Stopped(drain, Exit::Forced(signal));
            }
            Phase::Stopped(..) => {}
        }
    }

    /// All goes on as before, but whoever asks is told that the server leaves.
    fn begin_delay(&mut self, signal: Signal) {
        let drain_delay = self.service.drain_delay;
        log_events::drain_is_delayed(signal, drain_delay);
        self.phase = Phase::Leaving(Delay::begin(signal, self.now, drain_delay));
    }

    /// From here on no connection gets into the listen queue. Those in the queue are accepted, and
    /// every connection is read once more and answered.
    fn begin_drain(&mut self, signal: Signal) {
        let drain_timeout = self.service.drain_timeout;
        log_events::drain_begins(signal, self.connections.len(), drain_timeout);
        self.phase = Phase::Draining(Drain::begin(signal, self.now, drain_timeout));
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
            if let Phase::Draining(drain) = &mut self.phase {
                drain.cut_short();
            }
        }
        self.abort_all();
    }

    fn abort_all(&mut self) {
        self.acceptor.close(&mut self.kernel, self.now, &mut self.account);
        for (slot, connection) in &mut self.connections {
            if connection.closed().is_none() {
                self.account.follow.attend(slot);
                connection.abort(&mut self.account);
                self.closed.push(slot);
            }
        }
    }

    fn leave_if_drained(&mut self) {
        let is_drained = self.acceptor.is_closed() && self.connections.is_empty();
        if let Phase::Draining(drain) = self.phase
            && is_drained
        {
            self.message_log.report();
            log_events::stopped();
            self.phase = Phase::Stopped(drain, Exit::Drained);
        }
    }
}

/// What holds for every connection that is visited now.
fn turn_of<'a>(service: &'a Service, phase: &'a Phase, now: Moment) -> Turn<'a> {
    let Service { rules, timeouts, .. } = service;
    Turn { rules, timeouts, drain: phase.drain(), now }
}
