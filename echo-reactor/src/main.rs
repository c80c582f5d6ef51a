//! Settings, logger, listener, reactor, exit code; everything else is in the library.

use std::net::SocketAddr;
use std::panic;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use echo_common::arguments::{Arguments, Program};
use echo_common::logger::{self, Target};
use echo_common::settings::Settings;
use echo_common::{fail, tell_unless_logged};
use echo_reactor::config::{Config, Service};
use echo_reactor::descriptors;
use echo_reactor::linux::Linux;
use echo_reactor::log_events;
use echo_reactor::log_outlet::LogOutlet;
use echo_reactor::memory;
use echo_reactor::reactor::{Exit, Identity, Reactor};
use echo_watch::Sight;

const PROGRAM: Program = Program {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    summary: "answers each client with its own message; one thread, one epoll, many clients",
    environment_prefix: "SERVER",
    switches: echo_watch::SWITCHES,
    signals_and_exit_codes: "\
Signals:
  SIGTERM, SIGINT, SIGHUP  Answer what has arrived, close every connection and exit; what is left at
                           drain_timeout is aborted. A second signal exits at once, unless it comes
                           within 30 ms of the first. With drain_delay, the server goes on for
                           so long before all this; a second signal ends the delay only
  SIGUSR1                  Log what the server has done and does, in some ten lines
  SIGUSR2                  Nothing

Exit codes:
  0    After a signal. --health: the server serves. --watch: the server has left, or a signal came
  1    The server cannot start, usually because it cannot listen. --health: the server does not serve.
       --watch: there is nothing to watch
  2    The command line or the configuration makes no sense
  143  After a second signal, SIGTERM; 130 after SIGINT, 129 after SIGHUP",
};

fn main() -> ExitCode {
    run().unwrap_or_else(|code| code)
}

fn run() -> Result<ExitCode, ExitCode> {
    let arguments = echo_common::read_arguments::<Config>(&PROGRAM)?;
    match Sight::asked_for(&arguments.switches) {
        Some(sight) => look(sight, arguments),
        None => run_server(arguments),
    }
}

/// Looks at a server that runs already. By its own settings it is found.
fn look(sight: Sight, arguments: Arguments) -> Result<ExitCode, ExitCode> {
    let settings = echo_common::read_settings::<Config>(&PROGRAM, arguments, |_| Vec::new())?;
    let seen = echo_watch::look(sight, settings.section.status());
    seen.map(|()| ExitCode::SUCCESS).map_err(|trouble| fail(&PROGRAM, &trouble))
}

fn run_server(arguments: Arguments) -> Result<ExitCode, ExitCode> {
    let log = LogOutlet::to_stderr();
    // Signals come first: PID 1 of a container does not get a signal that it has no handler for.
    let linux = Linux::new(log.clone()).map_err(|error| fail(&PROGRAM, &error))?;
    let settings = echo_common::read_settings(&PROGRAM, arguments, examine)?;
    let target = Target::Pipe(Box::new(log.clone()));
    logger::init(&settings.log.level, settings.log.format, target);
    finish_log_on_panic(log.clone());
    let code = serve(linux, &settings);
    log.finish();
    Ok(code)
}

/// Warnings about settings that do not fit this machine.
fn examine(config: &Config) -> Vec<String> {
    let Service { rules, connections_max, .. } = config.service(true, 0);
    let shortages =
        [descriptors::shortage(connections_max), memory::shortage(&rules, connections_max)];
    shortages.into_iter().flatten().collect()
}

fn serve(mut linux: Linux, settings: &Settings<Config>) -> ExitCode {
    for note in &settings.notes {
        log_events::note(note);
    }
    log_events::configuration(&settings.summary());
    let config = &settings.section;
    let service =
        config.service(log_events::messages_are_logged(), settings.log.message_lines_per_second);
    descriptors::make_room(service.connections_max);
    let address = match linux.listen(config.address(), config.listen_backlog) {
        Ok(address) => address,
        Err(error) => return cannot_start(&log_events::cannot_listen(config.address(), &error)),
    };
    log_events::listening(address);
    if let Some(status) = config.status() {
        match linux.listen_for_watchers(status) {
            Ok(address) => log_events::listening_for_watchers(address),
            Err(error) => {
                return cannot_start(&log_events::cannot_listen_for_watchers(status, &error));
            }
        }
    }
    match Reactor::new(linux, service).introduced(identity(address)).run() {
        Exit::Drained => ExitCode::SUCCESS,
        Exit::Forced(signal) => ExitCode::from(signal.exit_code()),
    }
}

/// The log has told the reason. Where it is off, stderr tells it all the same.
fn cannot_start(reason: &str) -> ExitCode {
    tell_unless_logged(log_events::errors_are_logged(), PROGRAM.name, reason);
    ExitCode::FAILURE
}

/// Who the server is, for those who watch it.
fn identity(address: SocketAddr) -> Identity {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Identity {
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        address: address.to_string(),
        started,
    }
}

/// Makes a panic write out the log first, because the log tells what led to it.
fn finish_log_on_panic(log: LogOutlet) {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        log.finish();
        report(info);
    }));
}
