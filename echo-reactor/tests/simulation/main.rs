//! The reactor's own code, driven through thousands of lives by a simulated kernel.
//!
//! A life is one run of the server, from its first sleep to its exit, in a world that a seed
//! decides: settings, peers, signals, and faults. The world checks every call of the
//! reactor, every turn, and what each peer has got at the end. The same seed gives the same life.
//!
//! ```text
//! cargo test --release --test simulation                   the first 40,000 seeds
//! SEEDS=1000000 START=7 cargo test … -- --nocapture        a million from seed 7 on
//! SEED=123 cargo test … -- --nocapture                     one life, told step by step
//! SHORTEST=1 cargo test …                                  of the lives that fail, the shortest
//! ```
//!
//! # Reading order
//!
//! | module | what it answers |
//! |---|---|
//! | [`life`] | how one life goes, and how it fails |
//! | [`scenario`] | what a seed decides |
//! | [`world`] | the state of everything outside of the reactor, and what happens between two calls |
//! | [`outside`], [`peer`] | what the clients do, and what each of them is like |
//! | [`tcp`] | how one connection behaves in the kernel |
//! | [`kernel`], [`calls`] | what the reactor can call, and what each call does |
//! | [`epoll`] | how the reactor sleeps, and what wakes it |
//! | [`oracle`] | what is owed for an input, by a second implementation |
//! | [`visitors`] | who comes to the status port, and whether it is told the truth |
//! | [`ledger`] | what is known of one connection |
//! | [`checks`] | the promises |
//! | [`account`] | what the kernel saw, and whether the reactor has counted it |
//! | [`campaign`] | many lives, on all cores |
//! | [`log_book`] | what the reactor has logged |

use std::env;

mod account;
mod calls;
mod campaign;
mod checks;
mod epoll;
mod kernel;
mod ledger;
mod life;
mod log_book;
mod oracle;
mod outside;
mod peer;
mod scenario;
mod tcp;
mod visitors;
mod world;

/// A debug build is ten times slower, but it has the reactor's debug assertions.
const SEEDS_BY_DEFAULT: u64 = if cfg!(debug_assertions) { 1000 } else { 40_000 };

#[test]
fn every_life_keeps_every_promise() {
    if let Some(seed) = variable("SEED") {
        return campaign::replay(seed);
    }
    let start = variable("START").unwrap_or(0);
    let seeds = start..start + variable("SEEDS").unwrap_or(SEEDS_BY_DEFAULT);
    if variable("SHORTEST").is_some() {
        campaign::tell_shortest(seeds);
    } else {
        campaign::run(seeds);
    }
}

fn variable(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is not a number: {value}")))
}
