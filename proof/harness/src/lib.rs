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

pub const MEGABYTE: usize = 1024 * 1024;

pub mod child;
pub mod command;
pub mod interrupt;
pub mod log_lines;
pub mod peer;
pub mod ports;
pub mod proc;
pub mod process;
pub mod scratch;
pub mod server;
pub mod sockets;
pub mod strace;
pub mod stuck_peer;
pub mod wait;
