//! Waiting for a condition, with a limit.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::interrupt;

/// How long a wait may take, and how long it sleeps between two looks.
#[derive(Clone, Copy)]
pub struct Patience {
    pub limit: Duration,
    pub pause: Duration,
}

/// The patience of a test. A condition that is not true by then never will be, even on a machine that
/// is busy with other work.
pub const PATIENCE: Patience =
    Patience { limit: Duration::from_secs(60), pause: Duration::from_millis(2) };

/// Waits until `look` finds something. Fails if `look` does, if the limit is reached ("never saw
/// `what`"), or if Ctrl-C has come.
pub fn try_until<T, E: From<io::Error>>(
    what: &str,
    Patience { limit, pause }: Patience,
    mut look: impl FnMut() -> Result<Option<T>, E>,
) -> Result<T, E> {
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        interrupt::check()?;
        if start.elapsed() >= limit {
            let text = format!("never saw {what} in {limit:?}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, text).into());
        }
        thread::sleep(pause);
    }
}

/// The same for tests: panics where the other fails.
pub fn until_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let found = try_until(what, PATIENCE, || Ok::<_, io::Error>(look()));
    found.unwrap_or_else(|error| panic!("{error}"))
}

/// Waits until `condition` holds; panics if it never does.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    until_some(what, || condition().then_some(()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_its_condition_or_its_limit() {
        let mut asked = 0;
        let third_time = || {
            asked += 1;
            Ok::<_, io::Error>((asked == 3).then_some(asked))
        };
        assert_eq!(try_until("three", PATIENCE, third_time).unwrap(), 3);

        let none = Patience { limit: Duration::ZERO, pause: Duration::ZERO };
        let error = try_until("it", none, || Ok::<Option<()>, io::Error>(None)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "never saw it in 0ns");
    }
}
