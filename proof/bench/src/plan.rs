//! What a run measures, and how often.

use std::fmt;
use std::time::Duration;

use crate::peers::{Peer, REACTOR};
use crate::results::Workload;

/// One measurement, to be done with every server that it suits.
#[derive(Debug, Clone, PartialEq)]
pub enum Job {
    /// Stream in stopped rounds.
    Stopped {
        /// Connections.
        connections: usize,
        /// Bytes of a line.
        message_bytes: usize,
        /// Messages on each connection.
        repeats: u32,
    },
    /// The same with and without idle connections beside, in one process.
    Beside {
        /// Connections that talk.
        connections: usize,
        /// Connections that don't.
        idle_connections: usize,
        /// Messages on each connection that talks.
        repeats: u32,
    },
    /// Stream in a closed loop.
    Closed {
        /// Connections.
        connections: usize,
        /// How long.
        duration: Duration,
    },
    /// Stream in an open loop, at a third of what the floor can do in a closed one.
    Open {
        /// Connections.
        connections: usize,
        /// How long.
        duration: Duration,
    },
    /// Loops of one message on one connection.
    Oneshot {
        /// Loops.
        loops: usize,
        /// How long.
        duration: Duration,
    },
    /// Queued connections with a message each.
    Burst {
        /// Connections in the queue.
        connections: usize,
        /// How often.
        repeats: u32,
    },
    /// Idle connections and a sample that echoes.
    Idle {
        /// Numbers of connections, ascending.
        steps: Vec<usize>,
        /// How long the sample echoes at each.
        duration: Duration,
    },
    /// Connections on a simulated kernel, which needs no descriptors.
    Crowd {
        /// Connections.
        connections: usize,
    },
    /// The start of the process.
    Start,
    /// SIGTERM with idle connections.
    Stop {
        /// Idle connections.
        idle_connections: usize,
    },
}

/// The line of most workloads, in bytes: about as long as the clients of this project send.
pub const USUAL_MESSAGE_BYTES: usize = 64;

impl Job {
    /// The workload that it belongs to.
    #[must_use]
    pub fn workload(&self) -> Workload {
        match self {
            Self::Stopped { .. } => Workload::Stopped,
            Self::Beside { .. } => Workload::Beside,
            Self::Closed { .. } => Workload::Closed,
            Self::Open { .. } => Workload::Open,
            Self::Oneshot { .. } => Workload::Oneshot,
            Self::Burst { .. } => Workload::Burst,
            Self::Idle { .. } => Workload::Idle,
            Self::Crowd { .. } => Workload::Crowd,
            Self::Start => Workload::Start,
            Self::Stop { .. } => Workload::Stop,
        }
    }

    /// How long it takes with one server, roughly.
    #[must_use]
    pub fn expected(&self) -> Duration {
        let messages = match self {
            Self::Stopped { connections, repeats, .. }
            | Self::Beside { connections, repeats, .. }
            | Self::Burst { connections, repeats } => connections * *repeats as usize,
            _ => 0,
        };
        let lasting = match self {
            Self::Closed { duration, .. }
            | Self::Open { duration, .. }
            | Self::Oneshot { duration, .. } => *duration,
            Self::Crowd { .. } => Duration::from_secs(1),
            Self::Idle { steps, duration } => *duration * u32::try_from(steps.len()).unwrap_or(1),
            _ => Duration::ZERO,
        };
        // A process starts and ends, connections are opened one by one, messages wait for a turn.
        let microseconds = 50_000 + 100 * self.connections_max() + 30 * messages;
        Duration::from_micros(microseconds as u64) + lasting * 11 / 10
    }

