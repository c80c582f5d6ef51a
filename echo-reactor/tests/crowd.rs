//! A million connections, served by the reactor's own code. Most machines have fewer descriptors, so the
//! kernel is simulated: it hands out connections and events, and does nothing else.
//!
//! The test is alone in its file, because it measures the memory of the whole process.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use echo_harness::proc;
use echo_reactor::config::{Config, Service, Timeouts};
use echo_reactor::deadlines::Moment;
use echo_reactor::kernel::{Clock, Kernel, Socket, Wakeup};
use echo_reactor::peer::Peer;
use echo_reactor::reactor::{Exit, Reactor};
use echo_reactor::signals::{Request, Signal};
use echo_reactor::source::{Readiness, Source};
use rustix::process::getpid;

const CONNECTIONS: usize = 1_000_000;
const EVENTS_PER_TURN: usize = 64;
const LINE: &[u8] = b"[CLIENT 1] Message number 1 sent\n";

// These are not in the sockets, which have to be as small as real ones.
static HAS_INPUT: AtomicBool = AtomicBool::new(false);
static OPEN: AtomicUsize = AtomicUsize::new(0);
static ANSWERED: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_million_connections_take_160_bytes_each() {
    // Every connection has its deadline, and none is reached.
    let hour = Duration::from_secs(3600);
    let mut service = Service {
        timeouts: Timeouts { idle: hour, message: hour },
        connections_max: CONNECTIONS,
        drain_delay: Duration::ZERO,
        drain_timeout: hour,
        ..Config::default().service(true, 0)
    };
    service.rules.messages_per_connection = 0;
    let before = proc::resident_bytes(getpid()).unwrap();

    let exit = Reactor::new(Crowd::default(), service).run();

    assert_eq!(exit, Exit::Drained);
    assert_eq!((OPEN.load(Relaxed), ANSWERED.load(Relaxed)), (0, CONNECTIONS));
    let most = proc::peak_resident_bytes(getpid()).unwrap();
    let bytes = (most - before) / CONNECTIONS as u64;
    assert!((100..=160).contains(&bytes), "{bytes} bytes");
}

/// All connect, then each sends a line, then the server is asked to leave.
#[derive(Default)]
struct Crowd {
    accepted: usize,
    woken: usize,
    asked_to_leave: bool,
    turns: u64,
}

impl Kernel for Crowd {
    type Socket = CrowdSocket;

    fn wait(
        &mut self,
        _timeout: Option<Duration>,
        mut hand_on: impl FnMut(Source, Readiness),
    ) -> Wakeup {
        self.turns += 1;
        let wakeup = Wakeup { by_event: true, is_full: false };
        if self.accepted < CONNECTIONS {
            hand_on(Source::Listener, Readiness::READABLE);
            return wakeup;
        }
        let woken = self.woken..CONNECTIONS.min(self.woken + EVENTS_PER_TURN);
        self.woken = woken.end;
        HAS_INPUT.store(!woken.is_empty(), Relaxed);
        woken.for_each(|slot| hand_on(Source::Connection(slot), Readiness::READABLE));
        wakeup
    }

    fn now(&self) -> Moment {
        Moment::after_start(Duration::from_millis(self.turns))
    }

    fn clock(&self) -> Clock {
        let millis = self.turns;
        Rc::new(move || Duration::from_millis(millis))
    }

    fn requests(&mut self, mut obey: impl FnMut(Request)) {
        let all_answered = ANSWERED.load(Relaxed) == CONNECTIONS;
        if all_answered && !mem::replace(&mut self.asked_to_leave, true) {
            obey(Request::Leave(Signal::Terminate));
        }
    }

    fn accept(&mut self) -> io::Result<(CrowdSocket, Peer)> {
        if self.accepted == CONNECTIONS {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let number = u32::try_from(self.accepted).expect("a million");
        self.accepted += 1;
        OPEN.fetch_add(1, Relaxed);
        let address = SocketAddr::from((Ipv4Addr::from(number), 12345));
        Ok((CrowdSocket { _descriptor: number }, address.into()))
    }

    fn watch(&mut self, _socket: &mut CrowdSocket, _source: Source) -> io::Result<()> {
        Ok(())
    }

    fn shut_queue(&mut self) {}

    fn close_listener(&mut self) {}

    fn flush_log(&mut self) {}
}

struct CrowdSocket {
    _descriptor: u32,
}

impl Socket for CrowdSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !HAS_INPUT.load(Relaxed) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffer[..LINE.len()].copy_from_slice(LINE);
        Ok(LINE.len())
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert_eq!(bytes, LINE);
        ANSWERED.fetch_add(1, Relaxed);
        Ok(bytes.len())
    }

    fn send_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(bytes)
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
        OPEN.fetch_sub(1, Relaxed);
    }
}
