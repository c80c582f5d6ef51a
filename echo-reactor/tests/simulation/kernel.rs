//! The simulated kernel, as the reactor sees it: the two traits of the seam.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use echo_reactor::deadlines::Moment;
use echo_reactor::kernel::{Kernel, Socket, Then};
use echo_reactor::peer::Peer;
use echo_reactor::signals::Signal;
use echo_reactor::source::{Readiness, Source};
use rustix::io::Errno;

use crate::checks::Turn;
use crate::ledger::{BeforeDrain, Link};
use crate::peer::Stage;
use crate::scenario::pick;
use crate::world::{Drain, Listener, World};

/// The world, which the kernel and all its sockets share.
#[derive(Clone)]
pub(crate) struct SimulatedKernel(pub(crate) Rc<RefCell<World>>);

pub(crate) struct SimulatedSocket {
    world: Rc<RefCell<World>>,
    id: usize,
}

impl Kernel for SimulatedKernel {
    type Socket = SimulatedSocket;

    fn wait(&mut self, timeout: Option<Duration>, mut wake: impl FnMut(Source, Readiness)) {
        let events = self.0.borrow_mut().wait(timeout);
        for (source, readiness) in events {
            wake(source, readiness);
        }
    }

    fn now(&self) -> Moment {
        let mut world = self.0.borrow_mut();
        world.enter();
        world.turn.now = world.clock;
        Moment::after_start(Duration::from_millis(world.clock))
    }

    fn signals(&mut self, obey: impl FnMut(Signal)) {
        let signals = self.0.borrow_mut().take_signals();
        signals.into_iter().for_each(obey);
    }

    fn accept(&mut self) -> io::Result<(SimulatedSocket, Peer)> {
        let mut world = self.0.borrow_mut();
        let id = world.accept()?;
        let socket = SimulatedSocket { world: Rc::clone(&self.0), id };
        Ok((socket, world.links[id].peer.address.into()))
    }

    fn watch(&mut self, socket: &mut SimulatedSocket, slot: usize) -> io::Result<()> {
        self.0.borrow_mut().watch(socket.id, slot)
    }

    fn shut_queue(&mut self) {
        let mut world = self.0.borrow_mut();
        world.enter();
        world.listener = Listener::Shut;
    }

    fn close_listener(&mut self) {
        self.0.borrow_mut().close_listener();
    }

    fn flush_log(&mut self) {}
}

impl Socket for SimulatedSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.world.borrow_mut().read(self.id, buffer)
    }

    fn send(&mut self, bytes: &[u8], then: Then) -> io::Result<usize> {
        self.world.borrow_mut().send(self.id, bytes, then)
    }

    fn end_output(&mut self) -> io::Result<()> {
        self.world.borrow_mut().end_output(self.id)
    }

    fn is_all_sent(&self) -> bool {
        let mut world = self.world.borrow_mut();
        world.enter();
        world.links[self.id].tcp.in_send_buffer() == 0
    }

    fn reset_on_close(&mut self) {
        self.world.borrow_mut().links[self.id].ledger.resets_on_close = true;
    }
}

impl Drop for SimulatedSocket {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.world.borrow_mut().close(self.id);
        }
    }
}

impl World {
    fn take_signals(&mut self) -> Vec<Signal> {
        self.enter();
        if !std::mem::take(&mut self.signals_told) {
            return Vec::new();
        }
        let signals = std::mem::take(&mut self.signals_pending);
        for &signal in &signals {
            self.hand_on(signal);
        }
        signals
    }

    /// The first signal starts the drain: what has arrived by now is to be answered.
    fn hand_on(&mut self, signal: Signal) {
        let now = self.turn.now;
        match &mut self.drain {
            None => {
                let deadline = now + self.settings.drain_timeout;
                self.drain = Some(Drain { began: now, deadline, forced: None });
                for Link { peer, tcp, ledger } in &mut self.links {
                    if peer.stage == Stage::Connected {
                        ledger.before_drain = Some(BeforeDrain::of(tcp));
                    }
                }
            }
            Some(drain) if drain.began + 100 <= now => {
                drain.forced.get_or_insert(signal);
                self.count("second signal");
            }
            Some(_) => self.count("same request"),
        }
    }

    fn accept(&mut self) -> io::Result<usize> {
        self.enter();
        self.check_accept();
        let result = self.try_accept();
        self.note(|_| format!("accept: {result:?}"));
        if self.turn.exhausted_at.is_none() {
            self.turn.learns(&result);
        }
        let id = result?;
        let now = self.turn.now;
        self.links[id].ledger.accepted(now);
        self.turn.accepted(self.open_count());
        self.count("accepted");
        Ok(id)
    }

