//! What the server counts: the tally, which only grows, and the connections that are open now.
//!
//! Plain integers with one writer, so that counting costs next to nothing and is never switched off.
//! Each is counted where it happens, and nothing is kept for a single connection.

use std::io::{self, ErrorKind};
use std::time::Duration;

use echo_status::{Open, Tally, WokenBy};

use crate::follow::Follow;

/// All counters.
#[derive(Default)]
pub struct Account {
    /// What the server has done since its start.
    pub tally: Tally,
    /// The connections that are open now.
    pub open: Open,
    /// Visits of connections.
    pub visits: u64,
    /// The connections that somebody follows.
    pub follow: Follow,
}

impl Account {
    /// A turn begins, with its sleep.
    pub fn begin_turn(&mut self) {
        self.tally.turns += 1;
        self.follow.begin_turn(self.tally.turns);
    }

    /// The turn's sleep is over.
    pub fn wakes(&mut self, woken_by: WokenBy) {
        let woken = &mut self.tally.woken;
        match woken_by {
            WokenBy::Event => woken.by_event += 1,
            WokenBy::Deadline => woken.by_deadline += 1,
            WokenBy::WorkLeft => woken.by_work_left += 1,
        }
    }

    /// A read of `length` bytes at most was tried.
    pub fn read(&mut self, length: usize, result: &io::Result<usize>) {
        self.follow.call("recv", length, result);
        self.tally.reads += 1;
        match result {
            Ok(count) => self.tally.bytes_in += *count as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.tally.reads_empty += 1,
            Err(_) => {}
        }
    }

    /// A send of `length` bytes was tried.
    pub fn sent(&mut self, length: usize, result: &io::Result<usize>) {
        self.follow.call("send", length, result);
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

    /// The end of an output was tried.
    pub fn ended_output(&mut self, result: &io::Result<()>) {
        let result = result.as_ref().map(|()| 0).map_err(|error| error.kind().into());
        self.follow.call("shutdown", 0, &result);
    }
}

/// As frames tell times.
#[must_use]
pub fn whole_micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
