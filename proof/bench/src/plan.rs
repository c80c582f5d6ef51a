//! What a run measures, and how often.

use std::fmt;

use crate::peers::{Limits, Mode, Peer};

/// What a figure says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// A message on its own connection: processor time in µs.
    Burst,
    /// A message on a persistent connection: processor time in µs.
    Stream,
    /// A message among many on a persistent connection: processor time in ns.
    Pipeline,
    /// Bytes: processor time in s/GB.
    Bulk,
    /// Bytes: GB/s.
    Throughput,
    /// Memory of a connection in bytes.
    Idle,
}

impl Measure {
    pub(crate) const ALL: [Measure; 6] = [
        Measure::Burst,
        Measure::Stream,
        Measure::Pipeline,
        Measure::Bulk,
        Measure::Throughput,
        Measure::Idle,
    ];

    /// The name in the results and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Measure::Burst => "burst",
            Measure::Stream => "stream",
            Measure::Pipeline => "pipeline",
            Measure::Bulk => "bulk",
            Measure::Throughput => "throughput",
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
    /// The server is stopped, each connection gets some lines in one segment, the server goes on.
    Rounds { connections: usize, lines: usize, line_bytes: usize, repeats: u32 },
    /// One connection sends lines as fast as they go, the server's buffers are full.
    FullBuffers { line_bytes: usize, mebibytes: usize },
    /// Connections send bytes as fast as they go; the sum over all.
    Bulk { connections: usize, send_kibibytes: usize, mebibytes: usize },
    /// Memory with few and with many connections.
    Idle { few: usize, many: usize },
}

/// A line is about as long as those that the clients of this project send.
pub(crate) const LINE_BYTES: usize = 64;

impl Job {
    pub(crate) fn measure(self) -> Measure {
        match self {
            Job::Burst { .. } => Measure::Burst,
            Job::Rounds { lines: 1, .. } => Measure::Stream,
            Job::Rounds { .. } | Job::FullBuffers { .. } => Measure::Pipeline,
            Job::Bulk { .. } => Measure::Bulk,
            Job::Idle { .. } => Measure::Idle,
        }
    }

    /// How the server has to behave.
    pub(crate) fn mode(self) -> Mode {
        match self {
            Job::Burst { .. } => Mode::Oneshot,
            Job::Rounds { .. } | Job::FullBuffers { .. } | Job::Idle { .. } => Mode::Lines,
            Job::Bulk { .. } => Mode::Bytes,
        }
    }

    /// Whether this server is measured with this job.
    pub(crate) fn suits(self, peer: &Peer) -> bool {
        let has_mode = peer.only.is_none_or(|mode| mode == self.mode());
        let holds_all = match self {
            Job::Idle { many, .. } => many <= peer.idle_max,
            _ => true,
        };
        has_mode && holds_all
    }

    /// Why it can't be measured within these limits, if so.
    fn unfit(self, limits: Limits) -> Option<String> {
        let (most, limit, reason) = match self {
            Job::Burst { connections, .. } => {
                (connections, limits.backlog as usize, "net.core.somaxconn")
            }
            Job::Rounds { connections, .. } | Job::Idle { many: connections, .. } => {
                (connections, limits.connections, "the descriptor limit")
            }
            Job::FullBuffers { .. } | Job::Bulk { .. } => return None,
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
            Job::Rounds { connections, lines: 1, line_bytes, .. } => {
                write!(out, "{connections} × {line_bytes} B")
            }
            Job::Rounds { lines, line_bytes, .. } => {
                write!(out, "{line_bytes} B, {lines} a segment")
            }
            Job::FullBuffers { line_bytes, .. } => write!(out, "{line_bytes} B, full buffers"),
            Job::Bulk { connections, send_kibibytes, .. } => {
                write!(out, "{connections} × {send_kibibytes} KiB")
            }
            Job::Idle { few, many } => write!(out, "{few} to {many}"),
        }
    }
}