    fn try_accept(&mut self) -> io::Result<usize> {
        self.turn.exhausted_at = None;
        if self.interrupts() {
            return Err(Errno::INTR.into());
        }
        if self.exhausted_until <= self.clock && self.strikes(self.faults.exhaustion) {
            self.exhausted_until = self.clock + self.dice.u64(1..1000);
        }
        if self.clock < self.exhausted_until {
            self.count("exhaustion");
            self.turn.exhausted_at = Some(self.turn.now);
            let causes = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
            return Err(pick(&mut self.dice, &causes).into());
        }
        let id = self.queue.pop_front().ok_or(Errno::AGAIN)?;
        if self.strikes(self.faults.accept_aborts) {
            self.count("aborted in the queue");
            self.lose(id);
            let causes = [Errno::CONNABORTED, Errno::PROTO, Errno::HOSTUNREACH, Errno::NETDOWN];
            return Err(pick(&mut self.dice, &causes).into());
        }
        Ok(id)
    }

    fn watch(&mut self, id: usize, slot: usize) -> io::Result<()> {
        self.enter();
        self.check_slot(id, slot);
        let fails = self.strikes(self.faults.watch_fails);
        let Link { tcp, ledger, .. } = &mut self.links[id];
        if fails {
            let error = io::Error::from(pick(&mut self.dice, &[Errno::NOMEM, Errno::NOSPC]));
            ledger.fails(&error);
            self.count("watch failed");
            return Err(error);
        }
        ledger.slot = Some(slot);
        tcp.watch();
        Ok(())
    }

    fn read(&mut self, id: usize, buffer: &mut [u8]) -> io::Result<usize> {
        self.enter();
        self.check_read(id, buffer.len());
        if self.strikes(self.faults.network_reset) {
            self.count("network reset");
            let Link { peer, tcp, .. } = &mut self.links[id];
            peer.stage = Stage::Gone;
            tcp.reset_by_peer();
        }
        let result = self.try_read(id, buffer);
        self.note(|_| format!("read {id}: {result:?}"));
        self.turn.learns(&result);
        self.links[id].ledger.learns(&result);
        result
    }

    fn try_read(&mut self, id: usize, buffer: &mut [u8]) -> io::Result<usize> {
        if self.interrupts() {
            return Err(Errno::INTR.into());
        }
        let Link { peer, tcp, ledger } = &mut self.links[id];
        if tcp.has_urgent_input() {
            *self.tally.entry("urgent byte").or_default() += 1;
        }
        let input = &peer.output[tcp.read(buffer.len())?];
        buffer[..input.len()].copy_from_slice(input);
        ledger.read(&self.settings, input, self.turn.now);
        Ok(input.len())
    }

    fn send(&mut self, id: usize, bytes: &[u8], then: Then) -> io::Result<usize> {
        self.enter();
        self.check_send(id, bytes);
        let result = self.try_send(id, bytes.len(), then);
        self.note(|_| format!("send {id}, {} bytes, then {then:?}: {result:?}", bytes.len()));
        self.turn.learns(&result);
        let Link { tcp, ledger, .. } = &mut self.links[id];
        ledger.learns(&result);
        if result.is_ok() {
            ledger.sent(tcp.accepted, self.turn.now);
        }
        result
    }

    fn try_send(&mut self, id: usize, length: usize, then: Then) -> io::Result<usize> {
        if self.interrupts() {
            return Err(Errno::INTR.into());
        }
        if self.strikes(self.faults.send_fails) {
            self.count("send failed");
            return Err(pick(&mut self.dice, &[Errno::NOBUFS, Errno::NOMEM]).into());
        }
        let mut at_most = usize::MAX;
        if self.strikes(self.faults.no_room) {
            at_most = 0;
        } else if self.strikes(self.faults.short_send) {
            at_most = self.dice.usize(1..=length);
        }
        let sent = self.links[id].tcp.send(length, then, at_most);
        match &sent {
            Ok(count) if *count < length => self.count("short send"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.count("no room"),
            _ => {}
        }
        sent
    }

    fn end_output(&mut self, id: usize) -> io::Result<()> {
        self.enter();
        let Link { tcp, ledger, .. } = &mut self.links[id];
        let result = tcp.end_output();
        ledger.learns(&result);
        if result.is_ok() {
            ledger.output_ended(self.turn.now);
        }
        self.note(|_| format!("end_output {id}: {result:?}"));
        result
    }

    fn close(&mut self, id: usize) {
        self.enter();
        self.check_close(id);
        self.note(|_| format!("close {id}"));
        let now = self.turn.now;
        let Link { tcp, ledger, .. } = &mut self.links[id];
        ledger.closed(now);
        tcp.close(ledger.resets_on_close);
        self.turn.frees_slot();
    }

    fn close_listener(&mut self) {
        self.enter();
        self.check_close_listener();
        self.note(|world| format!("close the listener, {} in its queue", world.queue.len()));
        self.listener = Listener::Closed;
        self.listener_edge = false;
        while let Some(id) = self.queue.pop_front() {
            self.count("left in the queue");
            self.lose(id);
        }
        self.turn.progresses();
    }
}

impl Turn {
    /// Everything but "nothing to do" is progress.
    fn learns<T>(&mut self, result: &io::Result<T>) {
        let is_blocked = result.as_ref().is_err_and(|e| e.kind() == ErrorKind::WouldBlock);
        if !is_blocked {
            self.progresses();
        }
    }
}
