//! The server's log: read in a thread of its own, unless its reader is to stall, and accounted for.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read};
use std::process::ChildStderr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::script::MARK;

/// Where the text begins, behind time and level.
const TEXT_COLUMN: usize = "2020-04-10 23:10:54 INFO     ".len();
/// Between two looks of a reader that stalls.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The log of a running server.
pub struct ServerLog {
    flags: Arc<Flags>,
    reader: JoinHandle<Account>,
}

#[derive(Default)]
struct Flags {
    accepts: AtomicBool,
    stalls: AtomicBool,
}

impl ServerLog {
    /// Reads a log to its end.
    #[must_use]
    pub fn read(log: ChildStderr) -> Self {
        let flags = Arc::<Flags>::default();
        let shared = Arc::clone(&flags);
        let reader = thread::spawn(move || read(Stallable { log, flags: &shared }, &shared));
        Self { flags, reader }
    }

    /// Whether the server has said that it accepts connections.
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.flags.accepts.load(Ordering::Relaxed)
    }

    /// Stalls the reader, or lets it go on.
    pub fn stall(&self, stalls: bool) {
        self.flags.stalls.store(stalls, Ordering::Relaxed);
    }

    /// What the whole log tells; waits for its end.
    #[must_use]
    pub fn account(self) -> Account {
        self.stall(false);
        self.reader.join().unwrap_or_default()
    }
}

/// A log whose reader takes nothing while it stalls.
struct Stallable<'a> {
    log: ChildStderr,
    flags: &'a Flags,
}

impl Read for Stallable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.flags.stalls.load(Ordering::Relaxed) {
            thread::sleep(LOOK_EVERY);
        }
        self.log.read(buffer)
    }
}

fn read(log: impl Read, flags: &Flags) -> Account {
    let mut account = Account::default();
    for line in BufReader::with_capacity(1 << 16, log).split(b'\n').map_while(Result::ok) {
        account.take(&line);
        if account.accepts {
            flags.accepts.store(true, Ordering::Relaxed);
        }
    }
    account
}

/// What a log tells.
#[derive(Debug, Default)]
pub struct Account {
    /// Sockets that were accepted.
    pub accepted: u64,
    /// Sockets that were closed.
    pub closed: u64,
    /// Lines that were dropped for a slow reader.
    pub dropped: u64,
    /// The numbers of the messages that were received.
    pub received: HashSet<u64>,
    accepts: bool,
    /// Accepted minus closed, by the peer's address; only what is not 0.
    open: HashMap<Vec<u8>, i64>,
    last_line: Vec<u8>,
}

impl Account {
    fn take(&mut self, line: &[u8]) {
        let text = line.get(TEXT_COLUMN..).unwrap_or_default();
        if let Some(rest) = text.strip_prefix(b"Message received from connection ") {
            self.received.extend(message_number(rest));
        } else if let Some(peer) = text.strip_prefix(b"Got connection from ") {
            self.accepted += 1;
            self.count(peer, 1);
        } else if let Some(rest) = text.strip_prefix(b"Connection (") {
            self.closed += 1;
            let end = rest.iter().position(|byte| *byte == b')').unwrap_or(rest.len());
            let peer = [b"(", &rest[..end], b")"].concat();
            self.count(&peer, -1);
        } else if text.starts_with(b"Proceed to accept") {
            self.accepts = true;
        } else if text.ends_with(b"dropped: the log's reader is too slow, or its disk is full") {
            self.dropped += first_number(text).unwrap_or(0);
        }
        self.last_line.clear();
        self.last_line.extend_from_slice(text);
    }

    fn count(&mut self, peer: &[u8], change: i64) {
        let open = self.open.entry(peer.to_vec()).or_default();
        *open += change;
        if *open == 0 {
            self.open.remove(peer);
        }
    }

    /// What the log leaves unexplained, if anything.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        if self.last_line != b"All sockets closed, server stopped" {
            return Some(format!("the log ends with \"{}\"", self.last_line.escape_ascii()));
        }
        // A line that was dropped leaves one socket open, or closed only.
        let unpaired: u64 = self.open.values().map(|count| count.unsigned_abs()).sum();
        if unpaired <= self.dropped {
            return None;
        }
        let (accepted, closed, dropped) = (self.accepted, self.closed, self.dropped);
        let mut peers = self.open.keys().map(|peer| String::from_utf8_lossy(peer));
        Some(format!(
            "the log tells of {accepted} sockets accepted and {closed} closed; {unpaired} lines are \
             missing, {dropped} were dropped; one is of {}",
            peers.next().unwrap_or_default()
        ))
    }
}

/// The number in `('ip', port). Msg: b'soak 000000000017 …`.
fn message_number(rest: &[u8]) -> Option<u64> {
    let text = rest.splitn(2, |byte| *byte == b'b').nth(1)?.strip_prefix(b"'")?;
    first_number(text.strip_prefix(MARK.as_bytes())?)
}

fn first_number(text: &[u8]) -> Option<u64> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    std::str::from_utf8(&text[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(lines: &[&str]) -> Account {
        let mut account = Account::default();
        for line in lines {
            account.take(format!("2020-04-10 23:10:54 INFO     {line}").as_bytes());
        }
        account
    }

    const GOT: &str = "Got connection from ('127.0.0.2', 5)";
    const CLOSED: &str = "Connection ('127.0.0.2', 5) closed: the peer has closed (1 message)";
    const STOPPED: &str = "All sockets closed, server stopped";
    const DROPPED: &str =
        "2 log lines were dropped: the log's reader is too slow, or its disk is full";

    #[test]
    fn every_socket_must_be_accounted_for() {
        assert_eq!(account(&[GOT, CLOSED, GOT, CLOSED, STOPPED]).complaint(), None);
        assert!(account(&[GOT, CLOSED, GOT, STOPPED]).complaint().is_some());
        assert!(account(&[GOT, CLOSED, CLOSED, STOPPED]).complaint().is_some());
        assert!(account(&[GOT, CLOSED]).complaint().is_some(), "the last line is missing");
    }

    #[test]
    fn a_dropped_line_explains_one_that_is_missing() {
        assert_eq!(account(&[GOT, DROPPED, GOT, STOPPED]).complaint(), None);
        assert!(account(&[GOT, DROPPED, GOT, GOT, STOPPED]).complaint().is_some());
    }

    #[test]
    fn messages_are_known_by_their_numbers() {
        let line =
            "Message received from connection ('127.0.0.2', 5). Msg: b'soak 000000000017 ab'";
        assert!(account(&[line]).received.contains(&17));
    }
}
