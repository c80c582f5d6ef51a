//! Ctrl-C and SIGTERM: a flag that every wait of the benchmark looks at.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};

static SEEN: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Takes SIGINT and SIGTERM from their default, which would leave the servers behind.
///
/// # Errors
/// Whatever the kernel says to installing a handler.
pub fn watch() -> io::Result<()> {
    let seen = SEEN.get_or_init(Arc::default);
    signal_hook::flag::register(SIGINT, Arc::clone(seen))?;
    signal_hook::flag::register(SIGTERM, Arc::clone(seen))?;
    Ok(())
}

/// Fails once a signal has come, so that `?` unwinds through the guards that stop the servers.
///
/// # Errors
/// `Interrupted` after SIGINT or SIGTERM.
pub fn check() -> io::Result<()> {
    if SEEN.get().is_some_and(|seen| seen.load(Ordering::Relaxed)) {
        // Not `ErrorKind::Interrupted`: that one means "try again" to many a caller.
        return Err(io::Error::other("interrupted"));
    }
    Ok(())
}

/// Asks `done` every `pause` until it says yes.
///
/// # Errors
/// `TimedOut` with `what` after `limit`, an interruption, or the error of `done`.
pub fn wait_until(
    what: &str,
    limit: Duration,
    pause: Duration,
    mut done: impl FnMut() -> io::Result<bool>,
) -> io::Result<()> {
    let deadline = Instant::now() + limit;
    while !done()? {
        check()?;
        if Instant::now() >= deadline {
            let text = format!("gave up after {limit:?} waiting until {what}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        std::thread::sleep(pause);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_its_condition_or_its_limit() {
        let mut asked = 0;
        let third_time = || {
            asked += 1;
            Ok(asked == 3)
        };
        wait_until("asked", Duration::from_secs(9), Duration::ZERO, third_time).unwrap();
        assert_eq!(asked, 3);

        let error = wait_until("never", Duration::ZERO, Duration::ZERO, || Ok(false)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().contains("never"));
    }
}