    /// The most connections that it has open at a time.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        match self {
            Self::Stopped { connections, .. }
            | Self::Closed { connections, .. }
            | Self::Open { connections, .. }
            | Self::Burst { connections, .. } => *connections,
            Self::Beside { connections, idle_connections, .. } => connections + idle_connections,
            Self::Oneshot { loops, .. } => *loops,
            Self::Idle { steps, .. } => steps.last().copied().unwrap_or(0),
            // Its connections are none of the kernel's.
            Self::Crowd { .. } => 0,
            Self::Start => 1,
            Self::Stop { idle_connections } => *idle_connections,
        }
    }
}

/// Whether this server can do this, and says something with it.
#[must_use]
pub fn suits(workload: Workload, peer: &Peer) -> bool {
    match workload {
        Workload::Burst => true,
        // What logging costs is asked once.
        _ if peer.logs => false,
        Workload::Oneshot => true,
        // How a connection ends makes no difference where none does.
        _ if peer.name.starts_with("c-epoll-") => false,
        Workload::Start => true,
        // The peers have nothing to do at the end, and none runs without a kernel.
        Workload::Stop | Workload::Crowd => peer.name == REACTOR,
        _ => !peer.one_at_a_time,
    }
}

impl fmt::Display for Job {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Stopped { connections, message_bytes, .. } => {
                write!(out, "stopped, {connections} x {message_bytes} B")
            }
            Self::Beside { connections, idle_connections, .. } => {
                write!(out, "{connections} beside {idle_connections} idle")
            }
            Self::Closed { connections, .. } => write!(out, "closed loop, {connections}"),
            Self::Open { connections, .. } => write!(out, "open loop, {connections}"),
            Self::Oneshot { loops, .. } => write!(out, "oneshot, {loops}"),
            Self::Burst { connections, .. } => write!(out, "burst, {connections}"),
            Self::Idle { .. } => write!(out, "idle, up to {}", self.connections_max()),
            Self::Crowd { connections } => write!(out, "crowd of {connections}"),
            Self::Start => write!(out, "start"),
            Self::Stop { idle_connections } => write!(out, "stop with {idle_connections} idle"),
        }
    }
}

/// A job and the number of its rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What to measure.
    pub job: Job,
    /// How often with each server, in turns.
    pub rounds: u32,
}

/// The whole run: some twenty minutes with all servers on two processors.
#[must_use]
pub fn full() -> Vec<Step> {
    let second = Duration::from_secs(1);
    let mut steps = Vec::new();
    for message_bytes in [64, 512, 4096] {
        for (connections, repeats) in [(100, 100), (1000, 10)] {
            let job = Job::Stopped { connections, message_bytes, repeats };
            steps.push(Step { job, rounds: 7 });
        }
    }
    for connections in [1, 10, 100, 1000, 10_000] {
        let duration = second * 4 / 5;
        let job = Job::Closed { connections, duration };
        steps.push(Step { job, rounds: 7 });
    }
    let rest = [
        (7, Job::Burst { connections: 500, repeats: 10 }),
        (7, Job::Oneshot { loops: 50, duration: second * 4 / 5 }),
        (9, Job::Open { connections: 100, duration: second * 2 }),
        (
            3,
            Job::Idle {
                steps: vec![1000, 5000, 10_000, 19_000, 100_000, 1_000_000],
                duration: second,
            },
        ),
        (5, Job::Beside { connections: 100, idle_connections: 18_000, repeats: 100 }),
        (5, Job::Crowd { connections: 1000 }),
        (5, Job::Crowd { connections: 1_000_000 }),
        (7, Job::Start),
        (5, Job::Stop { idle_connections: 10_000 }),
    ];
    steps.extend(rest.map(|(rounds, job)| Step { job, rounds }));
    steps
}

