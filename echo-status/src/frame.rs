//! A frame: the state of the server at one moment.

use serde::{Deserialize, Serialize};

use crate::tally::Tally;

/// The state of the server at one moment, and the turns since the frame before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// [`VERSION`](crate::VERSION).
    pub version: u32,
    /// Who tells.
    pub server: Server,
    /// How long the server has been running.
    pub uptime_us: u64,
    /// What the server is doing as a whole.
    pub phase: Phase,
    /// The delay before the drain, while it lasts; else `null`.
    pub delay: Option<Delay>,
    /// The drain; `null` before it begins.
    pub drain: Option<Drain>,
    /// The connections that are open now.
    pub open: Open,
    /// The acceptor's state now.
    pub accepting: Accepting,
    /// Bytes of the log that wait for its reader.
    pub log_waiting_bytes: u64,
    /// How many watchers there are, this one included.
    pub watchers: u32,
    /// Frames that this watcher has lost since the frame before, because it read too slowly.
    pub frames_lost: u64,
    /// All counters.
    pub tally: Tally,
    /// What was timed in the last second; `null` if nobody watched then.
    pub last_second: Option<Measured>,
    /// The turns since this watcher's frame before, oldest first: the last 256 at most. Empty in its
    /// first frame.
    pub turns: Vec<Turn>,
}

/// Who tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// The program's version.
    pub version: String,
    /// The host name: in a container, its id.
    pub host: String,
    /// The address on which clients are served.
    pub address: String,
    /// When the server started, in microseconds of Unix time. Another value means another life.
    pub started_unix_us: u64,
    /// `server.connections_max`.
    pub connections_max: u64,
}

/// What the server is doing as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It serves.
    Running,
    /// A signal came: it serves as before, but is to get no new clients, because it will drain.
    Leaving,
    /// A signal came: it finishes what has arrived.
    Draining,
    /// It has ended: this is the last frame.
    Stopped,
}

/// The delay before a drain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delay {
    /// The signal that began it.
    pub signal: String,
    /// For how long it has been going on.
    pub us: u64,
    /// `server.drain_delay`: how long it takes, unless a second signal ends it.
    pub delay_us: u64,
}

/// The way out of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// The signal that began it.
    pub signal: String,
    /// For how long it has been going on.
    pub us: u64,
    /// `server.drain_timeout`: how long it may take.
    pub timeout_us: u64,
    /// Whether the listen queue is empty, and the listener closed.
    pub listener_is_closed: bool,
    /// Connections that may still owe their peer a reply.
    pub owing: u64,
    /// How it ended; `null` before.
    pub exit: Option<Exit>,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// Every connection was closed in order.
    Drained,
    /// The deadline passed, and what was left was aborted.
    Deadline,
    /// A second signal came, and what was left was aborted.
    Forced,
}

/// The connections that are open now: `total` is the sum of the four states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// All.
    pub total: u64,
    /// Open, with no message begun.
    pub idle: u64,
    /// Open, with a part of a message.
    pub mid_message: u64,
    /// With a reply that was sent in part. Nothing is read from them: that is the back-pressure.
    pub flushing: u64,
    /// With their output ended, until the peer ends too.
    pub lingering: u64,
    /// Bytes of replies that wait for room, of all flushing connections.
    pub waiting_bytes: u64,
}

/// The acceptor's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accepting {
    /// The queue was empty: an event will come.
    Waiting,
    /// The queue may hold connections.
    Ready,
    /// `connections_max` connections are open.
    Full,
    /// The kernel has no descriptors or no memory for one more.
    Exhausted,
    /// The listener is closed.
    Closed,
}

/// What was timed in the last second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// How long that second was: less in the first second of watching.
    pub us: u64,
    /// Turns in it.
    pub turns: u64,
    /// How long it slept, in all.
    pub asleep_us: u64,
    /// How long the phases took, in all.
    pub phases: Phases,
    /// How long a turn took without its sleep, in microseconds.
    pub turn_us: Percentiles,
    /// How many events a turn had.
    pub events: Percentiles,
    /// How long a turn slept, in microseconds.
    pub sleep_us: Percentiles,
}

/// Half of all values are at most `median`, 99 of 100 at most `p99`, all at most `max`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Percentiles {
    pub median: u64,
    pub p99: u64,
    pub max: u64,
}

/// Microseconds of each phase of a turn, in the order of the turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Phases {
    pub signals: f64,
    pub serve: f64,
    pub accept: f64,
    pub expire: f64,
    pub reap: f64,
    /// Telling those who watch: what being watched costs.
    pub status: f64,
    pub log: f64,
}

/// One turn of the loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Its number: the first turn is 1.
    pub number: u64,
    /// When its sleep ended, in microseconds since the server's start.
    pub at_us: u64,
    /// How long it slept before, in microseconds.
    pub slept_us: u64,
    /// How long each phase took.
    pub phases: Phases,
    /// Events that its wait brought.
    pub events: u32,
    /// Connections that were visited.
    pub visits: u32,
    /// Connections that were accepted.
    pub accepted: u32,
    /// Connections that were reaped.
    pub reaped: u32,
    /// What ended its sleep.
    pub woken_by: WokenBy,
    /// Whether the server drains.
    pub draining: bool,
}

/// What ended a sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WokenBy {
    /// Events, or a signal.
    Event,
    /// A deadline.
    Deadline,
    /// Work was left over: it did not sleep.
    WorkLeft,
}
