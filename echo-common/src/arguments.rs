//! The command line, the same for all programs.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use lexopt::Arg::{Long, Short};

use crate::repr::printable;

/// The configuration when `--config` is not given: this file in the working directory.
pub const DEFAULT_CONFIG_PATH: &str = "config.yaml";

/// What this crate has to know about a program.
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

/// What a command line says.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// What the user asks for.
    pub request: Request,
    /// Where the configuration is.
    pub config: PathBuf,
    /// The flags that set a key, without `--`, with their values.
    pub flags: Vec<(String, OsString)>,
}

/// What the user asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Run.
    Run,
    /// Check the configuration and print it.
    Check,
    /// Print the version.
    Version,
    /// Print the help.
    Help,
}

/// A command line that makes no sense. The text is one line that names the wrong part.
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

/// Reads the arguments, of which the first is the program's own name; `settings` are the flags that
/// set a key, without `--`.
///
/// `--help` and `--version` win over all that follows them. Of several paths the last counts.
///
/// # Errors
/// An unknown option, an argument that is no option, a missing value, an empty path.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    settings: &[String],
) -> Result<Arguments, UsageError> {
    let mut parser = lexopt::Parser::from_iter(arguments);
    let config = PathBuf::from(DEFAULT_CONFIG_PATH);
    let mut parsed = Arguments { request: Request::Run, config, flags: Vec::new() };
    while let Some(argument) = parser.next()? {
        match argument {
            Short('c') | Long("config") => parsed.config = parser.value()?.into(),
            Long("check") => parsed.request = Request::Check,
            Short('V') | Long("version") => {
                return Ok(Arguments { request: Request::Version, ..parsed });
            }
            Short('h') | Long("help") => return Ok(Arguments { request: Request::Help, ..parsed }),
            Long(name) if settings.iter().any(|flag| flag == name) => {
                let flag = name.to_owned();
                parsed.flags.push((flag, parser.value()?));
            }
            Long(name) => return Err(unknown(name, settings)),
            other => return Err(other.unexpected().into()),
        }
    }
    if parsed.config.as_os_str().is_empty() {
        return Err(UsageError("the path after --config is empty".to_owned()));
    }
    Ok(parsed)
}

fn unknown(name: &str, settings: &[String]) -> UsageError {
    let own = ["config", "check", "version", "help"];
    let known = own.into_iter().chain(settings.iter().map(String::as_str));
    let known: Vec<String> = known.map(|flag| format!("--{flag}")).collect();
    UsageError(format!("unknown option --{name}; known: {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &str) -> Result<Arguments, String> {
        let settings = ["port", "log-level"].map(str::to_owned);
        parse(words.split(' ').map(OsString::from), &settings).map_err(|error| error.to_string())
    }

    #[test]
    fn every_form_of_every_option() {
        for (words, request, config) in [
            ("echo", Request::Run, "config.yaml"),
            ("echo --config a.yaml", Request::Run, "a.yaml"),
            ("echo --config=a.yaml", Request::Run, "a.yaml"),
            ("echo -c a.yaml", Request::Run, "a.yaml"),
            ("echo -ca.yaml", Request::Run, "a.yaml"),
            ("echo -c a.yaml -c b.yaml", Request::Run, "b.yaml"),
            ("echo --check", Request::Check, "config.yaml"),
            ("echo --check --config a.yaml", Request::Check, "a.yaml"),
            ("echo --config a.yaml --check", Request::Check, "a.yaml"),
            ("echo --version", Request::Version, "config.yaml"),
            ("echo -V --prot", Request::Version, "config.yaml"),
            ("echo --help", Request::Help, "config.yaml"),
            ("echo -h --check", Request::Help, "config.yaml"),
        ] {
            let expected = Arguments { request, config: config.into(), flags: Vec::new() };
            assert_eq!(parse_words(words), Ok(expected), "{words}");
        }
    }

    #[test]
    fn flags_of_settings_keep_their_order() {
        let parsed =
            parse_words("echo --port 1 --log-level=warn --check --port -1").expect("flags");
        let flags = [("port", "1"), ("log-level", "warn"), ("port", "-1")];
        assert_eq!(parsed.flags, flags.map(|(flag, value)| (flag.to_owned(), value.into())));
        assert_eq!(parsed.request, Request::Check);
    }

    #[test]
    fn a_mistake_is_named() {
        for (words, named) in [
            (
                "echo --prot",
                "unknown option --prot; known: --config, --check, --version, --help, --port",
            ),
            ("echo -x", "-x"),
            ("echo extra", "extra"),
            ("echo --config", "--config"),
            ("echo --config=", "--config"),
            ("echo --check=yes", "--check"),
            ("echo --port", "--port"),
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