/// The short run: every workload, in under two minutes.
#[must_use]
pub fn quick() -> Vec<Step> {
    let short = Duration::from_millis(200);
    let steps = [
        (3, Job::Stopped { connections: 100, message_bytes: 64, repeats: 20 }),
        (3, Job::Stopped { connections: 1000, message_bytes: 64, repeats: 2 }),
        (3, Job::Closed { connections: 1, duration: short }),
        (3, Job::Closed { connections: 100, duration: short }),
        (3, Job::Burst { connections: 500, repeats: 2 }),
        (3, Job::Oneshot { loops: 50, duration: short }),
        (2, Job::Open { connections: 100, duration: 3 * short }),
        (1, Job::Idle { steps: vec![1000, 5000], duration: short }),
        (1, Job::Beside { connections: 100, idle_connections: 3000, repeats: 20 }),
        (1, Job::Crowd { connections: 1000 }),
        (1, Job::Crowd { connections: 1_000_000 }),
        (3, Job::Start),
        (1, Job::Stop { idle_connections: 3000 }),
    ];
    steps.map(|(rounds, job)| Step { job, rounds }).into()
}

/// Takes out what needs more connections than a process may have, or a longer listen queue than the
/// kernel grants; a sentence for each.
#[must_use]
pub fn fit(steps: Vec<Step>, connections_max: usize, backlog: usize) -> (Vec<Step>, Vec<String>) {
    let mut notes = Vec::new();
    let mut fitting = Vec::new();
    for mut step in steps {
        if let Job::Idle { steps, .. } = &mut step.job {
            let beyond: Vec<_> = steps.iter().filter(|n| **n > connections_max).collect();
            if !beyond.is_empty() {
                notes.push(format!(
                    "Idle with {beyond:?} connections is skipped: the descriptor limit leaves room for \
                     {connections_max} in a process."
                ));
            }
            steps.retain(|connections| *connections <= connections_max);
        }
        if matches!(step.job, Job::Burst { connections, .. } if connections > backlog) {
            notes.push(format!(
                "\"{}\" is skipped: net.core.somaxconn allows a queue of {backlog}.",
                step.job
            ));
        } else if step.job.connections_max() <= connections_max {
            fitting.push(step);
        } else {
            notes.push(format!(
                "\"{}\" is skipped: the descriptor limit leaves room for {connections_max} connections in a \
                 process.",
                step.job
            ));
        }
    }
    (fitting, notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::{self, Places};

    #[test]
    fn what_does_not_fit_is_left_out_with_a_sentence() {
        let (steps, notes) = fit(full(), 19_900, 4096);
        assert!(steps.iter().all(|step| step.job.connections_max() <= 19_900));
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("100000") && notes[0].contains("19900"));

        let (steps, notes) = fit(full(), 900, 4096);
        assert!(steps.iter().any(|step| step.job.workload() == Workload::Burst));
        assert!(!steps.iter().any(|step| step.job.workload() == Workload::Beside));
        assert!(notes.len() > 2);

        let (steps, notes) = fit(full(), 19_900, 128);
        assert!(!steps.iter().any(|step| step.job.workload() == Workload::Burst));
        assert!(notes.iter().any(|note| note.contains("somaxconn")));
    }

    #[test]
    fn servers_do_what_suits_them() {
        let nowhere = Places { reactor: "/".into(), built: "/".into(), sources: "/".into() };
        let suiting = |workload| -> Vec<&str> {
            let peers = peers::all(&nowhere).into_iter();
            let suiting = peers.filter(|peer| suits(workload, peer));
            suiting.map(|peer| peer.name).collect()
        };
        let closed = suiting(Workload::Closed);
        assert!(!closed.contains(&"python-blocking"));
        assert!(!closed.contains(&peers::FLOOR_MORE));
        assert!(closed.contains(&peers::FLOOR));
        assert_eq!(suiting(Workload::Burst).len(), peers::all(&nowhere).len());
        assert_eq!(suiting(Workload::Stop), [REACTOR]);
    }

    #[test]
    fn both_plans_have_every_workload() {
        let workloads = |steps: Vec<Step>| {
            let mut all: Vec<_> = steps.iter().map(|step| step.job.workload()).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        assert_eq!(workloads(full()), workloads(quick()));
        assert_eq!(workloads(full()).len(), 10);
    }
}
