//! The client's end of a connection: sends lines, and checks every byte that comes back.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Socket, Type};

use crate::interrupt;
use crate::message::Lines;
use crate::server_process::ServerProcess;

/// Patience with a reply before the run fails.
pub const REPLY_PATIENCE: Duration = Duration::from_secs(10);
/// Bytes that one `read` takes at most. More than all that is outstanding in a closed loop.
const READ_BYTES: usize = 1 << 16;
/// Connections that are opened before the server gets time to accept them: below every backlog.
const OPEN_AT_ONCE: usize = 200;

/// Hands out the addresses to connect from, 127.0.0.2 to 127.0.0.201 in turn. One address has
/// 28,232 ports by default, and a connection that the server closed occupies one for a minute.
#[derive(Debug, Default)]
pub struct Sources {
    next: u8,
}

impl Sources {
    const COUNT: u8 = 200;

    /// The next address.
    pub fn take(&mut self) -> Ipv4Addr {
        let address = Ipv4Addr::new(127, 0, 0, 2 + self.next);
        self.next = (self.next + 1) % Self::COUNT;
        address
    }
}

/// What one read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// So many replies became complete, and there may be more to read.
    Replies(u64),
    /// So many replies became complete, and nothing more is here now.
    RepliesAndDrained(u64),
    /// Nothing is here now.
    Nothing,
    /// The server has closed, after complete replies to everything that was sent.
    End,
}

/// One connection to the server under test.
pub struct Connection {
    /// What it is registered with in a poll.
    pub stream: TcpStream,
    number: usize,
    sent: u64,
    answered: u64,
    partial_bytes: usize,
}

