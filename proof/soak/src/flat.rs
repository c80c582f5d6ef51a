//! Whether memory stays flat.
//!
//! Each life of the server begins with fresh memory, so that a leak shows within a life: there, the
//! last third of the quiet points is compared with the first. Across the lives, the last third of
//! them is compared with the first.

use echo_bench::statistics::Summary;

use crate::record::{Look, Record};

/// More growth than this is not flat, in bytes: the memory of a process that leaks nothing moves by
/// less, with the load that happened to be there.
pub const GROWTH_MAX_BYTES: f64 = 1_048_576.0;

/// What the quiet points tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// The largest growth within one life, in bytes.
    pub within_a_life: f64,
    /// The growth from the first lives to the last, in bytes.
    pub across_lives: f64,
}

impl Growth {
    /// From a run's quiet points; `None` if no life has two.
    #[must_use]
    pub fn of(quiet_points: &[Look]) -> Option<Self> {
        let lives: Vec<Vec<f64>> = Record::lives(quiet_points)
            .map(|looks| looks.iter().map(|look| bytes(look.resident_bytes)).collect())
            .collect();
        let within = lives.iter().filter_map(|life| growth(life)).max_by(f64::total_cmp)?;
        let medians: Vec<f64> = lives.iter().filter_map(|life| median(life)).collect();
        Some(Self { within_a_life: within, across_lives: growth(&medians).unwrap_or(0.0) })
    }

    /// What is not flat, if anything.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let mebibytes = |bytes: f64| bytes / GROWTH_MAX_BYTES;
        if self.within_a_life > GROWTH_MAX_BYTES {
            let grown = mebibytes(self.within_a_life);
            return Some(format!("memory is not flat: {grown:.1} MiB more within one life"));
        }
        if self.across_lives > GROWTH_MAX_BYTES {
            let grown = mebibytes(self.across_lives);
            return Some(format!("memory is not flat: {grown:.1} MiB more from life to life"));
        }
        None
    }
}

/// From the first third's median to the last third's; `None` if there are not two values.
fn growth(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let third = values.len().div_ceil(3);
    Some(median(&values[values.len() - third..])? - median(&values[..third])?)
}

fn median(values: &[f64]) -> Option<f64> {
    Some(Summary::of(values.iter().copied())?.median)
}

#[allow(clippy::cast_precision_loss)] // Below 2^52 bytes nothing is lost.
fn bytes(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // The numbers below are exact.
mod tests {
    use std::time::Duration;

    use super::*;

    fn look(life: usize, kibibytes: u64) -> Look {
        let resident_bytes = kibibytes * 1024;
        Look { at: Duration::ZERO, life, resident_bytes, descriptors: 7 }
    }

    fn complaint(looks: &[Look]) -> Option<String> {
        Growth::of(looks).unwrap().complaint()
    }

    #[test]
    fn a_leak_within_a_life_is_not_flat() {
        let steady = [3000, 3500, 3900, 3600, 3300, 3500].map(|size| look(0, size));
        assert_eq!(complaint(&steady), None);
        let leak = [3000, 3500, 4000, 4500, 5000, 5500].map(|size| look(0, size));
        assert!(complaint(&leak).unwrap().contains("within one life"));
    }

    #[test]
    fn each_life_is_judged_alone_and_with_the_others() {
        let lives = [look(0, 3000), look(0, 3900), look(1, 3000), look(1, 3900)];
        assert_eq!(Growth::of(&lives).unwrap().within_a_life, 900.0 * 1024.0);
        let growing = [look(0, 3000), look(0, 3000), look(1, 4100), look(1, 4100)];
        assert!(complaint(&growing).unwrap().contains("from life to life"));
    }

    #[test]
    fn one_point_tells_nothing() {
        assert_eq!(Growth::of(&[look(0, 3000), look(1, 9000)]), None);
    }
}
