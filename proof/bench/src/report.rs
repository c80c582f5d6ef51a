//! The tables of a run, and the documents that show them.

use std::fs;
use std::io;
use std::path::Path;

use crate::peers::{FAIR_FLOOR, FAIR_FLOOR_IN_BULK, FLOOR};
use crate::plan::Measure;
use crate::results::{Calls, Results};

const BEGIN: &str = "<!-- Written by make bench. -->\n";
const END: &str = "<!-- End of what make bench wrote. -->\n";

/// In English and in Spanish.
const READMES: [&str; 2] = ["README.md", "README.es.md"];

/// Stands where nothing was measured.
const NOTHING: &str = "–";

/// Puts the tables into the documents of the project, between two marks.
pub(crate) fn write_documents(results: &Results) -> io::Result<()> {
    write_between_marks(Path::new("docs/performance.md"), &all(results))?;
    for readme in READMES {
        write_between_marks(Path::new(readme), &in_short(results))?;
    }
    Ok(())
}

fn write_between_marks(path: &Path, text: &str) -> io::Result<()> {
    let document = fs::read_to_string(path)?;
    let parts = document.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) =
        parts.ok_or_else(|| io::Error::other(format!("no marks in {}", path.display())))?;
    fs::write(path, format!("{before}{BEGIN}{text}{END}{after}"))
}

/// Everything that was measured, in the order of a reader's questions.
pub(crate) fn all(results: &Results) -> String {
    let facts = results.facts.iter().map(|(name, value)| vec![name.clone(), value.clone()]);
    let mut sections = vec![table(&["", ""], facts.collect())];
    if !results.notes.is_empty() {
        let notes: Vec<_> = results.notes.iter().map(|note| format!("- {note}\n")).collect();
        sections.push(notes.concat());
    }
    for measure in Measure::ALL {
        let cases = results.cases(measure);
        if !cases.is_empty() {
            let head: Vec<_> = ["server"].iter().chain(&cases).copied().collect();
            let (title, caption) = heading(measure);
            sections.push(section(title, caption, &table(&head, rows(results, measure, &cases))));
        }
    }
    if !results.calls.is_empty() {
        let rows = results.calls.iter().map(|calls| {
            let total = format!("{:.2}", total(calls));
            vec![calls.server.clone(), calls.measure.name().into(), total, by_name(calls)]
        });
        let table = table(&["server", "measure", "calls", "by name"], rows.collect());
        sections.push(section("System calls", "For a message, counted by strace.", &table));
    }
    sections.join("\n")
}

fn section(title: &str, caption: &str, table: &str) -> String {
    format!("### {title}\n\n{caption}\n\n{table}")
}

fn heading(measure: Measure) -> (&'static str, &'static str) {
    match measure {
        Measure::Burst => (
            "Burst: a message on its own connection",
            "The server's CPU time for a message, in µs.",
        ),
        Measure::Stream => (
            "Stream: a message on one of many persistent connections",
            "The server's CPU time for a message, in µs.",
        ),
        Measure::Pipeline => (
            "Pipeline: many messages at once on a persistent connection",
            "The server's CPU time for a message, in ns.",
        ),
        Measure::Bulk => ("Bulk: bytes", "The server's CPU time for a gigabyte, in s."),
        Measure::Throughput => ("Throughput in bulk", "In GB/s."),
        Measure::Idle => {
            ("Idle connections", "What each further connection adds to resident memory, in bytes.")
        }
    }
}

/// A row for each server that has a value. `4.60 ± 3 %`: the median, and half of the distance from the
/// smallest to the largest round.
fn rows(results: &Results, measure: Measure, cases: &[&str]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for server in results.servers() {
        let cells = cases.iter().map(|case| {
            let summary = results.summary(measure, case, server)?;
            let spread = (summary.max - summary.min) / summary.median * 50.0;
            Some(format!("{} ± {spread:.0} %", number(measure, summary.median)))
        });
        let cells: Vec<_> = cells.collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(|cell| cell.unwrap_or(NOTHING.into()));
            rows.push(std::iter::once(server.to_string()).chain(cells).collect());
        }
    }
    rows
}

