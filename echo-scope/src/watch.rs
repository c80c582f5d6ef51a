//! Who watches: a thread for each name, which looks it up again and again, and a thread for each
//! server that is found.

use std::io::{self, ErrorKind};
use std::mem;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use echo_common::host_port::HostPort;
use echo_status::{Lines, Request, VERSION};

use crate::board::{Board, Link};
use crate::config::Servers;
use crate::log_events;
use crate::threads;

/// A name may mean other addresses after this time.
const LOOKUP_PERIOD: Duration = Duration::from_secs(2);
/// Wait between two attempts to reach a server.
const RETRY_PERIOD: Duration = Duration::from_millis(500);
/// A server tells four times a second. One that says nothing for so long is silent.
const SILENCE: Duration = Duration::from_secs(2);
/// After so long a silence the connection may be broken, although no end has come.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Watches all servers of the setting from now on.
///
/// # Errors
/// The system has no thread left.
pub fn start(servers: &Servers, board: &Arc<Board>) -> io::Result<()> {
    for (number, name) in servers.iter().enumerate() {
        let (name, board) = (name.clone(), Arc::clone(board));
        threads::start("lookup", move || look_up(number, &name, &board))?;
    }
    Ok(())
}

fn look_up(number: usize, name: &HostPort, board: &Arc<Board>) -> ! {
    loop {
        for address in board.found(number, addresses_of(name)) {
            let text = name.to_string();
            let board = Arc::clone(board);
            let watch = move || watch(&text, address, &board);
            if let Err(error) = threads::start("watch", watch) {
                log_events::no_thread(&error);
            }
        }
        thread::sleep(LOOKUP_PERIOD);
    }
}

/// The addresses that a name means. Where it has some of both families, only IPv4 counts: they usually
/// lead to the same server, which would be shown twice.
fn addresses_of(name: &HostPort) -> Result<Vec<SocketAddr>, String> {
    let mut addresses: Vec<SocketAddr> =
        name.parts().to_socket_addrs().map_err(|error| error.to_string())?.collect();
    if addresses.iter().any(SocketAddr::is_ipv4) {
        addresses.retain(SocketAddr::is_ipv4);
    }
    addresses.sort();
    addresses.dedup();
    Ok(addresses)
}

/// Why a connection to a status port ended.
enum End {
    /// There was none, or it broke off.
    Gone(io::Error),
    /// Nothing has come for so long that it may be broken. A server that is paused stays silent on a new one.
    Silence,
}

/// Reads what a server tells, over and over, until the board does not want it any longer.
fn watch(name: &str, address: SocketAddr, board: &Board) {
    let mut is_known_as_gone = false;
    loop {
        let end = read_frames(name, address, board);
        if let End::Gone(error) = end {
            let why = why_gone(&error);
            let Some(before) = board.gone(address, why.clone()) else { return };
            // One line for each change, not one for each attempt.
            if !is_known_as_gone || !matches!(before, Link::Gone { .. }) {
                log_events::gone(name, address, &why);
            }
            is_known_as_gone = true;
            thread::sleep(RETRY_PERIOD);
        }
    }
}

fn why_gone(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::InvalidData => format!("what answers is no status port ({error})"),
        _ => error.to_string(),
    }
}

/// Reads frames until the connection ends.
fn read_frames(name: &str, address: SocketAddr, board: &Board) -> End {
    let mut lines = match Lines::ask(address, Request::Watch, SILENCE) {
        Ok(lines) => lines,
        Err(error) => return End::Gone(error),
    };
    let mut last_line = Instant::now();
    let mut has_told = false;
    loop {
        match lines.next_frame() {
            Ok(Some(frame)) if frame.version != VERSION => {
                return End::Gone(of_other_version(frame.version));
            }
            Ok(Some(frame)) => {
                last_line = Instant::now();
                if !mem::replace(&mut has_told, true) {
                    log_events::watching(name, address, &frame.server);
                }
                board.told(address, frame);
            }
            Ok(None) => {
                let what = "the server has ended the connection";
                return End::Gone(io::Error::new(ErrorKind::UnexpectedEof, what));
            }
            Err(error) if is_timeout(&error) => {
                if board.silent(address) {
                    log_events::silent(name, address);
                }
                if last_line.elapsed() >= SILENCE_MAX {
                    return End::Silence;
                }
            }
            Err(error) => return End::Gone(error),
        }
    }
}

fn of_other_version(version: u32) -> io::Error {
    let what = format!("its lines have version {version}, this program reads version {VERSION}");
    io::Error::other(what)
}

/// Whether a status port has said nothing for as long as it may; the connection is as good as before.
#[must_use]
pub fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
