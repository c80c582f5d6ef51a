//! The page of the live view: arguments, settings, log, exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use echo_common::arguments::{Arguments, Program, Switch};
use echo_common::fail;
use echo_common::logger::{self, Target};
use echo_scope::config::Config;
use echo_scope::{once, supervisor};

const ONCE: &str = "once";

const PROGRAM: Program = Program {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    summary: "shows the turns of echo servers on a page, and serves their numbers to Prometheus",
    environment_prefix: "SCOPE",
    switches: &[Switch {
        name: ONCE,
        of: None,
        sentence: "Print how each server is and how many messages it has answered, and exit",
    }],
    signals_and_exit_codes: "\
Signals:
  SIGTERM, SIGINT  Exit within half a second

Exit codes:
  0  After a signal. --once: every server has told how it is
  1  The page cannot be served, usually because the port is in use. --once: a server has not told
  2  The command line or the configuration makes no sense",
};

fn main() -> ExitCode {
    run().unwrap_or_else(|code| code)
}

fn run() -> Result<ExitCode, ExitCode> {
    let arguments = echo_common::read_arguments::<Config>(&PROGRAM)?;
    if arguments.switches.contains(&ONCE) { look(arguments) } else { serve(arguments) }
}

fn look(arguments: Arguments) -> Result<ExitCode, ExitCode> {
    let settings = echo_common::read_settings::<Config>(&PROGRAM, arguments, |_| Vec::new())?;
    let look = once::look(&settings.section.servers);
    io::stdout().write_all(look.to_string().as_bytes()).map_err(|error| fail(&PROGRAM, &error))?;
    Ok(if look.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn serve(arguments: Arguments) -> Result<ExitCode, ExitCode> {
    // First, because PID 1 of a container does not get a signal that it does not catch.
    let signals = supervisor::catch_signals().map_err(|error| fail(&PROGRAM, &error))?;
    let settings = echo_common::read_settings::<Config>(&PROGRAM, arguments, |_| Vec::new())?;
    logger::init(&settings.log.level, settings.log.format, Target::Stderr);
    supervisor::run(settings, signals).map_err(|error| fail(&PROGRAM, &error))
}
