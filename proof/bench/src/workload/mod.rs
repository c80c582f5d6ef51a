//! The workloads: ways to load a server and to read off what a message costs it.

pub mod burst;
pub mod closed;
pub mod crowd;
pub mod idle;
pub mod oneshot;
pub mod open;
pub mod stopped;

use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};

use crate::connection::Connection;
use crate::cpu::CpuTime;
use crate::interrupt;
use crate::server_process::ServerProcess;

/// What one run of a workload found.
#[derive(Debug)]
pub struct Outcome {
    /// Messages that were answered, every one correctly.
    pub messages: u64,
    /// How long they took.
    pub elapsed: Duration,
    /// What the server spent on them.
    pub cpu: CpuTime,
    /// From send (intended send in the open loop) to reply, in nanoseconds.
    pub latency: Option<Histogram<u64>>,
    /// Messages without an answer at the end of an open loop that the server could not follow.
    pub unanswered: u64,
}

/// A histogram of latencies: 1 ns to 60 s, three digits.
fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are fine")
}

/// Records a latency; what is longer than the histogram reaches counts as its highest value.
fn record(histogram: &mut Histogram<u64>, latency: Duration) {
    let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
    histogram.saturating_record(nanoseconds.max(1));
}

/// Does `work` and measures the server's processor time for it, from rest to rest.
fn measured<T>(
    server: &ServerProcess,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<(T, Duration, CpuTime)> {
    server.wait_until_quiet()?;
    let cpu_before = server.cpu_time()?;
    let begin = Instant::now();
    let done = work()?;
    let elapsed = begin.elapsed();
    server.wait_until_quiet()?;
    Ok((done, elapsed, server.cpu_time()?.since(cpu_before)))
}

/// Does the same round again and again; `messages` are answered in each.
fn sum_of_rounds(
    rounds: u32,
    messages: u64,
    mut round: impl FnMut() -> io::Result<(Duration, CpuTime)>,
) -> io::Result<Outcome> {
    let mut elapsed = Duration::ZERO;
    let mut cpu = CpuTime::default();
    for _ in 0..rounds {
        let (round_elapsed, round_cpu) = round()?;
        elapsed += round_elapsed;
        cpu += round_cpu;
    }
    let messages = u64::from(rounds) * messages;
    Ok(Outcome { messages, elapsed, cpu, latency: None, unanswered: 0 })
}

/// A poll that tells of replies; the token is the connection's index.
fn watch(connections: &mut [Connection]) -> io::Result<Poll> {
    let poll = Poll::new()?;
    for (index, connection) in connections.iter_mut().enumerate() {
        poll.registry().register(&mut connection.stream, Token(index), Interest::READABLE)?;
    }
    Ok(poll)
}

/// Frees the connections for the next workload.
fn unwatch(poll: &Poll, connections: &mut [Connection]) -> io::Result<()> {
    for connection in connections {
        poll.registry().deregister(&mut connection.stream)?;
    }
    Ok(())
}

/// Waits for events, at most for `timeout`; a signal ends the benchmark with an error.
fn next_events(poll: &mut Poll, events: &mut Events, timeout: Duration) -> io::Result<()> {
    match poll.poll(events, Some(timeout)) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        result => result?,
    }
    interrupt::check()
}

/// Lets a stopped server do all that was queued for it, in one go; how long it took. Nobody sleeps on
/// a reply and nobody is woken meanwhile: what the server spends is the work alone.
fn release(server: &ServerProcess) -> io::Result<Duration> {
    let begin = Instant::now();
    server.resume()?;
    server.wait_until_quiet()?;
    Ok(begin.elapsed())
}
