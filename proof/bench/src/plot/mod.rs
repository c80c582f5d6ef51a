//! The pictures of a run, as SVG.

pub mod axis;
mod bars;
mod curves;
pub mod style;

use std::fs;
use std::io;
use std::path::Path;

use crate::peers::{PYTHON_LOGGING, REACTOR_LOGGING};
use crate::results::{Case, Results, Sample, Workload, as_f64};
use crate::statistics::{Summary, samples_of, summary};
use crate::tables::cases;
use bars::{Bar, Bars};
use curves::{Chart, Curve, Scale};
use style::Sheet;

/// A picture: its file and what it shows.
pub struct Picture {
    /// The file's name.
    pub file: &'static str,
    /// What it shows, in a sentence.
    pub caption: &'static str,
    draw: fn(&Results, &Sheet) -> Drawn,
}

/// Whether there was something to draw.
type Drawn = io::Result<bool>;

/// All pictures, in the order of a reader's questions.
pub const PICTURES: [Picture; 4] = [
    Picture {
        file: "cpu-per-message.svg",
        caption: "Server CPU per message, by server",
        draw: cpu_by_server,
    },
    Picture {
        file: "cpu-over-connections.svg",
        caption: "Server CPU per message over 1 to 10,000 active connections, closed loop",
        draw: cpu_over_connections,
    },
    Picture {
        file: "memory-over-connections.svg",
        caption: "Resident memory of the server over idle connections",
        draw: memory_over_connections,
    },
    Picture {
        file: "latency.svg",
        caption: "Latency at a fixed rate, from the intended send to the reply",
        draw: latency_distribution,
    },
];

/// Draws what these results allow; the pictures that were drawn.
///
/// # Errors
/// When a file can't be written.
pub fn draw_all(results: &Results, directory: &Path) -> io::Result<Vec<&'static Picture>> {
    let mut drawn = Vec::new();
    for picture in &PICTURES {
        let path = directory.join(picture.file);
        let sheet = Sheet { title: picture.caption, path: &path };
        if (picture.draw)(results, &sheet)? {
            drawn.push(picture);
        } else if path.exists() {
            // A picture of an earlier run would pass for one of this run.
            fs::remove_file(path)?;
        }
    }
    Ok(drawn)
}

/// Servers that belong into a picture of all: what logging costs is another question.
fn servers(results: &Results) -> impl Iterator<Item = &str> {
    let names = results.servers.iter().map(|server| server.name.as_str());
    names.filter(|name| ![REACTOR_LOGGING, PYTHON_LOGGING].contains(name))
}

fn cpu_by_server(results: &Results, sheet: &Sheet) -> Drawn {
    let bars = |case: Case| -> Vec<Bar> {
        let cost = |server| summary(&results.samples, case, server, Sample::cpu_us_per_message);
        let bar = |server| Some((server, cost(server)?));
        let bar = |server| bar(server).map(|(server, summary)| Bar { server, summary });
        servers(results).filter_map(bar).collect()
    };
    let own = cases(results, Workload::Burst).first().copied();
    let mut persistent = cases(results, Workload::Stopped).into_iter();
    let persistent = persistent.find(|case| case.message_bytes == 64);
    let mut panels = Vec::new();
    if let Some(case) = own {
        panels.push(Bars {
            title: format!("On a connection of its own (burst of {})", case.connections),
            bars: bars(case),
        });
    }
    if let Some(case) = persistent {
        panels.push(Bars {
            title: format!("On one of {} persistent connections", case.connections),
            bars: bars(case),
        });
    }
    panels.retain(|panel| !panel.bars.is_empty());
    bars::draw(&panels, "server CPU per message of 64 B [µs]", sheet)
}

/// The points of one server, through cases that share a workload.
fn points(
    results: &Results,
    server: &str,
    workload: Workload,
    x: impl Fn(&Case) -> f64,
    y: impl Fn(&Sample) -> f64,
) -> Vec<(f64, f64)> {
    let point = |case: Case| {
        let found: Option<Summary> = summary(&results.samples, case, server, &y);
        Some((x(&case), found?.median))
    };
    cases(results, workload).into_iter().filter_map(point).collect()
}

fn cpu_over_connections(results: &Results, sheet: &Sheet) -> Drawn {
    let curve = |server| Curve {
        server,
        points: points(
            results,
            server,
            Workload::Closed,
            |case| as_f64(case.connections as u64),
            Sample::cpu_us_per_message,
        ),
    };
    Chart {
        x: Scale::Logarithmic("active connections"),
        y: Scale::FromZero("server CPU per message of 64 B [µs]"),
        curves: servers(results).map(curve).collect(),
    }
    .draw(sheet)
}

fn memory_over_connections(results: &Results, sheet: &Sheet) -> Drawn {
    let curve = |server| Curve {
        server,
        points: points(
            results,
            server,
            Workload::Idle,
            |case| as_f64((case.connections + case.idle_connections) as u64),
            |sample| as_f64(sample.resident_bytes.unwrap_or(0)) / 1_048_576.0,
        ),
    };
    Chart {
        x: Scale::FromZero("open connections, 1 % of them active"),
        y: Scale::Logarithmic("resident memory [MiB]"),
        curves: servers(results).map(curve).collect(),
    }
    .draw(sheet)
}

fn latency_distribution(results: &Results, sheet: &Sheet) -> Drawn {
    let Some(case) = cases(results, Workload::Open).first().copied() else {
        return Ok(false);
    };
    let curve = |server| Curve { server, points: latency_curve(results, case, server) };
    Chart {
        x: Scale::Percentile("messages that were answered within that time"),
        y: Scale::Logarithmic("latency [µs]"),
        curves: servers(results).map(curve).collect(),
    }
    .draw(sheet)
}

/// The median of the rounds at every quantile.
fn latency_curve(results: &Results, case: Case, server: &str) -> Vec<(f64, f64)> {
    let curves: Vec<_> = samples_of(&results.samples, case, server)
        .filter_map(|sample| sample.latency.as_ref())
        .map(|latency| latency.curve.as_slice())
        .collect();
    let Some(first) = curves.first() else {
        return Vec::new();
    };
    let at = |(index, [quantile, _]): (usize, &[f64; 2])| {
        let values = curves.iter().filter_map(|curve| curve.get(index));
        Some((*quantile, Summary::of(values.map(|point| point[1]))?.median))
    };
    first.iter().enumerate().filter_map(at).collect()
}
