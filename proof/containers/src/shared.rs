//! The environment that the tests of one program share, one after the other.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use echo_harness::skip;

use crate::environment::Environment;
use crate::run::{command, try_run};

/// An environment that exists as long as a test uses it or waits for it. After a test that has failed, the
/// next test gets a new one.
#[derive(Default)]
pub struct Shared {
    users: AtomicUsize,
    environment: Mutex<Option<Environment>>,
}

impl Shared {
    pub const fn new() -> Shared {
        Shared { users: AtomicUsize::new(0), environment: Mutex::new(None) }
    }

    /// The environment, for one test. `None` where no engine answers; a line says so.
    pub fn take(&'static self) -> Option<Turn> {
        static ENGINE_ANSWERS: LazyLock<bool> = LazyLock::new(engine_answers);
        if !*ENGINE_ANSWERS {
            skip::say("no Docker engine answers", "");
            return None;
        }
        self.users.fetch_add(1, Ordering::SeqCst);
        let environment = self.environment.lock().unwrap_or_else(PoisonError::into_inner);
        let mut turn = Turn { shared: self, environment };
        turn.environment.get_or_insert_with(Environment::new);
        Some(turn)
    }
}

/// The use of the environment by one test.
pub struct Turn {
    shared: &'static Shared,
    environment: MutexGuard<'static, Option<Environment>>,
}

impl Deref for Turn {
    type Target = Environment;

    fn deref(&self) -> &Environment {
        self.environment.as_ref().expect("there is one during a turn")
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let is_last = self.shared.users.fetch_sub(1, Ordering::SeqCst) == 1;
        if is_last || thread::panicking() {
            *self.environment = None;
        }
    }
}

fn engine_answers() -> bool {
    let info = try_run(command("docker").arg("info"), Duration::from_secs(20), |_| ());
    info.is_ok_and(|output| output.code == Some(0))
}