impl Connection {
    /// Connects, nonblocking: the kernel finishes it, on loopback usually within the call.
    ///
    /// # Errors
    /// When no socket or port can be had.
    pub fn begin(number: usize, server: SocketAddrV4, sources: &mut Sources) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
        socket.bind(&SocketAddrV4::new(sources.take(), 0).into())?;
        match socket.connect(&server.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(in_progress()) => {}
            Err(error) => return Err(error),
        }
        socket.set_tcp_nodelay(true)?;
        Ok(Self {
            stream: TcpStream::from_std(socket.into()),
            number,
            sent: 0,
            answered: 0,
            partial_bytes: 0,
        })
    }

    /// Connects and waits until the connection stands.
    ///
    /// # Errors
    /// When it is refused or takes too long.
    pub fn open(number: usize, server: SocketAddrV4, sources: &mut Sources) -> io::Result<Self> {
        let connection = Self::begin(number, server, sources)?;
        connection.wait(PollFlags::OUT)?;
        if let Some(error) = connection.stream.take_error()? {
            return Err(error);
        }
        Ok(connection)
    }

    /// How many messages have been sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// How many messages have been answered.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// Makes the close a reset, which leaves no port in `TIME_WAIT`. For connections that have done
    /// their work.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn reset_on_close(&self) -> io::Result<()> {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
    }

    /// Sends the next line, all of it.
    ///
    /// # Errors
    /// When the connection is broken or takes nothing for too long.
    pub fn send(&mut self, lines: &mut Lines) -> io::Result<()> {
        let mut rest = lines.line(self.number, self.sent);
        while !rest.is_empty() {
            match (&self.stream).write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(PollFlags::OUT)?;
                }
                Err(error) => return Err(error),
            }
        }
        self.sent += 1;
        Ok(())
    }

    /// Reads once and checks what came.
    ///
    /// # Errors
    /// When a byte is wrong, the server sends more than it owes, or closes before it has sent it.
    pub fn receive(&mut self, lines: &mut Lines, buffer: &mut Buffer) -> io::Result<Received> {
        match (&self.stream).read(&mut buffer.0) {
            Ok(0) if self.answered == self.sent => Ok(Received::End),
            Ok(0) => Err(self.complain("the server closed before it answered")),
            Ok(count) => {
                let replies = self.check(lines, &buffer.0[..count])?;
                Ok(if count < buffer.0.len() {
                    Received::RepliesAndDrained(replies)
                } else {
                    Received::Replies(replies)
                })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Received::Nothing),
            Err(error) => Err(self.complain(&error.to_string())),
        }
    }

    /// Reads what an edge announced on a stream; how many replies became complete. `closed` says that
    /// the edge announced an end too: it has no edge of its own behind a short read.
    ///
    /// # Errors
    /// As [`Self::receive`], or at the end of the stream.
    pub fn receive_all(
        &mut self,
        lines: &mut Lines,
        buffer: &mut Buffer,
        closed: bool,
    ) -> io::Result<u64> {
        let mut replies = 0;
        loop {
            match self.receive(lines, buffer)? {
                Received::RepliesAndDrained(count) if !closed => return Ok(replies + count),
                Received::Replies(count) | Received::RepliesAndDrained(count) => replies += count,
                Received::Nothing => return Ok(replies),
                Received::End => return Err(self.complain("the server ended a stream")),
            }
        }
    }

    /// Waits until everything that was sent is answered.
    ///
    /// # Errors
    /// As [`Self::receive`], or when it takes too long.
    pub fn await_replies(&mut self, lines: &mut Lines, buffer: &mut Buffer) -> io::Result<()> {
        while self.answered < self.sent {
            match self.receive(lines, buffer)? {
                Received::Nothing => self.wait(PollFlags::IN)?,
                Received::End => break,
                Received::Replies(_) | Received::RepliesAndDrained(_) => {}
            }
        }
        Ok(())
    }

    /// Waits until the server has closed.
    ///
    /// # Errors
    /// As [`Self::receive`], or when it takes too long.
    pub fn await_end(&mut self, lines: &mut Lines, buffer: &mut Buffer) -> io::Result<()> {
        loop {
            match self.receive(lines, buffer)? {
                Received::Nothing => self.wait(PollFlags::IN)?,
                Received::End => return Ok(()),
                Received::Replies(_) | Received::RepliesAndDrained(_) => {}
            }
        }
    }

    fn check(&mut self, lines: &mut Lines, mut bytes: &[u8]) -> io::Result<u64> {
        let answered_before = self.answered;
        while !bytes.is_empty() {
            if self.answered == self.sent {
                return Err(self.complain("the server sent more than it owes"));
            }
            let count = bytes.len().min(lines.length() - self.partial_bytes);
            let (part, rest) = bytes.split_at(count);
            lines.verify(self.number, self.answered, self.partial_bytes, part)?;
            self.partial_bytes += count;
            if self.partial_bytes == lines.length() {
                self.partial_bytes = 0;
                self.answered += 1;
            }
            bytes = rest;
        }
        Ok(self.answered - answered_before)
    }

    /// Sleeps until the socket is ready, looking for an interruption now and then.
    fn wait(&self, readiness: PollFlags) -> io::Result<()> {
        let slice = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        let deadline = Instant::now() + REPLY_PATIENCE;
        while Instant::now() < deadline {
            interrupt::check()?;
            let mut polled = [PollFd::from_borrowed_fd(self.stream.as_fd(), readiness)];
            match poll(&mut polled, Some(&slice)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Err(self.complain("the server does not answer"))
    }

    fn complain(&self, what: &str) -> io::Error {
        io::Error::other(format!(
            "connection {}, {} of {} messages answered: {what}",
            self.number, self.answered, self.sent
        ))
    }
}

/// What reads go into; one for all connections.
pub struct Buffer(Vec<u8>);

impl Default for Buffer {
    fn default() -> Self {
        Self(vec![0; READ_BYTES])
    }
}

fn in_progress() -> i32 {
    rustix::io::Errno::INPROGRESS.raw_os_error()
}

/// Opens connections until there are `count`, and gives the server time to accept them.
///
/// # Errors
/// When one can't be opened.
pub fn open_until(
    connections: &mut Vec<Connection>,
    count: usize,
    server: &ServerProcess,
    sources: &mut Sources,
) -> io::Result<()> {
    while connections.len() < count {
        let number = connections.len();
        let connection = Connection::open(number, server.address, sources)
            .map_err(|error| io::Error::other(format!("connection {number}: {error}")))?;
        connection.reset_on_close()?;
        connections.push(connection);
        if connections.len().is_multiple_of(OPEN_AT_ONCE) {
            server.wait_until_quiet()?;
        }
    }
    server.wait_until_quiet()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_repeat_and_stay_on_loopback() {
        let mut sources = Sources::default();
        let taken: Vec<_> = (0..=u16::from(Sources::COUNT)).map(|_| sources.take()).collect();
        assert_eq!(taken.first(), taken.last());
        assert_eq!(taken[0], Ipv4Addr::new(127, 0, 0, 2));
        assert_eq!(taken[199], Ipv4Addr::new(127, 0, 0, 201));
    }
}
