//! Colours, sizes and fonts that all pictures share.

use std::error::Error;
use std::io;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::peers::{FLOOR, FLOOR_MORE, REACTOR};

/// A part of a picture.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Width of every picture in pixels of the SVG.
pub const WIDTH: u32 = 960;
/// Height of every picture in pixels of the SVG.
pub const HEIGHT: u32 = 500;
const TITLE_HEIGHT: u32 = 44;

/// The colour of words and axes.
pub const INK: RGBColor = RGBColor(40, 44, 52);
/// The colour of what helps the eye.
pub const FAINT: RGBColor = RGBColor(224, 226, 230);

/// Reactor and floor stand out; the others are told apart by hue.
#[must_use]
pub fn colour(server: &str) -> RGBColor {
    match server {
        REACTOR => RGBColor(200, 30, 45),
        FLOOR => RGBColor(30, 30, 30),
        FLOOR_MORE => RGBColor(90, 90, 90),
        "c-epoll-shutdown" => RGBColor(150, 150, 150),
        "tokio" => RGBColor(222, 122, 34),
        "libuv" => RGBColor(60, 150, 70),
        "go" => RGBColor(0, 150, 190),
        "uvloop" => RGBColor(120, 90, 190),
        "asyncio" => RGBColor(55, 90, 170),
        _ => RGBColor(150, 110, 70),
    }
}

/// A stroke of the server's line.
pub(super) fn stroke(server: &str) -> ShapeStyle {
    let width = if server == REACTOR { 6 } else { 2 };
    colour(server).stroke_width(width)
}

/// The font of a size, in pixels.
#[must_use]
pub fn font(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// Where a picture goes, and its title.
pub struct Sheet<'a> {
    /// What stands above it.
    pub title: &'a str,
    /// The file.
    pub path: &'a Path,
}

impl Sheet<'_> {
    /// Makes a white picture: the title, and below it what `draw` draws.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn draw(&self, draw: impl FnOnce(&Area) -> Result<(), Box<dyn Error>>) -> io::Result<()> {
        let paint = || -> Result<(), Box<dyn Error>> {
            let area = SVGBackend::new(self.path, (WIDTH, HEIGHT)).into_drawing_area();
            area.fill(&WHITE)?;
            let (head, body) = area.split_vertically(TITLE_HEIGHT);
            head.draw(&Text::new(self.title, (16, 16), font(19)))?;
            draw(&body)?;
            Ok(area.present()?)
        };
        paint().map_err(|error| io::Error::other(format!("{}: {error}", self.path.display())))
    }
}
