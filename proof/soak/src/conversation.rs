//! One connection of a peer. Every byte that comes back is compared with what was sent.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, SockRef, Socket, Type};

use crate::round::Round;
use crate::server::{IDLE_TIMEOUT, MESSAGE_TIMEOUT};

/// A server that runs answers within this, even where other work takes most of the machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a peer that keeps quiet looks whether its round is over.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// The server takes the time once a turn. If it is stopped in the middle of a turn, a connection that
/// comes meanwhile looks older than it is. This is longer than the server is ever stopped.
const CLOCK_SLACK: Duration = Duration::from_secs(1);
/// How much of a wrong reply is shown.
const SHOWN_BYTES: usize = 60;

/// Why a conversation ended before its time.
#[derive(Debug)]
pub(crate) enum Cut {
    RoundOver,
    /// The server closed it, and was allowed to: the peer was too slow, or the server leaves.
    Allowed,
    /// This must not happen.
    Wrong(String),
}

pub(crate) type Outcome = Result<(), Cut>;

pub(crate) struct Conversation<'a> {
    socket: TcpStream,
    round: &'a Round,
    begun: Instant,
    /// When this peer last did something.
    active: Instant,
    /// The longest time that this peer did nothing when it was its turn.
    longest_silence: Duration,
    /// The longest time that this peer took to send a message.
    slowest_message: Duration,
    pub(crate) messages: u64,
}

impl<'a> Conversation<'a> {
    pub(crate) fn begin(source: Ipv4Addr, round: &'a Round) -> Result<Self, Cut> {
        let begun = Instant::now();
        let socket = connect(source, round).map_err(|error| match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset if round.server_leaves() => {
                Cut::Allowed
            }
            _ => Cut::Wrong(format!("no connection: {error}")),
        })?;
        Ok(Self {
            socket,
            round,
            begun,
            active: begun,
            longest_silence: Duration::ZERO,
            slowest_message: Duration::ZERO,
            messages: 0,
        })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Outcome {
        self.end_silence();
        self.socket.write_all(bytes).map_err(|error| self.early(&error.to_string()))
    }

    /// Sends a message with a pause after each byte.
    pub(crate) fn drip(&mut self, message: &[u8], pause: Duration) -> Outcome {
        let begun = Instant::now();
        for byte in message {
            self.slowest_message = self.slowest_message.max(begun.elapsed());
            self.send(&[*byte])?;
            self.pause(pause)?;
        }
        Ok(())
    }

    /// Sends `bytes`, and talks at the same time.
    pub(crate) fn send_during(
        &mut self,
        bytes: &[u8],
        talk: impl FnOnce(&mut Self) -> Outcome,
    ) -> Outcome {
        let output = self.socket.try_clone();
        let mut output = output.map_err(|error| self.early(&error.to_string()))?;
        thread::scope(|scope| {
            // If this fails, replies will be missing, which is noticed.
            scope.spawn(move || output.write_all(bytes));
            let outcome = talk(self);
            if outcome.is_err() {
                // The sender may be waiting for room, which will not come.
                let _ = self.socket.shutdown(Shutdown::Both);
            }
            outcome
        })
    }

    /// Reads a message's reply.
    pub(crate) fn expect(&mut self, message: &[u8]) -> Outcome {
        self.expect_part(message)?;
        self.messages += 1;
        self.round.count_answered(message);
        Ok(())
    }

    /// Reads as many bytes as are expected.
    pub(crate) fn expect_part(&mut self, expected: &[u8]) -> Outcome {
        self.end_silence();
        let mut buffer = vec![0; expected.len()];
        let mut received = 0;
        while received < expected.len() {
            let count = match self.read(&mut buffer[received..])? {
                0 if received > 0 => return Err(self.wrong("a clean end in the middle of a reply")),
                0 => return Err(self.early("a clean end, but no reply")),
                count => count,
            };
            let (bytes, expected) = (&buffer[received..][..count], &expected[received..][..count]);
            if bytes != expected {
                let show =
                    |bytes: &[u8]| bytes[..count.min(SHOWN_BYTES)].escape_ascii().to_string();
                let (bytes, expected) = (show(bytes), show(expected));
                return Err(self.wrong(&format!("\"{bytes}\", not \"{expected}\"")));
            }
            received += count;
        }
        self.active = Instant::now();
        Ok(())
    }

    /// Expects nothing but a clean end.
    pub(crate) fn expect_end(&mut self) -> Outcome {
        match self.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(self.wrong("more than is owed")),
        }
    }

    pub(crate) fn end_output(&mut self) -> Outcome {
        self.socket.shutdown(Shutdown::Write).map_err(|error| self.early(&error.to_string()))
    }

    /// Does nothing for this time. After the server has left, its replies are still to be read.
    pub(crate) fn pause(&self, time: Duration) -> Outcome {
        let goes_on = self.round.pause(time) || self.round.server_leaves();
        if goes_on { Ok(()) } else { Err(Cut::RoundOver) }
    }

    /// Does nothing for this time, but notices an end.
    pub(crate) fn listen(&mut self, time: Duration) -> Outcome {
        let until = Instant::now() + time;
        while Instant::now() < until && !self.round.is_over() {
            let mut input = [PollFd::new(&self.socket, PollFlags::IN)];
            if poll(&mut input, Some(&LOOK_EVERY)) == Ok(1) {
                self.end_silence();
                return self.expect_end().and_then(|()| Err(self.early("a clean end")));
            }
        }
        Ok(())
    }

    /// Makes the receive buffer small: it is full soon if this peer does not read.
    pub(crate) fn receive_little(&self) {
        let _ = SockRef::from(&self.socket).set_recv_buffer_size(1 << 16);
    }

    /// Has the connection end in a reset.
    pub(crate) fn reset(&self) {
        // If this fails, the connection is gone already.
        let _ = SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Cut> {
        loop {
            match self.socket.read(buffer) {
                Ok(count) => return Ok(count),
                // Ctrl-C may reach any thread of the run.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(self.wrong(&format!("nothing for {PATIENCE:?}")));
                }
                Err(error) => return Err(self.early(&error.to_string())),
            }
        }
    }

    /// This peer acts now.
    fn end_silence(&mut self) {
        self.longest_silence = self.longest_silence.max(self.active.elapsed());
        self.active = Instant::now();
    }

    /// The server has ended the connection before all was answered.
    fn early(&self, what: &str) -> Cut {
        let is_over = |time: Duration, limit: Duration| time + CLOCK_SLACK >= limit;
        let is_slow = is_over(self.longest_silence, IDLE_TIMEOUT)
            || is_over(self.slowest_message, MESSAGE_TIMEOUT);
        if is_slow || self.round.server_leaves() { Cut::Allowed } else { self.wrong(what) }
    }

    fn wrong(&self, what: &str) -> Cut {
        let (peer, messages, age) = (self.name(), self.messages, self.begun.elapsed());
        Cut::Wrong(format!("{what} ({peer}, {messages} messages answered within {age:.1?})"))
    }

    /// This end's address, as the server's log shows it.
    pub(crate) fn name(&self) -> String {
        self.socket.local_addr().map_or_else(
            |error| error.to_string(),
            |address| format!("('{}', {})", address.ip(), address.port()),
        )
    }
}

/// Connects from `source`. Each peer has another address, so that its ports do not run out.
fn connect(source: Ipv4Addr, round: &Round) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect(&round.server.into())?;
    socket.set_tcp_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket.into())
}
