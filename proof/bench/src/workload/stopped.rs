//! Stream in stopped rounds: the server is stopped, every connection gets one message, the server is
//! continued. The cost of a message on a persistent connection, with no sleeping and waking in it.

use std::io;
use std::time::Duration;

use super::{Outcome, release, sum_of_rounds};
use crate::connection::{Buffer, Connection};
use crate::cpu::CpuTime;
use crate::message::Lines;
use crate::server_process::ServerProcess;

/// Sends `rounds` messages of `message_bytes` over each of these connections.
///
/// # Errors
/// When a reply is wrong or missing.
pub fn run(
    server: &ServerProcess,
    connections: &mut [Connection],
    message_bytes: usize,
    rounds: u32,
) -> io::Result<Outcome> {
    let mut lines = Lines::new(message_bytes);
    let mut buffer = Buffer::default();
    let messages = connections.len() as u64;
    sum_of_rounds(rounds, messages, || round(server, connections, &mut lines, &mut buffer))
}

fn round(
    server: &ServerProcess,
    connections: &mut [Connection],
    lines: &mut Lines,
    buffer: &mut Buffer,
) -> io::Result<(Duration, CpuTime)> {
    server.stop()?;
    let cpu_before = server.cpu_time()?;
    for connection in connections.iter_mut() {
        connection.send(lines)?;
    }
    let elapsed = release(server)?;
    for connection in connections.iter_mut() {
        connection.await_replies(lines, buffer)?;
    }
    server.wait_until_quiet()?;
    Ok((elapsed, server.cpu_time()?.since(cpu_before)))
}
