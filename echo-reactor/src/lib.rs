//! An echo server that is a hand-written, readiness-based, single-threaded reactor.
//!
//! # Reading order
//!
//! | module | what it answers |
//! |---|---|
//! | [`echo`] | what a message is and what it is answered with; bytes in, bytes out |
//! | [`connection`] | how one socket gets its messages answered, whatever its peer does |
//! | [`reactor`] | how one thread serves them all: the turn of the loop |
//! | [`source`] | what can wake the loop |
//! | [`acceptor`] | when to accept, pause, and go on |
//! | [`deadlines`] | how time runs out without a timer for each message |
//! | [`signals`] | how a drain begins, and how it is cut short |
//! | [`kernel`] | all that the reactor asks of the operating system |
//! | [`linux`] | the real answers: epoll through mio, sockets, signals as events |
//! | [`log_outlet`] | how the log gets out without anyone waiting for its reader |
//! | [`log_events`] | every line of the log |
//! | [`config`], [`descriptors`], [`peer`] | settings, the descriptor limit, a peer's address |
//!
//! # Who knows whom
//!
//! `reactor` knows `acceptor`, `connection`, `deadlines` and the kernel's traits, never `linux`;
//! `connection` knows `echo` and the socket's trait, but neither the poll nor the log; `echo`,
//! `deadlines` and `source` know no sibling. `config` knows what it makes; `log_events` knows what
//! it names.

#![warn(missing_docs)]

pub mod acceptor;
pub mod config;
pub mod connection;
pub mod deadlines;
pub mod descriptors;
pub mod drain;
pub mod echo;
pub mod kernel;
pub mod linux;
pub mod log_events;
pub mod log_outlet;
pub mod memory;
pub mod message_log;
pub mod peer;
pub mod reactor;
#[cfg(test)]
mod scripted;
pub mod signals;
pub mod source;
pub mod work;
