//! Accepting: when to accept, when to pause, and when to go on.
//!
//! An edge tells only once that the listen queue holds connections. If the queue is not emptied then,
//! the server has to remember that, because no second edge comes for connections that are already
//! there. This state machine is that memory.

use std::io;
use std::time::Duration;

use echo_status::Accepting;
use rustix::io::Errno;

use crate::account::{Account, whole_micros};
use crate::deadlines::Moment;
use crate::kernel::Kernel;
use crate::log_events;
use crate::peer::Peer;

/// How many attempts to accept one turn may make, so that the open connections need not wait.
pub const ACCEPTS_PER_TURN: usize = 64;

/// How long to wait for descriptors or memory, unless a connection is closed earlier.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// A server at its limit may pause and go on a thousand times a second. After a pause that was
/// logged, no other is logged for this time.
const QUIET_AFTER_PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The queue was empty: an edge will come.
    Waiting,
    /// The queue may hold connections.
    Ready,
    /// As many connections are open as are allowed; the others wait in the queue.
    Full { since: Moment },
    /// The kernel has no descriptors or no memory for one more.
    Exhausted { since: Moment, retry_at: Moment },
    /// The listener is closed.
    Closed,
}

/// What an empty queue means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AtEmptyQueue {
    WaitForEdge,
    /// The last call was made: no further connection gets into the queue.
    CloseListener,
}

/// What an error of `accept(2)` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    QueueEmpty,
    /// A signal came in between: try again.
    Interrupted,
    /// This connection is gone; the next may be fine.
    ConnectionGone,
    /// No descriptor, no memory, or an undocumented error: it may pass.
    Exhausted,
}

impl From<&io::Error> for Failure {
    /// Linux passes on network errors of the new connection. They mean that this connection is gone,
    /// and nothing else (`accept(2)`).
    fn from(error: &io::Error) -> Failure {
        match Errno::from_io_error(error) {
            Some(Errno::AGAIN) => Failure::QueueEmpty,
            Some(Errno::INTR) => Failure::Interrupted,
            Some(
                Errno::CONNABORTED
                | Errno::CONNRESET
                | Errno::PROTO
                | Errno::NOPROTOOPT
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::NONET
                | Errno::OPNOTSUPP
                | Errno::TIMEDOUT,
            ) => Failure::ConnectionGone,
            _ => Failure::Exhausted,
        }
    }
}

/// The state of accepting. It logs pauses and their ends, at most one pause a second.
#[derive(Debug)]
pub struct Acceptor {
    state: State,
    at_empty_queue: AtEmptyQueue,
    connections_max: usize,
    attempts_left: usize,
    pause_is_logged: bool,
    quiet_until: Moment,
}

impl Acceptor {
    /// An acceptor that waits for the first edge, and lets in `connections_max` connections at once.
    #[must_use]
    pub fn new(connections_max: usize) -> Acceptor {
        Acceptor {
            state: State::Waiting,
            at_empty_queue: AtEmptyQueue::WaitForEdge,
            connections_max,
            attempts_left: ACCEPTS_PER_TURN,
            pause_is_logged: false,
            quiet_until: Moment::START,
        }
    }

    /// How many connections may be in the slab at once: those that are open, and those that were
    /// closed in this turn and have not been reaped yet.
    #[must_use]
    pub fn slots_max(&self) -> usize {
        self.connections_max + ACCEPTS_PER_TURN
    }

    /// Whether there is something to do without waiting.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Whether the listener is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// When to try again without an edge, [`Moment::NEVER`] if that is not needed.
    #[must_use]
    pub fn retry_at(&self) -> Moment {
        match self.state {
            State::Exhausted { retry_at, .. } => retry_at,
            State::Waiting | State::Ready | State::Full { .. } | State::Closed => Moment::NEVER,
        }
    }

    /// The state, as the status port shows it.
    #[must_use]
    pub fn accepting(&self) -> Accepting {
        match self.state {
            State::Waiting => Accepting::Waiting,
            State::Ready => Accepting::Ready,
            State::Full { .. } => Accepting::Full,
            State::Exhausted { .. } => Accepting::Exhausted,
            State::Closed => Accepting::Closed,
        }
    }

    /// An edge: the queue may hold connections.
    pub fn queue_filled(&mut self) {
        if self.state == State::Waiting {
            self.state = State::Ready;
        }
    }

