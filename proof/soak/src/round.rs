//! What the threads of one round of load share.

use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// How much of a message the server's log shows, in bytes.
const LOG_SHOWS_BYTES: usize = 512;
/// The rest of a line about a message is at least this long, in bytes.
const LOG_LINE_BYTES: usize = 90;

pub(crate) struct Round {
    /// Where the server listens.
    pub(crate) server: SocketAddrV4,
    is_over: Mutex<bool>,
    ended: Condvar,
    server_leaves: AtomicBool,
    logged_bytes: AtomicU64,
    violation: Mutex<Option<String>>,
}

impl Round {
    pub(crate) fn new(server: SocketAddrV4) -> Self {
        Self {
            server,
            is_over: Mutex::new(false),
            ended: Condvar::new(),
            server_leaves: AtomicBool::new(false),
            logged_bytes: AtomicU64::new(0),
            violation: Mutex::new(None),
        }
    }

    /// Asks the peers to end what they have begun, and to begin nothing.
    pub(crate) fn end(&self) {
        *self.is_over.lock().unwrap() = true;
        self.ended.notify_all();
    }

    pub(crate) fn is_over(&self) -> bool {
        *self.is_over.lock().unwrap()
    }

    /// Waits for this time, or until the round is over; `true` if it goes on.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let is_over = self.is_over.lock().unwrap();
        let waited = self.ended.wait_timeout_while(is_over, time, |is_over| !*is_over).unwrap();
        !*waited.0
    }

    /// From now on the server may close a connection without a reply: it is about to get SIGTERM.
    pub(crate) fn let_server_leave(&self) {
        self.server_leaves.store(true, Ordering::SeqCst);
    }

    pub(crate) fn server_leaves(&self) -> bool {
        self.server_leaves.load(Ordering::SeqCst)
    }

    /// Counts a message whose whole reply was read.
    pub(crate) fn count_answered(&self, message: &[u8]) {
        let logged = message.len().min(LOG_SHOWS_BYTES) + LOG_LINE_BYTES;
        self.logged_bytes.fetch_add(logged as u64, Ordering::Relaxed);
    }

    /// What the answered messages have added to the server's log, at least.
    pub(crate) fn logged_bytes(&self) -> u64 {
        self.logged_bytes.load(Ordering::Relaxed)
    }

    /// Notes what must not happen; the first one counts.
    pub(crate) fn violate(&self, what: String) {
        self.violation.lock().unwrap().get_or_insert(what);
    }

    pub(crate) fn violation(&self) -> Option<String> {
        self.violation.lock().unwrap().clone()
    }
}
