//! One try to deliver one message: connect, send, read the reply, check it, close.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::log_events;
use crate::stop::{Stop, Stopped};

/// Connecting, sending and reading the reply together may take so long; looking up the name has
/// the system's own timeout, which cannot be changed from here.
pub const TRY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to look for a reply once [`TRY_TIMEOUT`] is over: it may have come in time, to a process
/// that was stopped.
const LAST_LOOK: Duration = Duration::from_millis(1);

/// Longest reply in bytes. The longest right one, an acknowledgement, has not even 200.
pub const REPLY_MAX_BYTES: usize = 16 * 1024;

/// Why a message has no right reply.
#[derive(Debug)]
pub enum Failure {
    /// A signal came meanwhile.
    Stopped(Stopped),
    /// No reply; the next try may get one.
    Unanswered(Unanswered),
    /// A reply that no working server gives; another try would not help.
    Wrong(WrongReply),
}

/// Why there is no reply.
#[derive(Debug)]
pub enum Unanswered {
    /// The server's name cannot be looked up.
    Lookup(io::Error),
    /// The server cannot be connected to.
    Connect(io::Error),
    /// The connection broke.
    Broken(io::Error),
    /// The server closed the connection after so many bytes, none of them an end of line.
    Closed(usize),
    /// [`TRY_TIMEOUT`] is over.
    Timeout,
}

/// What is wrong with a reply.
#[derive(Debug, PartialEq, Eq)]
pub enum WrongReply {
    /// More than [`REPLY_MAX_BYTES`] without an end of line.
    TooLong,
    /// The message is not in it. This is its text.
    OtherText(Vec<u8>),
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        Failure::Stopped(stopped)
    }
}

impl From<Unanswered> for Failure {
    fn from(cause: Unanswered) -> Self {
        Failure::Unanswered(cause)
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unanswered::Lookup(error) => write!(f, "cannot look up the server: {error}"),
            Unanswered::Connect(error) => write!(f, "cannot connect: {error}"),
            Unanswered::Broken(error) => write!(f, "the connection broke: {error}"),
            Unanswered::Closed(0) => f.write_str("the server closed without a reply"),
            Unanswered::Closed(bytes) => {
                write!(f, "the server closed after {bytes} bytes of a reply without its newline")
            }
            Unanswered::Timeout => {
                write!(f, "no reply within {} s", TRY_TIMEOUT.as_secs())
            }
        }
    }
}

/// Sends `message`, a text without an end of line, on a new connection, and logs the right reply.
///
/// # Errors
/// See [`Failure`]. However it ends, the socket is closed, and the log has a line for it.
pub fn run(config: &Config, stop: &Stop, message: &str) -> Result<(), Failure> {
    let result = run_through(config, stop, message);
    if let Err(Failure::Unanswered(_)) = result {
        // What a stop breaks off looks like a fault of the server.
        stop.check()?;
    }
    result
}

fn run_through(config: &Config, stop: &Stop, message: &str) -> Result<(), Failure> {
    let deadline = Instant::now() + TRY_TIMEOUT;
    let socket = connect(config, deadline)?;
    let local = socket.local_addr().map_err(Unanswered::Broken)?;
    log_events::connected(config, local);
    let result = exchange(config, stop, &socket, message, deadline);
    drop(socket);
    log_events::connection_closed(config, local);
    result
}

fn connect(config: &Config, deadline: Instant) -> Result<TcpStream, Unanswered> {
    let addresses = config.server_address.parts().to_socket_addrs();
    let addresses: Vec<SocketAddr> = addresses.map_err(Unanswered::Lookup)?.collect();
    let mut failure = Unanswered::Lookup(ErrorKind::NotFound.into());
    for (index, address) in addresses.iter().enumerate() {
        let timeout = fair_share(time_left(deadline)?, addresses[index..].len());
        match TcpStream::connect_timeout(address, timeout) {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = Unanswered::Connect(error),
        }
    }
    Err(failure)
}

/// An address that does not answer must leave time for those behind it.
fn fair_share(left: Duration, addresses: usize) -> Duration {
    left / u32::try_from(addresses).unwrap_or(u32::MAX)
}

fn exchange(
    config: &Config,
    stop: &Stop,
    socket: &TcpStream,
    message: &str,
    deadline: Instant,
) -> Result<(), Failure> {
    let _guard = stop.guard(socket).map_err(Unanswered::Broken)?;
    send(socket, message, deadline)?;
    let reply = read_line(socket, deadline)?;
    check(message, &reply)?;
    log_events::message_from_server(config, &reply);
    Ok(())
}

fn send(mut socket: &TcpStream, message: &str, deadline: Instant) -> Result<(), Unanswered> {
    let line = format!("{message}\n");
    socket.set_write_timeout(Some(time_left(deadline)?)).map_err(Unanswered::Broken)?;
    socket.write_all(line.as_bytes()).map_err(broken_or_timeout)
}

/// Reads up to the first end of line, and without it.
fn read_line(mut socket: &TcpStream, deadline: Instant) -> Result<Vec<u8>, Failure> {
    let mut line = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        let time_left = time_left(deadline);
        let timeout = *time_left.as_ref().unwrap_or(&LAST_LOOK);
        socket.set_read_timeout(Some(timeout)).map_err(Unanswered::Broken)?;
        let chunk = match socket.read(&mut chunk) {
            Ok(0) => return Err(Unanswered::Closed(line.len()).into()),
            Ok(length) => &chunk[..length],
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(broken_or_timeout(error).into()),
        };
        let (part, is_complete) = match chunk.iter().position(|byte| *byte == b'\n') {
            Some(end) => (&chunk[..end], true),
            None => (chunk, false),
        };
        line.extend_from_slice(part);
        if line.len() > REPLY_MAX_BYTES {
            return Err(Failure::Wrong(WrongReply::TooLong));
        }
        if is_complete {
            return Ok(line);
        }
        time_left?;
    }
}

/// Both kinds of reply carry the message: the echo is it, the acknowledgement quotes it.
fn check(message: &str, reply: &[u8]) -> Result<(), Failure> {
    let message = message.as_bytes();
    if reply.windows(message.len()).any(|part| part == message) {
        Ok(())
    } else {
        Err(Failure::Wrong(WrongReply::OtherText(reply.to_vec())))
    }
}

/// Never zero, which the socket's timeouts do not take.
fn time_left(deadline: Instant) -> Result<Duration, Unanswered> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(Unanswered::Timeout) } else { Ok(left) }
}

fn broken_or_timeout(error: io::Error) -> Unanswered {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Unanswered::Timeout,
        _ => Unanswered::Broken(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_share_of_the_time_that_is_left() {
        let left = Duration::from_secs(6);
        assert_eq!(fair_share(left, 3), Duration::from_secs(2));
        assert_eq!(fair_share(left, 1), left);
    }
}
