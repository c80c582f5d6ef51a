//! Idle: many connections that say nothing, while one in a hundred keeps echoing at a modest rate.

use std::io;
use std::time::Duration;

use super::Outcome;
use super::open::{self, Schedule};
use crate::connection::{Connection, Sources, open_until};
use crate::server_process::ServerProcess;

/// One connection in so many talks.
const SAMPLE: usize = 100;
/// Messages per second over the whole sample: far below what any server can do, so that latency
/// shows what the idle connections cost, not a queue.
const SAMPLE_RATE_PER_SECOND: f64 = 2000.0;

/// What was found with so many connections open.
#[derive(Debug)]
pub struct IdleStep {
    /// Open connections, those of the sample included.
    pub connections: usize,
    /// Those of them that echo.
    pub sample: usize,
    /// The server's resident memory in bytes, after the sample has echoed.
    pub resident_bytes: u64,
    /// What the sample saw.
    pub outcome: Outcome,
}

/// Opens connections up to each number in `steps`, which ascend, and lets the sample echo lines of
/// `message_bytes` for `duration` at each.
///
/// # Errors
/// When a connection is refused or not accepted, or a reply is wrong.
pub fn run(
    server: &ServerProcess,
    steps: &[usize],
    message_bytes: usize,
    duration: Duration,
    sources: &mut Sources,
) -> io::Result<Vec<IdleStep>> {
    let (mut talking, mut silent) = (Vec::new(), Vec::new());
    let mut found = Vec::new();
    for connections in steps.iter().copied() {
        let sample = (connections / SAMPLE).max(1);
        open_until(&mut talking, sample, server, sources)?;
        open_until(&mut silent, connections - sample, server, sources)?;
        server.wait_for_descriptors(connections)?;
        found.push(IdleStep {
            connections,
            sample,
            outcome: echo(server, &mut talking, message_bytes, duration)?,
            resident_bytes: server.resident_bytes()?,
        });
    }
    Ok(found)
}

fn echo(
    server: &ServerProcess,
    sample: &mut [Connection],
    message_bytes: usize,
    duration: Duration,
) -> io::Result<Outcome> {
    let schedule = |duration| Schedule { rate_per_second: SAMPLE_RATE_PER_SECOND, duration };
    open::run(server, sample, message_bytes, schedule(duration / 10))?;
    open::run(server, sample, message_bytes, schedule(duration))
}
