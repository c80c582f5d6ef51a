//! Why a view ends before its time, each in one line with what to do about it.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::figures::plain;

/// What went wrong.
#[derive(Debug)]
pub enum Trouble {
    /// `server.status` is off.
    Off,
    /// `server.status` leaves the choice of the port to the kernel.
    AnyPort(SocketAddr),
    /// Nobody answers at the address.
    CannotConnect(SocketAddr, io::Error),
    /// Somebody does, but what came is no line of a status port.
    NotAStatusPort(SocketAddr, io::Error),
    /// The server does not answer this question now, and says why.
    Refused(io::Error),
    /// The lines are those of another version of the server.
    OtherVersion(u32),
    /// The connection is there, but no line came in time.
    Silent(SocketAddr),
    /// The connection ended before it was done.
    Lost(io::Error),
    /// The server is on its way out: the signal.
    Leaving(String),
    /// The output cannot be written.
    Output(io::Error),
    /// The system has no descriptor or no thread left.
    System(io::Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Off => f.write_str(
                "server.status is off, so the server cannot be seen: set it for the server and for this \
                 program alike, in config.yaml or by SERVER_STATUS=127.0.0.1:12346",
            ),
            Trouble::AnyPort(address) => write!(
                f,
                "server.status is {address}, so the kernel has chosen the port: the server's log says \
                 which; name it here, as --status 127.0.0.1:12346"
            ),
            Trouble::CannotConnect(address, error) => write!(
                f,
                "no status port answers at {address}: {}; is the server running, and is this its \
                 server.status?",
                reason(error)
            ),
            Trouble::NotAStatusPort(address, error) => write!(
                f,
                "what comes from {address} is no frame: {}; is this the address of server.status, \
                 and not that for clients?",
                reason(error)
            ),
            Trouble::Refused(error) => write!(f, "the server refuses: {}", reason(error)),
            Trouble::OtherVersion(version) => write!(
                f,
                "the server speaks version {version} of the status port, and this program version \
                 {}: use the same version of both",
                echo_status::VERSION
            ),
            Trouble::Silent(address) => write!(
                f,
                "no frame came from {address} within 2 s: the server is stopped, or busy in one turn"
            ),
            Trouble::Lost(error) => write!(f, "the server is gone: {}", reason(error)),
            Trouble::Leaving(signal) => {
                write!(f, "the server is on its way out ({}): it is to get no new clients", plain(signal))
            }
            Trouble::Output(error) => {
                write!(f, "the output cannot be written: {}", reason(error))
            }
            Trouble::System(error) => {
                write!(f, "no descriptor or no thread is left: {}", reason(error))
            }
        }
    }
}

impl std::error::Error for Trouble {}

/// An error in words, without its number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = plain(&error.to_string());
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
