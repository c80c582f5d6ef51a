//! How much of a turn one connection, and one phase, may take.
//!
//! Work is counted, not timed, so that the same input always leads to the same turns. The unit is the
//! time that it takes to move one byte in and out again, about half a nanosecond. The other prices are
//! measured in it and rounded up.

/// One step of a connection: a `recv` and the `send` that follows, about 2 µs without their bytes.
pub const STEP: usize = 4 * 1024;

/// One message that is looked at by itself, with its line in the log.
pub const MESSAGE: usize = 512;

/// What one visit may cost. The step that goes beyond it is the last one.
pub const PER_VISIT: usize = 256 * 1024;

/// What one turn may cost: half for connections that are ready, a quarter for new connections, a
/// quarter for deadlines. The visit that goes beyond a share is the last one of that share.
pub const PER_TURN: usize = 8 * 1024 * 1024;

/// Work that may be done, and how much of it has been.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    spent: usize,
}

impl Budget {
    /// Nothing is spent yet.
    #[must_use]
    pub fn new(limit: usize) -> Budget {
        Budget { limit, spent: 0 }
    }

    /// Counts work that was done, also beyond the limit.
    pub fn spend(&mut self, work: usize) {
        self.spent += work;
    }

    /// Whether the next piece of work has to wait.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.spent >= self.limit
    }

    /// How much was done.
    #[must_use]
    pub fn spent(&self) -> usize {
        self.spent
    }
}
