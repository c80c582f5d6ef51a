//! Does one job with one server: a fresh process, its connections, a warm-up, the measurement.

use std::io;
use std::time::Duration;

use crate::connection::{Connection, Sources, open_until};
use crate::cpu::CpuTime;
use crate::peers::{Behaviour, Limits, Peer};
use crate::plan::{Job, USUAL_MESSAGE_BYTES};
use crate::processors::Processors;
use crate::results::{Case, Workload};
use crate::server_process::ServerProcess;
use crate::syscalls::{Counts, Tracer};
use crate::workload::open::Schedule;
use crate::workload::{Outcome, burst, closed, crowd, idle, oneshot, open, stopped};

/// What a job found.
#[derive(Debug)]
pub struct Finding {
    /// What was measured.
    pub case: Case,
    /// What came out.
    pub outcome: Outcome,
    /// The server's memory, where it was looked at.
    pub resident_bytes: Option<u64>,
}

/// What all jobs share.
pub struct Bench {
    /// Where everything runs.
    pub processors: Processors,
    /// What every server is told that it must hold.
    pub limits: Limits,
    /// Messages per second of the open loop.
    pub open_rate_per_second: f64,
    /// Addresses to connect from.
    pub sources: Sources,
}

type Found = io::Result<Vec<Finding>>;

impl Bench {
    /// Does `job` with `peer`.
    ///
    /// # Errors
    /// When the server can't be started, or does not do what it must.
    pub fn measure(&mut self, job: &Job, peer: &Peer) -> Found {
        match *job {
            Job::Stopped { connections, message_bytes, repeats } => {
                self.stopped(peer, connections, message_bytes, repeats)
            }
            Job::Beside { connections, idle_connections, repeats } => {
                self.beside(peer, connections, idle_connections, repeats)
            }
            Job::Closed { connections, duration } => self.closed(peer, connections, duration),
            Job::Open { connections, duration } => self.open(peer, connections, duration),
            Job::Oneshot { loops, duration } => self.oneshot(peer, loops, duration),
            Job::Burst { connections, repeats } => self.burst(peer, connections, repeats),
            Job::Idle { ref steps, duration } => self.idle(peer, steps, duration),
            Job::Crowd { connections } => self.crowd(connections),
            Job::Start => self.start_time(peer),
            Job::Stop { idle_connections } => self.stop_time(peer, idle_connections),
        }
    }

    /// System calls of a message on a persistent connection, counted in stopped rounds.
    ///
    /// # Errors
    /// As [`Self::measure`], or when the server can't be traced.
    pub fn trace_stream(
        &mut self,
        peer: &Peer,
        connections: usize,
    ) -> io::Result<(Finding, Counts)> {
        let (server, mut open) = self.stream_server(peer, connections)?;
        stopped::run(&server, &mut open, USUAL_MESSAGE_BYTES, 1)?;
        let tracer = Tracer::attach(server.pid())?;
        let outcome = stopped::run(&server, &mut open, USUAL_MESSAGE_BYTES, 5)?;
        let counts = tracer.detach()?;
        Ok((finding(usual(Workload::Stopped, connections), outcome), counts))
    }

    /// System calls of a message on a connection of its own, counted in bursts.
    ///
    /// # Errors
    /// As [`Self::measure`], or when the server can't be traced.
    pub fn trace_burst(
        &mut self,
        peer: &Peer,
        connections: usize,
    ) -> io::Result<(Finding, Counts)> {
        let server = self.start(peer, Behaviour::Oneshot)?;
        let sources = &mut self.sources;
        burst::run(&server, connections, USUAL_MESSAGE_BYTES, 1, sources)?;
        let tracer = Tracer::attach(server.pid())?;
        let outcome = burst::run(&server, connections, USUAL_MESSAGE_BYTES, 2, sources)?;
        let counts = tracer.detach()?;
        Ok((finding(usual(Workload::Burst, connections), outcome), counts))
    }

    fn start(&self, peer: &Peer, behaviour: Behaviour) -> io::Result<ServerProcess> {
        ServerProcess::start(peer, behaviour, self.limits, self.processors)
    }

    fn stream_server(
        &mut self,
        peer: &Peer,
        connections: usize,
    ) -> io::Result<(ServerProcess, Vec<Connection>)> {
        let server = self.start(peer, Behaviour::Stream)?;
        let mut open = Vec::with_capacity(connections);
        open_until(&mut open, connections, &server, &mut self.sources)?;
        Ok((server, open))
    }

    fn stopped(
        &mut self,
        peer: &Peer,
        connections: usize,
        message_bytes: usize,
        repeats: u32,
    ) -> Found {
        let (server, mut open) = self.stream_server(peer, connections)?;
        stopped::run(&server, &mut open, message_bytes, warm_up(repeats))?;
        let outcome = stopped::run(&server, &mut open, message_bytes, repeats)?;
        let case = Case { message_bytes, ..usual(Workload::Stopped, connections) };
        Ok(vec![finding(case, outcome)])
    }

