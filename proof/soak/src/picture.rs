//! Memory and descriptors over time, and below them what befell the server.

use std::error::Error;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use echo_bench::peers::REACTOR;
use echo_bench::plot::axis::{Axis, even_steps, with_commas};
use echo_bench::plot::style::{Area, FAINT, INK, Sheet, WIDTH, colour, font};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::faults::Fault;
use crate::record::{Look, Record};

type Drawn = Result<(), Box<dyn Error>>;
type Panel<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;

/// Heights in pixels, from above.
const MEMORY_HEIGHT: u32 = 172;
const DESCRIPTORS_HEIGHT: u32 = 142;
/// Room for numbers and names on the left.
const LABELS_WIDTH: u32 = 124;
const LABELS_LEFT: i32 = 124;
const RIGHT_MARGIN: u32 = 26;
/// A fault is seen even if it is shorter than a pixel.
const SPAN_MIN_PIXELS: f64 = 2.0;

/// Draws the picture of a run.
///
/// # Errors
/// When the file can't be written.
pub fn draw(record: &Record, path: &Path) -> io::Result<()> {
    let title = "echo-reactor under mixed load, faults and restarts";
    let time = Time::of(record.lasted);
    Sheet { title, path }.draw(|area| {
        let (memory, rest) = area.split_vertically(MEMORY_HEIGHT);
        let (descriptors, faults) = rest.split_vertically(DESCRIPTORS_HEIGHT);
        draw_legend(area)?;
        draw_looks(&memory, record, time, "resident memory [MiB]", |look| {
            mebibytes(look.resident_bytes)
        })?;
        draw_looks(&descriptors, record, time, "open descriptors", |look| {
            f64::from(u32::try_from(look.descriptors).unwrap_or(u32::MAX))
        })?;
        draw_faults(&faults, record, time)
    })
}

/// The axis of time: in minutes, or in seconds where the run was short.
#[derive(Clone, Copy)]
struct Time {
    label: &'static str,
    unit_seconds: f64,
    end: f64,
}

impl Time {
    fn of(lasted: Duration) -> Self {
        let (label, unit_seconds) = if lasted > Duration::from_secs(180) {
            ("time [min]", 60.0)
        } else {
            ("time [s]", 1.0)
        };
        Self { label, unit_seconds, end: (lasted.as_secs_f64() / unit_seconds).max(0.001) }
    }

    fn position(self, at: Duration) -> f64 {
        at.as_secs_f64() / self.unit_seconds
    }

    fn axis(self) -> Axis {
        Axis { range: 0.0..self.end, ticks: even_steps(self.end) }
    }
}

fn draw_looks(
    area: &Area,
    record: &Record,
    time: Time,
    title: &str,
    value: impl Fn(&Look) -> f64,
) -> Drawn {
    let looks = record.samples.iter().chain(&record.quiet_points);
    let top = looks.map(&value).fold(1.0, f64::max) * 1.1;
    let mut panel = ChartBuilder::on(area)
        .margin_top(26)
        .margin_right(RIGHT_MARGIN)
        .margin_bottom(6)
        .y_label_area_size(LABELS_WIDTH)
        .build_cartesian_2d(time.axis(), Axis { range: 0.0..top, ticks: few_steps(top) })?;
    panel
        .configure_mesh()
        .axis_style(INK)
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .label_style(font(15))
        .y_label_formatter(&|value| with_commas(*value))
        .draw()?;
    area.draw(&Text::new(title, (LABELS_LEFT, 4), font(16)))?;
    draw_restarts(&mut panel, record, time, 0.0..top)?;
    let point = |look: &Look| (time.position(look.at), value(look));
    for life in Record::lives(&record.samples) {
        panel.draw_series(LineSeries::new(life.iter().map(point), sample_style()))?;
    }
    let dot = |look: &Look| Circle::new(point(look), 4, INK.filled());
    panel.draw_series(record.quiet_points.iter().map(dot))?;
    Ok(())
}

