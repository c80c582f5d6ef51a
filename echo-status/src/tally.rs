//! The counters, which only grow.

use serde::{Deserialize, Serialize};

/// What the server has done since its start. The server counts always; nothing here is timed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Turns of the loop.
    pub turns: u64,
    /// The same turns, by what ended their sleep.
    pub woken: Woken,
    /// Events that the waits have brought, by source.
    pub events: Events,
    /// Reads that were tried.
    pub reads: u64,
    /// Reads that found nothing (`WouldBlock`).
    pub reads_empty: u64,
    /// Bytes that were read.
    pub bytes_in: u64,
    /// Sends that were tried.
    pub sends: u64,
    /// Sends that the kernel took in part, or not at all.
    pub sends_short: u64,
    /// Bytes that were sent.
    pub bytes_out: u64,
    /// Messages that were owed an answer.
    pub messages: u64,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Accepts that found the queue empty.
    pub accepts_empty: u64,
    /// Accepts that failed in another way.
    pub accepts_failed: u64,
    /// Sockets that the poll was told to watch.
    pub registrations: u64,
    /// Moves of connections between states.
    pub moves: Moves,
    /// Connections that were closed, by reason.
    pub closed: Closed,
    /// Budgets that ran out, by kind.
    pub budgets: Budgets,
    /// Pauses of accepting.
    pub pauses: Pauses,
    /// Deadlines that came due.
    pub deadlines: Deadlines,
    /// Lines of the log that were not written.
    pub log: Log,
}

/// Turns by what ended their sleep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Woken {
    /// The wait brought events, or a signal.
    pub by_event: u64,
    /// A deadline came, and no event.
    pub by_deadline: u64,
    /// Work was left over from the turn before: this turn did not sleep.
    pub by_work_left: u64,
}

/// Events by source. An event for a connection that is gone counts as stale, and as nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// Of connections.
    pub connection: u64,
    /// Of the listening socket.
    pub listener: u64,
    /// Of the status port and its watchers.
    pub status: u64,
    /// Of connections that are gone.
    pub stale: u64,
}

/// Moves between the states of a connection. Those to the end are in [`Closed`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moves {
    /// A reply was sent in part: nothing is read until the rest is sent.
    pub open_to_flushing: u64,
    /// The rest of a reply was sent.
    pub flushing_to_open: u64,
    /// The last reply was sent at once, and the connection lingers.
    pub open_to_lingering: u64,
    /// The rest of the last reply was sent, and the connection lingers.
    pub flushing_to_lingering: u64,
    /// An open connection was closed.
    pub open_to_closed: u64,
    /// A flushing connection was closed.
    pub flushing_to_closed: u64,
    /// A lingering connection was closed.
    pub lingering_to_closed: u64,
}

/// Closed connections by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// All messages that it may send are answered.
    pub answered: u64,
    /// The peer ended its input, and all of it is answered.
    pub peer_closed: u64,
    /// The peer reset it.
    pub reset: u64,
    /// Reading, sending or watching failed in another way.
    pub failed: u64,
    /// A message was longer than `message_max_bytes`.
    pub too_long: u64,
    /// A message was not complete within `message_timeout`.
    pub message_timeout: u64,
    /// No byte for `idle_timeout`.
    pub idle_timeout: u64,
    /// The server drained, and all that had arrived was answered.
    pub drained: u64,
    /// The drain deadline passed, or a second signal came.
    pub aborted: u64,
}

impl Closed {
    /// All closed connections.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.answered
            + self.peer_closed
            + self.reset
            + self.failed
            + self.too_long
            + self.message_timeout
            + self.idle_timeout
            + self.drained
            + self.aborted
    }
}

/// How often a budget ran out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budgets {
    /// Of one visit of a connection.
    pub visit: u64,
    /// Of serving, in one turn.
    pub serve: u64,
    /// Of accepting, in one turn.
    pub accept: u64,
    /// Of checking deadlines, in one turn.
    pub expire: u64,
    /// A wait brought as many events as one wait may bring: more came a turn later.
    pub events: u64,
}

/// Pauses of accepting, by cause, and how long they took in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pauses {
    /// `connections_max` connections were open.
    pub full: u64,
    /// The kernel had no descriptors or no memory for one more.
    pub exhausted: u64,
    /// How long accepting has paused, in microseconds. A pause that goes on is not in it yet.
    pub us: u64,
}

/// Deadlines that came due. They are checked late on purpose: no message touches them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadlines {
    /// Checks that came due.
    pub checked: u64,
    /// Checks that found more time: the connection had moved a byte meanwhile.
    pub put_off: u64,
}

/// Lines of the log that were not written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// Dropped, because the log's reader is too slow or its disk full.
    pub dropped: u64,
    /// Left out, because more messages came in a second than `log.message_lines_per_second`.
    pub left_out: u64,
}
