//! Ctrl-C and SIGTERM in a proof that runs for long: a flag at which every wait looks.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};

static CAME: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From here on a signal sets the flag. Its default action would leave servers behind.
pub fn watch() -> io::Result<()> {
    let came = CAME.get_or_init(Arc::default);
    signal_hook::flag::register(SIGINT, Arc::clone(came))?;
    signal_hook::flag::register(SIGTERM, Arc::clone(came))?;
    Ok(())
}

pub fn has_come() -> bool {
    CAME.get().is_some_and(|came| came.load(Ordering::Relaxed))
}

/// Fails once a signal has come, so that `?` leads out through the guards that stop the servers.
pub fn check() -> io::Result<()> {
    if has_come() {
        // Not `ErrorKind::Interrupted`, which many callers take for "try again".
        return Err(io::Error::other("interrupted"));
    }
    Ok(())
}
