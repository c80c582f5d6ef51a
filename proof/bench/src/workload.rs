//! Does one job with one server: a fresh process, a warm-up, the measurement.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use echo_harness::ports::Sources;
use echo_harness::proc;
use echo_harness::strace::Tracer;

use crate::client::Client;
use crate::peers::{Limits, Mode, Peer};
use crate::plan::{Job, LINE_BYTES};
use crate::processors::Processors;
use crate::server::Server;

/// One connection in so many has said something before it is idle.
const TALKER_IN: usize = 100;
/// Connections and repeats of the traced rounds: a traced call takes some 50 µs.
const TRACED_BURST: (usize, u32) = (500, 2);
const TRACED_STREAM: (usize, u32) = (100, 5);

/// What all jobs share.
pub(crate) struct Bench {
    pub(crate) processors: Processors,
    pub(crate) limits: Limits,
    pub(crate) sources: Sources,
}

impl Bench {
    /// Does `job` with `peer`; the value of its measure.
    pub(crate) fn measure(&mut self, job: Job, peer: &Peer) -> io::Result<f64> {
        match job {
            Job::Burst { connections, repeats } => self.burst(peer, connections, repeats),
            Job::Stream { connections, bytes, repeats } => {
                self.stream(peer, connections, bytes, repeats)
            }
            Job::Idle { few, many } => self.idle(peer, few, many),
        }
    }

    fn burst(&mut self, peer: &Peer, connections: usize, repeats: u32) -> io::Result<f64> {
        let server = self.start(peer, Mode::Oneshot)?;
        let warm_up = repeats.div_ceil(10);
        bursts(&server, connections, warm_up, &mut self.sources)?;
        let time = bursts(&server, connections, repeats, &mut self.sources)?;
        let messages = connections as u64 * u64::from(warm_up + repeats);
        match server.end() {
            // The connection, the message and the close are a line each.
            Some(lines) if lines < 3 * messages => {
                Err(io::Error::other(format!("{lines} log lines for {messages} messages")))
            }
            _ => Ok(microseconds(time, connections, repeats)),
        }
    }

    fn stream(
        &mut self,
        peer: &Peer,
        connections: usize,
        bytes: usize,
        repeats: u32,
    ) -> io::Result<f64> {
        let (server, mut clients) = self.start_with_clients(peer, connections)?;
        rounds(&server, &mut clients, bytes, repeats.div_ceil(10))?;
        let time = rounds(&server, &mut clients, bytes, repeats)?;
        Ok(microseconds(time, connections, repeats))
    }

    fn idle(&mut self, peer: &Peer, few: usize, many: usize) -> io::Result<f64> {
        let (server, mut clients) = self.start_with_clients(peer, few)?;
        let resident_bytes = |clients: &mut [Client]| {
            let talkers = clients.len() / TALKER_IN;
            rounds(&server, &mut clients[..talkers], LINE_BYTES, 1)?;
            proc::resident_bytes(server.pid())
        };
        let with_few = resident_bytes(&mut clients)?;
        Client::connect_until(&mut clients, many, &server, &mut self.sources)?;
        let with_many = resident_bytes(&mut clients)?;
        Ok((as_f64(with_many) - as_f64(with_few)) / as_f64((many - few) as u64))
    }

    /// System calls for a message on a connection of its own.
    pub(crate) fn burst_calls(&mut self, peer: &Peer) -> io::Result<Vec<(String, f64)>> {
        let (connections, repeats) = TRACED_BURST;
        let server = self.start(peer, Mode::Oneshot)?;
        bursts(&server, connections, 1, &mut self.sources)?;
        let tracer = Tracer::count(server.pid())?;
        bursts(&server, connections, repeats, &mut self.sources)?;
        Ok(per_message(tracer.counts()?, connections, repeats))
    }

    /// System calls for a message on a persistent connection.
    pub(crate) fn stream_calls(&mut self, peer: &Peer) -> io::Result<Vec<(String, f64)>> {
        let (connections, repeats) = TRACED_STREAM;
        let (server, mut clients) = self.start_with_clients(peer, connections)?;
        rounds(&server, &mut clients, LINE_BYTES, 1)?;
        let tracer = Tracer::count(server.pid())?;
        rounds(&server, &mut clients, LINE_BYTES, repeats)?;
        Ok(per_message(tracer.counts()?, connections, repeats))
    }

    fn start(&self, peer: &Peer, mode: Mode) -> io::Result<Server> {
        Server::start(peer, mode, self.limits, self.processors)
    }

    fn start_with_clients(
        &mut self,
        peer: &Peer,
        connections: usize,
    ) -> io::Result<(Server, Vec<Client>)> {
        let server = self.start(peer, Mode::Stream)?;
        let mut clients = Vec::with_capacity(connections);
        Client::connect_until(&mut clients, connections, &server, &mut self.sources)?;
        Ok((server, clients))
    }
}

/// Queues connections with a line each, again and again; the server's processor time.
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

/// Sends a line on each connection, again and again; the server's processor time.
fn rounds(
    server: &Server,
    clients: &mut [Client],
    bytes: usize,
    repeats: u32,
) -> io::Result<Duration> {
    let mut time = Duration::ZERO;
    for _ in 0..repeats {
        let before = server.stop()?;
        clients.iter_mut().try_for_each(|client| client.send(1, bytes))?;
        server.do_what_is_queued()?;
        clients.iter_mut().try_for_each(Client::await_replies)?;
        time += server.time_since(before)?;
    }
    Ok(time)
}

fn microseconds(time: Duration, connections: usize, repeats: u32) -> f64 {
    time.as_secs_f64() * 1e6 / as_f64(connections as u64 * u64::from(repeats))
}

fn per_message(
    calls: BTreeMap<String, u64>,
    connections: usize,
    repeats: u32,
) -> Vec<(String, f64)> {
    let messages = as_f64(connections as u64 * u64::from(repeats));
    let calls = calls.into_iter().map(|(name, count)| (name, as_f64(count) / messages));
    let mut calls: Vec<_> = calls.collect();
    calls.sort_by(|a, b| b.1.total_cmp(&a.1));
    calls
}

/// Exact up to 2^53.
#[allow(clippy::cast_precision_loss)]
fn as_f64(count: u64) -> f64 {
    count as f64
}
