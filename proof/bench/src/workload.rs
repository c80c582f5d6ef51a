//! Does one job with one server: a fresh process, a warm-up, the measurement.

#![allow(clippy::cast_precision_loss)] // All counts are below 2^53.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use echo_harness::ports::Sources;
use echo_harness::proc;
use echo_harness::strace::Tracer;

use crate::client::Client;
use crate::peers::{Limits, Mode, Peer};
use crate::plan::{Job, LINE_BYTES, Measure};
use crate::processors::Processors;
use crate::pump::{Pump, Replies};
use crate::server::Server;

/// One connection in this many has sent a line before it is idle.
const TALKER_IN: usize = 100;
/// Connections and repeats of the traced rounds: a traced call takes some 50 µs.
const TRACED_BURST: (usize, u32) = (500, 2);
const TRACED_STREAM: (usize, u32) = (100, 5);
/// What is compared byte by byte before bytes are only counted. It warms the server up, too.
const COMPARED_MEBIBYTES: usize = 16;

/// What all jobs share.
pub(crate) struct Bench {
    pub(crate) processors: Processors,
    pub(crate) limits: Limits,
    pub(crate) sources: Sources,
}

impl Bench {
    /// Does `job` with `peer`: the value of its measure, and perhaps of a second one.
    pub(crate) fn measure(&mut self, job: Job, peer: &Peer) -> io::Result<Vec<(Measure, f64)>> {
        let server = Server::start(peer, job.mode(), self.limits, self.processors)?;
        let value = match job {
            Job::Burst { connections, repeats } => self.burst(server, connections, repeats)?,
            Job::Rounds { connections, lines, line_bytes, repeats } => {
                let segment = Segment { lines, line_bytes };
                let time = self.rounds(&server, connections, segment, repeats)?;
                let unit = if lines == 1 { 1e6 } else { 1e9 };
                time * unit / (connections * lines * repeats as usize) as f64
            }
            Job::FullBuffers { line_bytes, mebibytes } => {
                let pumped = self.pump(&server, 1, 256 << 10, line_bytes, mebibytes)?;
                pumped.processor_time * 1e9 / (pumped.bytes / line_bytes) as f64
            }
            Job::Bulk { connections, send_kibibytes, mebibytes } => {
                let send_bytes = send_kibibytes << 10;
                let pumped = self.pump(&server, connections, send_bytes, LINE_BYTES, mebibytes)?;
                let gigabytes = pumped.bytes as f64 / 1e9;
                return Ok(vec![
                    (Measure::Bulk, pumped.processor_time / gigabytes),
                    (Measure::Throughput, gigabytes / pumped.time),
                ]);
            }
            Job::Idle { few, many } => self.idle(&server, few, many)?,
        };
        Ok(vec![(job.measure(), value)])
    }

    fn burst(&mut self, server: Server, connections: usize, repeats: u32) -> io::Result<f64> {
        let warm_up = repeats.div_ceil(10);
        bursts(&server, connections, warm_up, &mut self.sources)?;
        let time = bursts(&server, connections, repeats, &mut self.sources)?;
        let messages = connections as u64 * u64::from(warm_up + repeats);
        match server.end() {
            // The connection, the message and the close are a line each.
            Some(lines) if lines < 3 * messages => {
                Err(io::Error::other(format!("{lines} log lines for {messages} messages")))
            }
            _ => Ok(time.as_secs_f64() * 1e6 / (connections * repeats as usize) as f64),
        }
    }

    fn rounds(
        &mut self,
        server: &Server,
        connections: usize,
        segment: Segment,
        repeats: u32,
    ) -> io::Result<f64> {
        let mut clients = Vec::with_capacity(connections);
        Client::connect_until(&mut clients, connections, server, &mut self.sources)?;
        rounds(server, &mut clients, segment, repeats.div_ceil(10))?;
        Ok(rounds(server, &mut clients, segment, repeats)?.as_secs_f64())
    }

    fn idle(&mut self, server: &Server, few: usize, many: usize) -> io::Result<f64> {
        let mut clients = Vec::with_capacity(many);
        let mut resident_bytes = |count| {
            Client::connect_until(&mut clients, count, server, &mut self.sources)?;
            rounds(server, &mut clients[..count / TALKER_IN], Segment::LINE, 1)?;
            proc::resident_bytes(server.pid())
        };
        let with_few = resident_bytes(few)?;
        let further = resident_bytes(many)?.saturating_sub(with_few);
        Ok(further as f64 / (many - few) as f64)
    }

