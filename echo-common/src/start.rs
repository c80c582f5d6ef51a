//! From the command line to settings, or to an exit code.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::arguments::{self, Arguments, Program, Request};
use crate::help;
use crate::settings::{self, Section, Settings};

/// The exit code for a command line or a configuration that makes no sense.
pub const USAGE_ERROR: u8 = 2;

/// Reads arguments, file and environment. `examine` says what the user should know of the values on
/// this machine, one line each; `--check` prints that too.
///
/// # Errors
/// There is nothing to run. Either the answer to `--check`, `--version` or `--help` has been
/// printed on stdout, or one line on stderr says what is wrong. `main` has to return the code.
pub fn start<S: Section>(
    program: &Program,
    examine: impl Fn(&S) -> Vec<String>,
) -> Result<Settings<S>, ExitCode> {
    read_settings(program, read_arguments::<S>(program)?, examine)
}

/// The first half of [`start`], for a program that has switches of its own.
///
/// # Errors
/// As [`start`]: `--version` and `--help` are answered here.
pub fn read_arguments<S: Section>(program: &Program) -> Result<Arguments, ExitCode> {
    let flags = settings::flags::<S>();
    let arguments = arguments::parse(env::args_os(), &flags, program.switches)
        .map_err(|error| refuse(program, &error))?;
    match arguments.request {
        Request::Run | Request::Check => Ok(arguments),
        Request::Version => Err(print(&format!("{} {}\n", program.name, program.version))),
        Request::Help => Err(print(&help::text::<S>(program))),
    }
}

/// The second half of [`start`].
///
/// # Errors
/// As [`start`]: `--check` is answered here.
pub fn read_settings<S: Section>(
    program: &Program,
    arguments: Arguments,
    examine: impl Fn(&S) -> Vec<String>,
) -> Result<Settings<S>, ExitCode> {
    match arguments.request {
        Request::Check => Err(check(program, arguments, examine)),
        _ => load(program, arguments, examine),
    }
}

fn load<S: Section>(
    program: &Program,
    arguments: Arguments,
    examine: impl Fn(&S) -> Vec<String>,
) -> Result<Settings<S>, ExitCode> {
    let Arguments { config, flags, .. } = arguments;
    let mut settings = settings::load(&config, program.environment_prefix, env::vars_os(), flags)
        .map_err(|error| refuse(program, &error))?;
    settings.notes.extend(examine(&settings.section));
    Ok(settings)
}

fn check<S: Section>(
    program: &Program,
    arguments: Arguments,
    examine: impl Fn(&S) -> Vec<String>,
) -> ExitCode {
    let settings = match load(program, arguments, examine) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    for note in &settings.notes {
        complain(program.name, note);
    }
    match settings.to_yaml() {
        Ok(yaml) => print(&yaml),
        Err(error) => refuse(program, &error),
    }
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn refuse(program: &Program, error: &dyn std::error::Error) -> ExitCode {
    complain(program.name, &error.to_string());
    ExitCode::from(USAGE_ERROR)
}

/// Says on stderr, in one line, why the program cannot go on. `main` has to return the code.
pub fn fail(program: &Program, error: &dyn std::error::Error) -> ExitCode {
    complain(program.name, &error.to_string());
    ExitCode::FAILURE
}

/// What ends a program with a failure has to be seen: where its log has not said it, stderr does.
pub fn tell_unless_logged(is_logged: bool, program: &str, line: &str) {
    if !is_logged {
        complain(program, line);
    }
}

/// Unlike `eprintln!` it does not panic when nobody reads stderr any more.
fn complain(program: &str, line: &str) {
    let _ = writeln!(io::stderr(), "{program}: {line}");
}
