//! Burst: the server is stopped, connections with one message each queue up before it, the server is
//! continued. The cost of a message on a connection of its own, with no sleeping and waking in it.

use std::io;
use std::time::Duration;

use super::{Outcome, release, sum_of_rounds};
use crate::connection::{Buffer, Connection, Sources};
use crate::cpu::CpuTime;
use crate::message::Lines;
use crate::server_process::ServerProcess;

/// Queues `connections` with a message of `message_bytes` each, `rounds` times.
/// The server must be in oneshot behaviour and its backlog at least `connections`.
///
/// # Errors
/// When a reply is wrong or missing, or is not followed by a clean end.
pub fn run(
    server: &ServerProcess,
    connections: usize,
    message_bytes: usize,
    rounds: u32,
    sources: &mut Sources,
) -> io::Result<Outcome> {
    let mut lines = Lines::new(message_bytes);
    let mut buffer = Buffer::default();
    let messages = connections as u64;
    sum_of_rounds(rounds, messages, || round(server, connections, &mut lines, &mut buffer, sources))
}

fn round(
    server: &ServerProcess,
    connections: usize,
    lines: &mut Lines,
    buffer: &mut Buffer,
    sources: &mut Sources,
) -> io::Result<(Duration, CpuTime)> {
    server.stop()?;
    let cpu_before = server.cpu_time()?;
    let mut queued = Vec::with_capacity(connections);
    for number in 0..connections {
        let mut connection = Connection::open(number, server.address, sources)?;
        connection.send(lines)?;
        queued.push(connection);
    }
    let elapsed = release(server)?;
    for mut connection in queued {
        connection.await_end(lines, buffer)?;
    }
    // A server that waits for the client's end has work again.
    server.wait_until_quiet()?;
    Ok((elapsed, server.cpu_time()?.since(cpu_before)))
}