    /// A connection was closed, and its descriptor with it.
    pub fn slot_freed(&mut self, now: Moment, account: &mut Account) {
        if let State::Full { .. } | State::Exhausted { .. } = self.state {
            self.resume(now, account);
        }
    }

    /// A turn begins to accept: it has all its attempts, and a pause whose time is over ends.
    pub fn begin_turn(&mut self, now: Moment, account: &mut Account) {
        self.attempts_left = ACCEPTS_PER_TURN;
        if self.retry_at() <= now {
            self.resume(now, account);
        }
    }

    /// Accepts the next connection, while `open` are open. `None` ends the accepting of this turn: the
    /// queue is empty, there is no room, or the attempts are used up.
    pub fn next<K: Kernel>(
        &mut self,
        kernel: &mut K,
        open: usize,
        now: Moment,
        account: &mut Account,
    ) -> Option<(K::Socket, Peer)> {
        while self.is_ready() && self.attempts_left > 0 {
            let limit = self.connections_max;
            if open >= limit {
                account.tally.pauses.full += 1;
                let state = State::Full { since: now };
                self.pause(state, now, || log_events::connection_limit_reached(limit));
                break;
            }
            self.attempts_left -= 1;
            match kernel.accept() {
                Ok(accepted) => {
                    account.tally.accepted += 1;
                    return Some(accepted);
                }
                Err(error) => self.take_failure(kernel, &error, now, account),
            }
        }
        None
    }

    fn take_failure(
        &mut self,
        kernel: &mut impl Kernel,
        error: &io::Error,
        now: Moment,
        account: &mut Account,
    ) {
        let failure = Failure::from(error);
        match failure {
            Failure::QueueEmpty => account.tally.accepts_empty += 1,
            _ => account.tally.accepts_failed += 1,
        }
        match (failure, self.at_empty_queue) {
            (Failure::QueueEmpty, AtEmptyQueue::WaitForEdge) => self.state = State::Waiting,
            (Failure::QueueEmpty, AtEmptyQueue::CloseListener) => self.close(kernel, now, account),
            (Failure::Interrupted, _) => {}
            (Failure::ConnectionGone, _) => log_events::connection_gone(error),
            (Failure::Exhausted, _) => {
                account.tally.pauses.exhausted += 1;
                let state = State::Exhausted { since: now, retry_at: now + RETRY_AFTER };
                self.pause(state, now, || log_events::accepting_paused(error));
            }
        }
    }

    /// From here on no connection gets into the queue. Those in the queue are still accepted; then the
    /// listener closes.
    pub fn last_call(&mut self, kernel: &mut impl Kernel) {
        kernel.shut_queue();
        self.at_empty_queue = AtEmptyQueue::CloseListener;
        self.queue_filled();
    }

    /// Closes the listener, whatever is in the queue. A second call does nothing.
    pub fn close(&mut self, kernel: &mut impl Kernel, now: Moment, account: &mut Account) {
        if !self.is_closed() {
            kernel.close_listener();
            self.count_pause(now, account);
            self.state = State::Closed;
            log_events::listener_closed();
        }
    }

    fn pause(&mut self, state: State, now: Moment, log: impl FnOnce()) {
        self.state = state;
        self.pause_is_logged = self.quiet_until <= now;
        if self.pause_is_logged {
            self.quiet_until = now + QUIET_AFTER_PAUSE;
            log();
        }
    }

    fn resume(&mut self, now: Moment, account: &mut Account) {
        self.count_pause(now, account);
        self.state = State::Ready;
        if self.pause_is_logged {
            log_events::proceed_to_accept();
        }
    }

