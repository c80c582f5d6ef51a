//! Horizontal bars, one panel beside the other.

use std::error::Error;
use std::io;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::style::{Area, FAINT, INK, Sheet, colour, font};
use crate::statistics::Summary;

/// One bar: as long as the median, with a whisker from the smallest to the largest.
pub(super) struct Bar<'a> {
    pub(super) server: &'a str,
    pub(super) summary: Summary,
}

/// A panel.
pub(super) struct Bars<'a> {
    pub(super) title: String,
    pub(super) bars: Vec<Bar<'a>>,
}

/// Room for the servers' names, left of the bars.
const NAMES_WIDTH: i32 = 140;
/// Room for the number behind the longest bar.
const NUMBER_WIDTH: i32 = 60;
const TITLE_HEIGHT: i32 = 38;
const FOOT_HEIGHT: i32 = 46;

/// Draws the panels; `false` if there is none.
pub(super) fn draw(panels: &[Bars], unit: &str, sheet: &Sheet) -> io::Result<bool> {
    if panels.is_empty() {
        return Ok(false);
    }
    sheet.draw(|area| {
        let areas = area.split_evenly((1, panels.len()));
        for (area, panel) in areas.iter().zip(panels) {
            draw_panel(area, panel)?;
        }
        let centre = Pos::new(HPos::Center, VPos::Bottom);
        let (width, height) = area.dim_in_pixel();
        let (middle, bottom) = (i32::try_from(width / 2)?, i32::try_from(height)?);
        area.draw(&Text::new(
            format!("{unit}; median, and range of the rounds"),
            (middle, bottom - 12),
            font(16).pos(centre),
        ))?;
        Ok(())
    })?;
    Ok(true)
}

fn draw_panel(area: &Area, panel: &Bars) -> Result<(), Box<dyn Error>> {
    let (width, height) = area.dim_in_pixel();
    let (width, height) = (i32::try_from(width)?, i32::try_from(height)?);
    area.draw(&Text::new(panel.title.as_str(), (16, 8), font(16)))?;

    let longest = panel.bars.iter().map(|bar| bar.summary.max).fold(0.0, f64::max);
    let room = f64::from(width - NAMES_WIDTH - NUMBER_WIDTH);
    #[allow(clippy::cast_possible_truncation)] // A position within the picture.
    let x = |value: f64| NAMES_WIDTH + (value / longest * room).round() as i32;
    let step = (height - TITLE_HEIGHT - FOOT_HEIGHT) / i32::try_from(panel.bars.len())?;
    let thickness = (step * 3 / 5).min(28);

    let axis = [(NAMES_WIDTH, TITLE_HEIGHT), (NAMES_WIDTH, height - FOOT_HEIGHT)];
    area.draw(&PathElement::new(axis, FAINT.stroke_width(2)))?;
    for (bar, row) in panel.bars.iter().zip(0..) {
        let middle = TITLE_HEIGHT + row * step + step / 2;
        let (top, bottom) = (middle - thickness / 2, middle + thickness / 2);
        let Summary { median, min, max } = bar.summary;
        let right = Pos::new(HPos::Right, VPos::Center);
        let left = Pos::new(HPos::Left, VPos::Center);
        area.draw(&Text::new(bar.server, (NAMES_WIDTH - 10, middle), font(15).pos(right)))?;
        let shape = [(NAMES_WIDTH, top), (x(median), bottom)];
        area.draw(&Rectangle::new(shape, colour(bar.server).filled()))?;
        draw_whisker(area, (x(min), x(max)), middle)?;
        let number = (x(max.max(median)) + 8, middle);
        area.draw(&Text::new(format!("{median:.1}"), number, font(15).pos(left)))?;
    }
    Ok(())
}

/// A dark line on a light one, to be seen on bars of every colour.
fn draw_whisker(area: &Area, (from, to): (i32, i32), y: i32) -> Result<(), Box<dyn Error>> {
    for stroke in [WHITE.stroke_width(4), INK.stroke_width(2)] {
        for line in
            [[(from, y), (to, y)], [(from, y - 5), (from, y + 5)], [(to, y - 5), (to, y + 5)]]
        {
            area.draw(&PathElement::new(line, stroke))?;
        }
    }
    Ok(())
}
