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
    /// The options that only this program has, and that set no key.
    pub switches: &'static [Switch],
    /// What signals and exit codes mean; the last part of `--help`.
    pub signals_and_exit_codes: &'static str,
}

/// An option without a value, by which a program does something else than usual.
#[derive(Debug, PartialEq, Eq)]
pub struct Switch {
    /// Its name, without `--`.
    pub name: &'static str,
    /// The switch without which it means nothing. Of the switches that belong to the same one, or to
    /// none, a command line has at most one.
    pub of: Option<&'static str>,
    /// One sentence for `--help`, without a full stop.
    pub sentence: &'static str,
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
    /// The names of the program's own switches that are there, without `--`.
    pub switches: Vec<&'static str>,
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
/// An unknown option, an argument that is no option, a missing value, an empty path, switches that do
/// not go together.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    settings: &[String],
    switches: &'static [Switch],
) -> Result<Arguments, UsageError> {
    let mut parser = lexopt::Parser::from_iter(arguments);
    let config = PathBuf::from(DEFAULT_CONFIG_PATH);
    let (flags, present) = (Vec::new(), Vec::new());
    let mut parsed = Arguments { request: Request::Run, config, flags, switches: present };
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
            Long(name) => match switches.iter().find(|switch| switch.name == name) {
                Some(switch) => parsed.switches.push(switch.name),
                None => return Err(unknown(name, switches, settings)),
            },
            other => return Err(other.unexpected().into()),
        }
    }
    if parsed.config.as_os_str().is_empty() {
        return Err(UsageError("the path after --config is empty".to_owned()));
    }
    check_switches(&parsed.switches, switches)?;
    Ok(parsed)
}

/// Whether the switches that are present go together.
fn check_switches(present: &[&str], all: &[Switch]) -> Result<(), UsageError> {
    let mut seen: Vec<&Switch> = Vec::new();
    for switch in all.iter().filter(|switch| present.contains(&switch.name)) {
        let Switch { name, of, .. } = switch;
        if let Some(needed) = of.filter(|needed| !present.contains(needed)) {
            return Err(UsageError(format!("--{name} needs --{needed}")));
        }
        if let Some(other) = seen.iter().find(|other| other.of == *of) {
            return Err(UsageError(format!("--{} and --{name} exclude each other", other.name)));
        }
        seen.push(switch);
    }
    Ok(())
}

fn unknown(name: &str, switches: &[Switch], settings: &[String]) -> UsageError {
    let own = ["config", "check", "version", "help"];
    let switches = switches.iter().map(|switch| switch.name);
    let known = own.into_iter().chain(switches).chain(settings.iter().map(String::as_str));
    let known: Vec<String> = known.map(|flag| format!("--{flag}")).collect();
    UsageError(format!("unknown option --{name}; known: {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWITCHES: &[Switch] = &[
        Switch { name: "health", of: None, sentence: "" },
        Switch { name: "watch", of: None, sentence: "" },
        Switch { name: "lines", of: Some("watch"), sentence: "" },
        Switch { name: "follow", of: Some("watch"), sentence: "" },
    ];

    fn parse_words(words: &str) -> Result<Arguments, String> {
        let settings = ["port", "log-level"].map(str::to_owned);
        let words = words.split(' ').map(OsString::from);
        parse(words, &settings, SWITCHES).map_err(|error| error.to_string())
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
            let (config, flags, switches) = (config.into(), Vec::new(), Vec::new());
            let expected = Arguments { request, config, flags, switches };
            assert_eq!(parse_words(words), Ok(expected), "{words}");
        }
    }

    #[test]
    fn switches_stand_in_any_order() {
        for (words, switches) in [
            ("echo --health", &["health"][..]),
            ("echo --watch", &["watch"]),
            ("echo --lines --port 1 --watch", &["lines", "watch"]),
            ("echo --watch --watch --follow", &["watch", "watch", "follow"]),
        ] {
            assert_eq!(parse_words(words).map(|parsed| parsed.switches), Ok(switches.to_vec()));
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
                "unknown option --prot; known: --config, --check, --version, --help, --health, --watch, \
                 --lines, --follow, --port",
            ),
            ("echo -x", "-x"),
            ("echo extra", "extra"),
            ("echo --config", "--config"),
            ("echo --config=", "--config"),
            ("echo --check=yes", "--check"),
            ("echo --port", "--port"),
            ("echo --lines", "--lines needs --watch"),
            ("echo --health --follow", "--follow needs --watch"),
            ("echo --watch --health", "--health and --watch exclude each other"),
            ("echo --watch --follow --lines", "--lines and --follow exclude each other"),
            ("echo --watch=yes", "--watch"),
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
