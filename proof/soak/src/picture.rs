//! Memory and descriptors over time, and below them the faults.

use std::error::Error;
use std::io;
use std::path::Path;
use std::time::Duration;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::faults::Fault;
use crate::record::{Look, Record};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

/// In pixels.
const SIZE: (u32, u32) = (960, 500);
const MEMORY_HEIGHT: u32 = 190;
const DESCRIPTORS_HEIGHT: u32 = 160;
/// Room for numbers and names on the left.
const LABELS_WIDTH: u32 = 124;
const RIGHT_MARGIN: u32 = 26;

const INK: RGBColor = RGBColor(40, 44, 52);
const FAINT: RGBColor = RGBColor(224, 226, 230);
const SERVER: RGBColor = RGBColor(200, 30, 45);

pub(crate) fn draw(record: &Record, path: &Path) -> io::Result<()> {
    let paint = || -> Drawn {
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let (memory, rest) = area.split_vertically(MEMORY_HEIGHT);
        let (descriptors, faults) = rest.split_vertically(DESCRIPTORS_HEIGHT);
        let title = "resident memory [MiB] of echo-reactor; a dot: no connection is open";
        draw_looks(&memory, record, title, |look| float(look.resident_bytes / 1024) / 1024.0)?;
        draw_looks(&descriptors, record, "open descriptors", |look| float(look.descriptors))?;
        draw_faults(&faults, record)?;
        Ok(area.present()?)
    };
    paint().map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}

fn draw_looks(area: &Area, record: &Record, title: &str, value: impl Fn(&Look) -> f64) -> Drawn {
    let looks = record.samples.iter().chain(&record.quiet_points);
    let top = looks.map(&value).fold(1.0, f64::max) * 1.1;
    let mut panel = ChartBuilder::on(area)
        .caption(title, font(16))
        .margin_right(RIGHT_MARGIN)
        .margin_bottom(6)
        .y_label_area_size(LABELS_WIDTH)
        .build_cartesian_2d(0.0..seconds(record.lasted), 0.0..top)?;
    panel
        .configure_mesh()
        .axis_style(INK)
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .label_style(font(15))
        .y_labels(5)
        .x_label_formatter(&|value| plain(*value))
        .y_label_formatter(&|value| plain(*value))
        .draw()?;
    let point = |look: &Look| (seconds(look.at), value(look));
    let line = record.samples.iter().map(point);
    panel.draw_series(LineSeries::new(line, SERVER.stroke_width(2)))?;
    let dot = |look: &Look| Circle::new(point(look), 4, INK.filled());
    panel.draw_series(record.quiet_points.iter().map(dot))?;
    Ok(())
}

/// A row for each fault, with a bar for each time that it was there.
fn draw_faults(area: &Area, record: &Record) -> Drawn {
    let rows = 0..Fault::ALL.len() - 1;
    let mut panel = ChartBuilder::on(area)
        .margin_right(RIGHT_MARGIN)
        .margin_bottom(10)
        .x_label_area_size(48)
        .y_label_area_size(LABELS_WIDTH)
        .build_cartesian_2d(0.0..seconds(record.lasted), rows.into_segmented())?;
    panel
        .configure_mesh()
        .axis_style(INK)
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .label_style(font(15))
        .x_desc("time [s]")
        .x_label_formatter(&|value| plain(*value))
        .y_label_formatter(&|row| match row {
            SegmentValue::CenterOf(row) => Fault::ALL.get(*row).map_or("", |it| it.name()).into(),
            _ => String::new(),
        })
        .draw()?;
    for (row, fault) in Fault::ALL.into_iter().enumerate() {
        let spans = record.faults.iter().filter(|span| span.fault == fault);
        let bars = spans.map(|span| {
            let ends = [span.from, span.to].map(|at| (seconds(at), SegmentValue::CenterOf(row)));
            PathElement::new(ends, SERVER.stroke_width(12))
        });
        panel.draw_series(bars)?;
    }
    Ok(())
}

/// One decimal, where it says something.
fn plain(value: f64) -> String {
    format!("{value:.1}").trim_end_matches(".0").to_string()
}

fn font(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn float(count: impl TryInto<u32>) -> f64 {
    f64::from(count.try_into().unwrap_or(u32::MAX))
}
