//! Asking a server for its status, from outside.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Frame, Request, StepLine};

/// No line is longer: who sends more is no status port.
const LINE_MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The lines that a status port sends, one after the other.
#[derive(Debug)]
pub struct Lines {
    input: BufReader<TcpStream>,
    line: Vec<u8>,
}

impl Lines {
    /// Connects and asks. Both, and each line later, may take as long as `timeout`.
    ///
    /// # Errors
    /// What `connect(2)` and `send(2)` list; `TimedOut`.
    pub fn ask(address: SocketAddr, request: Request, timeout: Duration) -> io::Result<Lines> {
        let mut socket = TcpStream::connect_timeout(&address, timeout)?;
        if socket.local_addr()? == socket.peer_addr()? {
            // The kernel can connect a socket to itself where nobody listens.
            return Err(ErrorKind::ConnectionRefused.into());
        }
        socket.set_read_timeout(Some(timeout))?;
        socket.set_write_timeout(Some(timeout))?;
        socket.write_all(format!("{}\n", request.word()).as_bytes())?;
        Ok(Lines { input: BufReader::new(socket), line: Vec::new() })
    }

    /// The next frame; `None` is the end.
    ///
    /// # Errors
    /// `InvalidData` if the line is no frame of this version; `PermissionDenied` if it is the server's
    /// refusal, with its text; else what `recv(2)` lists. `WouldBlock`
    /// after the timeout: what has come of a line is kept, and a further call goes on.
    pub fn next_frame(&mut self) -> io::Result<Option<Frame>> {
        self.next()
    }

    /// The next step of a followed connection; `None` is the end.
    ///
    /// # Errors
    /// As [`Lines::next_frame`].
    pub fn next_step(&mut self) -> io::Result<Option<StepLine>> {
        self.next()
    }

    fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let room = LINE_MAX_BYTES.saturating_sub(self.line.len() as u64);
        self.input.by_ref().take(room).read_until(b'\n', &mut self.line)?;
        if self.line.is_empty() {
            return Ok(None);
        }
        let line = std::mem::take(&mut self.line);
        if !line.ends_with(b"\n") {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "the last line is cut off"));
        }
        serde_json::from_slice(&line)
            .map(Some)
            .map_err(|error| refusal(&line).unwrap_or(error.into()))
    }
}

/// What the server says instead of an answer, if this is such a line.
fn refusal(line: &[u8]) -> Option<io::Error> {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    let Refusal { error } = serde_json::from_slice(line).ok()?;
    Some(io::Error::new(ErrorKind::PermissionDenied, error))
}
