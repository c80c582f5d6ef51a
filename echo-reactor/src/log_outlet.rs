//! Writes the log to stderr: once a turn, and without waiting for its reader.
//!
//! `env_logger` decides on levels and form, and writes its lines into a buffer here. The reactor
//! writes the buffer out once a turn. Lines that a full pipe does not take wait for an event, like
//! everything else in the loop. Lines that are too much to keep are dropped and counted, and another
//! line reports their number as soon as there is room. If nobody reads any more, the log is lost, and
//! the server goes on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use memchr::{memchr_iter, memrchr};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::stdio::stderr;
use socket2::{SockRef, Type};

use crate::kernel::LogBacklog;
use crate::log_events;

/// A turn with many lines writes them out each time that this many bytes have come together.
const WRITE_EVERY_BYTES: usize = 64 * 1024;

/// The most that goes into one datagram, in bytes. A socket refuses what does not fit its buffer, which
/// is larger than this.
const DATAGRAM_MAX_BYTES: usize = 32 * 1024;

/// How much may wait for a slow reader, in bytes. Further lines are dropped.
const WAITING_MAX_BYTES: usize = 1024 * 1024;

/// How long the last lines may wait for a slow reader when the process leaves.
const FINISH_TIMEOUT: Duration = Duration::from_millis(200);

/// The log's buffer and where it goes. Clones share both.
#[derive(Clone)]
pub struct LogOutlet {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    sink: Sink,
    waiting: Vec<u8>,
    /// How much has come since the last write, in bytes.
    unwritten: usize,
    /// Lines that were dropped, and that no line has told of yet.
    dropped: u64,
    dropped_in_all: u64,
    state: State,
}

/// How to write to stderr without waiting.
enum Sink {
    /// A pipe or a terminal, opened anew: to set `O_NONBLOCK` on the inherited descriptor would set
    /// it for every other process that shares it. A terminal that is gone no longer looks like one.
    Reopened { file: File, is_terminal: bool },
    /// A socket: each call has a flag against waiting.
    Stream,
    /// A socket that keeps each write as one record, or refuses it.
    Datagrams,
    /// A file, where no write waits; or a pipe that can't be opened anew, where a write may wait unless
    /// another process has made it nonblocking.
    Inherited,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// There may be room for a write.
    Flowing,
    /// The reader is behind: an event will tell of room.
    Blocked,
    /// Nobody reads any more.
    Gone,
}

impl LogOutlet {
    /// An outlet to this process's stderr.
    #[must_use]
    pub fn to_stderr() -> LogOutlet {
        let shared = Shared {
            sink: Sink::to_stderr(),
            waiting: Vec::new(),
            unwritten: 0,
            dropped: 0,
            dropped_in_all: 0,
            state: State::Flowing,
        };
        LogOutlet { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Has `registry` tell when there is room again, if stderr can be watched.
    ///
    /// # Errors
    /// What `epoll_ctl(2)` lists, except EPERM: such a file is always ready.
    pub fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        let shared = self.lock();
        let descriptor = shared.sink.descriptor().as_raw_fd();
        match registry.register(&mut SourceFd(&descriptor), token, Interest::WRITABLE) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
            result => result,
        }
    }

    /// There may be room again.
    pub fn unblock(&self) {
        self.lock().unblock();
    }

    /// How much waits, and how much was lost.
    #[must_use]
    pub fn backlog(&self) -> LogBacklog {
        let shared = self.lock();
        // The lines of this turn wait for its end, not for the reader, unless it is behind.
        let waiting = match shared.state {
            State::Blocked => shared.waiting.len(),
            State::Flowing => shared.waiting.len().saturating_sub(shared.unwritten),
            State::Gone => 0,
        };
        LogBacklog { waiting_bytes: waiting as u64, dropped: shared.dropped_in_all }
    }

    /// Writes out what the reader takes.
    pub fn flush(&self) {
        let dropped = self.lock().flush();
        if dropped > 0 {
            // Through the logger, which comes back here: the lock must be free.
            log_events::lines_dropped(dropped);
            self.lock().flush();
        }
    }

