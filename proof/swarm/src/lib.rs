//! What the tests of the stack share.
//!
//! | module | what it is for |
//! |---|---|
//! | [`engines`] | three real engines on this machine, each on a network of its own, joined to a Swarm |
//! | [`stack`] | the stack on them, by the commands that a user has, and what the engines tell of it |
//! | [`clients`] | the clients' account: what was answered, and what went wrong on the way |

// A kit for tests is no public API: a test that fails panics, and every function may.
#![allow(clippy::missing_panics_doc, clippy::must_use_candidate, clippy::return_self_not_must_use)]

mod clients;
mod engines;
mod stack;

pub use clients::Account;
pub use stack::{CLIENTS, REPLICAS, Stack};