fn number(measure: Measure, value: f64) -> String {
    let decimals = match measure {
        Measure::Burst | Measure::Stream | Measure::Bulk | Measure::Throughput => 2,
        Measure::Pipeline => 1,
        Measure::Idle => 0,
    };
    format!("{value:.decimals$}")
}

fn total(calls: &Calls) -> f64 {
    calls.by_name.iter().map(|(_, count)| count).sum()
}

fn by_name(calls: &Calls) -> String {
    let calls = calls.by_name.iter().map(|(name, count)| match count {
        0.5.. => format!("{name} {count:.2}"),
        _ => format!("{name} {count:.3}"),
    });
    calls.collect::<Vec<_>>().join(", ")
}

/// What the README shows: a line for each server with the first case of each measure, and where the run
/// was. A column in which nothing was measured is left out.
fn in_short(results: &Results) -> String {
    let servers = results.servers();
    let medians = |measure| {
        let cases = results.cases(measure);
        let median = |server: &&str| {
            Some(number(measure, results.summary(measure, cases.first()?, server)?.median))
        };
        servers.iter().map(median).collect::<Vec<_>>()
    };
    let calls = |measure| {
        let find = |server: &&str| {
            let is_it = |calls: &&Calls| calls.measure == measure && calls.server == **server;
            Some(format!("{:.2}", total(results.calls.iter().find(is_it)?)))
        };
        servers.iter().map(find).collect::<Vec<_>>()
    };
    let mut columns = vec![
        ("server", servers.iter().map(|server| Some(title(server))).collect()),
        ("burst, µs", medians(Measure::Burst)),
        ("calls", calls(Measure::Burst)),
        ("stream, µs", medians(Measure::Stream)),
        ("calls", calls(Measure::Stream)),
        ("pipeline, ns", medians(Measure::Pipeline)),
        ("bulk, s/GB", medians(Measure::Bulk)),
        ("bytes per idle connection", medians(Measure::Idle)),
    ];
    columns.retain(|(_, cells)| cells.iter().any(Option::is_some));
    let heads: Vec<_> = columns.iter().map(|(head, _)| *head).collect();
    let cell =
        |row: usize, cells: &Vec<Option<String>>| cells[row].clone().unwrap_or(NOTHING.into());
    let row = |row| columns.iter().map(|(_, cells)| cell(row, cells)).collect();
    let rows = (0..servers.len()).map(row).collect();

    let is_shown = |name| ["processors", "kernel", "rustc", "date"].contains(&name);
    let facts = results.facts.iter().filter(|(name, _)| is_shown(name.as_str()));
    let facts: Vec<_> = facts.map(|(_, value)| value.as_str()).collect();
    format!("{}\n{}.\n", table(&heads, rows), facts.join("; "))
}

fn title(server: &str) -> String {
    match server {
        FLOOR => format!("{server} (floor)"),
        FAIR_FLOOR | FAIR_FLOOR_IN_BULK => format!("{server} (fair floor)"),
        _ => server.to_string(),
    }
}

/// Markdown that can be read as it is: all columns but the last are aligned.
pub(crate) fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let rule = vec!["---".to_string(); head.len()];
    let rows: Vec<_> = [head, rule].into_iter().chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<_> = (0..rows[0].len() - 1).filter_map(width).chain([0]).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} |"));
        format!("|{}\n", cells.collect::<String>())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documents say about speed is what the committed run found.
    #[test]
    fn the_documents_show_the_committed_results() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let results = Results::read(&root.join("docs/performance/results.tsv")).unwrap();
        let (all, in_short) = (all(&results), in_short(&results));
        let readmes = READMES.map(|readme| (readme, &in_short));
        for (document, text) in readmes.into_iter().chain([("docs/performance.md", &all)]) {
            let document = fs::read_to_string(root.join(document)).unwrap();
            assert!(document.contains(&format!("{BEGIN}{text}{END}")), "make bench writes it");
        }
    }

    #[test]
    fn tables_are_aligned() {
        let rows = vec![vec!["a".into(), "17.25".into()], vec!["longer".into(), "–".into()]];
        let expected = "\
            | server | µs |\n\
            | ---    | --- |\n\
            | a      | 17.25 |\n\
            | longer | – |\n";
        assert_eq!(table(&["server", "µs"], rows), expected);
    }
}