    /// Writes out the rest before the process leaves, and waits for a slow reader, but not for long.
    pub fn finish(&self) {
        let started = Instant::now();
        loop {
            self.flush();
            let time_left = FINISH_TIMEOUT.saturating_sub(started.elapsed());
            let shared = self.lock();
            if shared.state != State::Blocked || time_left.is_zero() {
                return;
            }
            shared.sink.wait_for_room(time_left);
            drop(shared);
            self.unblock();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `env_logger` writes one record with one call, which is kept or dropped whole.
impl Write for LogOutlet {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        self.lock().take(record);
        Ok(record.len())
    }

    /// The reactor says when: `env_logger` would flush for each record.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn take(&mut self, record: &[u8]) {
        self.unwritten += record.len();
        if self.unwritten >= WRITE_EVERY_BYTES {
            // The event that tells of room is seen in the next turn, but the reader may have made room
            // by now.
            self.unblock();
            self.write_out();
        }
        if self.state == State::Gone {
            return;
        }
        if self.waiting.len() + record.len() > WAITING_MAX_BYTES {
            self.drop_lines(1);
        } else {
            self.waiting.extend_from_slice(record);
        }
    }

    fn drop_lines(&mut self, count: u64) {
        self.dropped += count;
        self.dropped_in_all += count;
    }

    fn unblock(&mut self) {
        if self.state == State::Blocked {
            self.state = State::Flowing;
        }
    }

    /// Writes out what the reader takes. Returns how many lines were dropped, once there is room to
    /// report it.
    fn flush(&mut self) -> u64 {
        self.write_out();
        match self.state {
            State::Flowing if self.waiting.is_empty() => mem::take(&mut self.dropped),
            State::Flowing | State::Blocked | State::Gone => 0,
        }
    }

    fn write_out(&mut self) {
        self.unwritten = 0;
        let mut written = 0;
        while self.state == State::Flowing && written < self.waiting.len() {
            let piece = self.sink.next_piece(&self.waiting[written..]);
            match self.sink.write(piece) {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::INTR) => {}
                    Some(Errno::AGAIN) => self.state = State::Blocked,
                    Some(Errno::PIPE | Errno::CONNRESET | Errno::CONNREFUSED | Errno::NOTCONN) => {
                        self.state = State::Gone;
                    }
                    Some(Errno::IO) if self.sink.is_terminal() => self.state = State::Gone,
                    Some(Errno::MSGSIZE) => {
                        // Too large for this socket, now and later.
                        let lines = lines_in(piece);
                        written += piece.len();
                        self.drop_lines(lines);
                    }
                    // A full disk, for example: the lines wait for the next turn.
                    _ => break,
                },
            }
        }
        match self.state {
            State::Gone => self.waiting = Vec::new(),
            State::Flowing | State::Blocked => drop(self.waiting.drain(..written)),
        }
    }
}

fn lines_in(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

impl Sink {
    fn to_stderr() -> Sink {
        const STDERR: &str = "/proc/self/fd/2";
        let Ok(kind) = fs::metadata(STDERR).map(|metadata| metadata.file_type()) else {
            return Sink::Inherited;
        };
        if kind.is_socket() {
            let kind = SockRef::from(&stderr()).r#type();
            return if kind.is_ok_and(|kind| kind == Type::STREAM) {
                Sink::Stream
            } else {
                Sink::Datagrams
            };
        }
        if !kind.is_fifo() && !kind.is_char_device() {
            return Sink::Inherited;
        }
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let mut options = OpenOptions::new();
        let reopened = options.write(true).custom_flags(flags.bits().cast_signed()).open(STDERR);
        reopened.map_or(Sink::Inherited, |file| {
            let is_terminal = file.is_terminal();
            Sink::Reopened { file, is_terminal }
        })
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Reopened { file, .. } => (&*file).write(bytes),
            Sink::Stream | Sink::Datagrams => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                Ok(rustix::net::send(self.descriptor(), bytes, flags)?)
            }
            Sink::Inherited => Ok(rustix::io::write(self.descriptor(), bytes)?),
        }
    }

    /// The part of the waiting bytes that the next write tries: all, or as many whole lines as one
    /// datagram may hold.
    fn next_piece<'a>(&self, waiting: &'a [u8]) -> &'a [u8] {
        let Sink::Datagrams = self else { return waiting };
        let most = &waiting[..waiting.len().min(DATAGRAM_MAX_BYTES)];
        let end = memrchr(b'\n', most).map_or(most.len(), |newline| newline + 1);
        &most[..end]
    }

    fn is_terminal(&self) -> bool {
        matches!(self, Sink::Reopened { is_terminal: true, .. })
    }

    fn wait_for_room(&self, timeout: Duration) {
        let timeout = Timespec::try_from(timeout).ok();
        let mut room = [PollFd::from_borrowed_fd(self.descriptor(), PollFlags::OUT)];
        // If this fails, the next write tells why.
        let _ = poll(&mut room, timeout.as_ref());
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Sink::Reopened { file, .. } => file.as_fd(),
            Sink::Stream | Sink::Datagrams | Sink::Inherited => stderr(),
        }
    }
}
