//! An echo server that is a hand-written, readiness-based, single-threaded reactor.
//!
//! # Reading order
//!
//! | module | what it answers |
//! |---|---|
//! | [`echo`] | what a message is and what it is answered with; bytes in, bytes out |
//! | [`connection`] | how one socket gets its messages answered, whatever its peer does |
//! | [`reactor`] | how one thread serves them all: the turn of the loop |
//! | [`work`] | how much one turn may do |
//! | [`source`] | what can wake the loop |
//! | [`acceptor`] | when to accept, pause, and go on |
//! | [`deadlines`] | how time runs out without a timer for each message |
//! | [`signals`] | which signals ask the server to leave |
//! | [`account`] | what the server counts, for those who watch |
//! | [`watchers`] | those who watch: what they ask for, and what they are sent |
//! | [`follow`] | one connection, step by step, for those who follow it |
//! | [`timing`] | how long the last turns took |
//! | [`report`] | the same for those who ask with a signal |
//! | [`drain`] | how the server leaves: how long it takes, and which signals count as one request |
//! | [`kernel`] | all that the reactor asks of the operating system |
//! | [`linux`] | the real answers: epoll through mio, sockets, signals as events |
//! | [`log_outlet`] | how the log is written without waiting for its reader |
//! | [`log_events`] | every line of the log |
//! | [`message_log`] | how many lines about single messages are logged in a second |
//! | [`config`] | the settings, as plain values |
//! | [`descriptors`], [`memory`] | whether descriptors and memory suffice for the connections |
//! | [`peer`] | a peer's address |
//!
//! # Who knows whom
//!
//! Each module uses only the modules after its colon, all of which stand below it. A test checks this.
//! `linux` stands apart: the reactor knows the traits of `kernel` only.
//!
//! ```text
//! reactor: acceptor, account, config, connection, deadlines, drain, kernel, log_events, message_log, report, signals, source, timing, watchers, work
//! report:
//! timing: account
//! descriptors: acceptor, source
//! memory: config, echo
//! acceptor: account, deadlines, kernel, log_events, peer
//! message_log: config, deadlines, log_events, peer
//! linux: deadlines, kernel, log_outlet, peer, signals, source
//! log_outlet: kernel, log_events
//! log_events: connection, peer, signals
//! watchers: deadlines, follow, kernel, source
//! connection: account, config, deadlines, drain, echo, kernel, peer, source, work
//! echo: config
//! config: work
//! drain: deadlines, signals
//! account: follow
//! follow: kernel, source
//! kernel: deadlines, peer, signals, source
//! deadlines:
//! peer:
//! signals:
//! source:
//! work:
//! ```

#![warn(missing_docs)]

pub mod acceptor;
pub mod account;
pub mod config;
pub mod connection;
pub mod deadlines;
pub mod descriptors;
pub mod drain;
pub mod echo;
pub mod follow;
pub mod kernel;
pub mod linux;
pub mod log_events;
pub mod log_outlet;
pub mod memory;
pub mod message_log;
pub mod peer;
pub mod reactor;
pub mod report;
#[cfg(test)]
mod scripted;
pub mod signals;
pub mod source;
pub mod timing;
pub mod watchers;
pub mod work;
