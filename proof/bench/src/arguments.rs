//! The command line.

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::peers::Places;
use crate::processors::Processors;
use crate::results::Workload;

/// Printed by `--help`.
pub const HELP: &str = "\
Measures echo-reactor beside its peers on this machine.

Usage: echo-bench [OPTION]...

  --quick              a look in under two minutes, instead of the whole run
  --servers A,B,...    only these servers
  --workloads A,B,...  only these: stopped, closed, burst, oneshot, open, idle, beside, crowd, start,
                       stop, syscalls
  --out DIR            where results.json and the plots go, and beside it the report DIR.md (default
                       docs/performance; target/performance for a run that is quick or a part)
  --report-only        measure nothing; make report and plots from DIR/results.json
  --reactor PATH       the binary of echo-reactor (default target/release/echo-reactor)
  --peers DIR          the peers that were built (default target/bench)
  --server-cpu N       the processor of the server (default 0)
  --generator-cpu N    the processor of everything else (default 1)
  --crowd N            only gather N connections before the reactor, on a simulated kernel, and
                       print as JSON what they cost
  --list               show the servers, and what is missing for them
  --help, --version

Exit status: 0 all measured, 1 something failed or was interrupted, 2 wrong usage.
";

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Measure, and make everything of the results.
    Measure,
    /// Make everything of results that are there.
    ReportOnly,
    /// Gather a crowd of so many connections, and nothing else.
    Crowd(usize),
    /// Show the servers.
    List,
    /// Print [`HELP`].
    Help,
    /// Print the version.
    Version,
}

/// The command line, understood.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// What to do.
    pub action: Action,
    /// Whether to measure the short plan.
    pub quick: bool,
    /// The names of the servers, if not all.
    pub servers: Option<Vec<String>>,
    /// The names of the workloads, if not all.
    pub workloads: Option<Vec<String>>,
    /// The directory of the results, if it was given.
    pub out: Option<PathBuf>,
    /// Where programs are.
    pub places: Places,
    /// Where programs run.
    pub processors: Processors,
}

/// Where the results of a whole run go, which are committed.
pub const COMMITTED_RESULTS: &str = "docs/performance";

/// The name under which `--workloads` knows the counting of system calls.
pub const SYSTEM_CALLS: &str = "syscalls";

impl Arguments {
    /// Understands the words after the program's name. Paths are relative to the working directory.
    ///
    /// # Errors
    /// With what is wrong, when something is.
    pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, lexopt::Error> {
        let mut parser = lexopt::Parser::from_args(words);
        let mut arguments = Self::default();
        while let Some(word) = parser.next()? {
            match word {
                Long("quick") => arguments.quick = true,
                Long("servers") => arguments.servers = Some(names(&parser.value()?)),
                Long("workloads") => {
                    let names = names(&parser.value()?);
                    if let Some(name) = names.iter().find(|name| !is_workload(name)) {
                        return Err(format!("there is no workload '{name}'").into());
                    }
                    arguments.workloads = Some(names);
                }
                Long("out") => arguments.out = Some(parser.value()?.into()),
                Long("reactor") => arguments.places.reactor = parser.value()?.into(),
                Long("peers") => arguments.places.built = parser.value()?.into(),
                Long("server-cpu") => arguments.processors.server = parser.value()?.parse()?,
                Long("generator-cpu") => {
                    arguments.processors.generator = parser.value()?.parse()?;
                }
                Long("crowd") => {
                    let connections: NonZero<u32> = parser.value()?.parse()?;
                    arguments.action = Action::Crowd(connections.get() as usize);
                }
                Long("report-only") => arguments.action = Action::ReportOnly,
                Long("list") => arguments.action = Action::List,
                Long("help") | Short('h') => arguments.action = Action::Help,
                Long("version") | Short('V') => arguments.action = Action::Version,
                _ => return Err(word.unexpected()),
            }
        }
        Ok(arguments)
    }

    /// The directory of the results. What is quick or a part does not replace the documents that a
    /// whole run has written.
    #[must_use]
    pub fn results(&self) -> PathBuf {
        let whole = !self.quick && self.servers.is_none() && self.workloads.is_none();
        let default = if whole { COMMITTED_RESULTS } else { "target/performance" };
        self.out.clone().unwrap_or_else(|| default.into())
    }

    /// Whether this workload is wanted.
    #[must_use]
    pub fn wants(&self, workload: &str) -> bool {
        let wanted = self.workloads.as_ref();
        wanted.is_none_or(|names| names.iter().any(|name| name == workload))
    }
}

impl Default for Arguments {
    fn default() -> Self {
        let target = PathBuf::from("target");
        Self {
            action: Action::Measure,
            quick: false,
            servers: None,
            workloads: None,
            out: None,
            places: Places {
                reactor: target.join("release/echo-reactor"),
                built: target.join("bench"),
                // Scripts are run from where they stand.
                sources: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/peers")),
            },
            processors: Processors { server: 0, generator: 1 },
        }
    }
}

fn is_workload(name: &str) -> bool {
    name == SYSTEM_CALLS || Workload::ALL.iter().any(|workload| workload.name() == name)
}

fn names(list: &OsString) -> Vec<String> {
    let list = list.to_string_lossy();
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, String> {
        Arguments::parse(words.iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_understood() {
        let arguments = parse(&[
            "--quick",
            "--servers=a, b",
            "--workloads",
            "burst,idle",
            "--generator-cpu",
            "3",
        ])
        .unwrap();
        assert!(arguments.quick);
        assert_eq!(arguments.servers.as_deref(), Some(&["a".to_string(), "b".into()][..]));
        assert!(arguments.wants("burst") && !arguments.wants("closed"));
        assert_eq!(arguments.processors.generator, 3);
        assert!(parse(&[]).unwrap().wants("closed"));
    }

    #[test]
    fn only_a_whole_run_replaces_the_documents() {
        let results = |words: &[&str]| parse(words).unwrap().results();
        assert_eq!(results(&[]), PathBuf::from("docs/performance"));
        for part in [["--quick"], ["--servers=go"], ["--workloads=idle"]] {
            assert_eq!(results(&part), PathBuf::from("target/performance"));
        }
        assert_eq!(results(&["--quick", "--out", "x"]), PathBuf::from("x"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(parse(&["--workloads", "bursts"]).unwrap_err().contains("bursts"));
        assert!(parse(&["--server-cpu", "x"]).is_err());
        assert!(parse(&["stray"]).unwrap_err().contains("stray"));
    }
}
