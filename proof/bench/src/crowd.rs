//! A crowd: more connections than the descriptor limit of most machines allows, before the reactor's own
//! code. Its kernel is simulated and costs next to nothing, so what is measured is the reactor alone: the
//! memory of a connection, and the time that an event takes among so many.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use echo_reactor::connection::Desk;
use echo_reactor::deadlines::Moment;
use echo_reactor::echo::{Framing, Reply, Rules};
use echo_reactor::kernel::{Kernel, Socket, Then};
use echo_reactor::peer::Peer;
use echo_reactor::reactor::{Exit, Limits, Reactor};
use echo_reactor::signals::Signal;
use echo_reactor::source::{Readiness, Source};
use fastrand::Rng;
use rustix::process::getpid;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::cpu;

/// Events of one turn.
const EVENTS_PER_TURN: u64 = 64;
/// Events that are measured: two for each of a million connections.
const MEASURED_EVENTS: u64 = 2_000_000;
/// Events before that, for the caches to be as they will be.
const WARM_UP_EVENTS: u64 = 200_000;
/// The line that every event brings.
const LINE: &[u8] = b"[CLIENT 1] Message number 1 sent, filled up to sixty-four bytes\n";

/// What a crowd of connections costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crowd {
    /// Connections that were open at once.
    pub connections: usize,
    /// The process's largest resident memory in bytes, less what it had before the first of them.
    pub peak_bytes: u64,
    /// Messages that were answered while all of them were open.
    pub events: u64,
    /// Processor time for these, the simulated kernel's included, in nanoseconds.
    pub cpu_ns: u64,
}

/// Opens `connections`, has one of them after the other echo a line, at random, and drains.
///
/// The memory is that of the process, so one process can gather only once.
///
/// # Errors
/// When `/proc` does not tell the memory.
///
/// # Panics
/// When the reactor loses a message or a connection.
pub fn gather(connections: usize) -> io::Result<Crowd> {
    let rules = Rules {
        framing: Framing::Line,
        reply: Reply::Echo,
        messages_per_connection: 0,
        message_max_bytes: 16 * 1024,
    };
    // On, so that every connection has its deadline, but never reached.
    let hour = Duration::from_secs(3600);
    let limits = Limits { connections_max: connections, drain_timeout: hour };
    let resident_bytes = cpu::resident_bytes(getpid())?;
    let kernel = CrowdKernel::new(connections);
    let exit = Reactor::new(kernel, limits, Desk::new(rules, hour, hour)).run();
    let peak_bytes = cpu::peak_resident_bytes(getpid())?.saturating_sub(resident_bytes);
    WIRE.with(|wire| {
        assert_eq!(exit, Exit::Drained);
        assert_eq!(wire.answered.get(), WARM_UP_EVENTS + MEASURED_EVENTS, "messages are lost");
        assert_eq!((wire.open.get(), wire.most_open.get()), (0, connections), "sockets are lost");
        let cpu_ns = wire.ended_at_ns.get() - wire.began_at_ns.get();
        Ok(Crowd { connections, peak_bytes, events: MEASURED_EVENTS, cpu_ns })
    })
}

/// What the kernel and all its sockets share. Outside of the sockets, which are to be as small as real
/// ones.
#[derive(Default)]
struct Wire {
    /// Whether the socket that is read next has a line.
    brings_lines: Cell<bool>,
    answered: Cell<u64>,
    open: Cell<usize>,
    most_open: Cell<usize>,
    began_at_ns: Cell<u64>,
    ended_at_ns: Cell<u64>,
}

thread_local! {
    static WIRE: Wire = Wire::default();
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Echoing,
    Draining,
}

struct CrowdKernel {
    stage: Stage,
    connections: usize,
    accepted: usize,
    /// Events so far.
    told: u64,
    signal: Option<Signal>,
    turns: u64,
    dice: Rng,
}

