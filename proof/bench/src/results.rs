//! The results of a run: `results.tsv`, from which tables and plots are made.
//!
//! A line has its kind, its subject, and its values, with tabs between them.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use crate::plan::Measure;

/// Everything that a run found.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Results {
    /// When and where: name and value.
    pub(crate) facts: Vec<(String, String)>,
    /// What was left out, in sentences.
    pub(crate) notes: Vec<String>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) calls: Vec<Calls>,
}

/// What was measured of one server.
#[derive(Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) measure: Measure,
    /// The sizes, as [`Job`](crate::plan::Job) prints them.
    pub(crate) case: String,
    pub(crate) server: String,
    /// A value for each round.
    pub(crate) rounds: Vec<f64>,
}

/// The system calls of one server for a message.
#[derive(Debug, PartialEq)]
pub(crate) struct Calls {
    pub(crate) measure: Measure,
    pub(crate) server: String,
    /// The most frequent first.
    pub(crate) by_name: Vec<(String, f64)>,
}

/// The rounds of a figure, summed up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    /// The middle value; for an even number of values, the mean of the two in the middle.
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Summary {
    pub(crate) fn of(values: &[f64]) -> Summary {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let (middle, last) = (values.len() / 2, values.len() - 1);
        let median = f64::midpoint(values[last / 2], values[middle]);
        Summary { median, min: values[0], max: values[last] }
    }
}

impl Results {
    /// The servers that were measured, in the order of the tables.
    pub(crate) fn servers(&self) -> Vec<&str> {
        in_order(self.figures.iter().map(|figure| figure.server.as_str()))
    }

    /// The cases of a measure, in the order of the plan.
    pub(crate) fn cases(&self, measure: Measure) -> Vec<&str> {
        let figures = self.figures.iter().filter(|figure| figure.measure == measure);
        in_order(figures.map(|figure| figure.case.as_str()))
    }

    pub(crate) fn summary(&self, measure: Measure, case: &str, server: &str) -> Option<Summary> {
        let is_it = |figure: &&Figure| {
            figure.measure == measure && figure.case == case && figure.server == server
        };
        self.figures.iter().find(is_it).map(|figure| Summary::of(&figure.rounds))
    }

    pub(crate) fn read(path: &Path) -> io::Result<Results> {
        let text = fs::read_to_string(path)?;
        let strange = |line| io::Error::other(format!("{}: {line}", path.display()));
        let mut results = Results::default();
        for line in text.lines() {
            results.add(line).ok_or_else(|| strange(line))?;
        }
        Ok(results)
    }

    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        fs::write(path, self.to_text())
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        for (name, value) in &self.facts {
            let _ = writeln!(text, "fact\t{name}\t{value}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "note\t{note}");
        }
        for Figure { measure, case, server, rounds } in &self.figures {
            let rounds: Vec<_> = rounds.iter().map(|value| format!("{value:.3}")).collect();
            let _ = writeln!(text, "{}\t{case}\t{server}\t{}", measure.name(), rounds.join(" "));
        }
        for Calls { measure, server, by_name } in &self.calls {
            let calls = by_name.iter().map(|(name, count)| format!("{name} {count:.3}"));
            let calls: Vec<_> = calls.collect();
            let _ = writeln!(text, "calls\t{}\t{server}\t{}", measure.name(), calls.join(" "));
        }
        text
    }

    /// Takes in a line. `None` if it is not as this program writes it.
    fn add(&mut self, line: &str) -> Option<()> {
        match *line.split('\t').collect::<Vec<_>>() {
            ["fact", name, value] => self.facts.push((name.into(), value.into())),
            ["note", note] => self.notes.push(note.into()),
            ["calls", measure, server, calls] => {
                let words: Vec<_> = calls.split(' ').collect();
                let call = |pair: &[&str]| Some((pair[0].to_string(), pair.get(1)?.parse().ok()?));
                let by_name = words.chunks(2).map(call).collect::<Option<_>>()?;
                let measure = Measure::named(measure)?;
                self.calls.push(Calls { measure, server: server.into(), by_name });
            }
            [measure, case, server, rounds] => {
                let rounds = rounds.split(' ').map(|value| value.parse().ok());
                self.figures.push(Figure {
                    measure: Measure::named(measure)?,
                    case: case.into(),
                    server: server.into(),
                    rounds: rounds.collect::<Option<_>>()?,
                });
            }
            _ => return None,
        }
        Some(())
    }
}

/// Each name once, where it first appears.
fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_survive_their_file() {
        let figure = |server: &str, rounds: &[f64]| Figure {
            measure: Measure::Burst,
            case: "500 × 64 B".into(),
            server: server.into(),
            rounds: rounds.into(),
        };
        let results = Results {
            facts: vec![("kernel".into(), "Linux 6".into())],
            notes: vec!["go is skipped: not built.".into()],
            figures: vec![figure("b", &[4.5, 1.0, 2.0, 3.0]), figure("a", &[1.125])],
            calls: vec![Calls {
                measure: Measure::Stream,
                server: "a".into(),
                by_name: vec![("read".into(), 1.0), ("epoll_wait".into(), 0.018)],
            }],
        };
        let mut read = Results::default();
        results.to_text().lines().for_each(|line| read.add(line).unwrap());
        assert_eq!(read, results);
        assert_eq!(read.add("burst\t500 × 64 B\ta\tmany"), None);

        assert_eq!(results.servers(), ["b", "a"]);
        let summary = results.summary(Measure::Burst, "500 × 64 B", "b");
        assert_eq!(summary, Some(Summary { median: 2.5, min: 1.0, max: 4.5 }));
    }
}
