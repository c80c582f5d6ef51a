//! One kit for every proof: start a process, wait for a condition, read a log, look into `/proc`, be
//! a peer.

// A kit for tests is no public API: a test that fails panics, and every function may.
#![allow(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::new_without_default,
    clippy::return_self_not_must_use
)]

pub mod command;
pub mod docs;
pub mod house;
pub mod log_lines;
pub mod peer;
pub mod proc;
pub mod scratch;
pub mod server;
pub mod sockets;
pub mod stuck_peer;
pub mod wait;
