//! Two servers, measured in pairs: what a change costs, or what being watched does.

use crate::plan::{Measure, PAIRS};
use crate::report::table;
use crate::results::{Figure, Summary};

/// For each case the ratio of the first server to the second: its median over the pairs, and the 95 % interval
/// of the median.
pub(crate) fn ratios(figures: &[Figure], [first, second]: [&str; 2]) -> String {
    let mut rows = Vec::new();
    // Throughput is the machine's more than the server's.
    let is_time = |figure: &&Figure| figure.measure != Measure::Throughput;
    for this in figures.iter().filter(|figure| figure.server == first).filter(is_time) {
        let is_other = |other: &&Figure| {
            other.server == second && other.measure == this.measure && other.case == this.case
        };
        // A server that failed has no figure, and its failure was reported.
        let Some(other) = figures.iter().find(is_other) else { continue };
        let pairs = this.rounds.iter().zip(&other.rounds);
        let ratios: Vec<_> = pairs.map(|(this, other)| this / other).collect();
        let (low, high) = interval(ratios.clone());
        rows.push(vec![
            this.measure.name().into(),
            this.case.clone(),
            format!("{:.3}", Summary::of(&this.rounds).median),
            format!("{:.3}", Summary::of(&other.rounds).median),
            format!("{:.3}", Summary::of(&ratios).median),
            format!("{low:.3} … {high:.3}"),
        ]);
    }
    table(&["measure", "case", first, second, "ratio", "95 % interval"], rows)
}

/// The 6th and the 15th of 20 values have the true median between them in 95.9 % of all cases, however
/// the values are distributed: each is below the median by the toss of a coin.
fn interval(mut values: Vec<f64>) -> (f64, f64) {
    assert_eq!(values.len(), PAIRS as usize);
    values.sort_by(f64::total_cmp);
    (values[5], values[14])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_the_pairs() {
        // The machine is slower from round to round; the other server always takes twice as long.
        let figure = |server: &str, factor: f64| Figure {
            measure: Measure::Burst,
            case: "500 × 64 B".into(),
            server: server.into(),
            rounds: (1..=PAIRS).map(|round| f64::from(round) * factor).collect(),
        };
        let text = ratios(&[figure("this", 1.0), figure("that", 2.0)], ["this", "that"]);
        let row: Vec<_> = text.lines().last().unwrap().split('|').map(str::trim).collect();
        assert_eq!(row[3..7], ["10.500", "21.000", "0.500", "0.500 … 0.500"], "{text}");
        let (low, high) = interval((1..=PAIRS).rev().map(f64::from).collect());
        assert!((low - 6.0).abs() + (high - 15.0).abs() < 1e-9);
    }
}
