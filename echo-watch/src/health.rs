//! Whether the server runs: the health check of containers.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use echo_status::{Frame, Lines, Phase, Request, VERSION};

use crate::feed::SILENCE;
use crate::trouble::Trouble;

/// Asks the status port at `address` for one frame. A server on its way out is not healthy: it is to get
/// no new clients.
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
    if frame.phase == Phase::Running {
        return Ok(());
    }
    let signal = frame.delay.map(|delay| delay.signal).or(frame.drain.map(|drain| drain.signal));
    Err(Trouble::Leaving(signal.unwrap_or_default()))
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
            ErrorKind::PermissionDenied => Trouble::Refused(error),
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Trouble::Silent(address),
            _ => Trouble::Lost(error),
        }),
    }
}
