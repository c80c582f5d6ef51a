//! Axes, and the numbers beside them.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

/// An even axis with ticks of our own choice.
pub struct Axis {
    /// From where to where it goes.
    pub range: Range<f64>,
    /// Where its ticks are.
    pub ticks: Vec<f64>,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let part = (value - self.range.start) / (self.range.end - self.range.start);
        #[allow(clippy::cast_possible_truncation)] // A position within the picture.
        let offset = (part * f64::from(to - from)).round() as i32;
        from + offset
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// Four to eight round numbers from zero to `last`.
#[must_use]
pub fn even_steps(last: f64) -> Vec<f64> {
    let power = 10_f64.powf((last / 4.0).log10().floor());
    let step = [5.0, 2.0, 1.0].map(|factor| factor * power);
    let step = step.into_iter().find(|step| last / step >= 4.0).unwrap_or(power);
    (0..40).map(|n| f64::from(n) * step).take_while(|tick| *tick <= last).collect()
}

/// 19000 → "19,000", 0.1 → "0.1".
#[must_use]
pub fn with_commas(value: f64) -> String {
    if value.abs() < 10.0 && (value - value.round()).abs() > 1e-6 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(
            even_steps(19_950.0),
            [0.0, 2000.0, 4000.0, 6000.0, 8000.0, 10000.0, 12000.0, 14000.0, 16000.0, 18000.0]
        );
        assert_eq!(even_steps(45.0), [0.0, 10.0, 20.0, 30.0, 40.0]);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(with_commas(19_000.0), "19,000");
        assert_eq!(with_commas(0.1), "0.1");
        assert_eq!(with_commas(100.0), "100");
    }
}
