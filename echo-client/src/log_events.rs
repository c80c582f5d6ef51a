//! The log catalogue: every line that the client can print, one function each.
//!
//! Each line is one event, and each event is one line. A line names the client's end of a
//! connection as `('ip', port)`. The server's log names the same pair.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use echo_common::repr::{AddressRepr, printable};
use echo_common::setting::duration_text;
use log::{debug, error, info, warn};
use signal_hook::low_level::signal_name;

use crate::config::{ClientId, Config};

/// The log shows this much of a reply, in bytes.
const SHOWN_MAX_BYTES: usize = 512;

/// Start: the settings as they take effect.
pub fn configuration(settings: &str) {
    info!("Configuration: {settings}");
}

/// Start: something about the settings that the user should know.
pub fn note(note: &str) {
    warn!("{note}");
}

/// A connection to the server is open; `local` is the client's end of it.
pub fn connected(config: &Config, local: SocketAddr) {
    let (id, local) = (&config.id, AddressRepr(local));
    debug!("[CLIENT {id}] Connection {local} to {} opened", config.server_address);
}

/// A right reply has come.
pub fn message_from_server(config: &Config, reply: &[u8]) {
    info!("[CLIENT {}] Message from server: {}", config.id, shown(reply));
}

/// A connection is closed, for any reason. This is the last line about it.
pub fn connection_closed(config: &Config, local: SocketAddr) {
    info!("[CLIENT {}] Connection {} closed", config.id, AddressRepr(local));
}

/// A message has no reply, and will be sent again after `pause`.
pub fn not_answered(config: &Config, number: u64, cause: &impl Display, pause: Duration) {
    let (id, server) = (&config.id, &config.server_address);
    let pause = duration_text(pause);
    warn!(
        "[CLIENT {id}] Message number {number} not answered by {server}: {cause}; \
         trying again in {pause}"
    );
}

/// A message has no reply, and the time for new tries is over.
pub fn gave_up(config: &Config, number: u64, cause: &impl Display) {
    let (id, server) = (&config.id, &config.server_address);
    let timeout = duration_text(config.retry_timeout);
    error!(
        "[CLIENT {id}] Message number {number} given up, retry_timeout {timeout} is over: {cause}; \
         is the server running, and is {server} its address (server_address, CLI_SERVER_ADDRESS)?"
    );
}

/// A reply is wrong, so nothing that the server says can be relied on.
pub fn wrong_reply(config: &Config, message: &str, reply: &[u8]) {
    let (id, server, reply) = (&config.id, &config.server_address, shown(reply));
    error!("[CLIENT {id}] Wrong reply to \"{message}\": \"{reply}\"; is {server} an echo server?");
}

/// All rounds are done.
pub fn finished(config: &Config) {
    info!("[CLIENT {}] Main loop finished", config.id);
}

/// A signal has ended the rounds, and every socket is closed.
pub fn stopped(id: &ClientId, signal: i32) {
    info!("[CLIENT {id}] {} received: stopped", name(signal));
}

/// A signal came while the worker was in a call that cannot be interrupted; nobody waits for it.
pub fn abandoned(id: &ClientId, signal: i32) {
    warn!(
        "[CLIENT {id}] {} received: stopped in the middle of a lookup, a connect or a log line; \
         the system closes the socket",
        name(signal)
    );
}

fn name(signal: i32) -> &'static str {
    signal_name(signal).unwrap_or("a signal")
}

/// A peer's bytes on one line, without the end of line, cut to a bound.
fn shown(reply: &[u8]) -> String {
    let reply = reply.strip_suffix(b"\n").unwrap_or(reply);
    match reply.get(..SHOWN_MAX_BYTES) {
        Some(start) if start.len() < reply.len() => {
            format!("{}... ({} bytes)", printable(start), reply.len())
        }
        _ => printable(reply),
    }
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
