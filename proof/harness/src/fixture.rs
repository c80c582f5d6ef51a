//! What takes long to make, so that the tests of one program share it, one after the other.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

pub trait Fixture {
    /// Whether this machine can make it. If not, a line says that the test is skipped.
    fn is_possible() -> bool;

    fn make() -> Self;
}

/// A fixture that exists as long as a test uses it or waits for it. After a test that has failed, the next test gets a
/// new one.
pub struct Shared<F> {
    users: AtomicUsize,
    fixture: Mutex<Option<F>>,
}

impl<F: Fixture> Shared<F> {
    pub const fn new() -> Shared<F> {
        Shared { users: AtomicUsize::new(0), fixture: Mutex::new(None) }
    }

    /// The fixture, for one test. `None` where it is not possible.
    pub fn take(&'static self) -> Option<Turn<F>> {
        if !F::is_possible() {
            return None;
        }
        self.users.fetch_add(1, Ordering::SeqCst);
        let fixture = self.fixture.lock().unwrap_or_else(PoisonError::into_inner);
        let mut turn = Turn { shared: self, fixture };
        turn.fixture.get_or_insert_with(F::make);
        Some(turn)
    }
}

/// The use of a fixture by one test.
pub struct Turn<F: 'static> {
    shared: &'static Shared<F>,
    fixture: MutexGuard<'static, Option<F>>,
}

impl<F> Deref for Turn<F> {
    type Target = F;

    fn deref(&self) -> &F {
        self.fixture.as_ref().expect("there is one during a turn")
    }
}

impl<F> Drop for Turn<F> {
    fn drop(&mut self) {
        let is_last = self.shared.users.fetch_sub(1, Ordering::SeqCst) == 1;
        if is_last || thread::panicking() {
            *self.fixture = None;
        }
    }
}
