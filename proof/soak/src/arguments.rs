//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

/// Printed by `--help`.
pub const HELP: &str = "\
Runs echo-reactor for a while under mixed load, faults and restarts at once.

Usage: echo-soak [OPTION]...

  --minutes N       for how long; 0.5 is half a minute (default 10)
  --server PATH     the server's program (default target/release/echo-reactor)
  --out DIR         where soak.svg goes (default target/soak)
  --help, --version

Exit status: 0 nothing was lost and all is flat, 1 something was not as promised, or the run was
interrupted, 2 wrong usage.
";

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The run.
    Soak,
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
    /// For how long.
    pub time: Duration,
    /// The server's program.
    pub server: PathBuf,
    /// The directory of the picture.
    pub out: PathBuf,
}

impl Arguments {
    /// Understands the words after the program's name. Paths are relative to the working directory.
    ///
    /// # Errors
    /// With what is wrong, when something is.
    pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, lexopt::Error> {
        let mut parser = lexopt::Parser::from_args(words);
        let mut arguments = Self {
            action: Action::Soak,
            time: Duration::from_secs(600),
            server: PathBuf::from("target/release/echo-reactor"),
            out: PathBuf::from("target/soak"),
        };
        while let Some(word) = parser.next()? {
            match word {
                Long("minutes") => arguments.time = time(&parser.value()?.string()?)?,
                Long("server") => arguments.server = parser.value()?.into(),
                Long("out") => arguments.out = parser.value()?.into(),
                Long("help") | Short('h') => arguments.action = Action::Help,
                Long("version") | Short('V') => arguments.action = Action::Version,
                _ => return Err(word.unexpected()),
            }
        }
        Ok(arguments)
    }
}

/// From six seconds to a week.
fn time(minutes: &str) -> Result<Duration, String> {
    let number = minutes.parse::<f64>().ok().filter(|number| (0.1..=10_080.0).contains(number));
    let number = number.ok_or_else(|| format!("{minutes:?} is no number from 0.1 to 10080"))?;
    Ok(Duration::from_secs_f64(number * 60.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, String> {
        Arguments::parse(words.iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn minutes_may_be_parts_of_one() {
        assert_eq!(parse(&["--minutes", "0.5"]).unwrap().time, Duration::from_secs(30));
        assert_eq!(parse(&[]).unwrap().time, Duration::from_secs(600));
    }

    #[test]
    fn mistakes_are_named() {
        for minutes in ["", "x", "0", "-1", "nan", "inf", "1e9"] {
            let error = parse(&["--minutes", minutes]).unwrap_err();
            assert!(error.contains("from 0.1 to 10080"), "{error}");
        }
        assert!(parse(&["--minute"]).unwrap_err().contains("--minute"));
    }
}
