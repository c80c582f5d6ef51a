//! What a run measures, and how often.

use std::fmt;

use crate::peers::{Limits, Peer};

/// What a figure says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// A message on a connection of its own: processor time in µs.
    Burst,
    /// A message on a persistent connection: processor time in µs.
    Stream,
    /// Memory of a connection in bytes.
    Idle,
}

impl Measure {
    pub(crate) const ALL: [Measure; 3] = [Measure::Burst, Measure::Stream, Measure::Idle];

    /// The name in the results and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Measure::Burst => "burst",
            Measure::Stream => "stream",
            Measure::Idle => "idle",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Measure> {
        Measure::ALL.into_iter().find(|measure| measure.name() == name)
    }
}

/// One measurement, to be done with every server that it suits.
#[derive(Clone, Copy)]
pub(crate) enum Job {
    /// The server is stopped, connections with a line each queue up, the server goes on.
    Burst { connections: usize, repeats: u32 },
    /// The server is stopped, each connection gets a line, the server goes on.
    Stream { connections: usize, bytes: usize, repeats: u32 },
    /// Memory with few and with many connections.
    Idle { few: usize, many: usize },
}

/// A line is about as long as those that the clients of this project send.
pub(crate) const LINE_BYTES: usize = 64;

impl Job {
    pub(crate) fn measure(self) -> Measure {
        match self {
            Job::Burst { .. } => Measure::Burst,
            Job::Stream { .. } => Measure::Stream,
            Job::Idle { .. } => Measure::Idle,
        }
    }

    /// Whether this server can do this, and says something with it.
    pub(crate) fn suits(self, peer: &Peer) -> bool {
        matches!(self, Job::Burst { .. }) || peer.persistent
    }

    /// Why it can't be measured within these limits, if so.
    fn unfit(self, limits: Limits) -> Option<String> {
        let backlog = limits.backlog as usize;
        let (most, limit, reason) = match self {
            Job::Burst { connections, .. } => (connections, backlog, "net.core.somaxconn"),
            Job::Stream { connections, .. } => {
                (connections, limits.connections, "the descriptor limit")
            }
            Job::Idle { many, .. } => (many, limits.connections, "the descriptor limit"),
        };
        let name = self.measure().name();
        (most > limit).then(|| format!("{name}, {self}, is skipped: {reason} allows {limit}."))
    }
}

/// The sizes, as tables and results name them.
impl fmt::Display for Job {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Job::Burst { connections, .. } => write!(out, "{connections} × {LINE_BYTES} B"),
            Job::Stream { connections, bytes, .. } => write!(out, "{connections} × {bytes} B"),
            Job::Idle { few, many } => write!(out, "{few} to {many}"),
        }
    }
}

/// A job and the number of its rounds.
pub(crate) struct Step {
    pub(crate) job: Job,
    pub(crate) rounds: u32,
}

/// Some minutes with all servers on two processors; `quick` is a look in under two.
pub(crate) fn steps(quick: bool) -> Vec<Step> {
    let jobs = if quick {
        vec![
            (3, Job::Burst { connections: 500, repeats: 2 }),
            (3, Job::Stream { connections: 100, bytes: LINE_BYTES, repeats: 20 }),
            (1, Job::Idle { few: 1000, many: 5000 }),
        ]
    } else {
        vec![
            (7, Job::Burst { connections: 500, repeats: 10 }),
            (7, Job::Stream { connections: 100, bytes: LINE_BYTES, repeats: 100 }),
            (7, Job::Stream { connections: 1000, bytes: LINE_BYTES, repeats: 10 }),
            (7, Job::Stream { connections: 100, bytes: 4096, repeats: 100 }),
            (3, Job::Idle { few: 5000, many: 19_000 }),
        ]
    };
    jobs.into_iter().map(|(rounds, job)| Step { job, rounds }).collect()
}

/// Takes out what this machine does not allow; a sentence for each.
pub(crate) fn fit(steps: &mut Vec<Step>, limits: Limits) -> Vec<String> {
    let notes = steps.iter().filter_map(|step| step.job.unfit(limits)).collect();
    steps.retain(|step| step.job.unfit(limits).is_none());
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_left_out_with_a_sentence() {
        let mut plan = steps(false);
        let limits = Limits { backlog: 128, connections: 900 };
        let notes = fit(&mut plan, limits);
        assert_eq!(notes.len(), 3, "{notes:?}");
        assert!(notes[0].contains("burst, 500 × 64 B") && notes[0].contains("128"), "{notes:?}");
        assert!(plan.iter().all(|step| step.job.measure() == Measure::Stream));
        assert!(fit(&mut plan, limits).is_empty());
    }
}
