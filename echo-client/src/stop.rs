//! How a signal reaches a blocked thread.
//!
//! A signal does not end a blocking call: handlers are installed with `SA_RESTART`, and
//! `thread::sleep` goes on after a signal. So another thread takes the signal and calls
//! [`Stop::request`]. This ends the worker's wait, which is on a condition variable, and the
//! worker's read or write, because it shuts down the socket. A name lookup and a connect cannot be
//! ended: [`crate::supervisor`] leaves the worker behind in them.

use std::io;
use std::mem;
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The request to stop, shared by both threads.
#[derive(Debug, Default)]
pub struct Stop {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
enum State {
    Running { socket: Option<TcpStream> },
    Stopping { signal: i32 },
}

impl Default for State {
    fn default() -> Self {
        State::Running { socket: None }
    }
}

/// A signal has asked for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The number of the signal.
    pub signal: i32,
}

impl Stop {
    /// Ends the wait, read or write in which the worker is blocked, and every later one.
    pub fn request(&self, signal: i32) {
        let before = mem::replace(&mut *self.state(), State::Stopping { signal });
        if let State::Running { socket: Some(socket) } = before {
            // This fails when the peer has reset the connection. Then the worker is not blocked.
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.changed.notify_all();
    }

    /// Checks whether to go on.
    ///
    /// # Errors
    /// [`Stopped`] once a stop has been requested.
    pub fn check(&self) -> Result<(), Stopped> {
        match *self.state() {
            State::Running { .. } => Ok(()),
            State::Stopping { signal } => Err(Stopped { signal }),
        }
    }

    /// Waits for `duration`.
    ///
    /// # Errors
    /// [`Stopped`], as soon as a stop is requested.
    pub fn wait(&self, duration: Duration) -> Result<(), Stopped> {
        let is_running = |state: &mut State| matches!(state, State::Running { .. });
        let waited = self.changed.wait_timeout_while(self.state(), duration, is_running);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.check()
    }

    /// Lets a request shut down `socket`, until the guard is dropped. If a stop has been requested
    /// already, the socket is shut down at once.
    ///
    /// # Errors
    /// The socket cannot be duplicated.
    pub fn guard<'a>(&'a self, socket: &TcpStream) -> io::Result<SocketGuard<'a>> {
        let duplicate = socket.try_clone()?;
        match &mut *self.state() {
            State::Running { socket } => *socket = Some(duplicate),
            State::Stopping { .. } => duplicate.shutdown(Shutdown::Both)?,
        }
        Ok(SocketGuard(self))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the socket out of a request's reach when it is dropped.
#[derive(Debug)]
pub struct SocketGuard<'a>(&'a Stop);

impl Drop for SocketGuard<'_> {
    fn drop(&mut self) {
        if let State::Running { socket } = &mut *self.0.state() {
            *socket = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use signal_hook::consts::SIGTERM;
    use std::io::Read;
    use std::net::TcpListener;
    use std::thread;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(60);
    const STOPPED: Stopped = Stopped { signal: SIGTERM };

    fn connected() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let near = TcpStream::connect(address).expect("a connection");
        let (far, _) = listener.accept().expect("a connection");
        (near, far)
    }

    #[test]
    fn a_wait_is_as_long_as_asked_for() {
        let start = Instant::now();
        assert_eq!(Stop::default().wait(Duration::from_millis(20)), Ok(()));
        assert!(start.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn a_request_ends_a_wait() {
        let stop = Stop::default();
        let start = Instant::now();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| stop.wait(LONG));
            stop.request(SIGTERM);
            assert_eq!(waiting.join().expect("no panic"), Err(STOPPED));
        });
        assert!(start.elapsed() < LONG);
        assert_eq!(stop.wait(LONG), Err(STOPPED));
        assert_eq!(stop.check(), Err(STOPPED));
    }

    #[test]
    fn a_request_ends_a_read() {
        let stop = Stop::default();
        let (mut near, _far) = connected();
        near.set_read_timeout(Some(LONG)).expect("a timeout");
        let _guard = stop.guard(&near).expect("a duplicate");
        thread::scope(|scope| {
            let reading = scope.spawn(|| near.read(&mut [0]).expect("an end"));
            stop.request(SIGTERM);
            assert_eq!(reading.join().expect("no panic"), 0);
        });
    }

    #[test]
    fn a_socket_that_comes_after_the_request_is_shut_down_at_once() {
        let stop = Stop::default();
        stop.request(SIGTERM);
        let (mut near, _far) = connected();
        near.set_read_timeout(Some(LONG)).expect("a timeout");
        let _guard = stop.guard(&near).expect("a duplicate");
        assert_eq!(near.read(&mut [0]).expect("an end"), 0);
    }

    #[test]
    fn a_dropped_guard_leaves_no_duplicate_open() {
        let stop = Stop::default();
        let (near, mut far) = connected();
        drop(stop.guard(&near).expect("a duplicate"));
        drop(near);
        far.set_read_timeout(Some(LONG)).expect("a timeout");
        assert_eq!(far.read(&mut [0]).expect("an end"), 0);
    }
}
