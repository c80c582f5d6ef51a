//! The client's end of a connection: sends lines, and checks every byte that comes back.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::Duration;

use echo_harness::ports::Sources;
use socket2::SockRef;

use crate::server::Server;

/// How long a reply may take before the run fails.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections that are opened before the server gets time to accept them: below every backlog.
const OPEN_AT_ONCE: usize = 100;

/// One connection to the server under test.
pub(crate) struct Client {
    stream: TcpStream,
    /// The number of the connection. Its lines contain it.
    number: usize,
    lines: u64,
    /// What must come back. The first `answered` bytes have come.
    owed: Vec<u8>,
    answered: usize,
}

impl Client {
    pub(crate) fn connect(
        number: usize,
        server: SocketAddrV4,
        sources: &mut Sources,
    ) -> io::Result<Client> {
        let stream = sources.connect(server, None)?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client { stream, number, lines: 0, owed: Vec::new(), answered: 0 })
    }

    /// Connects `clients` until there are `count`, and waits until the server has accepted them. They
    /// will close with a reset, which leaves no port in `TIME_WAIT`.
    pub(crate) fn connect_until(
        clients: &mut Vec<Client>,
        count: usize,
        server: &Server,
        sources: &mut Sources,
    ) -> io::Result<()> {
        while clients.len() < count {
            let client = Client::connect(clients.len(), server.address, sources)?;
            SockRef::from(&client.stream).set_linger(Some(Duration::ZERO))?;
            clients.push(client);
            if clients.len().is_multiple_of(OPEN_AT_ONCE) {
                server.rest()?;
            }
        }
        server.wait_for_connections(count)
    }

    /// Sends this many lines of `bytes` bytes each, in one segment.
    pub(crate) fn send(&mut self, lines: usize, bytes: usize) -> io::Result<()> {
        let before = self.owed.len();
        for _ in 0..lines {
            push_line(&mut self.owed, self.number, self.lines, bytes);
            self.lines += 1;
        }
        self.stream.write_all(&self.owed[before..])
    }

    /// Reads until all that was sent has come back.
    pub(crate) fn await_replies(&mut self) -> io::Result<()> {
        while self.answered < self.owed.len() {
            if self.read()? == 0 {
                return Err(self.complaint("the server closed before it answered"));
            }
        }
        self.owed.clear();
        self.answered = 0;
        Ok(())
    }

    /// Reads all that was sent and then the end.
    pub(crate) fn await_end(mut self) -> io::Result<()> {
        while self.read()? > 0 {}
        self.await_replies()
    }

    /// Reads once and checks what came.
    fn read(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 1 << 14];
        let count = self.stream.read(&mut buffer).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => self.complaint("the server does not answer"),
            _ => self.complaint(&error.to_string()),
        })?;
        let (came, owed) = (&buffer[..count], &self.owed[self.answered..]);
        if !owed.starts_with(came) {
            let came = came[..count.min(80)].escape_ascii();
            return Err(self.complaint(&format!("wrong reply: {came}")));
        }
        self.answered += count;
        Ok(count)
    }

    fn complaint(&self, what: &str) -> io::Error {
        let Client { number, answered, owed, .. } = self;
        let owed = owed.len();
        io::Error::other(format!("connection {number}, {answered} of {owed} bytes came: {what}"))
    }
}

/// Appends line `sequence` of a connection: no two lines of a run are equal, so that the reply of
/// another connection, of another message or of a stale buffer can't pass for the right one.
pub(crate) fn push_line(to: &mut Vec<u8>, connection: usize, sequence: u64, bytes: usize) {
    let numbers = format!("{connection:05}-{sequence:08}-");
    let line = numbers.bytes().chain((b'a'..=b'z').cycle());
    to.extend(line.take(bytes - 1));
    to.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_their_length_and_differ() {
        for bytes in [16, 64, 4096] {
            let line = |connection, sequence| {
                let mut line = Vec::new();
                push_line(&mut line, connection, sequence, bytes);
                line
            };
            assert_eq!(line(7, 1).len(), bytes);
            assert_eq!(memchr::memchr(b'\n', &line(7, 1)), Some(bytes - 1));
            assert_ne!(line(7, 1), line(7, 2));
            assert_ne!(line(7, 1), line(8, 1));
        }
    }
}
