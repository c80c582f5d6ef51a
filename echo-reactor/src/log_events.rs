//! The log catalogue: every line that the server can log, with a function for each.
//!
//! Each line is one event, and each event is one line. A line about a connection names its peer as
//! `('ip', port)`; bytes of a peer appear only as Python prints bytes, cut to [`SHOWN_MAX_BYTES`].
//!
//! Beside its text, a line has its event, which is the function's name, and the event's fields. A log
//! of JSON shows these instead, with the peer as `ip:port`. `docs/log.md` lists them all.

use std::fmt::{self, Display};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use echo_common::repr::{AddressRepr, BytesRepr, Escaped, trim_end};
use echo_common::setting::duration_text;
use log::{Level, debug, error, info, log, log_enabled, warn};

use crate::connection::Reason;
use crate::peer::Peer;
use crate::signals::Signal;

/// How much of a message the log shows, in bytes.
pub const SHOWN_MAX_BYTES: usize = 512;

/// Start: the settings as they take effect.
pub fn configuration(settings: &str) {
    info!(event = "configuration", settings; "Configuration: {settings}");
}

/// Start: something about the settings that the user should know.
pub fn note(note: &str) {
    warn!(event = "note", note; "{note}");
}

/// Start: the address in use, which tells the port where the settings say 0.
pub fn listening(address: SocketAddr) {
    info!(event = "listening", address:%; "Listening on {}", AddressRepr(address));
}

/// Start: where the status port is.
pub fn listening_for_watchers(address: SocketAddr) {
    info!(
        event = "listening_for_watchers", address:%;
        "Status port on {}", AddressRepr(address)
    );
}

/// Accepting starts, or goes on after a pause.
pub fn proceed_to_accept() {
    info!(event = "proceed_to_accept"; "Proceed to accept new connections");
}

/// As many connections are open as are allowed; the others wait in the listen queue.
pub fn connection_limit_reached(limit: usize) {
    warn!(
        event = "connection_limit_reached", limit;
        "Accepting pauses: the limit of {limit} connections is reached"
    );
}

/// The kernel can't give one more connection.
pub fn accepting_paused(error: &io::Error) {
    warn!(event = "accepting_paused", error:%; "Accepting pauses: {error}");
}

/// A connection that was in the queue is gone before it was accepted.
pub fn connection_gone(error: &io::Error) {
    debug!(
        event = "connection_gone", error:%;
        "A connection was gone before it was accepted: {error}"
    );
}