/// A dashed line where each life of the server ends.
fn draw_restarts(panel: &mut Panel, record: &Record, time: Time, height: Range<f64>) -> Drawn {
    for exit in &record.exits {
        let x = time.position(exit.at);
        let points = [(x, height.start), (x, height.end)];
        panel.draw_series(DashedLineSeries::new(points, 4, 4, restart_style()))?;
    }
    Ok(())
}

/// A row for each fault, with a bar for each time that it was there.
fn draw_faults(area: &Area, record: &Record, time: Time) -> Drawn {
    let rows = f64::from(u32::try_from(Fault::ALL.len())?);
    let middles: Vec<f64> = (0..).map(|row| f64::from(row) + 0.5).take(Fault::ALL.len()).collect();
    let mut panel = ChartBuilder::on(area)
        .margin_top(6)
        .margin_right(RIGHT_MARGIN)
        .margin_bottom(10)
        .x_label_area_size(48)
        .y_label_area_size(LABELS_WIDTH)
        .build_cartesian_2d(time.axis(), Axis { range: 0.0..rows, ticks: middles })?;
    panel
        .configure_mesh()
        .axis_style(INK)
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .label_style(font(15))
        .axis_desc_style(font(16))
        .x_desc(time.label)
        .x_label_formatter(&|value| with_commas(*value))
        .y_label_formatter(&|middle| fault_at(*middle).map_or("", Fault::name).to_string())
        .draw()?;
    draw_restarts(&mut panel, record, time, 0.0..rows)?;
    let shortest = time.end * SPAN_MIN_PIXELS / f64::from(WIDTH - LABELS_WIDTH - RIGHT_MARGIN);
    for (row, fault) in (0..).zip(Fault::ALL) {
        let top = rows - f64::from(row) - 0.25;
        let bars = record.faults.iter().filter(|span| span.fault == fault).map(|span| {
            let from = time.position(span.from);
            let to = time.position(span.to).max(from + shortest);
            Rectangle::new([(from, top), (to, top - 0.5)], fault_colour(fault).filled())
        });
        panel.draw_series(bars)?;
    }
    Ok(())
}

/// The first fault is in the uppermost row.
fn fault_at(middle: f64) -> Option<Fault> {
    let rows = (0..).map(|row| f64::from(row) + 0.5).zip(Fault::ALL.into_iter().rev());
    rows.into_iter().find(|(at, _)| (at - middle).abs() < 0.1).map(|(_, fault)| fault)
}

/// What lines and dots mean, at the right above the first panel.
fn draw_legend(area: &Area) -> Drawn {
    const Y: i32 = 12;
    let left = Pos::new(HPos::Left, VPos::Center);
    let words = |text, x| Text::new(text, (x, Y), font(14).pos(left));
    area.draw(&PathElement::new([(420, Y), (450, Y)], sample_style()))?;
    area.draw(&words("each second", 458))?;
    area.draw(&Circle::new((572, Y), 4, INK.filled()))?;
    area.draw(&words("quiet point: no connection open", 582))?;
    area.draw(&PathElement::new([(828, Y), (834, Y)], restart_style()))?;
    area.draw(&PathElement::new([(838, Y), (844, Y)], restart_style()))?;
    area.draw(&PathElement::new([(848, Y), (854, Y)], restart_style()))?;
    area.draw(&words("SIGTERM", 862))?;
    Ok(())
}

fn sample_style() -> ShapeStyle {
    colour(REACTOR).stroke_width(2)
}

fn restart_style() -> ShapeStyle {
    RGBColor(110, 116, 128).stroke_width(1)
}

fn fault_colour(fault: Fault) -> RGBColor {
    match fault {
        Fault::Stopped => RGBColor(55, 90, 170),
        Fault::Signals => RGBColor(120, 90, 190),
        Fault::LogUnread => RGBColor(222, 122, 34),
        Fault::FewDescriptors => RGBColor(60, 150, 70),
    }
}

/// Every other one of the round numbers, where all of them would stand too close.
fn few_steps(top: f64) -> Vec<f64> {
    let steps = even_steps(top);
    let every = if steps.len() > 5 { 2 } else { 1 };
    steps.into_iter().step_by(every).collect()
}

#[allow(clippy::cast_precision_loss)] // Below 2^52 bytes nothing is lost.
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