/// As large as a descriptor.
struct CrowdSocket(#[expect(dead_code)] u32);

impl CrowdKernel {
    fn new(connections: usize) -> CrowdKernel {
        CrowdKernel {
            stage: Stage::Connecting,
            connections,
            accepted: 0,
            told: 0,
            signal: None,
            turns: 0,
            dice: Rng::with_seed(0),
        }
    }

    /// Goes on to the next stage when this one has done its part.
    fn proceed(&mut self) {
        match self.stage {
            Stage::Connecting if self.accepted == self.connections => {
                self.stage = Stage::Echoing;
                WIRE.with(|wire| wire.brings_lines.set(true));
            }
            Stage::Echoing if self.told == WARM_UP_EVENTS => {
                WIRE.with(|wire| wire.began_at_ns.set(cpu_ns()));
            }
            Stage::Echoing if self.told == WARM_UP_EVENTS + MEASURED_EVENTS => {
                self.stage = Stage::Draining;
                self.signal = Some(Signal::Terminate);
                WIRE.with(|wire| {
                    wire.ended_at_ns.set(cpu_ns());
                    wire.brings_lines.set(false);
                });
            }
            Stage::Connecting | Stage::Echoing | Stage::Draining => {}
        }
    }
}

impl Kernel for CrowdKernel {
    type Socket = CrowdSocket;

    fn wait(&mut self, _timeout: Option<Duration>, mut wake: impl FnMut(Source, Readiness)) {
        self.turns += 1;
        self.proceed();
        match self.stage {
            Stage::Connecting => wake(Source::Listener, Readiness::READABLE),
            Stage::Echoing => {
                for _ in 0..EVENTS_PER_TURN {
                    let slot = self.dice.usize(..self.connections);
                    wake(Source::Connection(slot), Readiness::READABLE);
                }
                self.told += EVENTS_PER_TURN;
            }
            Stage::Draining => {}
        }
    }

    fn now(&self) -> Moment {
        Moment::after_start(Duration::from_millis(self.turns))
    }

    fn signals(&mut self, obey: impl FnMut(Signal)) {
        self.signal.take().into_iter().for_each(obey);
    }

    fn accept(&mut self) -> io::Result<(CrowdSocket, Peer)> {
        if self.accepted == self.connections {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let number = u32::try_from(self.accepted).map_err(io::Error::other)?;
        self.accepted += 1;
        WIRE.with(|wire| {
            wire.open.set(wire.open.get() + 1);
            wire.most_open.set(wire.most_open.get().max(wire.open.get()));
        });
        let address = SocketAddr::from((Ipv4Addr::from(number), 12345));
        Ok((CrowdSocket(number), address.into()))
    }

    fn watch(&mut self, _socket: &mut CrowdSocket, _slot: usize) -> io::Result<()> {
        Ok(())
    }

    fn shut_queue(&mut self) {}

    fn close_listener(&mut self) {}

    fn flush_log(&mut self) {}
}

impl Socket for CrowdSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !WIRE.with(|wire| wire.brings_lines.get()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffer[..LINE.len()].copy_from_slice(LINE);
        Ok(LINE.len())
    }

    fn send(&mut self, bytes: &[u8], _then: Then) -> io::Result<usize> {
        assert_eq!(bytes, LINE, "the reply is another");
        WIRE.with(|wire| wire.answered.set(wire.answered.get() + 1));
        Ok(bytes.len())
    }

    fn end_output(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn is_all_sent(&self) -> bool {
        true
    }

    fn reset_on_close(&mut self) {}
}

impl Drop for CrowdSocket {
    fn drop(&mut self) {
        WIRE.with(|wire| wire.open.set(wire.open.get() - 1));
    }
}

/// Processor time of this thread.
fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanoseconds = time.tv_sec * 1_000_000_000 + time.tv_nsec;
    u64::try_from(nanoseconds).expect("a thread's time is not negative")
}
