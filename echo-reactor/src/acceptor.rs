//! When to accept, when to pause, and when to go on.
//!
//! An edge tells once that the listen queue has something in it. Whoever does not empty the queue
//! then has to remember: no second edge comes for what is already there. That memory is this
//! state machine.

use std::io;
use std::time::Duration;

use rustix::io::Errno;

use crate::deadlines::Moment;
use crate::log_events;

/// How many connections one turn may accept before those that are open have their turn.
pub const ACCEPTS_PER_TURN: usize = 64;

/// How long to wait for descriptors or memory, unless a connection is closed before.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// A server at its limit may pause and go on a thousand times a second; the log need not.
const QUIET_AFTER_PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The queue was empty: an edge will come.
    Waiting,
    /// The queue may hold connections.
    Ready,
    /// As many connections are open as there may be; the queue holds the others.
    Full,
    /// The kernel has no descriptors or no memory for one more.
    Exhausted { retry_at: Moment },
    /// The listener is closed.
    Closed,
}

/// What an attempt to accept came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The queue is empty.
    QueueEmpty,
    /// A signal came in between: try again.
    Interrupted,
    /// This one connection is gone; the next may be well.
    ConnectionGone,
    /// No descriptor, no memory, or an error that is in no manual: it may pass.
    Exhausted,
}

impl From<&io::Error> for Failure {
    /// Sorts the errors of `accept(2)`. Linux passes on network errors that were pending on the
    /// new connection, to be taken as if there were no such connection.
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

/// The state of accepting. It logs pauses and their ends, a pause a second at the most.
#[derive(Debug)]
pub struct Acceptor {
    state: State,
    connections_max: usize,
    pause_is_logged: bool,
    quiet_until: Moment,
}

impl Acceptor {
    /// An acceptor that waits for the first edge.
    #[must_use]
    pub fn new(connections_max: usize) -> Acceptor {
        Acceptor {
            state: State::Waiting,
            connections_max,
            pause_is_logged: false,
            quiet_until: Moment::START,
        }
    }

    /// Whether to accept in this turn.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Whether the listener is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// When to try again by itself, [`Moment::NEVER`] if that is not needed.
    #[must_use]
    pub fn retry_at(&self) -> Moment {
        match self.state {
            State::Exhausted { retry_at } => retry_at,
            State::Waiting | State::Ready | State::Full | State::Closed => Moment::NEVER,
        }
    }

    /// The queue may hold connections: an edge told so, or it is to be emptied in any case.
    pub fn queue_filled(&mut self) {
        if self.state == State::Waiting {
            self.state = State::Ready;
        }
    }

    /// The queue was found empty.
    pub fn queue_emptied(&mut self) {
        self.state = State::Waiting;
    }

    /// The listener is closed, for ever.
    pub fn listener_closed(&mut self) {
        self.state = State::Closed;
    }

    /// Whether there is room for one more beside `open` connections; if not, pauses.
    pub fn has_room(&mut self, open: usize, now: Moment) -> bool {
        let has_room = open < self.connections_max;
        if !has_room {
            let limit = self.connections_max;
            self.pause(State::Full, now, || log_events::connection_limit_reached(limit));
        }
        has_room
    }

    /// The kernel can't give one more connection now: pauses.
    pub fn exhausted(&mut self, error: &io::Error, now: Moment) {
        let state = State::Exhausted { retry_at: now + RETRY_AFTER };
        self.pause(state, now, || log_events::accepting_paused(error));
    }

    /// A connection was closed, and its descriptor with it.
    pub fn slot_freed(&mut self) {
        if let State::Full | State::Exhausted { .. } = self.state {
            self.resume();
        }
    }

    /// Goes on if the time for it has come.
    pub fn retry(&mut self, now: Moment) {
        if self.retry_at() <= now {
            self.resume();
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

    fn resume(&mut self) {
        self.state = State::Ready;
        if self.pause_is_logged {
            log_events::proceed_to_accept();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Moment = Moment::START;

    fn ready(connections_max: usize) -> Acceptor {
        let mut acceptor = Acceptor::new(connections_max);
        acceptor.queue_filled();
        acceptor
    }

    #[test]
    fn an_edge_that_comes_in_a_pause_does_not_end_it() {
        let mut acceptor = ready(1);
        assert!(acceptor.has_room(0, START) && acceptor.is_ready());
        assert!(!acceptor.has_room(1, START) && !acceptor.is_ready());
        acceptor.queue_filled();
        assert!(!acceptor.is_ready());
        acceptor.slot_freed();
        assert!(acceptor.is_ready());
    }

    #[test]
    fn exhaustion_ends_by_itself_or_with_a_freed_slot() {
        let error = io::Error::from(Errno::MFILE);
        let mut acceptor = ready(10);
        acceptor.exhausted(&error, START);
        assert_eq!(acceptor.retry_at(), START + RETRY_AFTER);
        acceptor.retry(START);
        assert!(!acceptor.is_ready());
        acceptor.retry(START + RETRY_AFTER);
        assert!(acceptor.is_ready());
        acceptor.exhausted(&error, START);
        acceptor.slot_freed();
        assert!(acceptor.is_ready());
    }

    #[test]
    fn an_empty_queue_waits_for_an_edge_and_a_closed_one_for_nothing() {
        let mut acceptor = ready(10);
        acceptor.queue_emptied();
        acceptor.slot_freed();
        assert!(!acceptor.is_ready());
        acceptor.queue_filled();
        assert!(acceptor.is_ready());
        acceptor.listener_closed();
        acceptor.queue_filled();
        acceptor.slot_freed();
        assert!(acceptor.is_closed() && !acceptor.is_ready());
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
