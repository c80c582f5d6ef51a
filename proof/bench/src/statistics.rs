//! Medians, spreads, and ratios within a round.

use crate::results::{Case, Sample};

/// Several measurements of one thing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The middle one; with an even number, the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// Sums up; `None` if there is nothing.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (first, last) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self { median, min: first, max: last })
    }

    /// From the smallest to the largest, as a part of the median.
    #[must_use]
    pub fn spread(&self) -> f64 {
        (self.max - self.min) / self.median
    }
}

/// The samples of one server in one case.
pub fn samples_of<'a>(
    samples: &'a [Sample],
    case: Case,
    server: &str,
) -> impl Iterator<Item = &'a Sample> {
    let server = server.to_string();
    samples.iter().filter(move |sample| sample.case == case && sample.server == server)
}

/// Sums up a quantity of one server in one case.
#[must_use]
pub fn summary(
    samples: &[Sample],
    case: Case,
    server: &str,
    quantity: impl Fn(&Sample) -> f64,
) -> Option<Summary> {
    Summary::of(samples_of(samples, case, server).map(quantity))
}

/// A measured thing: a server in a case.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The server's name.
    pub server: &'a str,
    /// What it did.
    pub case: Case,
}

/// Sums up the ratios of a quantity, `of` over `to`, each taken within a round.
#[must_use]
pub fn ratio(
    samples: &[Sample],
    of: Subject,
    to: Subject,
    quantity: impl Fn(&Sample) -> f64,
) -> Option<Summary> {
    let ratios = samples_of(samples, of.case, of.server).filter_map(|sample| {
        let mut others = samples_of(samples, to.case, to.server);
        let other = others.find(|other| other.round == sample.round)?;
        Some(quantity(sample) / quantity(other))
    });
    Summary::of(ratios)
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // The numbers below are exact.
mod tests {
    use super::*;
    use crate::results::tests::{BURST, sample};

    #[test]
    fn the_middle_is_the_median() {
        assert_eq!(Summary::of([]), None);
        let odd = Summary::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.median, odd.min, odd.max), (2.0, 1.0, 3.0));
        assert_eq!(odd.spread(), 1.0);
        assert_eq!(Summary::of([4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The machine was twice as slow in round 1; the medians alone would say 1.5.
        let samples = [
            sample("a", BURST, 0, 1.0),
            sample("a", BURST, 1, 2.0),
            sample("a", BURST, 2, 9.0),
            sample("b", BURST, 1, 4.0),
            sample("b", BURST, 0, 2.0),
        ];
        let subject = |server| Subject { server, case: BURST };
        let ratio = ratio(&samples, subject("a"), subject("b"), Sample::cpu_us_per_message);
        let ratio = ratio.unwrap();
        assert_eq!((ratio.min, ratio.max), (0.5, 0.5));
    }

    #[test]
    fn other_servers_and_cases_stay_out() {
        let other_case = Case { connections: 1, ..BURST };
        let samples = [
            sample("a", BURST, 0, 1.0),
            sample("b", BURST, 0, 5.0),
            sample("a", other_case, 0, 7.0),
        ];
        let found = summary(&samples, BURST, "a", Sample::cpu_us_per_message).unwrap();
        assert_eq!((found.min, found.max), (1.0, 1.0));
        assert_eq!(summary(&samples, BURST, "c", Sample::cpu_us_per_message), None);
    }
}
