//! Goes through a plan: one job after the other, round after round, server after server.
//!
//! Servers take turns within a round, and every round starts with another one (A B C, B C A, …), so that
//! whatever changes on the machine meanwhile changes all of them alike.

use std::io;
use std::time::Duration;

use crate::interrupt;
use crate::jobs::{Bench, Finding};
use crate::peers::{FLOOR, Peer};
use crate::plan::{Job, Step, suits};
use crate::progress::Progress;
use crate::results::{Latency, Sample, SystemCalls, Workload, as_f64};
use crate::syscalls::{self, Counts};

/// Connections of the traced rounds. A traced call takes some 50 us.
const TRACED_STREAM_CONNECTIONS: usize = 100;
/// The same for bursts.
const TRACED_BURST_CONNECTIONS: usize = 500;
/// How long that takes with one server, roughly.
const TRACE_EXPECTED: Duration = Duration::from_millis(500);

/// Measures a plan with all servers.
pub struct Runner<'a> {
    /// Servers that are there, in the order of their turns.
    pub peers: Vec<&'a Peer>,
    /// Measures one job with one server.
    pub bench: Bench,
    /// What the user sees meanwhile.
    pub progress: Progress,
    /// What went wrong, in sentences.
    pub failures: Vec<String>,
}

impl<'a> Runner<'a> {
    /// Measures everything in the plan. What fails is reported and left out.
    ///
    /// # Errors
    /// When the run is interrupted, or the rate for the open loop can't be found.
    pub fn measure(&mut self, plan: &[Step]) -> io::Result<Vec<Sample>> {
        if plan.iter().any(|step| step.job.workload() == Workload::Open) {
            self.set_open_rate()?;
        }
        let turns = |step: &Step| step.rounds as usize * self.suited(step.job.workload()).len();
        let expected =
            |step: &Step| step.job.expected() * u32::try_from(turns(step)).unwrap_or(u32::MAX);
        self.progress.begin(plan.iter().map(turns).sum(), plan.iter().map(expected).sum());
        let mut samples = Vec::new();
        for step in plan {
            for round in 0..step.rounds {
                // Everyone is first in some round: being behind a heavy server may cost something.
                let mut peers = self.suited(step.job.workload());
                let first = round as usize % peers.len().max(1);
                peers.rotate_left(first);
                for peer in peers {
                    let what = format!("{}, {}", step.job, peer.name);
                    let of = format!("{what}, round {} of {}", round + 1, step.rounds);
                    self.progress.step(&of, step.job.expected());
                    match self.bench.measure(&step.job, peer) {
                        Ok(found) => {
                            let found = found.iter();
                            samples.extend(found.map(|finding| self.sample(finding, peer, round)));
                        }
                        Err(error) => self.fail(&what, &error)?,
                    }
                }
            }
        }
        self.progress.end();
        Ok(samples)
    }

    /// Counts system calls: of a message on a persistent connection, and of one on its own.
    ///
    /// # Errors
    /// When the run is interrupted.
    pub fn count_system_calls(&mut self) -> io::Result<Vec<SystemCalls>> {
        if let Some(reason) = syscalls::missing() {
            self.failures.push(format!("System calls are not counted: {reason}."));
            return Ok(Vec::new());
        }
        let (stream, burst) = (self.suited(Workload::Stopped), self.suited(Workload::Burst));
        let steps = u32::try_from(stream.len() + burst.len()).unwrap_or(u32::MAX);
        self.progress.begin(steps as usize, TRACE_EXPECTED * steps);
        let mut all = Vec::new();
        for peer in stream {
            let what = format!("system calls, stream, {}", peer.name);
            self.progress.step(&what, TRACE_EXPECTED);
            let traced = self.bench.trace_stream(peer, TRACED_STREAM_CONNECTIONS);
            all.extend(self.counted(peer, traced)?);
        }
        for peer in burst {
            let what = format!("system calls, burst, {}", peer.name);
            self.progress.step(&what, TRACE_EXPECTED);
            let traced = self.bench.trace_burst(peer, TRACED_BURST_CONNECTIONS);
            all.extend(self.counted(peer, traced)?);
        }
        self.progress.end();
        Ok(all)
    }

    /// The open loop runs at a third of what the floor (or else the first server) can do.
    fn set_open_rate(&mut self) -> io::Result<()> {
        let floor = self.peers.iter().find(|peer| peer.name == FLOOR);
        let Some(peer) = floor.or(self.peers.first()) else {
            return Ok(());
        };
        self.progress.say(&format!("The rate of the open loop is found with {}.", peer.name));
        let job = Job::Closed { connections: 100, duration: Duration::from_millis(500) };
        for finding in self.bench.measure(&job, peer)? {
            let capacity = as_f64(finding.outcome.messages) / finding.outcome.elapsed.as_secs_f64();
            // A round number reads better, and is as good.
            self.bench.open_rate_per_second = (capacity / 300.0).round().max(1.0) * 100.0;
        }
        Ok(())
    }

    fn suited(&self, workload: Workload) -> Vec<&'a Peer> {
        let suited = self.peers.iter().filter(|peer| suits(workload, peer));
        suited.copied().collect()
    }

    fn sample(&self, finding: &Finding, peer: &Peer, round: u32) -> Sample {
        let outcome = &finding.outcome;
        let open = finding.case.workload == Workload::Open;
        Sample {
            server: peer.name.to_string(),
            round,
            case: finding.case,
            messages: outcome.messages,
            seconds: outcome.elapsed.as_secs_f64(),
            cpu: outcome.cpu,
            latency: outcome.latency.as_ref().map(|latency| Latency::of(latency, open)),
            resident_bytes: finding.resident_bytes,
            rate_per_second: open.then_some(self.bench.open_rate_per_second),
            unanswered: outcome.unanswered,
        }
    }

    fn counted(
        &mut self,
        peer: &Peer,
        traced: io::Result<(Finding, Counts)>,
    ) -> io::Result<Option<SystemCalls>> {
        match traced {
            Ok((finding, calls)) => Ok(Some(SystemCalls {
                server: peer.name.to_string(),
                case: finding.case,
                messages: finding.outcome.messages,
                calls,
            })),
            Err(error) => {
                self.fail(&format!("counting system calls, {}", peer.name), &error)?;
                Ok(None)
            }
        }
    }

    /// Takes note of a failure and goes on, unless it is the user's wish to end.
    fn fail(&mut self, what: &str, error: &io::Error) -> io::Result<()> {
        interrupt::check()?;
        let text = format!("Failed: {what}: {error}.");
        self.progress.say(&text);
        self.failures.push(text);
        Ok(())
    }
}