/// A connection is accepted.
pub fn got_connection(peer: Peer) {
    info!(event = "got_connection", peer:% = peer.plain(); "Got connection from {peer}");
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

/// A message has arrived, whole. `peer_text` is the peer's text, which the caller keeps.
pub fn message_received(peer: Peer, peer_text: &str, message: &[u8]) {
    let trimmed = trim_end(message);
    let shown = BytesRepr::new(trimmed, SHOWN_MAX_BYTES);
    info!(
        event = "message_received",
        peer:% = peer.plain(),
        message:% = Escaped::new(trimmed, SHOWN_MAX_BYTES),
        bytes = message.len();
        "Message received from connection {peer_text}. Msg: {shown}"
    );
}

/// A piece of a stream has arrived, which has no messages.
pub fn bytes_received(peer: Peer, peer_text: &str, bytes: &[u8]) {
    let bytes = bytes.len();
    debug!(
        event = "bytes_received", peer:% = peer.plain(), bytes;
        "Received {bytes} bytes from connection {peer_text}"
    );
}

/// More messages came in a second than are logged one by one.
pub fn message_lines_left_out(count: u64, lines_per_second: u32) {
    let lines = if count == 1 { " was" } else { "s were" };
    let messages = if lines_per_second == 1 { "" } else { "s" };
    warn!(
        event = "message_lines_left_out", count, lines_per_second;
        "{count} log line{lines} left out: more than {lines_per_second} message{messages} in a \
         second (log.message_lines_per_second)"
    );
}

/// A connection is closed; the last line about it.
pub fn connection_closed(peer: Peer, reason: Reason, messages: u32) {
    let level = match reason {
        Reason::MessageTooLong | Reason::MessageTimeout | Reason::IdleTimeout | Reason::Aborted => {
            Level::Warn
        }
        Reason::Answered | Reason::PeerClosed | Reason::Failed(_) | Reason::Drained => Level::Info,
    };
    let plural = if messages == 1 { "" } else { "s" };
    log!(
        level, event = "connection_closed", peer:% = peer.plain(), reason:%, messages;
        "Connection {peer} closed: {reason} ({messages} message{plural})"
    );
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

/// A signal starts the delay before a drain.
pub fn drain_is_delayed(signal: Signal, drain_delay: Duration) {
    let delay = duration_text(drain_delay);
    info!(
        event = "drain_is_delayed", signal:%, drain_delay_ms = drain_delay.as_millis();
        "{signal} received: going on for {delay}, then draining"
    );
}

/// A signal starts the drain, or the delay before it is over.
pub fn drain_begins(signal: Signal, open: usize, drain_timeout: Duration) {
    let within = duration_text(drain_timeout);
    info!(
        event = "drain_begins",
        signal:%,
        connections = open,
        drain_timeout_ms = drain_timeout.as_millis();
        "{signal} received: draining {} within {within}", connections(open)
    );
}

fn connections(count: usize) -> String {
    format!("{count} connection{}", if count == 1 { "" } else { "s" })
}

/// The listening socket is closed.
pub fn listener_closed() {
    info!(event = "listener_closed"; "Listener closed");
}

/// The drain deadline has passed with connections still open.
pub fn drain_deadline_passed(left: usize) {
    warn!(
        event = "drain_deadline_passed", connections = left;
        "Drain deadline passed: aborting {}", connections(left)
    );
}

/// A second signal ends the drain.
pub fn forced_out(signal: Signal, left: usize) {
    warn!(
        event = "forced_out", signal:%, connections = left;
        "{signal} received again: leaving at once, aborting {}", connections(left)
    );
}

/// Lines of the log were dropped: its reader was too slow, or its disk was full.
pub fn lines_dropped(count: u64) {
    let plural = if count == 1 { " was" } else { "s were" };
    warn!(
        event = "lines_dropped", count;
        "{count} log line{plural} dropped: the log's reader is too slow, or its disk is full"
    );
}

/// A part of the report that a signal asks for. It is logged at every level but off.
pub fn report(text: &str) {
    // Not as an error, unless nothing else is shown.
    let level = [Level::Info, Level::Warn].into_iter().find(|level| log_enabled!(*level));
    let level = level.unwrap_or(Level::Error);
    log!(level, event = "report", text; "Report: {text}");
}

/// The last line of a process that leaves in order.
pub fn stopped() {
    info!(event = "stopped"; "All sockets closed, server stopped");
}

/// Whether the last line of a process that could not start is logged.
#[must_use]
pub fn errors_are_logged() -> bool {
    log_enabled!(Level::Error)
}

/// The last line of a process that could not start, because its status port can't be had. Returns its text.
#[must_use = "where the log is off, stderr has to tell it"]
pub fn cannot_listen_for_watchers(address: SocketAddr, cause: &io::Error) -> String {
    let remedy = match cause.kind() {
        ErrorKind::AddrInUse => "stop what listens there, or set server.status or SERVER_STATUS",
        ErrorKind::AddrNotAvailable => {
            "no interface has this address: set server.status or SERVER_STATUS"
        }
        ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege: set server.status or SERVER_STATUS"
        }
        _ => "set server.status or SERVER_STATUS, off for none",
    };
    let text = format!("Cannot tell the status on {address}: {cause}; {remedy}");
    error!(event = "cannot_listen_for_watchers", address:%, error:% = cause, remedy; "{text}");
    text
}

/// The last line of a process that could not start. Returns its text.
#[must_use = "where the log is off, stderr has to tell it"]
pub fn cannot_listen(address: SocketAddr, cause: &io::Error) -> String {
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
    let text = format!("Cannot listen on {address}: {cause}; {remedy}");
    error!(event = "cannot_listen", address:%, error:% = cause, remedy; "{text}");
    text
}
