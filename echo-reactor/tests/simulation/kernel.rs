//! The simulated kernel, as the reactor sees it: the two traits of the seam.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use echo_reactor::deadlines::Moment;
use echo_reactor::kernel::{Clock, Kernel, Socket, Wakeup};
use echo_reactor::peer::Peer;
use echo_reactor::signals::Request;
use echo_reactor::source::{Readiness, Source};

use crate::ledger::Link;
use crate::tcp::Leaves;
use crate::world::{Listener, World};

/// The world, which the kernel and all its sockets share.
#[derive(Clone)]
pub(crate) struct SimulatedKernel(pub(crate) Rc<RefCell<World>>);

pub(crate) struct SimulatedSocket {
    world: Rc<RefCell<World>>,
    end: End,
}

/// Who is at the other end.
#[derive(Clone, Copy)]
enum End {
    Client(usize),
    Visitor(usize),
}

impl End {
    fn client(self) -> usize {
        match self {
            End::Client(id) => id,
            End::Visitor(number) => panic!("visitor {number} is taken for a client"),
        }
    }
}

impl Kernel for SimulatedKernel {
    type Socket = SimulatedSocket;

    fn wait(
        &mut self,
        timeout: Option<Duration>,
        mut hand_on: impl FnMut(Source, Readiness),
    ) -> Wakeup {
        let (events, wakeup) = self.0.borrow_mut().wait(timeout);
        for (source, readiness) in events {
            hand_on(source, readiness);
        }
        wakeup
    }

    fn now(&self) -> Moment {
        let mut world = self.0.borrow_mut();
        world.enter();
        world.clock_is_read();
        Moment::after_start(Duration::from_millis(world.clock))
    }

    /// Reading it is no call: the world stands still meanwhile.
    fn clock(&self) -> Clock {
        let world = Rc::clone(&self.0);
        Rc::new(move || Duration::from_millis(world.borrow().clock))
    }

    fn requests(&mut self, obey: impl FnMut(Request)) {
        let mut world = self.0.borrow_mut();
        let signals = world.take_signals();
        let rate = world.faults.report;
        let report = world.strikes(rate).then_some(Request::Report);
        drop(world);
        signals.into_iter().map(Request::Leave).chain(report).for_each(obey);
    }

    fn accept(&mut self) -> io::Result<(SimulatedSocket, Peer)> {
        let mut world = self.0.borrow_mut();
        let id = world.accept()?;
        let socket = SimulatedSocket { world: Rc::clone(&self.0), end: End::Client(id) };
        Ok((socket, world.links[id].peer.address.into()))
    }

    fn watch(&mut self, socket: &mut SimulatedSocket, source: Source) -> io::Result<()> {
        let mut world = self.0.borrow_mut();
        match (source, socket.end) {
            (Source::Connection(slot), End::Client(id)) => world.watch(id, slot),
            (Source::Watcher(place), End::Visitor(number)) => world.watch_visitor(number, place),
            _ => panic!("{source:?} is not for this socket"),
        }
    }

    fn shut_queue(&mut self) {
        let mut world = self.0.borrow_mut();
        world.enter();
        assert!(world.drain.is_some(), "shuts the queue before the drain");
        world.listener = Listener::Shut;
    }

    fn close_listener(&mut self) {
        self.0.borrow_mut().close_listener();
    }

    fn flush_log(&mut self) {}

    fn accept_watcher(&mut self) -> io::Result<SimulatedSocket> {
        let number = self.0.borrow_mut().accept_watcher()?;
        Ok(SimulatedSocket { world: Rc::clone(&self.0), end: End::Visitor(number) })
    }

    fn watcher_left(&mut self) {
        self.0.borrow_mut().watcher_left();
    }
}

impl Socket for SimulatedSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut world = self.world.borrow_mut();
        match self.end {
            End::Client(id) => world.read(id, buffer),
            End::Visitor(number) => world.visitor_read(number, buffer),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut world = self.world.borrow_mut();
        match self.end {
            End::Client(id) => world.send(id, bytes, Leaves::AtOnce),
            End::Visitor(number) => world.visitor_send(number, bytes),
        }
    }

    fn send_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.world.borrow_mut().send(self.end.client(), bytes, Leaves::WithTheEnd)
    }

    fn end_output(&mut self) -> io::Result<()> {
        self.world.borrow_mut().end_output(self.end.client())
    }

    fn is_all_sent(&self) -> bool {
        let mut world = self.world.borrow_mut();
        world.enter();
        let Link { tcp, ledger, .. } = &mut world.links[self.end.client()];
        let is_all_sent = tcp.in_send_buffer() == 0;
        if is_all_sent {
            ledger.all_is_sent();
        }
        is_all_sent
    }

    fn reset_on_close(&mut self) {
        self.world.borrow_mut().links[self.end.client()].ledger.resets_on_close = true;
    }
}

impl Drop for SimulatedSocket {
    fn drop(&mut self) {
        if !thread::panicking() {
            let mut world = self.world.borrow_mut();
            match self.end {
                End::Client(id) => world.close(id),
                End::Visitor(number) => world.close_visitor(number),
            }
        }
    }
}
