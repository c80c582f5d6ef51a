//! The log catalogue: every line that the server can log, with a function for each.
//!
//! Each line is one event, and each event is one line. A line about a connection names its peer as
//! `('ip', port)`; bytes of a peer appear only as Python prints bytes, cut to [`SHOWN_MAX_BYTES`].

use std::fmt::{self, Display};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use echo_common::repr::{AddressRepr, BytesRepr, trim_end};
use echo_common::setting::duration_text;
use echo_status::{Frame, Tally};
use log::{Level, debug, error, info, log, log_enabled, warn};
use serde::Serialize;

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

/// Start: where the status port is.
pub fn listening_for_watchers(address: SocketAddr) {
    info!("Status port on {}", AddressRepr(address));
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
    let plural = if count == 1 { " was" } else { "s were" };
    warn!(
        "{count} log line{plural} left out: more than {lines_per_second} messages in a second \
         (log.message_lines_per_second)"
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

/// Somebody has asked with a signal how the server is. The answer is logged at every level but off.
pub fn report(frame: &Frame) {
    // Not as an error, unless nothing else is shown.
    let level = [Level::Info, Level::Warn].into_iter().find(|level| log_enabled!(*level));
    let level = level.unwrap_or(Level::Error);
    for line in report_lines(frame) {
        log!(level, "Report: {line}");
    }
}

fn report_lines(frame: &Frame) -> [String; 11] {
    let Frame { open, tally, .. } = frame;
    let Tally { woken, events, moves, closed, budgets, pauses, deadlines, log, .. } = tally;
    [
        format!(
            "up {}, {}; {} of {} connections open, accepting: {}; {} watching",
            duration_text(Duration::from_micros(frame.uptime_us)),
            word(frame.phase),
            open.total,
            frame.server.connections_max,
            word(frame.accepting),
            frame.watchers,
        ),
        format!(
            "open: {} idle, {} mid-message, {} flushing ({} bytes wait), {} lingering",
            open.idle, open.mid_message, open.flushing, open.waiting_bytes, open.lingering,
        ),
        format!(
            "turns: {}; {} woken by events, {} by deadlines, {} by work left",
            tally.turns, woken.by_event, woken.by_deadline, woken.by_work_left,
        ),
        format!(
            "events: {} of connections, {} of the listener, {} of the status port, {} stale",
            events.connection, events.listener, events.status, events.stale,
        ),
        format!(
            "messages: {}; {} reads ({} found nothing), {} bytes in; {} sends ({} short), {} bytes out",
            tally.messages,
            tally.reads,
            tally.reads_empty,
            tally.bytes_in,
            tally.sends,
            tally.sends_short,
            tally.bytes_out,
        ),
        format!(
            "accepted: {}; {} accepts found nothing, {} failed; {} registrations",
            tally.accepted, tally.accepts_empty, tally.accepts_failed, tally.registrations,
        ),
        format!(
            "moves: open to flushing {}, and back {}; to lingering {} from open, {} from flushing; \
             to closed {} from open, {} from flushing, {} from lingering",
            moves.open_to_flushing,
            moves.flushing_to_open,
            moves.open_to_lingering,
            moves.flushing_to_lingering,
            moves.open_to_closed,
            moves.flushing_to_closed,
            moves.lingering_to_closed,
        ),
        format!(
            "closed: {}; {} answered, {} by the peer, {} reset, {} failed, {} too long, {} slow, \
             {} idle, {} drained, {} aborted",
            closed.sum(),
            closed.answered,
            closed.peer_closed,
            closed.reset,
            closed.failed,
            closed.too_long,
            closed.message_timeout,
            closed.idle_timeout,
            closed.drained,
            closed.aborted,
        ),
        format!(
            "budgets spent: visit {}, serve {}, accept {}, expire {}, events {}",
            budgets.visit, budgets.serve, budgets.accept, budgets.expire, budgets.events,
        ),
        format!(
            "pauses of accepting: {} full, {} without descriptors or memory, {} in all; deadlines: \
             {} checked, {} put off",
            pauses.full,
            pauses.exhausted,
            duration_text(Duration::from_micros(pauses.us)),
            deadlines.checked,
            deadlines.put_off,
        ),
        format!(
            "log: {} bytes wait, {} lines dropped, {} left out",
            frame.log_waiting_bytes, log.dropped, log.left_out,
        ),
    ]
}

/// The word of a state, as the status port spells it.
fn word(state: impl Serialize) -> String {
    let text = serde_json::to_string(&state).expect("a state is a word");
    text.trim_matches('"').to_owned()
}

/// The last line of a process that leaves in order.
pub fn stopped() {
    info!("All sockets closed, server stopped");
}

/// The last line of a process that could not start, because its status port can't be had.
pub fn cannot_listen_for_watchers(address: SocketAddr, cause: &io::Error) {
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
    error!("Cannot tell the status on {address}: {cause}; {remedy}");
}

/// The last line of a process that could not start.
pub fn cannot_listen(address: SocketAddr, cause: &io::Error) {
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
    error!("Cannot listen on {address}: {cause}; {remedy}");
}
