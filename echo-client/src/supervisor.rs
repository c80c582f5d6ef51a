//! The two threads: a worker that runs the main loop, and the main thread, which takes the signals.
//!
//! Some calls of the worker cannot be ended: a name lookup, a connect, a write to a log that nobody
//! reads. Even then a signal has to end the process within half a second. So the main thread calls
//! nothing that can block, and when the worker does not end in time, the process ends without it.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use echo_common::settings::Settings;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::{Handle, Signals};

use crate::config::{ClientId, Config};
use crate::round::Failure;
use crate::stop::Stop;
use crate::{log_events, main_loop};

/// How long the worker may take to close its socket and to log that.
const STOP_GRACE: Duration = Duration::from_millis(300);
/// How long the last line may take when the process ends without its worker.
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

/// Runs the main loop to its end, or until a signal.
///
/// # Errors
/// The system has no thread left.
pub fn run(settings: Settings<Config>, mut signals: Signals) -> io::Result<ExitCode> {
    let id = settings.section.id.clone();
    let stop = Arc::new(Stop::default());
    let end = EndOfSignals(signals.handle());
    let (report, result) = mpsc::channel();
    let seen_by_worker = Arc::clone(&stop);
    thread::Builder::new().name("worker".to_owned()).spawn(move || {
        let _end = end;
        let _ = report.send(work(&settings, &seen_by_worker));
    })?;
    let code = match signals.forever().next() {
        None => result.recv().ok(),
        Some(signal) => {
            stop.request(signal);
            match result.recv_timeout(STOP_GRACE) {
                Err(RecvTimeoutError::Timeout) => Some(leave_without_worker(id, signal)),
                result => result.ok(),
            }
        }
    };
    // There is no code if the worker has panicked, which it has reported.
    Ok(code.unwrap_or(ExitCode::FAILURE))
}

fn work(settings: &Settings<Config>, stop: &Stop) -> ExitCode {
    let config = &settings.section;
    for note in &settings.notes {
        log_events::note(note);
    }
    log_events::configuration(&settings.summary());
    match main_loop::run(config, stop) {
        Ok(()) => {
            log_events::finished(config);
            ExitCode::SUCCESS
        }
        Err(Failure::Stopped(stopped)) => {
            log_events::stopped(&config.id, stopped.signal);
            ExitCode::SUCCESS
        }
        Err(Failure::Unanswered(_) | Failure::Wrong(_)) => ExitCode::FAILURE,
    }
}

/// A thread writes the last line, because the worker may be stuck in a write to the log.
fn leave_without_worker(id: ClientId, signal: i32) -> ExitCode {
    let (done, is_done) = mpsc::channel();
    let _ = thread::Builder::new().spawn(move || {
        log_events::abandoned(&id, signal);
        let _ = done.send(());
    });
    let _ = is_done.recv_timeout(LAST_LINE_GRACE);
    ExitCode::SUCCESS
}

/// Ends the main thread's wait for signals when the worker ends, also by a panic.
struct EndOfSignals(Handle);

impl Drop for EndOfSignals {
    fn drop(&mut self) {
        self.0.close();
    }
}
