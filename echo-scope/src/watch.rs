//! Who watches: a thread for each name, which looks it up again and again, and a thread for each
//! server that is found.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use echo_common::host_port::HostPort;
use echo_status::{Frame, Lines, Phase, Request, VERSION};

use crate::board::Board;
use crate::config::Servers;
use crate::log_events;
use crate::threads;

/// A name may mean other addresses after this time.
const LOOKUP_PERIOD: Duration = Duration::from_secs(2);
/// Wait between two attempts to reach a server.
const RETRY_PERIOD: Duration = Duration::from_millis(500);
/// Wait between two frames of a server that has no place for one more reader, and sends one frame each time.
const NO_PLACE_PERIOD: Duration = Duration::from_secs(1);
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
            let watch = move || {
                Watcher { name: &text, address, board: &board, said: Said::Nothing }.run();
            };
            if let Err(error) = threads::start("watch", watch) {
                log_events::no_thread(&error);
            }
        }
        thread::sleep(LOOKUP_PERIOD);
    }
}

/// The addresses that a name means. Where it has some of both families, only IPv4 counts: they usually
/// lead to the same server, which would be shown twice.
pub(crate) fn addresses_of(name: &HostPort) -> Result<Vec<SocketAddr>, String> {
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
    /// The server sent one frame and no more: other readers have all its places.
    NoPlace,
}

/// What the log has said last of a server: one line for each change, not one for each attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Watching,
    Silent,
    NoPlace,
    Gone,
}

/// Who watches one server.
struct Watcher<'a> {
    name: &'a str,
    address: SocketAddr,
    board: &'a Board,
    said: Said,
}

impl Watcher<'_> {
    /// Reads what the server tells, over and over, until the board does not want it any longer.
    fn run(mut self) {
        loop {
            match self.read_frames() {
                End::Gone(error) => {
                    let why = why_gone(&error);
                    if !self.board.gone(self.address, why.clone()) {
                        return;
                    }
                    self.say(Said::Gone, |name, address| log_events::gone(name, address, &why));
                    thread::sleep(RETRY_PERIOD);
                }
                End::Silence => {}
                End::NoPlace => {
                    self.say(Said::NoPlace, log_events::no_place);
                    thread::sleep(NO_PLACE_PERIOD);
                }
            }
        }
    }

    fn say(&mut self, what: Said, log: impl FnOnce(&str, SocketAddr)) {
        if self.said != what {
            log(self.name, self.address);
            self.said = what;
        }
    }

    /// Reads frames until the connection ends.
    fn read_frames(&mut self) -> End {
        let mut lines = match Lines::ask(self.address, Request::Watch, SILENCE) {
            Ok(lines) => lines,
            Err(error) => return End::Gone(error),
        };
        let mut last_line = Instant::now();
        let mut frames = 0_u64;
        let mut is_last = false;
        loop {
            match lines.next_frame() {
                Ok(Some(frame)) if frame.version != VERSION => {
                    return End::Gone(of_other_version(frame.version));
                }
                Ok(Some(frame)) => {
                    last_line = Instant::now();
                    frames += 1;
                    is_last = frame.phase == Phase::Stopped;
                    self.take(frame, frames == 1);
                }
                Ok(None) if frames == 1 && !is_last => return End::NoPlace,
                Ok(None) => return End::Gone(ended_by_server()),
                Err(error) if is_timeout(&error) => {
                    self.board.silent(self.address);
                    self.say(Said::Silent, log_events::silent);
                    if last_line.elapsed() >= SILENCE_MAX {
                        return End::Silence;
                    }
                }
                Err(error) => return End::Gone(error),
            }
        }
    }

    /// Whether a server has a place again, only the second frame of a connection tells.
    fn take(&mut self, frame: Frame, is_first: bool) {
        if self.said != Said::NoPlace || !is_first {
            self.say(Said::Watching, |name, address| {
                log_events::watching(name, address, &frame.server);
            });
        }
        self.board.told(self.address, frame);
    }
}

pub(crate) fn why_gone(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::InvalidData => format!("what answers is no status port ({error})"),
        _ => error.to_string(),
    }
}

fn ended_by_server() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "the server has ended the connection")
}

pub(crate) fn of_other_version(version: u32) -> io::Error {
    let what = format!("its lines have version {version}, this program reads version {VERSION}");
    io::Error::other(what)
}

/// Whether a status port has said nothing for as long as it may; the connection is as good as before.
#[must_use]
pub fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
