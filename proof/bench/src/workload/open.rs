//! Stream in an open loop: messages leave at a given rate, whatever the server does. Latency counts
//! from the moment at which a message was meant to leave, so that a server that stalls is charged for
//! every message that it kept waiting.

use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Poll};

use super::{Outcome, measured, new_histogram, next_events, record, unwatch, watch};
use crate::connection::{Buffer, Connection};
use crate::message::Lines;
use crate::server_process::ServerProcess;

/// Messages that may leave between two looks at the replies, when the schedule is behind.
const SENDS_AT_ONCE: u64 = 64;

/// How messages leave: `rate_per_second` of them for `duration`, one connection after the other.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// Messages per second over all connections.
    pub rate_per_second: f64,
    /// How long they leave.
    pub duration: Duration,
}

impl Schedule {
    /// The number of messages: whole turns through the connections, at least one.
    fn messages(self, connections: u64) -> u64 {
        let wanted = self.rate_per_second * self.duration.as_secs_f64();
        // A rate and a duration are positive and small; a fraction of a turn is rounded away.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let wanted = wanted as u64;
        (wanted / connections).max(1) * connections
    }

    /// When message `index` leaves, from the start.
    fn leaves_after(self, index: u64) -> Duration {
        // Exact up to 2^53 messages.
        #[allow(clippy::cast_precision_loss)]
        Duration::from_secs_f64(index as f64 / self.rate_per_second)
    }
}

/// Sends messages of `message_bytes` by `schedule`.
///
/// # Errors
/// When a reply is wrong. Replies that are missing in the end are counted, not errors.
pub fn run(
    server: &ServerProcess,
    connections: &mut [Connection],
    message_bytes: usize,
    schedule: Schedule,
) -> io::Result<Outcome> {
    let poll = watch(connections)?;
    let mut traffic =
        Traffic { poll, connections, lines: Lines::new(message_bytes), buffer: Buffer::default() };
    let ((latency, unanswered), elapsed, cpu) = measured(server, || traffic.run(schedule))?;
    unwatch(&traffic.poll, traffic.connections)?;
    Ok(Outcome {
        messages: latency.len() - unanswered,
        elapsed,
        cpu,
        latency: Some(latency),
        unanswered,
    })
}

struct Traffic<'a> {
    poll: Poll,
    connections: &'a mut [Connection],
    lines: Lines,
    buffer: Buffer,
}

impl Traffic<'_> {
    /// Sends and receives until all is answered, or twice the scheduled time (and a second) is over.
    fn run(&mut self, schedule: Schedule) -> io::Result<(Histogram<u64>, u64)> {
        let connections = self.connections.len() as u64;
        let first: Vec<u64> = self.connections.iter().map(Connection::sent).collect();
        let messages = schedule.messages(connections);
        let mut latency = new_histogram();
        let mut events = Events::with_capacity(1024);
        let (mut sent, mut answered) = (0, 0);
        let begin = Instant::now();
        let give_up = begin + 2 * schedule.duration + Duration::from_secs(1);
        while answered < messages && Instant::now() < give_up {
            sent = self.send_what_is_due(schedule, begin, sent, messages)?;
            // Without sleeping: a sleep would end later than the next message is due.
            next_events(&mut self.poll, &mut events, Duration::ZERO)?;
            for event in &events {
                let index = event.token().0;
                let connection = &mut self.connections[index];
                let already = connection.answered() - first[index];
                let closed = event.is_read_closed();
                let replies = connection.receive_all(&mut self.lines, &mut self.buffer, closed)?;
                let now = begin.elapsed();
                for turn in already..already + replies {
                    let message = turn * connections + index as u64;
                    record(&mut latency, now.saturating_sub(schedule.leaves_after(message)));
                }
                answered += replies;
            }
        }
        let unanswered = messages - answered;
        self.charge_unanswered(schedule, begin, &first, messages, &mut latency);
        Ok((latency, unanswered))
    }

    fn send_what_is_due(
        &mut self,
        schedule: Schedule,
        begin: Instant,
        mut sent: u64,
        messages: u64,
    ) -> io::Result<u64> {
        let connections = self.connections.len() as u64;
        let due = begin.elapsed();
        let last = messages.min(sent + SENDS_AT_ONCE);
        while sent < last && schedule.leaves_after(sent) <= due {
            let index = usize::try_from(sent % connections).expect("an index");
            self.connections[index].send(&mut self.lines)?;
            sent += 1;
        }
        Ok(sent)
    }

    /// What never came took at least until now: leaving it out would flatter the server.
    fn charge_unanswered(
        &self,
        schedule: Schedule,
        begin: Instant,
        first: &[u64],
        messages: u64,
        latency: &mut Histogram<u64>,
    ) {
        let connections = self.connections.len() as u64;
        let now = begin.elapsed();
        for (index, connection) in self.connections.iter().enumerate() {
            let answered = connection.answered() - first[index];
            for turn in answered..messages / connections {
                let message = turn * connections + index as u64;
                record(latency, now.saturating_sub(schedule.leaves_after(message)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_whole_turns_at_even_distances() {
        let schedule = Schedule { rate_per_second: 1000.0, duration: Duration::from_secs(2) };
        assert_eq!(schedule.messages(30), 1980);
        assert_eq!(schedule.messages(5000), 5000);
        assert_eq!(schedule.leaves_after(0), Duration::ZERO);
        assert_eq!(schedule.leaves_after(1500), Duration::from_millis(1500));
    }
}
