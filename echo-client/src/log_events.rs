//! The log catalogue: every line that the client can print, one function each.
//!
//! Each line is one event, and each event is one line. A line names the client's end of a
//! connection as `('ip', port)`. The server's log names the same pair.
//!
//! Beside its text, a line has its event, which is the function's name, and the event's fields. A log
//! of JSON shows these instead, with an address as `ip:port`. `docs/log.md` lists them all.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use echo_common::repr::{AddressRepr, Escaped, printable};
use echo_common::setting::duration_text;
use echo_common::tell_unless_logged;
use log::{Level, debug, error, info, log_enabled, warn};
use signal_hook::low_level::signal_name;

use crate::config::{ClientId, Config};

/// The log shows this much of a reply, in bytes.
const SHOWN_MAX_BYTES: usize = 512;

/// Start: the settings as they take effect.
pub fn configuration(settings: &str) {
    info!(event = "configuration", settings; "Configuration: {settings}");
}

/// Start: something about the settings that the user should know.
pub fn note(note: &str) {
    warn!(event = "note", note; "{note}");
}

/// A connection to the server is open; `local` is the client's end of it.
pub fn connected(config: &Config, local: SocketAddr) {
    let Config { id: client, server_address: server, .. } = config;
    debug!(
        event = "connected", client:%, local:%, server:%;
        "[CLIENT {client}] Connection {} to {server} opened", AddressRepr(local)
    );
}

/// A right reply has come.
pub fn message_from_server(config: &Config, reply: &[u8]) {
    let client = &config.id;
    info!(
        event = "message_from_server", client:%, reply:% = bare(reply), bytes = reply.len();
        "[CLIENT {client}] Message from server: {}", shown(reply)
    );
}

/// A connection is closed, for any reason. This is the last line about it.
pub fn connection_closed(config: &Config, local: SocketAddr) {
    let client = &config.id;
    info!(
        event = "connection_closed", client:%, local:%;
        "[CLIENT {client}] Connection {} closed", AddressRepr(local)
    );
}

/// A message has no reply, and will be sent again after `pause`.
pub fn not_answered(config: &Config, number: u64, cause: &impl Display, pause: Duration) {
    let Config { id: client, server_address: server, .. } = config;
    warn!(
        event = "not_answered",
        client:%,
        number,
        server:%,
        reason:% = cause,
        pause_ms = pause.as_millis();
        "[CLIENT {client}] Message number {number} not answered by {server}: {cause}; \
         trying again in {}", duration_text(pause)
    );
}

/// A message has no reply, and the time for new tries is over.
pub fn gave_up(config: &Config, number: u64, cause: &impl Display) {
    let Config { id: client, server_address: server, .. } = config;
    let timeout = duration_text(config.retry_timeout);
    let text = format!(
        "[CLIENT {client}] Message number {number} given up, retry_timeout {timeout} is over: {cause}; \
         is the server running, and is {server} its address (server_address, CLI_SERVER_ADDRESS)?"
    );
    error!(
        event = "gave_up",
        client:%,
        number,
        server:%,
        reason:% = cause,
        retry_timeout_ms = config.retry_timeout.as_millis();
        "{text}"
    );
    tell_where_the_log_is_off(&text);
}

/// A reply is wrong, so nothing that the server says can be relied on.
pub fn wrong_reply(config: &Config, message: &str, reply: &[u8]) {
    let Config { id: client, server_address: server, .. } = config;
    let text = format!(
        "[CLIENT {client}] Wrong reply to \"{message}\": \"{}\"; is {server} an echo server?",
        shown(reply)
    );
    error!(
        event = "wrong_reply",
        client:%,
        server:%,
        message,
        reply:% = bare(reply),
        bytes = reply.len();
        "{text}"
    );
    tell_where_the_log_is_off(&text);
}

/// All rounds are done.
pub fn finished(config: &Config) {
    let client = &config.id;
    info!(event = "finished", client:%; "[CLIENT {client}] Main loop finished");
}

/// A signal has ended the rounds, and every socket is closed.
pub fn stopped(client: &ClientId, signal: i32) {
    let signal = name(signal);
    info!(event = "stopped", client:%, signal; "[CLIENT {client}] {signal} received: stopped");
}

/// A signal came while the worker was in a call that cannot be interrupted; nobody waits for it.
pub fn abandoned(client: &ClientId, signal: i32) {
    let signal = name(signal);
    warn!(
        event = "abandoned", client:%, signal;
        "[CLIENT {client}] {signal} received: stopped in the middle of a lookup, a connect or a \
         log line; the system closes the socket"
    );
}

/// The last line of a client that fails.
fn tell_where_the_log_is_off(text: &str) {
    tell_unless_logged(log_enabled!(Level::Error), env!("CARGO_PKG_NAME"), text);
}

fn name(signal: i32) -> &'static str {
    signal_name(signal).unwrap_or("a signal")
}

/// A peer's bytes for a field of JSON, without the end of line, cut to a bound.
fn bare(reply: &[u8]) -> Escaped<'_> {
    Escaped::new(without_end(reply), SHOWN_MAX_BYTES)
}

/// A peer's bytes on one line, without the end of line, cut to a bound.
fn shown(reply: &[u8]) -> String {
    let reply = without_end(reply);
    match reply.get(..SHOWN_MAX_BYTES) {
        Some(start) if start.len() < reply.len() => {
            format!("{}... ({} bytes)", printable(start), reply.len())
        }
        _ => printable(reply),
    }
}

fn without_end(reply: &[u8]) -> &[u8] {
    reply.strip_suffix(b"\n").unwrap_or(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_shown_on_one_line_and_cut() {
        for (reply, expected) in [
            ("Your Message: b'it'\n".to_owned(), "Your Message: b'it'".to_owned()),
            ("a \r\n\n".to_owned(), r"a \r\n".to_owned()),
            ("ñ\x1b[2J\n".to_owned(), r"ñ\u{1b}[2J".to_owned()),
            ("x".repeat(512), "x".repeat(512)),
            ("x".repeat(513), "x".repeat(512) + "... (513 bytes)"),
        ] {
            assert_eq!(shown(reply.as_bytes()), expected);
        }
    }
}
