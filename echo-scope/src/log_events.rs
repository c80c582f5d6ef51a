//! The log catalogue: every line that the program can print, one function each.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use echo_common::repr::printable;
use echo_status::Server;
use log::{error, info, warn};
use signal_hook::low_level::signal_name;

/// Start: the settings as they take effect.
pub fn configuration(settings: &str) {
    info!("Configuration: {settings}");
}

/// Start: something about the settings that the user should know.
pub fn note(note: &str) {
    warn!("{note}");
}

/// The page is there.
pub fn serving(address: SocketAddr) {
    info!("The page is on http://{address}/ and the numbers for Prometheus on /metrics");
}

/// The last line of a process that could not start.
pub fn cannot_listen(address: SocketAddr, cause: &io::Error) {
    let remedy = match cause.kind() {
        ErrorKind::AddrInUse => "stop what listens there, or set scope.listen or SCOPE_LISTEN",
        ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege: set scope.listen or SCOPE_LISTEN"
        }
        _ => "set scope.listen or SCOPE_LISTEN",
    };
    error!("Cannot listen on {address}: {cause}; {remedy}");
}

/// A server tells of itself.
pub fn watching(name: &str, address: SocketAddr, server: &Server) {
    let (host, version) = (printable(server.host.as_bytes()), printable(server.version.as_bytes()));
    info!("Watching {name} ({address}): host {host}, version {version}");
}

/// A server is connected and says nothing.
pub fn silent(name: &str, address: SocketAddr) {
    warn!("{name} ({address}) says nothing: it is stopped, paused, or out of reach");
}

/// There is no connection to a server.
pub fn gone(name: &str, address: SocketAddr, why: &str) {
    warn!("{name} ({address}) is gone: {}", printable(why.as_bytes()));
}

/// A thread is missing, so a server or a reader of the page is not served.
pub fn no_thread(cause: &io::Error) {
    warn!(
        "No thread can be started: {cause}; raise the limit of processes (pids_limit, ulimit -u)"
    );
}

/// A connection of a browser could not be accepted.
pub fn cannot_accept(cause: &io::Error) {
    warn!("Accepting failed, and is tried again: {cause}");
}

/// A signal ends the program.
pub fn stopped(signal: i32) {
    info!("{} received: stopped", signal_name(signal).unwrap_or("a signal"));
}
