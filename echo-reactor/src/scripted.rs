//! A kernel and a socket that follow a test's script, for the tests of one module at a time.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;

use crate::deadlines::Moment;
use crate::kernel::{Clock, Kernel, Socket, Wakeup};
use crate::peer::Peer;
use crate::signals::Request;
use crate::source::{Readiness, Source};

/// What a read finds.
pub(crate) enum Input {
    Bytes(Vec<u8>),
    /// The peer has ended its input.
    End,
    Error(ErrorKind),
}

/// A socket whose input is a list. Once the list is read, nothing more has arrived.
pub(crate) struct ScriptedSocket {
    pub(crate) input: VecDeque<Input>,
    /// How many bytes the next sends take, in all.
    pub(crate) room: usize,
    pub(crate) sent: Vec<u8>,
    pub(crate) has_ended_output: bool,
    pub(crate) resets_on_close: bool,
    /// Whether what was sent has left this host.
    pub(crate) is_all_sent: bool,
}

impl ScriptedSocket {
    /// With room for any reply.
    pub(crate) fn new(input: impl IntoIterator<Item = Input>) -> ScriptedSocket {
        ScriptedSocket {
            input: input.into_iter().collect(),
            room: usize::MAX,
            sent: Vec::new(),
            has_ended_output: false,
            resets_on_close: false,
            is_all_sent: true,
        }
    }
}

impl Socket for ScriptedSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.input.pop_front() {
            None => Err(ErrorKind::WouldBlock.into()),
            Some(Input::End) => Ok(0),
            Some(Input::Error(kind)) => Err(kind.into()),
            Some(Input::Bytes(mut bytes)) => {
                let rest = bytes.split_off(bytes.len().min(buffer.len()));
                buffer[..bytes.len()].copy_from_slice(&bytes);
                if !rest.is_empty() {
                    self.input.push_front(Input::Bytes(rest));
                }
                Ok(bytes.len())
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!self.has_ended_output, "sends after the end of the output");
        let count = bytes.len().min(self.room);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.room -= count;
        self.sent.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn send_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(bytes)
    }

    fn end_output(&mut self) -> io::Result<()> {
        self.has_ended_output = true;
        Ok(())
    }

    fn is_all_sent(&self) -> bool {
        self.is_all_sent
    }

    fn reset_on_close(&mut self) {
        self.resets_on_close = true;
    }
}

/// A kernel with a list of results for `accept`. Once they are used up, the queue is empty.
pub(crate) struct ScriptedKernel {
    pub(crate) now: Moment,
    /// What the next wait hands on.
    pub(crate) events: Vec<Source>,
    /// When the last wait would have ended without an event.
    pub(crate) wakes_at: Moment,
    pub(crate) accepts: VecDeque<Result<(), Errno>>,
    pub(crate) attempts: usize,
    pub(crate) queue_is_shut: bool,
    pub(crate) listener_is_closed: bool,
}

impl Default for ScriptedKernel {
    fn default() -> ScriptedKernel {
        ScriptedKernel {
            now: Moment::START,
            events: Vec::new(),
            wakes_at: Moment::NEVER,
            accepts: VecDeque::new(),
            attempts: 0,
            queue_is_shut: false,
            listener_is_closed: false,
        }
    }
}

impl Kernel for ScriptedKernel {
    type Socket = ScriptedSocket;

    fn wait(
        &mut self,
        timeout: Option<Duration>,
        mut hand_on: impl FnMut(Source, Readiness),
    ) -> Wakeup {
        self.wakes_at = timeout.map_or(Moment::NEVER, |timeout| self.now + timeout);
        self.events.drain(..).for_each(|source| hand_on(source, Readiness::READABLE));
        Wakeup::default()
    }

    fn now(&self) -> Moment {
        self.now
    }

    fn clock(&self) -> Clock {
        Rc::new(|| Duration::ZERO)
    }

    fn requests(&mut self, _: impl FnMut(Request)) {}

    fn accept(&mut self) -> io::Result<(ScriptedSocket, Peer)> {
        assert!(!self.listener_is_closed, "accepts from a closed listener");
        self.attempts += 1;
        self.accepts.pop_front().unwrap_or(Err(Errno::AGAIN))?;
        Ok((ScriptedSocket::new([]), SocketAddr::from((Ipv4Addr::LOCALHOST, 7)).into()))
    }

    fn watch(&mut self, _: &mut ScriptedSocket, _: Source) -> io::Result<()> {
        Ok(())
    }

    fn shut_queue(&mut self) {
        self.queue_is_shut = true;
    }

    fn close_listener(&mut self) {
        self.listener_is_closed = true;
    }

    fn flush_log(&mut self) {}
}
