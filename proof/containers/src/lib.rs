//! What the tests of the scripts and of the environment share.

// A kit for tests is no public API: a test that fails panics, and every function may.
#![allow(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::new_without_default,
    clippy::return_self_not_must_use
)]

mod environment;
mod guardian;
mod machine;
mod run;

pub use environment::{Environment, wait_until, with_clients};
pub use machine::{Directory, engine, run_as, run_with, script_beside};
pub use run::{Output, checkout, command, is_like, run, script, script_of};
