//! The picture of a run: what a message costs each server, as bars.

use std::error::Error;
use std::io;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::peers::{FAIR_FLOOR, FAIR_FLOOR_IN_BULK, FLOOR, REACTOR};
use crate::plan::Measure;
use crate::results::{Results, Summary};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

const WIDTH: u32 = 960;
/// Of a row of panels.
const HEIGHT: u32 = 450;
const FOOT_HEIGHT: u32 = 46;
const TITLE_HEIGHT: i32 = 38;
/// Room for the servers' names, left of the bars.
const NAMES_WIDTH: i32 = 140;
/// Room for the number behind the longest bar.
const NUMBER_WIDTH: i32 = 60;

const INK: RGBColor = RGBColor(40, 44, 52);
const FAINT: RGBColor = RGBColor(224, 226, 230);

/// A measure: a bar for each server.
struct Panel<'a> {
    title: String,
    bars: Vec<(&'a str, Summary)>,
}

/// Draws what was measured, in the first case of each measure.
pub(crate) fn draw(results: &Results, path: &Path) -> io::Result<()> {
    let panels: Vec<_> = [
        (Measure::Burst, "Burst, a connection for each message [µs]"),
        (Measure::Stream, "Stream, persistent connections [µs]"),
        (Measure::Pipeline, "Pipeline, many messages at once [ns]"),
        (Measure::Bulk, "Bulk, a gigabyte [s]"),
    ]
    .into_iter()
    .filter_map(|(measure, title)| panel(results, measure, title))
    .collect();
    if panels.is_empty() {
        return Ok(());
    }
    let rows = panels.len().div_ceil(2);
    let height = HEIGHT * u32::try_from(rows).unwrap_or(1);
    let draw = || -> Drawn {
        let area = SVGBackend::new(path, (WIDTH, height + FOOT_HEIGHT)).into_drawing_area();
        area.fill(&WHITE)?;
        let (body, foot) = area.split_vertically(height);
        for (area, panel) in body.split_evenly((rows, panels.len().min(2))).iter().zip(&panels) {
            draw_panel(area, panel)?;
        }
        let middle = (i32::try_from(WIDTH / 2)?, 12);
        let text = "CPU time of the server for a message, or for a gigabyte: median, and range of the rounds";
        foot.draw(&Text::new(text, middle, font(16).pos(Pos::new(HPos::Center, VPos::Top))))?;
        Ok(area.present()?)
    };
    draw().map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}

fn panel<'a>(results: &'a Results, measure: Measure, title: &str) -> Option<Panel<'a>> {
    let case = *results.cases(measure).first()?;
    let bar = |server: &'a str| Some((server, results.summary(measure, case, server)?));
    // The cost of a log is another question.
    let servers = results.servers().into_iter().filter(|server| !server.ends_with("-info"));
    let bars = servers.filter_map(bar).collect();
    Some(Panel { title: format!("{title}: {case}"), bars })
}

fn draw_panel(area: &Area, panel: &Panel) -> Drawn {
    let (width, height) = area.dim_in_pixel();
    let (width, height) = (i32::try_from(width)?, i32::try_from(height)?);
    area.draw(&Text::new(panel.title.as_str(), (16, 12), font(16)))?;

    let longest = panel.bars.iter().map(|(_, summary)| summary.max).fold(0.0, f64::max);
    let room = f64::from(width - NAMES_WIDTH - NUMBER_WIDTH);
    #[allow(clippy::cast_possible_truncation)] // A position within the picture.
    let x = |value: f64| NAMES_WIDTH + (value / longest * room).round() as i32;
    let step = (height - TITLE_HEIGHT) / i32::try_from(panel.bars.len())?;
    let thickness = (step * 3 / 5).min(28);

    let axis = [(NAMES_WIDTH, TITLE_HEIGHT), (NAMES_WIDTH, height)];
    area.draw(&PathElement::new(axis, FAINT.stroke_width(2)))?;
    for ((server, Summary { median, min, max }), row) in panel.bars.iter().zip(0..) {
        let middle = TITLE_HEIGHT + row * step + step / 2;
        let right = font(15).pos(Pos::new(HPos::Right, VPos::Center));
        let left = font(15).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(*server, (NAMES_WIDTH - 10, middle), right))?;
        let bar = [(NAMES_WIDTH, middle - thickness / 2), (x(*median), middle + thickness / 2)];
        area.draw(&Rectangle::new(bar, colour(server).filled()))?;
        draw_whisker(area, (x(*min), x(*max)), middle)?;
        area.draw(&Text::new(format!("{median:.2}"), (x(*max) + 8, middle), left))?;
    }
    Ok(())
}

/// From the smallest to the largest round: dark on light, to be seen on every colour.
fn draw_whisker(area: &Area, (from, to): (i32, i32), y: i32) -> Drawn {
    let ends = [from, to].map(|x| [(x, y - 5), (x, y + 5)]);
    for stroke in [WHITE.stroke_width(4), INK.stroke_width(2)] {
        for line in [[(from, y), (to, y)], ends[0], ends[1]] {
            area.draw(&PathElement::new(line, stroke))?;
        }
    }
    Ok(())
}

fn font(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// echo-reactor stands out, and so do its floors.
fn colour(server: &str) -> RGBColor {
    match server {
        REACTOR => RGBColor(200, 30, 45),
        FLOOR | FAIR_FLOOR | FAIR_FLOOR_IN_BULK => RGBColor(60, 60, 60),
        _ => RGBColor(150, 165, 185),
    }
}
