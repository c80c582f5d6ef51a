//! One try to deliver one message: connect, send, read the reply, check it, close.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::log_events;
use crate::stop::{Stop, Stopped};

/// The limit for connecting, sending and reading the reply together. Looking up the name does not
/// count: it has a timeout of the system's, which cannot be changed from here.
pub const TRY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to look for a reply once [`TRY_TIMEOUT`] is over. The reply may have come in time while
/// this process was stopped.
const LAST_LOOK: Duration = Duration::from_millis(1);

/// No right reply has as many bytes: the longest one, an acknowledgement, has fewer than 200.
const REPLY_MAX_BYTES: usize = 1024;

/// Why a message has no right reply.
#[derive(Debug)]
pub enum Failure {
    /// A signal came.
    Stopped(Stopped),
    /// There is no reply. The next try may get one.
    Unanswered(Unanswered),
    /// The reply is this, which no working server sends. Another try would not help.
    Wrong(Vec<u8>),
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
    /// The server closed the connection after this many bytes, none of which is an end of line.
    Closed(usize),
    /// [`TRY_TIMEOUT`] is over.
    Timeout,
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
/// See [`Failure`]. In any case the socket is closed, and the log has a line for that.
pub fn run(config: &Config, stop: &Stop, message: &str) -> Result<(), Failure> {
    let result = run_through(config, stop, message);
    if let Err(Failure::Unanswered(_)) = result {
        // A round that a stop has ended looks like a failure of the server.
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

/// Tries all addresses of the server's name, from a random one on, so that several servers share the
/// load: the system sorts the addresses in the same way each time (RFC 6724).
fn connect(config: &Config, deadline: Instant) -> Result<TcpStream, Unanswered> {
    let addresses = config.server_address.parts().to_socket_addrs();
    let mut addresses: Vec<SocketAddr> = addresses.map_err(Unanswered::Lookup)?.collect();
    let first = fastrand::usize(..addresses.len().max(1));
    addresses.rotate_left(first);
    let mut failure = Unanswered::Lookup(ErrorKind::NotFound.into());
    for (index, address) in addresses.iter().enumerate() {
        let timeout = fair_share(time_left(deadline)?, addresses[index..].len());
        match TcpStream::connect_timeout(address, timeout) {
            Ok(socket) if is_connected_to_itself(&socket) => {
                failure = Unanswered::Connect(io::Error::new(
                    ErrorKind::ConnectionRefused,
                    "connection refused (nobody listens, and the client had connected to itself)",
                ));
            }
            Ok(socket) => return Ok(socket),
            Err(error) => failure = Unanswered::Connect(error),
        }
    }
    Err(failure)
}

/// The time for one of several addresses: one that does not answer must leave time for the others.
fn fair_share(left: Duration, addresses: usize) -> Duration {
    left / u32::try_from(addresses).unwrap_or(u32::MAX)
}

/// Whether both ends of a connection are the same socket. The kernel makes such a connection where
/// nobody listens, when the port that it chooses for the client is the port to connect to.
fn is_connected_to_itself(socket: &TcpStream) -> bool {
    matches!((socket.local_addr(), socket.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
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
    let reply = read_reply(socket, deadline)?;
    if !is_right(message, &reply) {
        return Err(Failure::Wrong(reply));
    }
    log_events::message_from_server(config, &reply);
    Ok(())
}

fn send(mut socket: &TcpStream, message: &str, deadline: Instant) -> Result<(), Unanswered> {
    let line = format!("{message}\n");
    socket.set_write_timeout(Some(time_left(deadline)?)).map_err(Unanswered::Broken)?;
    socket.write_all(line.as_bytes()).map_err(broken_or_timeout)
}

/// Reads up to the first end of line, and what has come with it: a server may keep the connection
/// open, so the client does not wait for the end of the stream.
fn read_reply(mut socket: &TcpStream, deadline: Instant) -> Result<Vec<u8>, Unanswered> {
    let mut reply = [0; REPLY_MAX_BYTES];
    let mut length = 0;
    loop {
        let time_left = time_left(deadline);
        let timeout = *time_left.as_ref().unwrap_or(&LAST_LOOK);
        socket.set_read_timeout(Some(timeout)).map_err(Unanswered::Broken)?;
        match socket.read(&mut reply[length..]) {
            Ok(0) => return Err(Unanswered::Closed(length)),
            Ok(more) => length += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(broken_or_timeout(error)),
        }
        if length == REPLY_MAX_BYTES || reply[..length].contains(&b'\n') {
            return Ok(reply[..length].to_vec());
        }
        time_left?;
    }
}

/// Whether the reply is the message, or the original server's acknowledgement of it, and no more.
///
/// The acknowledgement shows the message as Python prints bytes: as they are, because a message has
/// no character that Python would escape (see [`crate::config::ClientId`]).
fn is_right(message: &str, reply: &[u8]) -> bool {
    let echo = format!("{message}\n");
    let acknowledgement = format!("Your Message has been received: b'{message}'\n");
    [echo, acknowledgement].iter().any(|right| right.as_bytes() == reply)
}

/// Never zero, which is no valid timeout of a socket.
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
    use socket2::{Domain, Socket, Type};

    #[test]
    fn each_address_has_its_share_of_the_time_that_is_left() {
        let left = Duration::from_secs(6);
        assert_eq!(fair_share(left, 3), Duration::from_secs(2));
        assert_eq!(fair_share(left, 1), left);
    }

    #[test]
    fn a_reply_is_right_only_if_it_is_exact() {
        let message = "[CLIENT 1] Message number 1 sent";
        for (reply, expected) in [
            ("[CLIENT 1] Message number 1 sent\n", true),
            ("Your Message has been received: b'[CLIENT 1] Message number 1 sent'\n", true),
            ("", false),
            ("\n", false),
            ("[CLIENT 1] Message number 1 sent", false),
            ("[CLIENT 1] Message number 1 sent\r\n", false),
            ("[CLIENT 1] Message number 1 sent \n", false),
            (" [CLIENT 1] Message number 1 sent\n", false),
            ("XX[CLIENT 1] Message number 1 sentYY\n", false),
            ("[CLIENT 1] Message number 1 sent\n\n", false),
            ("[CLIENT 1] Message number 1 sent\n[CLIENT 1] Message number 1 sent\n", false),
            ("[CLIENT 1] Message number 11 sent\n", false),
            ("[client 1] message number 1 sent\n", false),
            ("Your Message has been received: [CLIENT 1] Message number 1 sent\n", false),
            ("Your Message has been received: b'[CLIENT 1] Message number 1 sent'", false),
            ("Your Message has been received: b'[CLIENT 1] Message number 1 sent\\n'\n", false),
            ("Your Message has been received: b\"[CLIENT 1] Message number 1 sent\"\n", false),
            ("Your Message has been received: b'[CLIENT 1] Message number 2 sent'\n", false),
        ] {
            assert_eq!(is_right(message, reply.as_bytes()), expected, "{reply:?}");
        }
    }

    #[test]
    fn a_connection_to_itself_is_known() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
        socket.connect(&socket.local_addr().expect("an address")).expect("a connection to itself");
        assert!(is_connected_to_itself(&socket.into()));

        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let near = TcpStream::connect(listener.local_addr().expect("an address"));
        let (far, _) = listener.accept().expect("a connection");
        assert!(!is_connected_to_itself(&near.expect("a connection")));
        assert!(!is_connected_to_itself(&far));
    }
}
