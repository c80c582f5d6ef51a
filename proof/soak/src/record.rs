//! What was seen in a run.

use std::time::Duration;

use crate::board::Tally;
use crate::faults::Fault;
use crate::script::Kind;
use crate::server_log::Account;

/// One look at the server's process.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// When, since the run began.
    pub at: Duration,
    /// In which of its lives, from 0 on.
    pub life: usize,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Open descriptors.
    pub descriptors: usize,
}

/// A fault, from begin to end.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// What it was.
    pub fault: Fault,
    /// Since the run began.
    pub from: Duration,
    /// Since the run began.
    pub to: Duration,
}

/// The end of one life of the server.
#[derive(Debug, Clone, Copy)]
pub struct Exit {
    /// When it got SIGTERM, since the run began.
    pub at: Duration,
    /// How long it took to leave.
    pub took: Duration,
}

/// How a run came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It went on for as long as it should.
    Whole,
    /// By Ctrl-C or SIGTERM.
    Interrupted,
    /// By something that must not happen.
    Violation(String),
}

/// All that was seen.
#[derive(Debug)]
pub struct Record {
    /// How long it took.
    pub lasted: Duration,
    /// Open descriptors before the first connection.
    pub descriptors_at_start: usize,
    /// Once a second.
    pub samples: Vec<Look>,
    /// At the quiet points: no connection is open.
    pub quiet_points: Vec<Look>,
    /// The faults.
    pub faults: Vec<Span>,
    /// The ends of the server's lives.
    pub exits: Vec<Exit>,
    /// Messages that came to a stopped server, and were answered after its SIGTERM.
    pub answered_late: u64,
    /// Lives of which every line of the log was read.
    pub logged_lives: u64,
    /// Sockets accepted in these lives, by the log.
    pub accepted: u64,
    /// Sockets closed in these lives, by the log.
    pub closed: u64,
    /// Log lines dropped for a slow reader, by the log.
    pub dropped: u64,
    /// How the conversations went.
    pub tallies: [Tally; Kind::ALL.len()],
    /// How it ended.
    pub ending: Ending,
}

impl Record {
    /// A record of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            lasted: Duration::ZERO,
            descriptors_at_start: 0,
            samples: Vec::new(),
            quiet_points: Vec::new(),
            faults: Vec::new(),
            exits: Vec::new(),
            answered_late: 0,
            logged_lives: 0,
            accepted: 0,
            closed: 0,
            dropped: 0,
            tallies: [Tally::default(); Kind::ALL.len()],
            ending: Ending::Whole,
        }
    }

    /// Adds what the log of a life tells.
    pub fn take(&mut self, account: &Account) {
        self.dropped += account.dropped;
        if account.dropped == 0 {
            self.logged_lives += 1;
            self.accepted += account.accepted;
            self.closed += account.closed;
        }
    }

    /// The looks of each life, in order.
    pub fn lives(looks: &[Look]) -> impl Iterator<Item = &[Look]> {
        looks.chunk_by(|a, b| a.life == b.life)
    }
}

impl Default for Record {
    fn default() -> Self {
        Self::new()
    }
}
