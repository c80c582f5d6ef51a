//! The log catalogue: every line that the server can log, with a function for each.
//!
//! Each line is one event, and each event is one line. A line about a connection names its peer as
//! `('ip', port)`; bytes of a peer appear only as Python prints bytes, cut to [`SHOWN_MAX_BYTES`].

use std::error::Error;
use std::fmt::{self, Display};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use echo_common::repr::{AddressRepr, BytesRepr, trim_end};
use echo_common::setting::duration_text;
use log::{Level, debug, error, info, log_enabled, warn};

use crate::connection::Reason;
use crate::peer::Peer;
use crate::signals::Signal;

/// How much of a message the log shows, in bytes.
pub const SHOWN_MAX_BYTES: usize = 512;

/// Start: the settings as they take effect.
pub fn configuration(settings: &str) {
    info!("Configuration: {settings}");
}

/// Start: something about the settings that the user should know.
pub fn note(note: &str) {
    warn!("{note}");
}

/// Start: the address in use, which tells the port where the settings say 0.
pub fn listening(address: SocketAddr) {
    info!("Listening on {}", AddressRepr(address));
}

/// Accepting starts, or goes on after a pause.
pub fn proceed_to_accept() {
    info!("Proceed to accept new connections");
}

/// As many connections are open as are allowed; the others wait in the listen queue.
pub fn connection_limit_reached(limit: usize) {
    warn!("Accepting pauses: the limit of {limit} connections is reached");
}

/// The kernel can't give one more connection.
pub fn accepting_paused(error: &io::Error) {
    warn!("Accepting pauses: {error}");
}

/// A connection that was in the queue is gone before it was accepted.
pub fn connection_gone(error: &io::Error) {
    debug!("A connection was gone before it was accepted: {error}");
}

/// A connection is accepted.
pub fn got_connection(peer: Peer) {
    info!("Got connection from {peer}");
}

/// Whether [`message_received`] leads to a line.
#[must_use]
pub fn messages_are_logged() -> bool {
    log_enabled!(Level::Info)
}

/// Whether [`bytes_received`] leads to a line.
#[must_use]
pub fn pieces_are_logged() -> bool {
    log_enabled!(Level::Debug)
}

/// A message has arrived, whole.
pub fn message_received(peer: &str, message: &[u8]) {
    let shown = BytesRepr::new(trim_end(message), SHOWN_MAX_BYTES);
    info!("Message received from connection {peer}. Msg: {shown}");
}

/// A piece of a stream has arrived, which has no messages.
pub fn bytes_received(peer: &str, bytes: &[u8]) {
    debug!("Received {} bytes from connection {peer}", bytes.len());
}

/// More messages came in a second than are logged one by one.
pub fn message_lines_left_out(count: u64, lines_per_second: u32) {
    let lines = if count == 1 { " was" } else { "s were" };
    let messages = if lines_per_second == 1 { "" } else { "s" };
    warn!(
        "{count} log line{lines} left out: more than {lines_per_second} message{messages} in a \
         second (log.message_lines_per_second)"
    );
}

/// A connection is closed; the last line about it.
pub fn connection_closed(peer: Peer, reason: Reason, messages: u32) {
    let plural = if messages == 1 { "" } else { "s" };
    match reason {
        Reason::MessageTooLong | Reason::MessageTimeout | Reason::IdleTimeout | Reason::Aborted => {
            warn!("Connection {peer} closed: {reason} ({messages} message{plural})");
        }
        Reason::Answered | Reason::PeerClosed | Reason::Failed(_) | Reason::Drained => {
            info!("Connection {peer} closed: {reason} ({messages} message{plural})");
        }
    }
}

impl Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Answered => "its messages are answered",
            Reason::PeerClosed => "the peer has closed",
            Reason::Failed(ErrorKind::ConnectionReset | ErrorKind::NotConnected) => {
                "the peer has reset it"
            }
            Reason::Failed(ErrorKind::BrokenPipe) => "the peer has reset it before the reply",
            Reason::Failed(kind) => return write!(f, "{kind}"),
            Reason::MessageTooLong => "a message is longer than message_max_bytes",
            Reason::MessageTimeout => "a message was not complete within message_timeout",
            Reason::IdleTimeout => "no byte for idle_timeout",
            Reason::Drained => "the server is shutting down",
            Reason::Aborted => "aborted, the server is shutting down",
        })
    }
}

/// A signal starts the drain.
pub fn drain_begins(signal: Signal, open: usize, drain_timeout: Duration) {
    let (open, within) = (connections(open), duration_text(drain_timeout));
    info!("{signal} received: draining {open} within {within}");
}

fn connections(count: usize) -> String {
    format!("{count} connection{}", if count == 1 { "" } else { "s" })
}

/// The listening socket is closed.
pub fn listener_closed() {
    info!("Listener closed");
}

/// The drain deadline has passed with connections still open.
pub fn drain_deadline_passed(left: usize) {
    warn!("Drain deadline passed: aborting {}", connections(left));
}

/// A second signal ends the drain.
pub fn forced_out(signal: Signal, left: usize) {
    warn!("{signal} received again: leaving at once, aborting {}", connections(left));
}

/// Lines of the log were dropped: its reader was too slow, or its disk was full.
pub fn lines_dropped(count: u64) {
    let plural = if count == 1 { " was" } else { "s were" };
    warn!("{count} log line{plural} dropped: the log's reader is too slow, or its disk is full");
}

/// The last line of a process that leaves in order.
pub fn stopped() {
    info!("All sockets closed, server stopped");
}

/// Whether [`cannot_listen`] leads to a line.
#[must_use]
pub fn errors_are_logged() -> bool {
    log_enabled!(Level::Error)
}

/// The last line of a process that could not start.
pub fn cannot_listen(reason: &CannotListen) {
    error!("{reason}");
}

/// Why a process could not start, and what to do about it.
#[derive(Debug)]
pub struct CannotListen {
    /// Where it was to listen.
    pub address: SocketAddr,
    /// What the kernel says.
    pub cause: io::Error,
}

impl Error for CannotListen {}

impl Display for CannotListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, cause } = self;
        let remedy = match cause.kind() {
            ErrorKind::AddrInUse => "stop what listens there, or set server.port or SERVER_PORT",
            ErrorKind::AddrNotAvailable => {
                "no interface has this address: set server.ip or SERVER_IP, 0.0.0.0 or :: for all"
            }
            ErrorKind::PermissionDenied => {
                "ports below 1024 need a privilege: set server.port or SERVER_PORT"
            }
            _ => "set server.ip and server.port, or SERVER_IP and SERVER_PORT",
        };
        write!(f, "Cannot listen on {address}: {cause}; {remedy}")
    }
}
