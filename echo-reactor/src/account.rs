//! What the server counts: the tally, which only grows, and the connections that are open now.
//!
//! Plain integers with one writer, so that counting costs next to nothing and is never switched off.
//! Each is counted where it happens, and nothing is kept for a single connection.

use std::io::{self, ErrorKind};
use std::time::Duration;

use echo_status::{Open, Tally, WokenBy};

/// All counters.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// What the server has done since its start.
    pub tally: Tally,
    /// The connections that are open now.
    pub open: Open,
}

impl Account {
    /// A turn begins.
    pub fn begin_turn(&mut self, woken_by: WokenBy) {
        self.tally.turns += 1;
        let woken = &mut self.tally.woken;
        match woken_by {
            WokenBy::Event => woken.by_event += 1,
            WokenBy::Deadline => woken.by_deadline += 1,
            WokenBy::WorkLeft => woken.by_work_left += 1,
        }
    }

    /// A read was tried.
    pub fn read(&mut self, result: &io::Result<usize>) {
        self.tally.reads += 1;
        match result {
            Ok(count) => self.tally.bytes_in += *count as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.tally.reads_empty += 1,
            Err(_) => {}
        }
    }

    /// A send of `length` bytes was tried.
    pub fn sent(&mut self, length: usize, result: &io::Result<usize>) {
        self.tally.sends += 1;
        match result {
            Ok(count) => {
                self.tally.bytes_out += *count as u64;
                self.tally.sends_short += u64::from(*count < length);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.tally.sends_short += 1,
            Err(_) => {}
        }
    }
}

/// As frames tell times.
#[must_use]
pub fn whole_micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