    fn pump(
        &mut self,
        server: &Server,
        connections: usize,
        send_bytes: usize,
        line_bytes: usize,
        mebibytes: usize,
    ) -> io::Result<Pumped> {
        let connect = |number| {
            Pump::connect(number, server.address, &mut self.sources, send_bytes, line_bytes)
        };
        let mut pumps: Vec<_> = (0..connections).map(connect).collect::<io::Result<_>>()?;
        let blocks = |mebibytes: usize| (mebibytes << 20) / send_bytes / connections;
        Pump::run(&mut pumps, blocks(COMPARED_MEBIBYTES), Replies::Compared)?;
        let before = server.time_since(Duration::ZERO)?;
        let start = Instant::now();
        Pump::run(&mut pumps, blocks(mebibytes), Replies::Counted)?;
        let time = start.elapsed().as_secs_f64();
        let processor_time = server.time_since(before)?.as_secs_f64();
        Ok(Pumped { bytes: blocks(mebibytes) * send_bytes * connections, time, processor_time })
    }

    /// System calls for a message on its own connection.
    pub(crate) fn burst_calls(&mut self, peer: &Peer) -> io::Result<Vec<(String, f64)>> {
        let (connections, repeats) = TRACED_BURST;
        let server = Server::start(peer, Mode::Oneshot, self.limits, self.processors)?;
        bursts(&server, connections, 1, &mut self.sources)?;
        let tracer = Tracer::count(server.pid())?;
        bursts(&server, connections, repeats, &mut self.sources)?;
        Ok(per_message(tracer.counts()?, connections * repeats as usize))
    }

    /// System calls for a message on a persistent connection.
    pub(crate) fn stream_calls(&mut self, peer: &Peer) -> io::Result<Vec<(String, f64)>> {
        let (connections, repeats) = TRACED_STREAM;
        let server = Server::start(peer, Mode::Lines, self.limits, self.processors)?;
        let mut clients = Vec::with_capacity(connections);
        Client::connect_until(&mut clients, connections, &server, &mut self.sources)?;
        rounds(&server, &mut clients, Segment::LINE, 1)?;
        let tracer = Tracer::count(server.pid())?;
        rounds(&server, &mut clients, Segment::LINE, repeats)?;
        Ok(per_message(tracer.counts()?, connections * repeats as usize))
    }
}

/// What a client sends at once.
#[derive(Clone, Copy)]
struct Segment {
    lines: usize,
    line_bytes: usize,
}

impl Segment {
    const LINE: Segment = Segment { lines: 1, line_bytes: LINE_BYTES };
}

/// What was pumped, and the seconds that it took.
struct Pumped {
    bytes: usize,
    time: f64,
    processor_time: f64,
}

/// Queues connections with a line each, again and again. Returns the server's processor time.
fn bursts(
    server: &Server,
    connections: usize,
    repeats: u32,
    sources: &mut Sources,
) -> io::Result<Duration> {
    let mut time = Duration::ZERO;
    for _ in 0..repeats {
        let before = server.stop()?;
        let mut clients = Vec::with_capacity(connections);
        for number in 0..connections {
            let mut client = Client::connect(number, server.address, sources)?;
            client.send(1, LINE_BYTES)?;
            clients.push(client);
        }
        server.do_what_is_queued()?;
        clients.into_iter().try_for_each(Client::await_end)?;
        time += server.time_since(before)?;
    }
    Ok(time)
}

/// Sends a segment on each connection, again and again. Returns the server's processor time.
fn rounds(
    server: &Server,
    clients: &mut [Client],
    Segment { lines, line_bytes }: Segment,
    repeats: u32,
) -> io::Result<Duration> {
    let mut time = Duration::ZERO;
    for _ in 0..repeats {
        let before = server.stop()?;
        clients.iter_mut().try_for_each(|client| client.send(lines, line_bytes))?;
        server.do_what_is_queued()?;
        clients.iter_mut().try_for_each(Client::await_replies)?;
        time += server.time_since(before)?;
    }
    Ok(time)
}

fn per_message(calls: BTreeMap<String, u64>, messages: usize) -> Vec<(String, f64)> {
    let calls = calls.into_iter().map(|(name, count)| (name, count as f64 / messages as f64));
    let mut calls: Vec<_> = calls.collect();
    calls.sort_by(|a, b| b.1.total_cmp(&a.1));
    calls
}
