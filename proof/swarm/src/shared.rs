//! The engines and the stack that all tests share, one after the other.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;

use echo_harness::command::is_available;

use crate::stack::Stack;

/// A stack that is there as long as a test uses it or waits for it. A test that fails leaves new engines
/// to the next.
pub struct Shared {
    users: AtomicUsize,
    stack: Mutex<Option<Stack>>,
}

impl Shared {
    #[expect(clippy::new_without_default, reason = "a static needs a constant")]
    pub const fn new() -> Shared {
        Shared { users: AtomicUsize::new(0), stack: Mutex::new(None) }
    }

    /// The stack, for one test. Where no engines can be started there is none, and a line says so.
    pub fn take(&'static self) -> Option<Turn> {
        static CAN_START: LazyLock<bool> = LazyLock::new(can_start);
        if !*CAN_START {
            return None;
        }
        self.users.fetch_add(1, Ordering::SeqCst);
        let stack = self.stack.lock().unwrap_or_else(PoisonError::into_inner);
        let mut turn = Turn { shared: self, stack };
        turn.stack.get_or_insert_with(Stack::new);
        Some(turn)
    }
}

/// The use of the stack by one test.
pub struct Turn {
    shared: &'static Shared,
    stack: MutexGuard<'static, Option<Stack>>,
}

impl Deref for Turn {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        self.stack.as_ref().expect("there is one during a turn")
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let is_last = self.shared.users.fetch_sub(1, Ordering::SeqCst) == 1;
        if is_last || thread::panicking() {
            *self.stack = None;
        }
    }
}

/// Whether this user may make networks and start engines in them. If not, a line says so.
pub fn can_start() -> bool {
    let needed: [&[&str]; 4] = [
        &["dockerd", "--version"],
        &["docker", "--version"],
        &["unshare", "--net", "--mount", "--uts", "ip", "link", "set", "lo", "up"],
        &["nsenter", "--version"],
    ];
    needed.iter().all(|command| is_available(command))
}
