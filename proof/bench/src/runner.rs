//! Goes through a plan: one job after the other, round after round, server after server.
//!
//! Servers take turns within a round, and every round begins with another server (A B C, B C A, …), so
//! that a change on the machine affects all of them alike.

use std::io;
use std::process::ExitCode;

use echo_harness::{interrupt, strace};

use crate::peers::Peer;
use crate::plan::{Job, Measure, Step};
use crate::results::{Calls, Figure};
use crate::workload::Bench;

pub(crate) struct Runner {
    pub(crate) bench: Bench,
    /// The servers that are there, in the order of the tables.
    pub(crate) peers: Vec<Peer>,
    /// What went wrong, in sentences.
    pub(crate) failures: Vec<String>,
}

impl Runner {
    /// Measures everything in the plan. A server that fails in a round has no figure.
    pub(crate) fn measure(&mut self, steps: &[Step]) -> io::Result<Vec<Figure>> {
        let mut figures = Vec::new();
        for (step, number) in steps.iter().zip(1..) {
            let (job, measure) = (step.job, step.job.measure());
            let suited = self.suited(job);
            let mut found = vec![Some(Vec::new()); suited.len()];
            for round in 0..step.rounds {
                let of = format!("{} of {}", round + 1, step.rounds);
                eprintln!("[{number}/{}] {} {job}, round {of}", steps.len(), measure.name());
                for turn in 0..suited.len() {
                    let turn = (turn + round as usize) % suited.len();
                    let Some(rounds) = &mut found[turn] else { continue };
                    let peer = &self.peers[suited[turn]];
                    let values = self.bench.measure(job, peer);
                    let what = format!("{} {job}, {}", measure.name(), peer.name);
                    match self.noted(&what, values)? {
                        Some(values) => rounds.push(values),
                        None => found[turn] = None,
                    }
                }
            }
            for (peer, rounds) in suited.iter().zip(found) {
                let rounds: Vec<Vec<(Measure, f64)>> = rounds.unwrap_or_default();
                let measures = rounds.first().cloned().unwrap_or_default();
                figures.extend(measures.iter().enumerate().map(|(index, (measure, _))| Figure {
                    measure: *measure,
                    case: job.to_string(),
                    server: self.peers[*peer].name.into(),
                    rounds: rounds.iter().map(|values| values[index].1).collect(),
                }));
            }
        }
        Ok(figures)
    }

    /// Counts the system calls of each server in the steps' workloads that have single messages.
    pub(crate) fn count_calls(&mut self, steps: &[Step]) -> io::Result<Vec<Calls>> {
        let mut all = Vec::new();
        if !strace::can_count() {
            return Ok(all);
        }
        for measure in [Measure::Burst, Measure::Stream] {
            let Some(step) = steps.iter().find(|step| step.job.measure() == measure) else {
                continue;
            };
            eprintln!("System calls, {}", measure.name());
            for peer in self.suited(step.job) {
                let peer = &self.peers[peer];
                let counted = match measure {
                    Measure::Burst => self.bench.burst_calls(peer),
                    _ => self.bench.stream_calls(peer),
                };
                let (server, what) =
                    (peer.name.to_string(), format!("system calls, {}", peer.name));
                let counted = self.noted(&what, counted)?;
                all.extend(counted.map(|by_name| Calls { measure, server, by_name }));
            }
        }
        Ok(all)
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// The numbers of the servers that are measured with this job.
    fn suited(&self, job: Job) -> Vec<usize> {
        (0..self.peers.len()).filter(|number| job.suits(&self.peers[*number])).collect()
    }

    /// Takes note of a failure and goes on, unless the user has interrupted the run.
    fn noted<T>(&mut self, what: &str, result: io::Result<T>) -> io::Result<Option<T>> {
        let Err(error) = result else { return result.map(Some) };
        interrupt::check()?;
        let text = format!("Failed: {what}: {error}.");
        eprintln!("{text}");
        self.failures.push(text);
        Ok(None)
    }
}
