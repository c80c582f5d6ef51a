//! One life of the reactor: a seed decides its world, and a signal ends it.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::Once;

use echo_reactor::reactor::Reactor;

use crate::kernel::SimulatedKernel;
use crate::log_book;
use crate::world::{Tally, World};

/// A life that broke a promise.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) seed: u64,
    /// What the check, or the reactor itself, said.
    pub(crate) message: String,
    /// What happened until then.
    pub(crate) trace: Vec<String>,
}

thread_local! {
    static IS_LIVING: Cell<bool> = const { Cell::new(false) };
    static LAST_WORDS: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Lives the life of this seed. A life that fails is lived once more, to tell what happened.
pub(crate) fn live(seed: u64) -> Result<Tally, Box<Failure>> {
    match live_in(World::new(seed)) {
        (world, None) => Ok(world.tally),
        (_, Some(_)) => Err(tell(seed).expect_err("the same seed gives the same life")),
    }
}

/// Lives the life of this seed, and returns everything that happened.
pub(crate) fn tell(seed: u64) -> Result<Vec<String>, Box<Failure>> {
    let (world, last_words) = live_in(World::new(seed).traced());
    let trace = world.trace.unwrap_or_default();
    match last_words {
        None => Ok(trace),
        Some(message) => Err(Box::new(Failure { seed, message, trace })),
    }
}

/// Returns the world after the life, and the message of the panic if a promise was broken.
fn live_in(world: World) -> (World, Option<String>) {
    keep_last_words();
    log_book::open();
    let world = Rc::new(RefCell::new(world));
    IS_LIVING.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(|| run(&world)));
    IS_LIVING.set(false);
    log_book::take();
    let world = Rc::into_inner(world).expect("all sockets are gone").into_inner();
    (world, result.is_err().then(|| LAST_WORDS.take()))
}

fn run(world: &Rc<RefCell<World>>) {
    let kernel = SimulatedKernel(Rc::clone(world));
    let service = world.borrow().settings.service();
    let mut reactor = Reactor::new(kernel, service);
    reactor.begin();
    let exit = loop {
        let exit = reactor.turn();
        world.borrow_mut().check_account(reactor.account());
        if let Some(exit) = exit {
            break exit;
        }
    };
    let mut world = world.borrow_mut();
    world.enter();
    world.check_exit(exit);
    world.settle();
    world.check_outcomes();
}

/// A panic ends a life, and its message goes into the report; the thread lives on.
fn keep_last_words() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IS_LIVING.get() {
                LAST_WORDS.set(info.to_string());
            } else {
                report(info);
            }
        }));
    });
}
