//! The start, and the way out: the main thread takes signals and calls nothing that can block, so that
//! a signal ends the process whatever the others are doing.

use std::io;
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use echo_common::settings::Settings;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::{Handle, Signals};

use crate::board::Board;
use crate::config::Config;
use crate::{log_events, site, threads, watch};

/// How long the last line may take, if nobody reads the log.
const LAST_LINE_GRACE: Duration = Duration::from_millis(100);

/// Catches the signals that end the program. A signal that comes before [`run`] is not lost. A log that
/// has reached a limit on the size of files ends nothing: the signal that comes with that is ignored.
///
/// # Errors
/// The system has no descriptor left.
pub fn catch_signals() -> io::Result<Signals> {
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    Signals::new([SIGTERM, SIGINT])
}

/// Serves the page until a signal. Browsers that read it see the end of their connections.
///
/// # Errors
/// The system has no thread left.
pub fn run(settings: Settings<Config>, mut signals: Signals) -> io::Result<ExitCode> {
    let end = signals.handle();
    threads::start("start", move || start_or_end(&settings, &end))?;
    match signals.forever().next() {
        // The start has failed.
        None => Ok(ExitCode::FAILURE),
        Some(signal) => {
            say_last_line(signal)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Ends the main thread's wait for signals if nothing can be served.
fn start_or_end(settings: &Settings<Config>, end: &Handle) {
    if start(settings).is_none() {
        end.close();
    }
}

/// Starts all threads; `None` after a line that says why that is impossible.
fn start(settings: &Settings<Config>) -> Option<()> {
    for note in &settings.notes {
        log_events::note(note);
    }
    log_events::configuration(&settings.summary());
    let config = &settings.section;
    let listening = TcpListener::bind(config.listen)
        .and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) =
        listening.map_err(|error| log_events::cannot_listen(config.listen, &error)).ok()?;
    let board = Arc::new(Board::new(config.servers.iter().map(ToString::to_string)));
    watch::start(&config.servers, &board)
        .and_then(|()| site::start(listener, board))
        .map_err(|error| log_events::no_thread(&error))
        .ok()?;
    log_events::serving(address);
    Some(())
}

/// A thread writes it, because a write to the log may block.
fn say_last_line(signal: i32) -> io::Result<()> {
    let (done, is_done) = mpsc::channel();
    threads::start("last line", move || {
        log_events::stopped(signal);
        let _ = done.send(());
    })?;
    // Too late is no failure: the line is lost.
    let _ = is_done.recv_timeout(LAST_LINE_GRACE);
    Ok(())
}
