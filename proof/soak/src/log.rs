//! The server's log. A thread reads it, except while it has to stay unread, and counts what it says.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};
use std::io::{BufRead, BufReader};
use std::process::ChildStderr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use echo_harness::log_lines;

/// How often a reader that must not read looks whether it may.
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(crate) struct Log {
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_unread: AtomicBool,
    account: Mutex<Account>,
}

impl Log {
    pub(crate) fn read(log: ChildStderr) -> Self {
        let shared = Arc::<Shared>::default();
        let gathered = Arc::clone(&shared);
        let reader = thread::spawn(move || {
            for line in BufReader::with_capacity(1 << 16, log).split(b'\n').map_while(Result::ok) {
                while gathered.is_unread.load(Ordering::SeqCst) {
                    thread::sleep(LOOK_EVERY);
                }
                gathered.account.lock().unwrap().take(&line);
            }
        });
        Self { shared, reader: Some(reader) }
    }

    /// Whether nobody reads from now on.
    pub(crate) fn set_unread(&self, is_unread: bool) {
        self.shared.is_unread.store(is_unread, Ordering::SeqCst);
    }

    /// What the log tells so far.
    pub(crate) fn account(&self) -> MutexGuard<'_, Account> {
        self.shared.account.lock().unwrap()
    }

    /// What the whole log tells, once its process has ended.
    pub(crate) fn read_to_end(&mut self) -> MutexGuard<'_, Account> {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        self.account()
    }
}

/// What a log tells of sockets.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Where the server listens.
    pub(crate) port: u16,
    /// Whether it accepts, and so has begun its work.
    pub(crate) accepts: bool,
    accepted: u64,
    /// Lines that were dropped for a slow reader.
    dropped: u64,
    /// The peer whose connection was closed last: `('ip', port)`.
    pub(crate) last_closed: String,
    pub(crate) last_line: String,
    /// Accepted minus closed, by peer; only what is not 0.
    open: HashMap<String, i64>,
    /// Lines that were dropped since the last [`Account::settle`].
    newly_dropped: u64,
}

impl Account {
    fn take(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(log_lines::text(line));
        if let Some(peer) = text.strip_prefix("Got connection from ") {
            self.accepted += 1;
            self.count(peer, 1);
        } else if let Some(rest) = text.strip_prefix("Connection ")
            && let Some((peer, _)) = rest.split_once(" closed: ")
        {
            self.count(peer, -1);
            peer.clone_into(&mut self.last_closed);
        } else if let Some((count, _)) = text.split_once(" log line") {
            let count = count.parse().unwrap_or(0);
            self.dropped += count;
            self.newly_dropped += count;
        } else if let Some(address) = text.strip_prefix("Listening on ('127.0.0.1', ") {
            self.port = address.trim_end_matches(')').parse().unwrap_or(0);
        } else if text.starts_with("Proceed to accept") {
            self.accepts = true;
        }
        text.as_ref().clone_into(&mut self.last_line);
    }

    fn count(&mut self, peer: &str, change: i64) {
        let open = self.open.entry(peer.to_owned()).or_default();
        *open += change;
        if *open == 0 {
            self.open.remove(peer);
        }
    }

    /// A complaint if more lines are missing than were dropped. While no connection is open, a line is
    /// missing for each accept without its close, and for each close without its accept.
    pub(crate) fn missing(&self) -> Option<String> {
        let missing: u64 = self.open.values().map(|count| count.unsigned_abs()).sum();
        let (peer, _) = self.open.iter().next().filter(|_| missing > self.newly_dropped)?;
        Some(format!("{missing} accepts and closes lack the other, one of {peer}"))
    }

    /// Forgets the lines that are missing and those that were dropped: they explain nothing that comes.
    pub(crate) fn settle(&mut self) {
        self.open.clear();
        self.newly_dropped = 0;
    }
}

impl Display for Account {
    fn fmt(&self, formatter: &mut Formatter) -> fmt::Result {
        let (accepted, dropped) = (self.accepted, self.dropped);
        write!(formatter, "{accepted} sockets accepted, {dropped} lines dropped")?;
        self.missing().map_or(Ok(()), |missing| write!(formatter, "; {missing}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOT: &str = "Got connection from ('127.0.0.2', 5)";
    const CLOSED: &str = "Connection ('127.0.0.2', 5) closed: the peer has closed (1 message)";
    const DROPPED: &str =
        "2 log lines were dropped: the log's reader is too slow, or its disk is full";

    fn account(lines: &[&str]) -> Account {
        let mut account = Account::default();
        for line in lines {
            account.take(format!("2020-04-10 23:10:54 INFO     {line}").as_bytes());
        }
        account
    }

    #[test]
    fn every_accept_needs_its_close() {
        assert_eq!(account(&[GOT, CLOSED, GOT, CLOSED]).missing(), None);
        assert!(account(&[GOT, CLOSED, GOT]).missing().is_some());
        assert!(account(&[GOT, CLOSED, CLOSED]).missing().is_some());
    }

    #[test]
    fn a_dropped_line_explains_a_missing_line_of_its_own_round() {
        let mut explained = account(&[GOT, DROPPED, GOT]);
        assert_eq!(explained.missing(), None);
        explained.settle();
        explained.take(format!("2020-04-10 23:10:54 INFO     {GOT}").as_bytes());
        assert!(explained.missing().is_some());
        assert!(account(&[GOT, DROPPED, GOT, GOT]).missing().is_some());
    }
}
