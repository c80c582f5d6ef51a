//! One connection, step by step.

use serde::{Deserialize, Serialize};

/// One line of a followed connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepLine {
    /// [`VERSION`](crate::VERSION).
    pub version: u32,
    /// Microseconds since the connection was accepted.
    pub us: u64,
    /// The turn in which it happened.
    pub turn: u64,
    /// What happened.
    pub step: Step,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The server waits for a connection to follow. It says so at once, and then every second.
    Waiting,
    /// It was accepted.
    Accepted {
        /// Its peer's address.
        peer: String,
    },
    /// The poll was told to watch it.
    Watched,
    /// An event came.
    Event(Readiness),
    /// The server made a system call on its socket.
    Call(Call),
    /// It moved from one state to another.
    Moved {
        /// The state before: `open`, `flushing` or `lingering`.
        from: String,
        /// The state after, `closed` among them.
        to: String,
    },
    /// A visit ended because its budget ran out: the next turn goes on without an event.
    OutOfBudget,
    /// Nothing happened for this time, in microseconds, a millisecond at least: the server slept, or
    /// served others.
    Silence {
        /// How long.
        us: u64,
    },
    /// Steps were left out because this watcher read too slowly.
    Lost {
        /// How many.
        steps: u64,
    },
    /// It is closed, and its socket with it: the last line.
    Closed {
        /// Why, in the words of the log.
        reason: String,
        /// How many messages it sent.
        messages: u32,
    },
}

/// What an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// A read is worth trying.
    pub readable: bool,
    /// A short read does not mean that all is read.
    pub read_on: bool,
}

/// A system call on the socket of a followed connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Its name: `recv`, `send`, `shutdown`.
    pub name: String,
    /// How many bytes were asked for; 0 for a call that moves none.
    pub asked: u64,
    /// How many bytes were moved; `null` if the call failed.
    pub got: Option<u64>,
    /// The error, `EAGAIN` among them; `null` if the call worked.
    pub error: Option<String>,
}
