//! Sends and reads as fast as possible, over several connections at once.

use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use echo_harness::interrupt;
use echo_harness::ports::Sources;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, recv};

use crate::client::push_line;

/// How long nothing may move before the run fails.
const PATIENCE: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 1 << 20;

/// What is done with the bytes that come back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replies {
    /// Each is compared with what was sent.
    Compared,
    /// They are counted. The kernel drops them without a copy, so that the server is the slower side.
    Counted,
}

/// A connection, and what is sent over it again and again.
pub(crate) struct Pump {
    stream: TcpStream,
    block: Vec<u8>,
    sent: usize,
    received: usize,
}

impl Pump {
    /// Connects. The block is what one send takes, full of lines of `line_bytes` bytes.
    pub(crate) fn connect(
        number: usize,
        server: SocketAddrV4,
        sources: &mut Sources,
        send_bytes: usize,
        line_bytes: usize,
    ) -> io::Result<Pump> {
        let mut block = Vec::with_capacity(send_bytes);
        for sequence in 0..send_bytes / line_bytes {
            push_line(&mut block, number, sequence as u64, line_bytes);
        }
        Ok(Pump { stream: sources.connect(server, None)?, block, sent: 0, received: 0 })
    }

    /// Sends `blocks` over each connection and reads all that comes back.
    pub(crate) fn run(pumps: &mut [Pump], blocks: usize, replies: Replies) -> io::Result<()> {
        let mut buffer = vec![0; READ_BYTES];
        for pump in &mut *pumps {
            (pump.sent, pump.received) = (0, 0);
        }
        let mut last_move = Instant::now();
        while pumps.iter().any(|pump| pump.received < blocks * pump.block.len()) {
            let mut moved = false;
            for pump in &mut *pumps {
                moved |= pump.send(blocks)?;
                moved |= pump.receive(&mut buffer, replies)?;
            }
            if moved {
                last_move = Instant::now();
            } else if last_move.elapsed() > PATIENCE {
                return Err(io::Error::other("the server does not answer"));
            } else {
                wait(pumps, blocks)?;
            }
        }
        Ok(())
    }

    /// Sends once, if something is left to send. Returns whether bytes moved.
    fn send(&mut self, blocks: usize) -> io::Result<bool> {
        if self.sent == blocks * self.block.len() {
            return Ok(false);
        }
        let from = self.sent % self.block.len();
        let Some(count) = unless_it_would_block((&self.stream).write(&self.block[from..]))? else {
            return Ok(false);
        };
        self.sent += count;
        Ok(true)
    }

    /// Reads once. Returns whether bytes came.
    fn receive(&mut self, buffer: &mut [u8], replies: Replies) -> io::Result<bool> {
        let flags = match replies {
            Replies::Compared => RecvFlags::empty(),
            Replies::Counted => RecvFlags::TRUNC,
        };
        let received = recv(&self.stream, &mut *buffer, flags).map_err(io::Error::from);
        let Some((_, count)) = unless_it_would_block(received)? else { return Ok(false) };
        if count == 0 {
            return Err(io::Error::other("the server closed before it answered"));
        }
        if self.received + count > self.sent {
            return Err(io::Error::other("wrong reply: more than was sent"));
        }
        if replies == Replies::Compared && !self.is_next(&buffer[..count]) {
            let after = self.received;
            return Err(io::Error::other(format!("wrong reply after {after} bytes")));
        }
        self.received += count;
        Ok(true)
    }

    /// Whether these bytes are what must come next.
    fn is_next(&self, mut bytes: &[u8]) -> bool {
        let mut at = self.received % self.block.len();
        while !bytes.is_empty() {
            let count = bytes.len().min(self.block.len() - at);
            if bytes[..count] != self.block[at..at + count] {
                return false;
            }
            bytes = &bytes[count..];
            at = 0;
        }
        true
    }
}

/// Sleeps until a connection can go on, at most for 100 ms.
fn wait(pumps: &[Pump], blocks: usize) -> io::Result<()> {
    interrupt::check()?;
    let mut polled: Vec<_> = pumps
        .iter()
        .map(|pump| {
            let all_sent = pump.sent == blocks * pump.block.len();
            let sending = if all_sent { PollFlags::empty() } else { PollFlags::OUT };
            PollFd::from_borrowed_fd(pump.stream.as_fd(), PollFlags::IN | sending)
        })
        .collect();
    match poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 100_000_000 })) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn unless_it_would_block<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}
