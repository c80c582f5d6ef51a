//! Waiting for a condition.

use std::thread;
use std::time::{Duration, Instant};

/// A condition that does not come true for so long never will, even where other work takes most of
/// the machine.
pub const CEILING: Duration = Duration::from_secs(30);

const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Waits until `look` finds something. `what` completes "never saw …" if it does not.
pub fn until_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < CEILING, "never saw {what}");
        thread::sleep(LOOK_EVERY);
    }
}

/// Waits until `condition` holds.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    until_some(what, || condition().then_some(()));
}
