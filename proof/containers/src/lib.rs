//! What the tests of the scripts and of the environment share.

// A kit for tests is no public API: a test that fails panics, and every function may.
#![allow(clippy::missing_panics_doc, clippy::must_use_candidate, clippy::return_self_not_must_use)]

mod environment;
mod guardian;
mod run;
mod shared;

pub use environment::{Environment, wait_until, with_clients};
pub use run::{Output, checkout, command, is_like, run, script};
pub use shared::{Shared, Turn};
