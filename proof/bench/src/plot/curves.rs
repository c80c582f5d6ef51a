//! Curves in a coordinate system, with their names beside it.

use std::error::Error;
use std::io;
use std::ops::Range;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::{Axis, even_steps, with_commas};
use super::style::{Area, FAINT, INK, Sheet, WIDTH, colour, font, stroke};
use crate::peers::REACTOR;

/// One server's curve.
pub(super) struct Curve<'a> {
    pub(super) server: &'a str,
    pub(super) points: Vec<(f64, f64)>,
}

/// An axis with its label.
#[derive(Clone, Copy)]
pub(super) enum Scale {
    /// Even steps from zero on.
    FromZero(&'static str),
    /// Powers of ten.
    Logarithmic(&'static str),
    /// Quantiles, each nine as wide as the one before.
    Percentile(&'static str),
}

/// A picture of curves.
pub(super) struct Chart<'a> {
    pub(super) x: Scale,
    pub(super) y: Scale,
    pub(super) curves: Vec<Curve<'a>>,
}

/// Room for the names on the right.
const LEGEND_WIDTH: u32 = 170;

impl Chart<'_> {
    /// Draws the curves that have points; `false` if none has two.
    pub(super) fn draw(mut self, sheet: &Sheet) -> io::Result<bool> {
        for curve in &mut self.curves {
            for point in &mut curve.points {
                *point = (self.x.position(point.0), self.y.position(point.1));
            }
        }
        self.curves.retain(|curve| curve.points.len() > 1);
        if self.curves.is_empty() {
            return Ok(false);
        }
        sheet.draw(|area| {
            let (chart, legend) = area.split_horizontally(WIDTH - LEGEND_WIDTH);
            self.draw_chart(&chart)?;
            self.draw_legend(&legend)
        })?;
        Ok(true)
    }

    fn draw_chart(&self, area: &Area) -> Result<(), Box<dyn Error>> {
        let points = || self.curves.iter().flat_map(|curve| curve.points.iter());
        let x_range = self.x.range(points().map(|point| point.0));
        let y_range = self.y.range(points().map(|point| point.1));
        let mut chart = ChartBuilder::on(area)
            .margin(18)
            .margin_right(26)
            .x_label_area_size(56)
            .y_label_area_size(76)
            .build_cartesian_2d(self.x.axis(x_range), self.y.axis(y_range))?;
        let (x, y) = (self.x, self.y);
        chart
            .configure_mesh()
            .axis_style(INK)
            .bold_line_style(FAINT)
            .light_line_style(TRANSPARENT)
            .label_style(font(15))
            .axis_desc_style(font(16))
            .x_desc(x.label())
            .y_desc(y.label())
            .x_label_formatter(&|position| x.tick(*position))
            .y_label_formatter(&|position| y.tick(*position))
            .draw()?;
        // The curve that all this is about is wider and below the others, so that none hides another.
        let (reactor, others): (Vec<_>, Vec<_>) =
            self.curves.iter().partition(|curve| curve.server == REACTOR);
        for curve in reactor.into_iter().chain(others) {
            chart.draw_series(LineSeries::new(curve.points.clone(), stroke(curve.server)))?;
            let dot = |point: &(f64, f64)| Circle::new(*point, 4, colour(curve.server).filled());
            chart.draw_series(curve.points.iter().map(dot))?;
        }
        Ok(())
    }

    /// Names in the order of the curves' right ends, so that the eye finds them.
    fn draw_legend(&self, area: &Area) -> Result<(), Box<dyn Error>> {
        let end = |curve: &Curve| curve.points.last().map_or(0.0, |point| point.1);
        let mut curves: Vec<_> = self.curves.iter().collect();
        curves.sort_by(|a, b| end(b).total_cmp(&end(a)));
        let left = Pos::new(HPos::Left, VPos::Center);
        for (curve, row) in curves.into_iter().zip(0..) {
            let y = 40 + row * 28;
            area.draw(&PathElement::new([(4, y), (34, y)], stroke(curve.server)))?;
            area.draw(&Circle::new((19, y), 4, colour(curve.server).filled()))?;
            area.draw(&Text::new(curve.server, (44, y), font(15).pos(left)))?;
        }
        Ok(())
    }
}

impl Scale {
    fn label(self) -> &'static str {
        match self {
            Self::FromZero(label) | Self::Logarithmic(label) | Self::Percentile(label) => label,
        }
    }

    /// Where a value stands on an axis that is drawn in even steps.
    fn position(self, value: f64) -> f64 {
        match self {
            Self::FromZero(_) => value,
            Self::Logarithmic(_) => value.log10(),
            Self::Percentile(_) => -(1.0 - value).log10(),
        }
    }

    fn tick(self, position: f64) -> String {
        match self {
            Self::FromZero(_) => with_commas(position),
            Self::Logarithmic(_) => with_commas(10_f64.powf(position)),
            Self::Percentile(_) => percent(position),
        }
    }

    fn range(self, positions: impl Iterator<Item = f64>) -> Range<f64> {
        let (low, high) = positions.fold((f64::MAX, f64::MIN), |(low, high), position| {
            (low.min(position), high.max(position))
        });
        match self {
            Self::FromZero(_) => 0.0..high * 1.05,
            Self::Logarithmic(_) => low.floor()..high.ceil().max(low.floor() + 1.0),
            // A hair less, so that four nines end the axis at four.
            Self::Percentile(_) => 0.0..(high - 1e-6).ceil(),
        }
    }

    fn axis(self, range: Range<f64>) -> Axis {
        let last = range.end;
        let ticks = match self {
            Self::FromZero(_) => even_steps(last),
            Self::Logarithmic(_) | Self::Percentile(_) => {
                let whole = |tick: &f64| *tick <= last + 1e-9;
                let ticks = (0..12).map(|n| range.start + f64::from(n));
                ticks.take_while(whole).collect()
            }
        };
        Axis { range, ticks }
    }
}

/// 0 → "0 %", 1 → "90 %", 2 → "99 %", 3 → "99.9 %".
fn percent(nines: f64) -> String {
    let value = 100.0 - 10_f64.powf(2.0 - nines);
    match nines {
        ..=2.1 => format!("{value:.0} %"),
        ..=3.1 => format!("{value:.1} %"),
        ..=4.1 => format!("{value:.2} %"),
        _ => format!("{value:.3} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_read_well() {
        let percents = [0.0, 1.0, 2.0, 3.0, 4.0].map(percent);
        assert_eq!(percents, ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
    }

    #[test]
    fn a_percentile_stands_at_its_nines() {
        let position = Scale::Percentile("").position(0.999);
        assert!((position - 3.0).abs() < 1e-9);
    }
}
