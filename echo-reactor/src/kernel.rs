//! All that the reactor asks of the operating system.
//!
//! The reactor is generic over these two traits: [`linux`](crate::linux) implements them for the
//! real kernel, the simulation implements them for its tests. The compiler makes the choice, so it costs
//! nothing when the program runs.

use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use crate::deadlines::Moment;
use crate::peer::Peer;
use crate::signals::Request;
use crate::source::{Readiness, Source};

/// How a sleep ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wakeup {
    /// By an event or a signal, and not because the time was over.
    pub by_event: bool,
    /// With as many events as one sleep may bring: others may have to wait for the next.
    pub is_full: bool,
}

/// How long it has been since the start, to the nanosecond: for what is shown, not for what is decided.
pub type Clock = Rc<dyn Fn() -> Duration>;

/// The log, on its way to its reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogBacklog {
    /// Bytes that wait for the reader.
    pub waiting_bytes: u64,
    /// Lines that were dropped since the start.
    pub dropped: u64,
}

/// The poller, the listeners, the signals, the log and the clock.
pub trait Kernel {
    /// A connected, non-blocking socket. Dropping it closes it.
    type Socket: Socket;

    /// Sleeps until something happens, at most for `timeout`, and hands on the events. A signal may
    /// end the sleep early (`epoll_wait(2)`, EINTR); events that have happened by then are handed on.
    ///
    /// Events are edges: each is told once, when it happens. An event may be late, untrue, or about a
    /// connection that is closed already. Signals and the log end the sleep too, but without an event:
    /// [`Kernel::requests`] hands on the signals.
    fn wait(&mut self, timeout: Option<Duration>, hand_on: impl FnMut(Source, Readiness))
    -> Wakeup;

    /// The time now.
    fn now(&self) -> Moment;

    /// The clock behind [`Kernel::now`].
    fn clock(&self) -> Clock;

    /// Hands on what signals have asked for. Equal signals may have become one.
    fn requests(&mut self, obey: impl FnMut(Request));

    /// Takes one connection out of the listen queue.
    ///
    /// # Errors
    /// `WouldBlock` when the queue is empty; else what `accept(2)` lists.
    fn accept(&mut self) -> io::Result<(Self::Socket, Peer)>;

    /// Watches a socket for being readable and writable, from now until it is closed; its events come
    /// from `source`.
    ///
    /// # Errors
    /// What `epoll_ctl(2)` lists: no memory, or too many watches.
    fn watch(&mut self, socket: &mut Self::Socket, source: Source) -> io::Result<()>;

    /// Lets no further connection into the listen queue. Those in the queue can still be accepted.
    fn shut_queue(&mut self);

    /// Closes the listening socket. Connections in its queue are reset.
    fn close_listener(&mut self);

    /// Writes out the log as far as its reader takes it, without waiting for it.
    fn flush_log(&mut self);

    /// How the log stands with its reader.
    fn log_backlog(&self) -> LogBacklog {
        LogBacklog::default()
    }

    /// Takes one connection out of the listen queue of the status port. It has a descriptor even where
    /// [`Kernel::accept`] finds none.
    ///
    /// # Errors
    /// As [`Kernel::accept`]. Where there is no status port, its queue is empty.
    fn accept_watcher(&mut self) -> io::Result<Self::Socket> {
        Err(ErrorKind::WouldBlock.into())
    }

    /// A watcher's socket was closed: its descriptor is kept for the next.
    fn watcher_left(&mut self) {}
}

/// One connection's socket. Nothing here waits.
pub trait Socket {
    /// Reads what has arrived; 0 is the end of the input.
    ///
    /// # Errors
    /// `WouldBlock` when nothing has arrived; else what `recv(2)` lists.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Sends as much as there is room for, at once.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room; else what `send(2)` lists.
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Sends the last bytes before [`Socket::end_output`] or the close: the kernel may put both into
    /// one segment.
    ///
    /// # Errors
    /// As [`Socket::send`].
    fn send_last(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Ends the output; the peer reads the end once it has read all that was sent before.
    ///
    /// # Errors
    /// `NotConnected` when the peer has reset the connection (`shutdown(2)`).
    fn end_output(&mut self) -> io::Result<()>;

    /// Whether all bytes that were sent have left this host. A byte that has not is lost if the
    /// connection is closed and the peer then sends more.
    fn is_all_sent(&self) -> bool;

    /// Turns the close that follows into a reset, so that the peer can't take a part of a reply for the
    /// whole.
    fn reset_on_close(&mut self);
}
