//! The command line, the same for both programs.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use lexopt::Arg::{Long, Short};

use crate::repr::printable;

/// Read when `--config` is not given, from the working directory.
pub const DEFAULT_CONFIG_PATH: &str = "config.yaml";

/// What the shared parts have to know of a program.
#[derive(Debug)]
pub struct Program {
    /// The name of the executable.
    pub name: &'static str,
    /// Its version, as in `Cargo.toml`.
    pub version: &'static str,
    /// One sentence for `--help`, without a full stop.
    pub summary: &'static str,
    /// What comes before `_KEY` in the names of its environment variables, for example `CLI`.
    pub environment_prefix: &'static str,
    /// What signals and exit codes mean; the last part of `--help`.
    pub signals_and_exit_codes: &'static str,
}

/// What the user asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Run with the configuration from this file.
    Run(PathBuf),
    /// Check the configuration in this file and print it.
    Check(PathBuf),
    /// Print the version.
    Version,
    /// Print the help.
    Help,
}

/// A command line that makes no sense; the text is one line that names the offending part.
#[derive(Debug)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (see --help)", printable(self.0.as_bytes()))
    }
}

impl std::error::Error for UsageError {}

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> Self {
        Self(error.to_string())
    }
}

/// Reads the arguments, of which the first is the program's own name.
///
/// `--help` and `--version` win over what stands behind them; of several paths the last counts.
///
/// # Errors
/// An unknown option, an argument that is no option, a missing or an empty path.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, UsageError> {
    let mut parser = lexopt::Parser::from_iter(arguments);
    let mut path = PathBuf::from(DEFAULT_CONFIG_PATH);
    let mut request: fn(PathBuf) -> Request = Request::Run;
    while let Some(argument) = parser.next()? {
        match argument {
            Short('c') | Long("config") => path = parser.value()?.into(),
            Long("check") => request = Request::Check,
            Short('V') | Long("version") => return Ok(Request::Version),
            Short('h') | Long("help") => return Ok(Request::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    if path.as_os_str().is_empty() {
        return Err(UsageError("the path after --config is empty".to_owned()));
    }
    Ok(request(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &str) -> Result<Request, String> {
        parse(words.split(' ').map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_form_of_every_option() {
        let run = |path: &str| Ok(Request::Run(path.into()));
        let check = |path: &str| Ok(Request::Check(path.into()));
        for (words, expected) in [
            ("echo", run("config.yaml")),
            ("echo --config a.yaml", run("a.yaml")),
            ("echo --config=a.yaml", run("a.yaml")),
            ("echo -c a.yaml", run("a.yaml")),
            ("echo -ca.yaml", run("a.yaml")),
            ("echo -c a.yaml -c b.yaml", run("b.yaml")),
            ("echo --check", check("config.yaml")),
            ("echo --check --config a.yaml", check("a.yaml")),
            ("echo --config a.yaml --check", check("a.yaml")),
            ("echo --version", Ok(Request::Version)),
            ("echo -V", Ok(Request::Version)),
            ("echo --help", Ok(Request::Help)),
            ("echo -h --check", Ok(Request::Help)),
        ] {
            assert_eq!(parse_words(words), expected, "{words}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (words, named) in [
            ("echo --prot", "--prot"),
            ("echo -x", "-x"),
            ("echo extra", "extra"),
            ("echo --config", "--config"),
            ("echo --config=", "--config"),
            ("echo --check=yes", "--check"),
        ] {
            let error = parse_words(words).expect_err(words);
            assert!(error.contains(named), "{words}: {error}");
            assert!(error.ends_with("(see --help)"), "{words}: {error}");
        }
    }

    #[test]
    fn the_error_stays_on_one_line() {
        let error = parse_words("echo --a\nb").expect_err("unknown option");
        assert!(!error.contains('\n'), "{error}");
    }
}
