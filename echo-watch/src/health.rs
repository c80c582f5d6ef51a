//! Whether the server runs: the health check of containers.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use echo_status::{Frame, Lines, Phase, Request, VERSION};

use crate::feed::SILENCE;
use crate::trouble::Trouble;

/// Asks the status port at `address` for one frame. A server that drains is not healthy: it takes no
/// new connections.
///
/// # Errors
/// Why the server cannot be said to run. There is an answer within two seconds.
pub(crate) fn health(address: SocketAddr) -> Result<(), Trouble> {
    let (answer, answered) = mpsc::channel();
    // A thread of its own: the time for each byte is limited, but not for all of them.
    let asker = move || {
        // Nobody listens any more to an answer that comes too late.
        let _ = answer.send(ask(address));
    };
    thread::Builder::new().spawn(asker).map_err(Trouble::System)?;
    let frame = answered.recv_timeout(SILENCE).unwrap_or(Err(Trouble::Silent(address)))?;
    match (frame.phase, frame.drain) {
        (Phase::Running, _) => Ok(()),
        (_, drain) => Err(Trouble::Draining(drain.map_or_else(String::new, |drain| drain.signal))),
    }
}

fn ask(address: SocketAddr) -> Result<Frame, Trouble> {
    let lines = Lines::ask(address, Request::Once, SILENCE);
    let mut lines = lines.map_err(|error| Trouble::CannotConnect(address, error))?;
    match lines.next_frame() {
        Ok(Some(frame)) if frame.version == VERSION => Ok(frame),
        Ok(Some(frame)) => Err(Trouble::OtherVersion(frame.version)),
        Ok(None) => Err(Trouble::Lost(ErrorKind::ConnectionAborted.into())),
        Err(error) => Err(match error.kind() {
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
                Trouble::NotAStatusPort(address, error)
            }
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Trouble::Silent(address),
            _ => Trouble::Lost(error),
        }),
    }
}