pub(crate) struct Step {
    pub(crate) job: Job,
    pub(crate) rounds: u32,
}

/// Rounds of a comparison of two builds.
pub(crate) const PAIRS: u32 = 20;

/// The whole run: some minutes with all servers on two processors. The README and the plot show the
/// first case of each measure.
pub(crate) fn whole() -> Vec<Step> {
    let mut steps = vec![step(7, burst(10))];
    for (connections, line_bytes) in [(100, LINE_BYTES), (1000, LINE_BYTES), (100, 4096)] {
        let repeats = 10_000 / u32::try_from(connections).unwrap_or(1);
        steps.push(step(7, Job::Rounds { connections, lines: 1, line_bytes, repeats }));
    }
    for line_bytes in [64, 16, 1024] {
        steps.push(step(5, Job::FullBuffers { line_bytes, mebibytes: 256 }));
    }
    for line_bytes in [64, 16, 1024] {
        steps.push(step(5, segments(line_bytes, 50)));
    }
    for (connections, send_kibibytes) in [(1, 256), (1, 64), (16, 256), (16, 64)] {
        steps.push(step(5, Job::Bulk { connections, send_kibibytes, mebibytes: 1024 }));
    }
    steps.push(step(3, Job::Idle { few: 5000, many: 19_000 }));
    steps
}

/// A look at each measure, in under two minutes.
pub(crate) fn quick() -> Vec<Step> {
    vec![
        step(3, burst(2)),
        step(3, Job::Rounds { connections: 100, lines: 1, line_bytes: LINE_BYTES, repeats: 20 }),
        step(3, Job::FullBuffers { line_bytes: LINE_BYTES, mebibytes: 32 }),
        step(3, segments(LINE_BYTES, 10)),
        step(3, Job::Bulk { connections: 1, send_kibibytes: 256, mebibytes: 128 }),
        step(1, Job::Idle { few: 1000, many: 5000 }),
    ]
}

/// What is measured of two builds.
pub(crate) fn pairs() -> Vec<Step> {
    let jobs = [
        burst(10),
        Job::Rounds { connections: 100, lines: 1, line_bytes: LINE_BYTES, repeats: 100 },
        Job::FullBuffers { line_bytes: LINE_BYTES, mebibytes: 256 },
        segments(LINE_BYTES, 50),
        Job::Bulk { connections: 1, send_kibibytes: 256, mebibytes: 512 },
        Job::Bulk { connections: 16, send_kibibytes: 64, mebibytes: 512 },
        Job::Bulk { connections: 100, send_kibibytes: 64, mebibytes: 512 },
        Job::Bulk { connections: 1000, send_kibibytes: 64, mebibytes: 512 },
    ];
    jobs.map(|job| step(PAIRS, job)).into()
}

fn step(rounds: u32, job: Job) -> Step {
    Step { job, rounds }
}

fn burst(repeats: u32) -> Job {
    Job::Burst { connections: 500, repeats }
}

fn segments(line_bytes: usize, repeats: u32) -> Job {
    Job::Rounds { connections: 100, lines: 16, line_bytes, repeats }
}

/// Removes the steps that this machine does not allow, and returns a note for each.
pub(crate) fn fit(steps: &mut Vec<Step>, limits: Limits) -> Vec<String> {
    let notes = steps.iter().filter_map(|step| step.job.unfit(limits)).collect();
    steps.retain(|step| step.job.unfit(limits).is_none());
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_does_not_fit_is_left_out_with_a_note() {
        let mut plan = whole();
        let limits = Limits { backlog: 128, connections: 900 };
        let notes = fit(&mut plan, limits);
        assert_eq!(notes.len(), 3, "{notes:?}");
        assert!(notes[0].contains("burst, 500 × 64 B") && notes[0].contains("128"), "{notes:?}");
        assert!(plan.iter().all(|step| step.job.measure() != Measure::Burst));
        assert!(fit(&mut plan, limits).is_empty());
    }
}
