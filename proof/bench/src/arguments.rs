//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::peers;
use crate::plan::Measure;

pub(crate) const HELP: &str = "\
Measures echo-reactor beside its peers on this machine.

Usage: echo-bench [OPTION]...

  --quick              a look in under two minutes, instead of the whole run
  --servers A,B,...    only these servers
  --measures A,B,...   only these measures: burst, stream, pipeline, bulk, idle
  --against PATH       compare two builds of echo-reactor, this one and PATH, in 20 paired rounds
  --watched            compare echo-reactor that one reader watches with itself unwatched, in 20 paired rounds
  --json               compare echo-reactor that logs JSON with itself that logs text, in 20 paired rounds
  --report             measure nothing; make tables and plot of the results that are there
  --reactor PATH       the program of echo-reactor (default target/release/echo-reactor)
  --peers DIR          the peers that were built (default target/bench)
  --help

A whole run leaves its results in docs/performance, and its tables in docs/performance.md and in README.md.
A quick or partial run leaves them in target/performance.

Exit status: 0 all was measured, 1 something failed or was interrupted, 2 wrong usage.
";

/// What a run does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Print the help.
    Help,
    /// Measure all servers.
    Whole,
    /// The same, in less time.
    Quick,
    /// Make tables of the results that are there.
    Report,
    /// Compare with another build of echo-reactor.
    Against(PathBuf),
    /// Compare being watched with not being watched.
    Watched,
    /// Compare a log of JSON with one of text.
    Json,
}

pub(crate) struct Arguments {
    /// The last one on the command line; [`Task::Whole`] if there is none.
    pub(crate) task: Task,
    /// The names of the servers; all if there is none.
    pub(crate) servers: Vec<String>,
    /// What is measured; all if there is none.
    pub(crate) measures: Vec<Measure>,
    pub(crate) reactor: PathBuf,
    pub(crate) peers: PathBuf,
}

impl Arguments {
    /// Understands the words after the program's name.
    pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, lexopt::Error> {
        let mut parser = lexopt::Parser::from_args(words);
        let mut arguments = Arguments {
            task: Task::Whole,
            servers: Vec::new(),
            measures: Vec::new(),
            reactor: "target/release/echo-reactor".into(),
            peers: "target/bench".into(),
        };
        while let Some(word) = parser.next()? {
            match word {
                Long("quick") => arguments.task = Task::Quick,
                Long("watched") => arguments.task = Task::Watched,
                Long("json") => arguments.task = Task::Json,
                Long("report") => arguments.task = Task::Report,
                Long("servers") => arguments.servers = parser.value()?.parse_with(servers)?,
                Long("measures") => arguments.measures = parser.value()?.parse_with(measures)?,
                Long("against") => arguments.task = Task::Against(parser.value()?.into()),
                Long("reactor") => arguments.reactor = parser.value()?.into(),
                Long("peers") => arguments.peers = parser.value()?.into(),
                Long("help") => arguments.task = Task::Help,
                _ => return Err(word.unexpected()),
            }
        }
        Ok(arguments)
    }

    /// Whether the documents show this run.
    pub(crate) fn is_whole(&self) -> bool {
        self.task == Task::Whole && self.servers.is_empty() && self.measures.is_empty()
    }
}

fn servers(list: &str) -> Result<Vec<String>, String> {
    let known = peers::all("".as_ref(), "".as_ref());
    let server = |name: &str| {
        let is_known = known.iter().any(|peer| peer.name == name);
        is_known.then(|| name.to_string()).ok_or_else(|| format!("there is no server '{name}'"))
    };
    list.split(',').map(server).collect()
}

fn measures(list: &str) -> Result<Vec<Measure>, String> {
    let measure =
        |name| Measure::named(name).ok_or_else(|| format!("there is no measure '{name}'"));
    list.split(',').map(measure).collect()
}
