//! What the director and the load tell each other.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::script::Kind;
use crate::server::DRAIN_TIMEOUT;

/// A time in the run, by what the server is doing. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch {
    /// Which life of the server, from 0 on.
    pub life: usize,
    /// The part of that life.
    pub phase: Phase,
}

/// A part of a server's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It does not run, or does not listen for sure.
    Starting,
    /// It owes every message an answer.
    Serving,
    /// It stands still: what arrives meanwhile, it owes an answer when it leaves.
    Stopped,
    /// It has got SIGTERM, or is about to.
    Leaving,
}

/// What the load is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Talk.
    Run,
    /// End what is begun, close every connection, and begin nothing.
    Pause,
    /// The same, for good.
    End,
}

/// How the conversations of one kind went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Conversations that went as they should.
    pub conversations: u64,
    /// Messages whose whole reply was read.
    pub messages: u64,
    /// Conversations that a restart cut, and that were held again.
    pub cut: u64,
}

/// The board, for one thread at a time.
pub struct Board(Mutex<Notes>);

/// What stands on the board.
pub struct Notes {
    /// Set by the director.
    pub epoch: Epoch,
    /// When the server was last asked to leave.
    pub leaving_since: Option<Instant>,
    /// Set by the director.
    pub order: Order,
    /// Whether the order to pause is carried out.
    pub at_rest: bool,
    /// When the oldest connection was begun that is still open.
    pub oldest_open: Option<Epoch>,
    /// One for each kind.
    pub tallies: [Tally; Kind::ALL.len()],
    /// What conversations that have ended have brought into the server's log, at least.
    pub logged_bytes: u64,
    /// Messages without a reply, on connections that a restart cut.
    pub unanswered: Vec<u64>,
    /// Messages that have arrived at the server since it stands still.
    pub arrived: usize,
    /// Messages that had arrived at a stopped server before its SIGTERM, and were answered then.
    pub answered_late: u64,
    /// The first thing that must not happen.
    pub violation: Option<String>,
}

impl Board {
    /// A board for a run that is about to begin.
    #[must_use]
    pub fn new() -> Self {
        Self(Mutex::new(Notes {
            epoch: Epoch { life: 0, phase: Phase::Starting },
            leaving_since: None,
            order: Order::Pause,
            at_rest: false,
            oldest_open: None,
            tallies: [Tally::default(); Kind::ALL.len()],
            logged_bytes: 0,
            unanswered: Vec::new(),
            arrived: 0,
            answered_late: 0,
            violation: None,
        }))
    }

    /// Looks at the board, or writes on it.
    pub fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an order.
    pub fn order(&self, order: Order) {
        let mut notes = self.notes();
        notes.order = order;
        notes.at_rest = false;
    }

    /// Announces what the server does from now on.
    pub fn announce(&self, life: usize, phase: Phase) {
        let mut notes = self.notes();
        notes.epoch = Epoch { life, phase };
        notes.arrived = 0;
        if phase == Phase::Leaving {
            notes.leaving_since = Some(Instant::now());
        }
    }
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}

impl Notes {
    /// Notes what must not happen; the first one counts.
    pub fn violate(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    /// Whether the server may have aborted what it had not finished within [`DRAIN_TIMEOUT`].
    #[must_use]
    pub fn drain_may_be_over(&self, now: Instant) -> bool {
        self.leaving_since.is_some_and(|since| now >= since + DRAIN_TIMEOUT)
    }

    /// What has happened to conversations of this kind.
    pub fn tally(&mut self, kind: Kind) -> &mut Tally {
        &mut self.tallies[kind as usize]
    }
}
