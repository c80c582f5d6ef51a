//! Lines of a status port that may go and come back.

use std::io::{self, ErrorKind};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use echo_status::{Frame, Lines, Request, StepLine, VERSION};

use crate::trouble::Trouble;

/// How long a line is waited for before [`News::Nothing`], and how long lies between two attempts to
/// connect. A frame comes every quarter of a second.
const PAUSE: Duration = Duration::from_millis(500);
/// A server from which nothing comes for so long is stopped, or is none.
pub(crate) const SILENCE: Duration = Duration::from_secs(2);

/// What is heard from the server.
#[derive(Debug)]
pub(crate) enum News<T> {
    Line(T),
    /// Nothing for a moment. The connection is there.
    Nothing,
    /// There is no connection, and why.
    Gone(io::Error),
}

/// A line of a status port.
pub(crate) trait Told: Sized {
    const REQUEST: Request;

    fn next(lines: &mut Lines) -> io::Result<Option<Self>>;
    fn version(&self) -> u32;
}

impl Told for Frame {
    const REQUEST: Request = Request::Watch;

    fn next(lines: &mut Lines) -> io::Result<Option<Frame>> {
        lines.next_frame()
    }

    fn version(&self) -> u32 {
        self.version
    }
}

impl Told for StepLine {
    const REQUEST: Request = Request::Follow;

    fn next(lines: &mut Lines) -> io::Result<Option<StepLine>> {
        lines.next_step()
    }

    fn version(&self) -> u32 {
        self.version
    }
}

/// The lines that one request is answered with, from a server that may be restarted meanwhile.
#[derive(Debug)]
pub(crate) struct Feed<T> {
    address: SocketAddr,
    /// `None` while there is no connection.
    lines: Option<Lines>,
    /// Lines of this connection.
    heard: u64,
    /// Whether any line has come, on any connection.
    has_heard: bool,
    began: Instant,
    told: PhantomData<T>,
}

impl<T: Told> Feed<T> {
    /// Connects and asks.
    pub(crate) fn open(address: SocketAddr) -> Result<Feed<T>, Trouble> {
        let lines = Lines::ask(address, T::REQUEST, PAUSE);
        let lines = lines.map_err(|error| Trouble::CannotConnect(address, error))?;
        let began = Instant::now();
        let told = PhantomData;
        Ok(Feed { address, lines: Some(lines), heard: 0, has_heard: false, began, told })
    }

    /// What comes next; it takes half a second at most, about. Without a connection it tries to get one.
    ///
    /// Trouble comes of what time does not heal, and at the beginning of any failure: then the address
    /// is likely to be wrong.
    pub(crate) fn next(&mut self) -> Result<News<T>, Trouble> {
        let Some(lines) = &mut self.lines else { return Ok(self.try_again()) };
        match T::next(lines) {
            Ok(Some(line)) if line.version() != VERSION => {
                Err(Trouble::OtherVersion(line.version()))
            }
            Ok(Some(line)) => {
                self.heard += 1;
                self.has_heard = true;
                Ok(News::Line(line))
            }
            Ok(None) => self.lose(ErrorKind::ConnectionAborted.into()),
            Err(error) => match error.kind() {
                ErrorKind::InvalidData => Err(Trouble::NotAStatusPort(self.address, error)),
                ErrorKind::PermissionDenied => Err(Trouble::Refused(error)),
                ErrorKind::WouldBlock | ErrorKind::TimedOut => self.nothing(),
                _ => self.lose(error),
            },
        }
    }

    fn nothing(&self) -> Result<News<T>, Trouble> {
        if !self.has_heard && self.began.elapsed() >= SILENCE {
            return Err(Trouble::Silent(self.address));
        }
        Ok(News::Nothing)
    }

    fn lose(&mut self, error: io::Error) -> Result<News<T>, Trouble> {
        self.lines = None;
        if !self.has_heard {
            return Err(Trouble::Lost(error));
        }
        // A server that has enough watchers answers with one line, and ends the connection.
        Ok(if self.heard == 1 { News::Nothing } else { News::Gone(error) })
    }

    fn try_again(&mut self) -> News<T> {
        thread::sleep(PAUSE);
        match Lines::ask(self.address, T::REQUEST, PAUSE) {
            Ok(lines) => {
                self.lines = Some(lines);
                self.heard = 0;
                News::Nothing
            }
            Err(error) => News::Gone(error),
        }
    }
}
