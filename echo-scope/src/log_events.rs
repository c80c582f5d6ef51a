//! The log catalogue: every line that the program can print, one function each.
//!
//! Beside its text, a line has its event, which is the function's name, and the event's fields. A log
//! of JSON shows these instead. `docs/log.md` lists them all.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use echo_common::repr::printable;
use echo_common::tell_unless_logged;
use echo_status::Server;
use log::{Level, error, info, log_enabled, warn};
use signal_hook::low_level::signal_name;

/// Start: the settings as they take effect.
pub fn configuration(settings: &str) {
    info!(event = "configuration", settings; "Configuration: {settings}");
}

/// Start: something about the settings that the user should know.
pub fn note(note: &str) {
    warn!(event = "note", note; "{note}");
}

/// The page is there.
pub fn serving(address: SocketAddr) {
    info!(
        event = "serving", address:%;
        "The page is on http://{address}/ and the numbers for Prometheus on /metrics"
    );
}

/// The last line of a process that could not start. Where the log is off, stderr tells it all the same.
pub fn cannot_listen(address: SocketAddr, cause: &io::Error) {
    let remedy = match cause.kind() {
        ErrorKind::AddrInUse => "stop what listens there, or set scope.listen or SCOPE_LISTEN",
        ErrorKind::AddrNotAvailable => {
            "no interface has this address: set scope.listen or SCOPE_LISTEN"
        }
        ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege: set scope.listen or SCOPE_LISTEN"
        }
        _ => "set scope.listen or SCOPE_LISTEN",
    };
    let text = format!("Cannot listen on {address}: {cause}; {remedy}");
    error!(event = "cannot_listen", address:%, error:% = cause, remedy; "{text}");
    tell_unless_logged(log_enabled!(Level::Error), env!("CARGO_PKG_NAME"), &text);
}

/// A server tells of itself.
pub fn watching(name: &str, address: SocketAddr, server: &Server) {
    let (host, version) = (printable(server.host.as_bytes()), printable(server.version.as_bytes()));
    info!(
        event = "watching", server = name, address:%, host, version;
        "Watching {name} ({address}): host {host}, version {version}"
    );
}

/// A server is connected and says nothing.
pub fn silent(name: &str, address: SocketAddr) {
    warn!(
        event = "silent", server = name, address:%;
        "{name} ({address}) says nothing: it is stopped, paused, or out of reach"
    );
}

/// A server has no place for one more reader, and tells once each time that it is asked.
pub fn no_place(name: &str, address: SocketAddr) {
    warn!(
        event = "no_place", server = name, address:%;
        "{name} ({address}) has no place for one more reader: one frame a second, without turns"
    );
}

/// There is no connection to a server.
pub fn gone(name: &str, address: SocketAddr, why: &str) {
    let reason = printable(why.as_bytes());
    warn!(event = "gone", server = name, address:%, reason; "{name} ({address}) is gone: {reason}");
}

/// A thread is missing, so a server or a reader of the page is not served.
pub fn no_thread(cause: &io::Error) {
    let remedy = "raise the limit of processes (pids_limit, ulimit -u)";
    warn!(
        event = "no_thread", error:% = cause, remedy;
        "No thread can be started: {cause}; {remedy}"
    );
}

/// A connection of a browser could not be accepted.
pub fn cannot_accept(cause: &io::Error) {
    warn!(
        event = "cannot_accept", error:% = cause;
        "Accepting failed, and is tried again: {cause}"
    );
}

/// A signal ends the program.
pub fn stopped(signal: i32) {
    let signal = signal_name(signal).unwrap_or("a signal");
    info!(event = "stopped", signal; "{signal} received: stopped");
}
