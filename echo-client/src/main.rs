//! The echo client: arguments, settings, log, main loop, exit code.

use std::process::ExitCode;

use echo_client::config::Config;
use echo_client::supervisor;
use echo_common::arguments::Program;
use echo_common::fail;
use echo_common::logger::{self, Target};

const PROGRAM: Program = Program {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    summary: "sends a numbered message each period and checks the reply",
    environment_prefix: "CLI",
    switches: &[],
    signals_and_exit_codes: "\
Signals:
  SIGTERM, SIGINT  Close the socket and exit within half a second

Exit codes:
  0  All messages were answered, or a signal ended the program
  1  A message was not answered within retry_timeout, or was answered wrongly
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
