//! What each call of the reactor does, and what may go wrong with it.

use std::io::{self, ErrorKind};
use std::mem;

use echo_reactor::config::Reply;
use echo_reactor::signals::Signal;
use rustix::io::Errno;

use crate::ledger::{BeforeDrain, Call, Link};
use crate::peer::Stage;
use crate::scenario::{Millis, pick};
use crate::tcp::Leaves;
use crate::world::{Asked, Delay, Drain, Listener, Raised, World};

/// Signals that come this soon after the first belong to the same request.
pub(crate) const SAME_REQUEST: Millis = 30;

/// Which request a signal belongs to that comes in a delay or in a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Same,
    Second,
}

impl Asked {
    fn at(now: Millis) -> Asked {
        Asked { began: now, hidden_until: now, may_be_second: Vec::new(), is_second: false }
    }

    /// `None` where the reactor may decide either way: it knows when it sees a signal, but not when the
    /// signal was raised. This turn began at `now`, and the turn before it ended at `before_ended`.
    fn request_of(&self, raised: Raised, now: Millis, before_ended: Millis) -> Option<Request> {
        let is_seen_at_once = match raised.in_turn {
            Some(turn_began) => {
                turn_began < self.began + SAME_REQUEST && now < before_ended + SAME_REQUEST
            }
            None => false,
        };
        if now < self.began + SAME_REQUEST {
            Some(Request::Same)
        } else if raised.was_equal_to_another || raised.turns_since > 1 {
            None
        } else if raised.at < self.began + SAME_REQUEST && is_seen_at_once {
            Some(Request::Same)
        } else if raised.at >= self.hidden_until + SAME_REQUEST {
            Some(Request::Second)
        } else {
            None
        }
    }
}

impl World {
    pub(crate) fn take_signals(&mut self) -> Vec<Signal> {
        self.enter();
        if !mem::take(&mut self.signals_told) {
            return Vec::new();
        }
        let raised = mem::take(&mut self.signals_pending);
        for raised in &raised {
            self.hand_on(*raised);
        }
        raised.into_iter().map(|raised| raised.signal).collect()
    }

    /// The first signal starts the drain, or the delay before it.
    fn hand_on(&mut self, raised: Raised) {
        let now = self.turn.now;
        let asked = match (&mut self.delay, &mut self.drain) {
            (_, Some(drain)) => &mut drain.asked,
            (Some(delay), None) => &mut delay.asked,
            (None, None) if self.settings.drain_delay == 0 => return self.begin_drain(),
            (None, None) => {
                let ends = now + self.settings.drain_delay;
                self.delay = Some(Delay { asked: Asked::at(now), ends });
                return;
            }
        };
        match asked.request_of(raised, now, self.turn.before_ended) {
            Some(Request::Same) => self.count("same request"),
            Some(Request::Second) => {
                asked.may_be_second.push(raised.signal);
                asked.is_second = true;
                self.count("second signal");
            }
            None => asked.may_be_second.push(raised.signal),
        }
    }

    /// What has arrived by now is to be answered.
    pub(crate) fn begin_drain(&mut self) {
        let now = self.turn.now;
        let deadline = now + self.settings.drain_timeout;
        self.drain = Some(Drain { asked: Asked::at(now), deadline, forced: None });
        for Link { peer, tcp, ledger } in &mut self.links {
            if peer.stage == Stage::Connected {
                ledger.before_drain = Some(BeforeDrain::of(tcp));
            }
        }
    }

    pub(crate) fn accept(&mut self) -> io::Result<usize> {
        self.enter();
        self.check_accept();
        let result = self.try_accept();
        self.note(|_| format!("accept: {result:?}"));
        if self.turn.exhausted_at.is_none() {
            self.turn.learns(&result);
        }
        self.seen.accept(&result);
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

    pub(crate) fn watch(&mut self, id: usize, slot: usize) -> io::Result<()> {
        self.enter();
        self.check_slot(id, slot);
        self.seen.registrations += 1;
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

    pub(crate) fn read(&mut self, id: usize, buffer: &mut [u8]) -> io::Result<usize> {
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
        self.seen.read(&result);
        self.links[id].ledger.saw("recv", buffer.len(), &result);
        self.turn.learns(&result);
        self.links[id].ledger.learns(&result);
        if result.is_err() {
            self.check_work(id, 0, 0);
        }
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
        let count = input.len();
        buffer[..count].copy_from_slice(input);
        let messages_before = ledger.oracle.messages;
        ledger.read(&self.settings, input, self.turn.now);
        ledger.blocked_in_turn |= count < buffer.len();
        ledger.last_call = Call::Read;
        let messages = ledger.oracle.messages - messages_before;
        self.check_work(id, count, messages);
        Ok(count)
    }

    pub(crate) fn send(&mut self, id: usize, bytes: &[u8], leaves: Leaves) -> io::Result<usize> {
        self.enter();
        self.check_send(id, bytes);
        let result = self.try_send(id, bytes.len(), leaves);
        self.note(|_| format!("send {id}, {} bytes, {leaves:?}: {result:?}", bytes.len()));
        self.turn.learns(&result);
        self.seen.send(bytes.len(), &result);
        let Link { tcp, ledger, .. } = &mut self.links[id];
        ledger.saw("send", bytes.len(), &result);
        ledger.learns(&result);
        if !matches!(result, Ok(count) if count == bytes.len()) {
            ledger.has_to_wait();
        }
        if result.is_ok() {
            ledger.sent(tcp.accepted, self.turn.now);
        }
        ledger.waits_for_visit = None;
        // The reply to what was just read belongs to the read.
        if mem::replace(&mut ledger.last_call, Call::Other) == Call::Other {
            let count = result.as_ref().map_or(0, |count| *count);
            self.check_work(id, count, 0);
        } else if self.settings.reply == Reply::Acknowledge {
            self.turn.acknowledged += bytes.len();
        }
        result
    }

    fn try_send(&mut self, id: usize, length: usize, leaves: Leaves) -> io::Result<usize> {
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
        let sent = self.links[id].tcp.send(length, leaves, at_most);
        match &sent {
            Ok(count) if *count < length => self.count("short send"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.count("no room"),
            _ => {}
        }
        sent
    }

    pub(crate) fn end_output(&mut self, id: usize) -> io::Result<()> {
        self.enter();
        let Link { tcp, ledger, .. } = &mut self.links[id];
        let result = tcp.end_output();
        let moved = result.as_ref().map(|()| 0).map_err(|error| error.kind().into());
        ledger.saw("shutdown", 0, &moved);
        self.turn.learns(&result);
        ledger.learns(&result);
        if result.is_ok() {
            let now = self.turn.now;
            ledger.output_ended(now);
            if ledger.oracle.verdict.is_none() && self.drain.is_none() {
                ledger.timed_out = ledger.passed_limit(&self.settings, false, now);
            }
        }
        self.note(|_| format!("end_output {id}: {result:?}"));
        result
    }

    pub(crate) fn close(&mut self, id: usize) {
        self.enter();
        self.check_close(id);
        self.note(|_| format!("close {id}"));
        let now = self.turn.now;
        let Link { tcp, ledger, .. } = &mut self.links[id];
        ledger.closed(now);
        self.seen.closes += 1;
        tcp.close(ledger.resets_on_close);
        self.turn.frees_slot();
    }

    pub(crate) fn close_listener(&mut self) {
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
