//! What was seen in a run, and whether memory stayed flat.

use std::time::Duration;

use crate::faults::Fault;
use crate::peers::Tallies;

/// Memory that grows by more than this, in bytes, is not flat. Without a leak it changes by less, with
/// the load of the moment.
pub(crate) const GROWTH_MAX_BYTES: u64 = 1_048_576;

/// One look at the server's process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Since the run began.
    pub(crate) at: Duration,
    pub(crate) resident_bytes: u64,
    pub(crate) descriptors: usize,
}

/// A fault, from begin to end, since the run began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) fault: Fault,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) lasted: Duration,
    /// Open descriptors before the first connection.
    pub(crate) descriptors_at_start: usize,
    /// Once a second, or less often in a run of hours.
    pub(crate) samples: Vec<Look>,
    /// When no connection is open, after each round.
    pub(crate) quiet_points: Vec<Look>,
    pub(crate) faults: Vec<Span>,
    /// How long the server took to leave.
    pub(crate) exit_took: Option<Duration>,
    /// What the server's log tells.
    pub(crate) log: String,
    pub(crate) tallies: Tallies,
    /// What ended the run before its time.
    pub(crate) stopped_by: Option<String>,
}

impl Record {
    /// What is wrong with the run, if anything.
    pub(crate) fn complaint(&self) -> Option<String> {
        let growth = self.growth_bytes();
        let leak = growth > GROWTH_MAX_BYTES;
        let not_flat = leak.then(|| format!("memory is not flat: {} KiB more", growth / 1024));
        self.stopped_by.clone().or(not_flat)
    }

    /// How much memory has grown, from the median of the first third of the quiet points to that of
    /// the last third.
    pub(crate) fn growth_bytes(&self) -> u64 {
        let sizes: Vec<_> = self.quiet_points.iter().map(|look| look.resident_bytes).collect();
        let third = sizes.len().div_ceil(3);
        median(&sizes[sizes.len() - third..]).saturating_sub(median(&sizes[..third]))
    }
}

fn median(values: &[u64]) -> u64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_grows_too_much_is_a_complaint() {
        let record = |kibibytes: [u64; 6]| {
            let quiet_points = kibibytes.map(|size| Look {
                at: Duration::ZERO,
                resident_bytes: size * 1024,
                descriptors: 7,
            });
            Record { quiet_points: quiet_points.to_vec(), ..Record::default() }
        };
        assert_eq!(record([3000, 3500, 9900, 3600, 3300, 3500]).complaint(), None);
        let leak = record([3000, 3500, 4000, 4500, 5000, 5500]);
        assert!(leak.complaint().unwrap().contains("2000 KiB more"));
    }
}
