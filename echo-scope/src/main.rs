//! The page of the live view: arguments, settings, log, exit code.

use std::process::ExitCode;

use echo_common::arguments::Program;
use echo_common::fail;
use echo_common::logger::{self, Target};
use echo_scope::config::Config;
use echo_scope::supervisor;

const PROGRAM: Program = Program {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    summary: "shows the turns of echo servers on a page, and serves their numbers to Prometheus",
    environment_prefix: "SCOPE",
    switches: &[],
    signals_and_exit_codes: "\
Signals:
  SIGTERM, SIGINT  Exit within half a second

Exit codes:
  0  After a signal
  1  The page cannot be served, usually because the port is in use
  2  The command line or the configuration makes no sense",
};

fn main() -> ExitCode {
    run().unwrap_or_else(|code| code)
}

fn run() -> Result<ExitCode, ExitCode> {
    // First, because PID 1 of a container does not get a signal that it does not catch.
    let signals = supervisor::catch_signals().map_err(|error| fail(&PROGRAM, &error))?;
    let settings = echo_common::start::<Config>(&PROGRAM, |_| Vec::new())?;
    logger::init(&settings.log.level, settings.log.format, Target::Stderr);
    supervisor::run(settings, signals).map_err(|error| fail(&PROGRAM, &error))
}