    fn beside(
        &mut self,
        peer: &Peer,
        connections: usize,
        idle_connections: usize,
        repeats: u32,
    ) -> Found {
        let (server, mut talking) = self.stream_server(peer, connections)?;
        let mut silent = Vec::with_capacity(idle_connections);
        let mut found = Vec::new();
        for idle_connections in [0, idle_connections] {
            open_until(&mut silent, idle_connections, &server, &mut self.sources)?;
            stopped::run(&server, &mut talking, USUAL_MESSAGE_BYTES, warm_up(repeats))?;
            let outcome = stopped::run(&server, &mut talking, USUAL_MESSAGE_BYTES, repeats)?;
            let case = Case { idle_connections, ..usual(Workload::Beside, connections) };
            found.push(finding(case, outcome));
        }
        Ok(found)
    }

    fn closed(&mut self, peer: &Peer, connections: usize, duration: Duration) -> Found {
        let (server, mut open) = self.stream_server(peer, connections)?;
        closed::run(&server, &mut open, USUAL_MESSAGE_BYTES, duration / 10)?;
        let outcome = closed::run(&server, &mut open, USUAL_MESSAGE_BYTES, duration)?;
        Ok(vec![finding(usual(Workload::Closed, connections), outcome)])
    }

    fn open(&mut self, peer: &Peer, connections: usize, duration: Duration) -> Found {
        let (server, mut open) = self.stream_server(peer, connections)?;
        let schedule = |duration| Schedule { rate_per_second: self.open_rate_per_second, duration };
        open::run(&server, &mut open, USUAL_MESSAGE_BYTES, schedule(duration / 10))?;
        let outcome = open::run(&server, &mut open, USUAL_MESSAGE_BYTES, schedule(duration))?;
        Ok(vec![finding(usual(Workload::Open, connections), outcome)])
    }

    fn oneshot(&mut self, peer: &Peer, loops: usize, duration: Duration) -> Found {
        let server = self.start(peer, Behaviour::Oneshot)?;
        let sources = &mut self.sources;
        oneshot::run(&server, loops, USUAL_MESSAGE_BYTES, duration / 10, sources)?;
        let outcome = oneshot::run(&server, loops, USUAL_MESSAGE_BYTES, duration, sources)?;
        Ok(vec![finding(usual(Workload::Oneshot, loops), outcome)])
    }

    fn burst(&mut self, peer: &Peer, connections: usize, repeats: u32) -> Found {
        let server = self.start(peer, Behaviour::Oneshot)?;
        let sources = &mut self.sources;
        burst::run(&server, connections, USUAL_MESSAGE_BYTES, warm_up(repeats), sources)?;
        let outcome = burst::run(&server, connections, USUAL_MESSAGE_BYTES, repeats, sources)?;
        check_log(server.kill(), outcome.messages)?;
        Ok(vec![finding(usual(Workload::Burst, connections), outcome)])
    }

    fn idle(&mut self, peer: &Peer, steps: &[usize], duration: Duration) -> Found {
        let server = self.start(peer, Behaviour::Stream)?;
        let steps = idle::run(&server, steps, USUAL_MESSAGE_BYTES, duration, &mut self.sources)?;
        let found = steps.into_iter().map(|step| Finding {
            case: Case {
                idle_connections: step.connections - step.sample,
                ..usual(Workload::Idle, step.sample)
            },
            outcome: step.outcome,
            resident_bytes: Some(step.resident_bytes),
        });
        Ok(found.collect())
    }

    fn crowd(&self, connections: usize) -> Found {
        let crowd = crowd::run(connections, self.processors)?;
        let elapsed = Duration::from_nanos(crowd.cpu_ns);
        let cpu = CpuTime { total_ns: crowd.cpu_ns, ..CpuTime::default() };
        Ok(vec![Finding {
            case: Case { idle_connections: connections - 1, ..usual(Workload::Crowd, 1) },
            outcome: Outcome { messages: crowd.events, cpu, ..once(elapsed) },
            resident_bytes: Some(crowd.peak_bytes),
        }])
    }

    fn start_time(&mut self, peer: &Peer) -> Found {
        let server = self.start(peer, Behaviour::Oneshot)?;
        let outcome = once(server.started_in());
        Ok(vec![finding(usual(Workload::Start, 0), outcome)])
    }

    fn stop_time(&mut self, peer: &Peer, idle_connections: usize) -> Found {
        let (server, silent) = self.stream_server(peer, idle_connections)?;
        let (took, status) = server.terminate()?;
        drop(silent);
        if !status.success() {
            return Err(io::Error::other(format!("it ended with {status}")));
        }
        let case = Case { idle_connections, ..usual(Workload::Stop, 0) };
        Ok(vec![finding(case, once(took))])
    }
}

/// A tenth of the measurement, at least once.
fn warm_up(repeats: u32) -> u32 {
    repeats.div_ceil(10)
}

fn usual(workload: Workload, connections: usize) -> Case {
    Case { workload, connections, message_bytes: USUAL_MESSAGE_BYTES, idle_connections: 0 }
}

fn finding(case: Case, outcome: Outcome) -> Finding {
    Finding { case, outcome, resident_bytes: None }
}

/// The outcome of something that happens once and has no messages.
fn once(elapsed: Duration) -> Outcome {
    Outcome { messages: 0, elapsed, cpu: CpuTime::default(), latency: None, unanswered: 0 }
}

/// A server that should log must have logged at least the connection, the message and the close.
fn check_log(lines: Option<u64>, messages: u64) -> io::Result<()> {
    match lines {
        Some(lines) if lines < 3 * messages => {
            Err(io::Error::other(format!("{lines} log lines for {messages} messages")))
        }
        _ => Ok(()),
    }
}
