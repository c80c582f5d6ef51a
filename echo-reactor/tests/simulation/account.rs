//! What the simulated kernel saw, held against what the reactor has counted itself.

use std::io::{self, ErrorKind};

use echo_reactor::account::Account;
use echo_reactor::source::Source;
use echo_status::{Open, Tally};
use rustix::io::Errno;

use crate::ledger::Link;
use crate::world::World;

/// Counted by the kernel.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) waits: u64,
    pub(crate) full_waits: u64,
    connection_events: u64,
    listener_events: u64,
    status_events: u64,
    reads: u64,
    reads_empty: u64,
    bytes_in: u64,
    sends: u64,
    sends_short: u64,
    bytes_out: u64,
    accepted: u64,
    accepts_empty: u64,
    accepts_failed: u64,
    exhausted: u64,
    pub(crate) registrations: u64,
    pub(crate) closes: u64,
}

impl Seen {
    pub(crate) fn event(&mut self, source: Source) {
        match source {
            Source::Connection(_) => self.connection_events += 1,
            Source::Listener => self.listener_events += 1,
            Source::Status | Source::Watcher(_) => self.status_events += 1,
        }
    }

    pub(crate) fn accept(&mut self, result: &io::Result<usize>) {
        let Err(error) = result else { return self.accepted += 1 };
        match Errno::from_io_error(error) {
            Some(Errno::AGAIN) => self.accepts_empty += 1,
            errno => {
                self.accepts_failed += 1;
                let causes = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
                self.exhausted += u64::from(errno.is_some_and(|errno| causes.contains(&errno)));
            }
        }
    }

    pub(crate) fn read(&mut self, result: &io::Result<usize>) {
        self.reads += 1;
        self.bytes_in += bytes(result);
        self.reads_empty += u64::from(is_blocked(result));
    }

    pub(crate) fn send(&mut self, length: usize, result: &io::Result<usize>) {
        self.sends += 1;
        self.bytes_out += bytes(result);
        let is_short = result.as_ref().is_ok_and(|count| *count < length);
        self.sends_short += u64::from(is_short || is_blocked(result));
    }
}

fn bytes(result: &io::Result<usize>) -> u64 {
    result.as_ref().map_or(0, |count| *count as u64)
}

fn is_blocked(result: &io::Result<usize>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

impl World {
    /// At the end of each turn.
    pub(crate) fn check_account(&mut self, account: &Account) {
        self.read_log();
        self.check_tally(&account.tally, &account.open);
    }

    /// When a turn has reaped what it closed: the counters are those of the kernel.
    pub(crate) fn check_tally(&self, tally: &Tally, open: &Open) {
        let seen = &self.seen;
        let pairs = [
            ("turns", tally.turns, seen.waits),
            ("reads", tally.reads, seen.reads),
            ("reads_empty", tally.reads_empty, seen.reads_empty),
            ("bytes_in", tally.bytes_in, seen.bytes_in),
            ("sends", tally.sends, seen.sends),
            ("sends_short", tally.sends_short, seen.sends_short),
            ("bytes_out", tally.bytes_out, seen.bytes_out),
            ("accepted", tally.accepted, seen.accepted),
            ("accepts_empty", tally.accepts_empty, seen.accepts_empty),
            ("accepts_failed", tally.accepts_failed, seen.accepts_failed),
            ("registrations", tally.registrations, seen.registrations),
            ("closed", tally.closed.sum(), seen.closes),
            ("events.listener", tally.events.listener, seen.listener_events),
            ("events.status", tally.events.status, seen.status_events),
            (
                "events of connections",
                tally.events.connection + tally.events.stale,
                seen.connection_events,
            ),
            ("budgets.events", tally.budgets.events, seen.full_waits),
            ("pauses.exhausted", tally.pauses.exhausted, seen.exhausted),
        ];
        for (name, counted, seen) in pairs {
            assert_eq!(counted, seen, "left: {name} as counted; right: as the kernel saw it");
        }
        let woken = &tally.woken;
        let all = woken.by_event + woken.by_deadline + woken.by_work_left;
        assert_eq!(all, tally.turns, "turns by what woke them: {woken:?}");
        assert!(tally.deadlines.put_off <= tally.deadlines.checked, "{:?}", tally.deadlines);
        assert!(tally.pauses.us <= self.clock * 1000, "{:?}", tally.pauses);
        self.check_open_states(tally, open);
        check_moves(tally, open);
        self.check_reasons(tally);
    }

    fn check_open_states(&self, tally: &Tally, open: &Open) {
        let mut expected = Open::default();
        let mut messages = 0;
        for link in self.links.iter().filter(|link| link.is_accepted()) {
            messages += u64::from(link.ledger.oracle.messages);
            expected.add(link);
        }
        assert_eq!(*open, expected, "left: open as counted; right: as it is");
        assert_eq!(tally.accepted - tally.closed.sum(), open.total, "accepted - closed");
        assert_eq!(tally.messages, messages, "left: messages as counted; right: as it is");
    }

    /// The reasons are those of the log.
    fn check_reasons(&self, tally: &Tally) {
        let closed = &tally.closed;
        for (name, counted) in [
            ("closed: answered", closed.answered),
            ("closed: peer closed", closed.peer_closed),
            ("closed: failed", closed.reset + closed.failed),
            ("closed: too long", closed.too_long),
            ("closed: message timeout", closed.message_timeout),
            ("closed: idle timeout", closed.idle_timeout),
            ("closed: drained", closed.drained),
            ("closed: aborted", closed.aborted),
        ] {
            let logged = self.tally.get(name).copied().unwrap_or_default();
            assert_eq!(counted, logged, "left: {name} as counted; right: as logged");
        }
    }

    /// A line of the report, before the turn has done anything.
    pub(crate) fn check_report(&mut self, part: &str) {
        if let Some(open) = part.strip_prefix("up ") {
            // A second signal in this turn has aborted all, and nothing is reaped yet.
            let is_over = self.drain.as_ref().is_some_and(|drain| drain.forced.is_some());
            let count = if is_over { 0 } else { self.open_count() };
            let told = format!("; {count} of {} ", self.settings.connections_max);
            assert!(open.contains(&told), "untrue: {part}");
            self.count("report");
        }
    }
}

/// What has come into a state and has not left it is in it.
fn check_moves(tally: &Tally, open: &Open) {
    let moves = &tally.moves;
    let from_flushing =
        moves.flushing_to_open + moves.flushing_to_lingering + moves.flushing_to_closed;
    assert_eq!(moves.open_to_flushing - from_flushing, open.flushing, "{moves:?}");
    let to_lingering = moves.open_to_lingering + moves.flushing_to_lingering;
    assert_eq!(to_lingering - moves.lingering_to_closed, open.lingering, "{moves:?}");
    let to_closed = moves.open_to_closed + moves.flushing_to_closed + moves.lingering_to_closed;
    assert_eq!(to_closed, tally.closed.sum(), "{moves:?}");
}

trait Add {
    fn add(&mut self, link: &Link);
}

impl Add for Open {
    /// Counts a connection in its state, as the kernel and the oracle know it.
    fn add(&mut self, link: &Link) {
        if !link.is_open() {
            return;
        }
        self.total += 1;
        let unsent = link.unsent();
        let count = if link.ledger.lingers() {
            &mut self.lingering
        } else if unsent > 0 {
            &mut self.flushing
        } else if link.ledger.oracle.is_mid_message() {
            &mut self.mid_message
        } else {
            &mut self.idle
        };
        *count += 1;
        self.waiting_bytes += unsent as u64;
    }
}
