//! Settings, logger, listener, reactor, exit code; everything else is in the library.

use std::panic;
use std::process::ExitCode;

use echo_program::arguments::Program;
use echo_program::logger::{self, Target};
use echo_program::settings::Settings;
use echo_reactor::config::Config;
use echo_reactor::descriptors;
use echo_reactor::linux::Linux;
use echo_reactor::log_events;
use echo_reactor::log_outlet::LogOutlet;
use echo_reactor::reactor::{Exit, Reactor};

const PROGRAM: Program = Program {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    summary: "An echo server: one thread, one epoll, many clients",
    environment_prefix: "SERVER",
    signals_and_exit_codes: "\
SIGTERM, SIGINT  Answers what has arrived, closes every connection, and exits 0; what is left at
                 drain_timeout is aborted. A second signal exits at once with 128 + its number.

Exit codes: 0 after a signal, 1 if it can't listen, 2 for a mistake in the arguments or settings.
",
};

fn main() -> ExitCode {
    let settings = match echo_program::start::<Config>(&PROGRAM) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let log = LogOutlet::to_stderr();
    logger::init(&settings.log_filter, Target::Pipe(Box::new(log.clone())));
    finish_log_on_panic(log.clone());
    let code = serve(&settings, log.clone());
    log.finish();
    code
}

fn serve(settings: &Settings<Config>, log: LogOutlet) -> ExitCode {
    log_events::configuration(&settings.summary());
    settings.notes.iter().for_each(|note| log_events::note(note));
    let config = &settings.section;
    let limits = config.limits();
    if let Err(shortage) = descriptors::make_room(limits.connections_max) {
        log_events::descriptors_are_short(limits.connections_max, shortage);
    }
    let mut linux = match Linux::new(log) {
        Ok(linux) => linux,
        Err(error) => {
            log_events::cannot_start(&error);
            return ExitCode::FAILURE;
        }
    };
    match linux.listen(config.address(), config.listen_backlog) {
        Ok(address) => log_events::listening(address),
        Err(error) => {
            log_events::cannot_listen(config.address(), &error);
            return ExitCode::FAILURE;
        }
    }
    match Reactor::new(linux, limits, config.desk()).run() {
        Exit::Drained => ExitCode::SUCCESS,
        Exit::Forced(signal) => ExitCode::from(signal.exit_code()),
    }
}

/// What led to a panic must be read before the panic itself.
fn finish_log_on_panic(log: LogOutlet) {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        log.finish();
        report(info);
    }));
}
