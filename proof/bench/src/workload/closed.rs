//! Stream in a closed loop: every connection sends its next message when the reply to the last one is
//! here.

use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Poll};

use super::{Outcome, measured, new_histogram, next_events, record, unwatch, watch};
use crate::connection::{Buffer, Connection, REPLY_PATIENCE};
use crate::message::Lines;
use crate::server_process::ServerProcess;

/// Keeps one message of `message_bytes` under way on each of these connections for `duration`.
///
/// # Errors
/// When a reply is wrong or missing.
pub fn run(
    server: &ServerProcess,
    connections: &mut [Connection],
    message_bytes: usize,
    duration: Duration,
) -> io::Result<Outcome> {
    let poll = watch(connections)?;
    let now = Instant::now();
    let mut exchange = Exchange {
        poll,
        sent_at: vec![now; connections.len()],
        connections,
        lines: Lines::new(message_bytes),
        buffer: Buffer::default(),
    };
    let (latency, elapsed, cpu) = measured(server, || exchange.run(duration))?;
    unwatch(&exchange.poll, exchange.connections)?;
    Ok(Outcome { messages: latency.len(), elapsed, cpu, latency: Some(latency), unanswered: 0 })
}

struct Exchange<'a> {
    poll: Poll,
    connections: &'a mut [Connection],
    sent_at: Vec<Instant>,
    lines: Lines,
    buffer: Buffer,
}

impl Exchange<'_> {
    /// Starts every connection, and ends when nothing is under way any more.
    fn run(&mut self, duration: Duration) -> io::Result<Histogram<u64>> {
        let mut latency = new_histogram();
        let mut events = Events::with_capacity(1024);
        for index in 0..self.connections.len() {
            self.send(index)?;
        }
        let mut under_way = self.connections.len();
        let last_send = Instant::now() + duration;
        let mut last_reply = Instant::now();
        while under_way > 0 {
            next_events(&mut self.poll, &mut events, Duration::from_millis(100))?;
            for event in &events {
                let index = event.token().0;
                let connection = &mut self.connections[index];
                let closed = event.is_read_closed();
                if connection.receive_all(&mut self.lines, &mut self.buffer, closed)? == 0 {
                    continue;
                }
                last_reply = Instant::now();
                record(&mut latency, last_reply - self.sent_at[index]);
                if last_reply < last_send {
                    self.send(index)?;
                } else {
                    under_way -= 1;
                }
            }
            if last_reply.elapsed() > REPLY_PATIENCE {
                return Err(io::Error::other(format!("{under_way} replies are missing")));
            }
        }
        Ok(latency)
    }

    fn send(&mut self, index: usize) -> io::Result<()> {
        self.sent_at[index] = Instant::now();
        self.connections[index].send(&mut self.lines)
    }
}