    /// Counts how long a pause took, if it ends here.
    fn count_pause(&self, now: Moment, account: &mut Account) {
        if let State::Full { since } | State::Exhausted { since, .. } = self.state {
            account.tally.pauses.us += whole_micros(now.since(since));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::ScriptedKernel;

    const START: Moment = Moment::START;

    fn kernel<const N: usize>(accepts: [Result<(), Errno>; N]) -> ScriptedKernel {
        ScriptedKernel { accepts: accepts.into(), ..ScriptedKernel::default() }
    }

    fn ready(connections_max: usize) -> Acceptor {
        let mut acceptor = Acceptor::new(connections_max);
        acceptor.queue_filled();
        acceptor
    }

    /// How many connections one turn accepts, if none is closed meanwhile.
    fn turn(acceptor: &mut Acceptor, kernel: &mut ScriptedKernel, now: Moment) -> usize {
        let account = &mut Account::default();
        acceptor.begin_turn(now, account);
        let mut accepted = 0;
        while acceptor.next(kernel, accepted, now, account).is_some() {
            accepted += 1;
        }
        accepted
    }

    #[test]
    fn an_empty_queue_waits_for_an_edge() {
        let (mut acceptor, mut kernel) = (ready(10), kernel([Ok(()), Ok(())]));
        assert_eq!(turn(&mut acceptor, &mut kernel, START), 2);
        assert!(!acceptor.is_ready());
        acceptor.slot_freed(START, &mut Account::default());
        assert!(!acceptor.is_ready());
        acceptor.queue_filled();
        assert!(acceptor.is_ready());
    }

    #[test]
    fn at_the_limit_accepting_pauses_and_an_edge_does_not_end_the_pause() {
        let (mut acceptor, mut kernel) = (ready(1), kernel([Ok(()), Ok(())]));
        assert_eq!(turn(&mut acceptor, &mut kernel, START), 1);
        acceptor.queue_filled();
        assert!(!acceptor.is_ready());
        acceptor.slot_freed(START, &mut Account::default());
        assert!(acceptor.is_ready());
    }

    #[test]
    fn exhaustion_ends_by_itself_or_with_a_freed_slot() {
        let mut acceptor = ready(10);
        let mut kernel = kernel([Err(Errno::MFILE), Err(Errno::MFILE), Ok(())]);
        assert_eq!(turn(&mut acceptor, &mut kernel, START), 0);
        assert_eq!(acceptor.retry_at(), START + RETRY_AFTER);
        assert_eq!(turn(&mut acceptor, &mut kernel, START), 0);
        assert_eq!(kernel.attempts, 1);
        assert_eq!(turn(&mut acceptor, &mut kernel, START + RETRY_AFTER), 0);
        assert_eq!(kernel.attempts, 2);
        acceptor.slot_freed(START, &mut Account::default());
        assert_eq!(turn(&mut acceptor, &mut kernel, START + RETRY_AFTER), 1);
    }

    #[test]
    fn failed_attempts_count_against_the_budget_of_a_turn() {
        let mut acceptor = ready(1000);
        let failures = [Err(Errno::CONNABORTED), Err(Errno::INTR)];
        let mut kernel = kernel([]);
        kernel.accepts = failures.into_iter().cycle().take(2 * ACCEPTS_PER_TURN).collect();
        for turns in 1..=2 {
            assert_eq!(turn(&mut acceptor, &mut kernel, START), 0);
            assert_eq!(kernel.attempts, turns * ACCEPTS_PER_TURN);
            assert!(acceptor.is_ready());
        }
    }

    #[test]
    fn the_last_call_empties_the_queue_and_closes_the_listener() {
        let mut acceptor = Acceptor::new(10);
        let mut kernel = kernel([Ok(()), Err(Errno::INTR), Ok(())]);
        acceptor.last_call(&mut kernel);
        assert!(kernel.queue_is_shut && !acceptor.is_closed());
        assert_eq!(turn(&mut acceptor, &mut kernel, START), 2);
        assert!(acceptor.is_closed() && kernel.listener_is_closed);
        acceptor.queue_filled();
        acceptor.slot_freed(START, &mut Account::default());
        assert_eq!(turn(&mut acceptor, &mut kernel, START), 0);
    }

    #[test]
    fn errors_of_accept_are_sorted() {
        let cases = [
            (Errno::AGAIN, Failure::QueueEmpty),
            (Errno::INTR, Failure::Interrupted),
            (Errno::CONNABORTED, Failure::ConnectionGone),
            (Errno::PERM, Failure::Exhausted),
            (Errno::MFILE, Failure::Exhausted),
            (Errno::NFILE, Failure::Exhausted),
            (Errno::NOBUFS, Failure::Exhausted),
            (Errno::NOMEM, Failure::Exhausted),
            (Errno::BADF, Failure::Exhausted),
        ];
        for (errno, failure) in cases {
            assert_eq!(Failure::from(&io::Error::from(errno)), failure, "{errno}");
        }
    }
}
