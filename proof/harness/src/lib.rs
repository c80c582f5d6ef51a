//! The kit that all proofs share.
//!
//! | module | what it is for |
//! |---|---|
//! | [`child`] | a process that never outlives this one |
//! | [`wait`] | a condition, with a limit |
//! | [`interrupt`] | Ctrl-C in a proof that runs for long |
//! | [`proc`], [`sockets`] | what the kernel tells of processes and of connections |
//! | [`ports`] | where to listen, and where to connect from |
//! | [`strace`] | system calls that fail, are late, or are counted |
//! | [`command`] | where programs are, how to start them, how to run one to its end |
//! | [`process`], [`server`] | a program with its log; the server, and how it is set up |
//! | [`log_lines`] | a log that grows: wait for a line, search the lines |
//! | [`peer`], [`stuck_peer`] | one end of a connection, and one that does not read |
//! | [`scratch`] | files of a test, pipes and terminals |
//! | [`fixture`] | what takes long to make, for all tests of a program, one after the other |
//! | [`skip`] | a test that this machine cannot run |
//! | [`terminal`] | a terminal with somebody in front of it: what is seen, what is typed |
//! | [`docs`], [`house`] | what the documents say of keys and tests; which module uses which |
//! | [`json_log`] | the log catalogue as JSON, and the document that lists its events |
//!
//! What only tests use panics when it fails. `child`, `proc`, `ports`, `interrupt`, `strace::Tracer` and
//! `wait::try_until` return errors, because the programs that use them have to clean up.

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
pub mod docs;
pub mod fixture;
pub mod house;
pub mod interrupt;
pub mod json_log;
pub mod log_lines;
pub mod peer;
pub mod ports;
pub mod proc;
pub mod process;
pub mod scratch;
pub mod server;
pub mod skip;
pub mod sockets;
pub mod strace;
pub mod stuck_peer;
pub mod terminal;
pub mod wait;
