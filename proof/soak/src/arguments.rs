//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

const HELP: &str = "\
Runs echo-reactor for a while under mixed load and faults at once.

Usage: echo-soak [OPTION]...

  --minutes N       how long it runs; 0.5 is half a minute (default 10)
  --server PATH     the server's program (default target/release/echo-reactor)
  --out DIR         where soak.svg goes (default target/soak)
  --help

Exit status: 0 every promise was kept, 1 one was not, or the run was interrupted, 2 wrong usage.
";

pub(crate) struct Arguments {
    pub(crate) time: Duration,
    /// The server's program.
    pub(crate) server: PathBuf,
    /// The directory of the picture.
    pub(crate) out: PathBuf,
}

/// Understands the words after the program's name; `None` if they only ask for help.
pub(crate) fn parse(
    words: impl IntoIterator<Item = OsString>,
) -> Result<Option<Arguments>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(words);
    let mut arguments = Arguments {
        time: Duration::from_secs(600),
        server: PathBuf::from("target/release/echo-reactor"),
        out: PathBuf::from("target/soak"),
    };
    while let Some(word) = parser.next()? {
        match word {
            Long("minutes") => arguments.time = time(&parser.value()?.string()?)?,
            Long("server") => arguments.server = parser.value()?.into(),
            Long("out") => arguments.out = parser.value()?.into(),
            Long("help") | Short('h') => {
                print!("{HELP}");
                return Ok(None);
            }
            _ => return Err(word.unexpected()),
        }
    }
    Ok(Some(arguments))
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

    #[test]
    fn minutes_are_a_number_within_bounds() {
        assert_eq!(time("0.5"), Ok(Duration::from_secs(30)));
        for minutes in ["", "x", "0", "-1", "nan", "inf", "1e9"] {
            assert!(time(minutes).unwrap_err().contains("from 0.1 to 10080"), "{minutes}");
        }
    }
}
