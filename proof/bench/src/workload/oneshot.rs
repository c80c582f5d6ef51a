//! Oneshot: loops of connect, send a line, receive it, see the end, and again.

use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};

use super::{Outcome, measured, new_histogram, next_events, record};
use crate::connection::{Buffer, Connection, REPLY_PATIENCE, Received, Sources};
use crate::message::Lines;
use crate::server_process::ServerProcess;

/// Keeps `loops` going for `duration`. The server must be in oneshot behaviour.
///
/// # Errors
/// When a reply is wrong or missing, or is not followed by a clean end.
pub fn run(
    server: &ServerProcess,
    loops: usize,
    message_bytes: usize,
    duration: Duration,
    sources: &mut Sources,
) -> io::Result<Outcome> {
    let mut all = Loops {
        server,
        sources,
        poll: Poll::new()?,
        under_way: Vec::new(),
        lines: Lines::new(message_bytes),
        buffer: Buffer::default(),
    };
    let (latency, elapsed, cpu) = measured(server, || all.run(loops, duration))?;
    Ok(Outcome { messages: latency.len(), elapsed, cpu, latency: Some(latency), unanswered: 0 })
}

/// A message on its way, on a connection of its own.
struct Round {
    connection: Connection,
    begun: Instant,
    progress: Progress,
}

/// How far a round is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Connecting,
    Sent,
    Ended,
}

impl Round {
    /// Does what can be done now; whether that was the end of it.
    fn advance(&mut self, lines: &mut Lines, buffer: &mut Buffer) -> io::Result<bool> {
        if self.progress == Progress::Connecting {
            // On loopback `connect` mostly returns connected; otherwise the poll says when.
            if self.connection.stream.peer_addr().is_ok() {
                self.connection.send(lines)?;
                self.progress = Progress::Sent;
            } else if let Some(error) = self.connection.stream.take_error()? {
                return Err(error);
            }
        }
        while self.progress == Progress::Sent {
            match self.connection.receive(lines, buffer)? {
                Received::End => {
                    self.progress = Progress::Ended;
                    return Ok(true);
                }
                Received::Nothing => break,
                Received::Replies(_) | Received::RepliesAndDrained(_) => {}
            }
        }
        Ok(false)
    }
}

struct Loops<'a> {
    server: &'a ServerProcess,
    sources: &'a mut Sources,
    poll: Poll,
    under_way: Vec<Round>,
    lines: Lines,
    buffer: Buffer,
}

impl Loops<'_> {
    /// Starts every loop, and ends when nothing is under way any more.
    fn run(&mut self, loops: usize, duration: Duration) -> io::Result<Histogram<u64>> {
        let mut latency = new_histogram();
        let mut events = Events::with_capacity(1024);
        for number in 0..loops {
            let round = self.begin(number)?;
            self.under_way.push(round);
        }
        let mut left = loops;
        let last_begin = Instant::now() + duration;
        let mut last_end = Instant::now();
        while left > 0 {
            next_events(&mut self.poll, &mut events, Duration::from_millis(100))?;
            for event in &events {
                let number = event.token().0;
                let round = &mut self.under_way[number];
                if !round.advance(&mut self.lines, &mut self.buffer)? {
                    continue;
                }
                last_end = Instant::now();
                record(&mut latency, last_end - round.begun);
                if last_end < last_begin {
                    self.under_way[number] = self.begin(number)?;
                } else {
                    left -= 1;
                }
            }
            if last_end.elapsed() > REPLY_PATIENCE {
                return Err(io::Error::other(format!("{left} rounds do not end")));
            }
        }
        self.under_way.clear();
        Ok(latency)
    }

    fn begin(&mut self, number: usize) -> io::Result<Round> {
        let mut round = Round {
            begun: Instant::now(),
            connection: Connection::begin(number, self.server.address, self.sources)?,
            progress: Progress::Connecting,
        };
        let stream = &mut round.connection.stream;
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(stream, Token(number), both)?;
        // The registration of a socket that is ready already makes an event, which sends.
        Ok(round)
    }
}
