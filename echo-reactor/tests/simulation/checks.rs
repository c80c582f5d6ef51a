//! What must hold at every call, between any two turns, and at the end. A check that fails panics, and
//! the life ends there.

use std::io::{self, ErrorKind};

use echo_reactor::connection::Reason;
use echo_reactor::reactor::Exit;
use echo_reactor::signals::Signal;

use crate::calls::SAME_REQUEST;
use crate::ledger::{Holder, Link, LogSays};
use crate::oracle::{Oracle, Verdict};
use crate::peer::Stage;
use crate::scenario::Millis;
use crate::tcp::End;
use crate::world::{Asked, Listener, World};

/// Far more calls than a turn can need: a turn that takes more never ends.
const CALLS_PER_TURN: u64 = 100_000;

const ACCEPTS_PER_TURN: usize = 64;

/// The most that one read may ask for, in bytes.
const READ_MAX_BYTES: usize = 64 * 1024;

/// What a call costs without its bytes, and what a message costs that is looked at by itself.
const CALL: usize = 4096;
const MESSAGE: usize = 512;

/// What one visit may cost, before its last step.
const WORK_PER_VISIT: usize = 256 * 1024;

/// What the last step may cost: a full read of the shortest messages. Where each message is looked at,
/// the reads are small.
const LAST_STEP: usize = CALL + 4096 * (MESSAGE + 1);

/// A turn has three shares: for ready connections, for new connections, and for deadlines.
const SHARES: usize = 3;

/// How long the reactor may wait before it tries to accept again, after descriptors ran out.
const RETRY_AFTER: Millis = 100;

/// The current turn, and what the checks remember of the turns before it.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// The time that the reactor took for the turn.
    pub(crate) now: Millis,
    /// When the reactor last read the clock. In a drain it reads the clock again before it sleeps.
    clock_read: Option<Millis>,
    /// The reactor waits for the turn to begin.
    pub(crate) is_asleep: bool,
    /// When the reactor last read the clock in the turn before.
    pub(crate) before_ended: Millis,
    /// When accepting failed for lack of descriptors or memory, if nothing has happened since.
    pub(crate) exhausted_at: Option<Millis>,
    cause: Cause,
    progress: bool,
    calls: u64,
    /// What the calls of this turn have cost.
    work: usize,
    /// The bytes of the acknowledgements of this turn: to put them together is work too.
    pub(crate) acknowledged: usize,
    accepted: usize,
    slot_freed: bool,
    /// Turns in a row that had no cause and no effect.
    empty: usize,
    /// Sleeps in a row that ended by their timeout and had no effect.
    sleeps_in_vain: usize,
    most_open: usize,
}

/// Why the turn began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Cause {
    #[default]
    Event,
    /// The time that the reactor chose is over. It may have been over when the clock was read again.
    Due,
    /// The reactor remembered work, and did not sleep.
    OwnMemory,
}

impl Turn {
    pub(crate) fn begins_with_event(&mut self) {
        self.begins(Cause::Event);
    }

    pub(crate) fn begins_by_itself(&mut self, timeout: Millis) {
        // Something may have become due while the turn lasted.
        let is_later = self.clock_read > Some(self.now);
        self.begins(if timeout > 0 || is_later { Cause::Due } else { Cause::OwnMemory });
    }

    fn begins(&mut self, cause: Cause) {
        self.cause = cause;
        self.progress = false;
        self.calls = 0;
        self.work = 0;
        self.acknowledged = 0;
        self.accepted = 0;
        self.slot_freed = false;
        self.before_ended = self.clock_read.take().unwrap_or(self.now);
    }

    /// Every result except "nothing to do" is progress.
    pub(crate) fn learns<T>(&mut self, result: &io::Result<T>) {
        let is_blocked = result.as_ref().is_err_and(|e| e.kind() == ErrorKind::WouldBlock);
        if !is_blocked {
            self.progresses();
        }
    }

    pub(crate) fn progresses(&mut self) {
        self.progress = true;
    }

    pub(crate) fn accepted(&mut self, open: usize) {
        self.accepted += 1;
        self.most_open = self.most_open.max(open);
    }

    pub(crate) fn frees_slot(&mut self) {
        self.progress = true;
        self.slot_freed = true;
        self.exhausted_at = None;
    }

    fn ends(&mut self, open: usize, is_visited: bool) {
        let retries = self.exhausted_at.is_some();
        match self.cause {
            _ if self.progress => (self.empty, self.sleeps_in_vain) = (0, 0),
            Cause::Event => (self.empty, self.sleeps_in_vain) = (0, 0),
            // A frame may be due that a slow watcher loses.
            Cause::Due if is_visited => self.empty = 0,
            Cause::Due if retries => self.empty = 0,
            Cause::Due => (self.empty, self.sleeps_in_vain) = (0, self.sleeps_in_vain + 1),
            Cause::OwnMemory => self.empty += 1,
        }
        // With the smallest budget, a turn visits one waiting connection.
        assert!(self.empty < 2 + open, "the loop spins");
        // Each connection's deadline may have moved once since it was scheduled.
        let for_nothing = self.sleeps_in_vain > open + 2;
        assert!(!for_nothing, "the loop wakes up again and again for nothing");
    }
}

impl World {
    // Calls.

    pub(crate) fn clock_is_read(&mut self) {
        if self.turn.clock_read.is_none() {
            self.turn.now = self.clock;
        }
        self.turn.clock_read = Some(self.clock);
    }

    pub(crate) fn check_call(&mut self) {
        self.turn.calls += 1;
        assert!(self.turn.calls < CALLS_PER_TURN, "a turn does not end");
    }

    pub(crate) fn check_accept(&mut self) {
        assert!(self.listener != Listener::Closed, "accepts from a closed listener");
        assert!(self.turn.accepted < ACCEPTS_PER_TURN, "accepts beyond its budget");
        assert!(!self.turn.slot_freed, "a slot is free before the turn is over");
        let most = self.settings.connections_max + ACCEPTS_PER_TURN;
        assert!(self.open_count() < most, "holds too many descriptors");
    }

    pub(crate) fn check_slot(&mut self, id: usize, slot: usize) {
        assert!(self.links[id].ledger.slot.is_none(), "{id} is watched twice");
        let is_taken = self.links.iter().any(|link| link.ledger.slot == Some(slot));
        assert!(!is_taken, "slot {slot} is given to {id} and has an owner");
        assert!(slot < self.turn.most_open, "slots leak: {slot} is used");
    }

    pub(crate) fn check_read(&mut self, id: usize, room: usize) {
        let unsent = self.links[id].unsent();
        assert!(unsent == 0, "reads from {id}, which has to take {unsent} bytes first");
        assert!((1..=READ_MAX_BYTES).contains(&room), "reads {room} bytes at once");
        self.links[id].ledger.waits_for_visit = None;
    }

    /// A call for `id` has moved `bytes` bytes.
    pub(crate) fn check_work(&mut self, id: usize, bytes: usize, messages: u32) {
        let work = CALL + bytes + messages as usize * MESSAGE;
        let Link { ledger, .. } = &mut self.links[id];
        ledger.work_in_turn += work;
        // A turn may visit it twice: because it waits, and because its deadline has passed.
        let most = 2 * (WORK_PER_VISIT + LAST_STEP);
        assert!(ledger.work_in_turn <= most, "works for {id} and lets the others wait");
        self.turn.work += work;
    }

    pub(crate) fn check_send(&mut self, id: usize, bytes: &[u8]) {
        let Link { tcp, ledger, .. } = &self.links[id];
        let owed = &ledger.oracle.reply[tcp.accepted..];
        assert!(!bytes.is_empty(), "sends nothing to {id}");
        assert!(owed.starts_with(bytes), "sends {id} what is not owed");
        assert!(!ledger.lingers(), "sends to {id} after the end");
    }

    pub(crate) fn check_close_listener(&mut self) {
        assert!(self.listener == Listener::Shut, "closes the listener too early or twice");
        let left = self.queue.len();
        assert!(left == 0 || self.may_abort(), "leaves {left} connections in the queue");
    }

    fn drain_began(&self) -> Option<Millis> {
        self.drain.as_ref().map(|drain| drain.asked.began)
    }

    /// Whether what is left in a drain may be dropped.
    fn may_abort(&self) -> bool {
        let drain = self.drain.as_ref();
        drain.is_some_and(|drain| drain.forced.is_some() || drain.deadline <= self.turn.now)
    }

    // The log.

    pub(crate) fn check_line(&mut self, line: &str) {
        let Some(id) = peer_in(line) else { return self.check_general_line(line) };
        let Link { peer, ledger, .. } = &mut self.links[id];
        let (ip, port) = (peer.address.ip().to_canonical(), peer.address.port());
        assert!(line.contains(&format!("('{ip}', {port})")), "wrong address: {line}");
        if line.starts_with("Got connection from ") {
            let is_new = ledger.holder == Holder::Reactor && ledger.log_says == LogSays::Nothing;
            assert!(is_new, "untrue: {line}");
            ledger.log_says = LogSays::Accepted;
        } else if let Some(closing) = line.strip_prefix("Connection ") {
            self.lines_missing += ledger.oracle.lines.drain(..).len() as u64;
            let (_, reason) = closing.split_once(" closed: ").expect(line);
            self.check_reason(id, reason);
        } else {
            let lines = &mut ledger.oracle.lines;
            let place = lines.iter().position(|text| line.contains(text));
            let before = place.unwrap_or_else(|| panic!("untrue: {line}"));
            lines.drain(..=before);
            self.lines_missing += before as u64;
        }
    }

    fn check_general_line(&mut self, line: &str) {
        if let Some((count, _)) = line.split_once(" left out: more than ") {
            let count = count.split(' ').next().and_then(|count| count.parse::<u64>().ok());
            self.lines_left_out += count.expect(line);
            self.turn.progresses();
            self.count("lines left out");
        } else if let Some(part) = line.strip_prefix("Report: ") {
            self.check_report(part);
        } else if line == "Proceed to accept new connections" {
            assert!(self.listener != Listener::Closed, "untrue: {line}");
        } else if line == "Listener closed" {
            assert!(self.listener == Listener::Closed, "untrue: {line}");
            self.count("listener closed");
        } else if line.contains("the limit of") {
            assert!(self.open_count() >= self.settings.connections_max, "untrue: {line}");
            self.count("connection limit");
        } else if line.starts_with("Accepting pauses") {
            assert!(self.turn.exhausted_at.is_some(), "untrue: {line}");
        } else if line.contains(" received: going on for ") {
            assert!(self.delay.is_some() && self.drain.is_none(), "untrue: {line}");
            self.count("drain delayed");
        } else if line.contains(" received: draining ") {
            self.check_drain_begins(line);
        } else if let Some(aborting) = line.strip_prefix("Drain deadline passed: aborting ") {
            assert!(self.may_abort(), "untrue: {line}");
            // Connections that closed in this turn are not reaped yet, but no longer counted.
            let owing = self.links.iter().filter(|link| link.is_open() && !link.ledger.lingers());
            let told = aborting.split(' ').next().and_then(|count| count.parse().ok());
            // To close a lingering connection is no abort; to close a queue that may hold some is one.
            let least = usize::from(self.listener == Listener::Closed);
            let is_true = told.is_some_and(|told| (least..=owing.count()).contains(&told));
            assert!(is_true, "untrue: {line}");
            self.count("drain deadline");
        } else if line.contains(" received again: leaving at once") {
            let drain = self.drain.as_mut().expect("a drain");
            drain.forced = second_signal(&drain.asked, line);
            assert!(drain.forced.is_some(), "one request is taken for two: {line}");
        } else if line == "All sockets closed, server stopped" {
            assert!(self.open_count() == 0, "untrue: {line}");
            self.count("stopped");
        }
    }

    /// Without a delay the signal has begun the drain. A delay ends with its time, or with a signal.
    fn check_drain_begins(&mut self, line: &str) {
        let now = self.turn.now;
        match (self.delay.take(), &self.drain) {
            (None, Some(drain)) => assert!(drain.asked.began == now, "untrue: {line}"),
            (Some(delay), None) => {
                let is_cut_short = second_signal(&delay.asked, line).is_some();
                assert!(is_cut_short || delay.ends <= now, "ends the delay too early: {line}");
                self.count(if is_cut_short { "delay cut short" } else { "delay over" });
                self.begin_drain();
            }
            (delay, drain) => panic!("untrue: {line} ({delay:?}, {drain:?})"),
        }
    }

    /// The reason that the log gives must be one that is true.
    fn check_reason(&mut self, id: usize, text: &str) {
        let expected = self.reasons(id);
        let messages = self.links[id].ledger.oracle.messages;
        let plural = if messages == 1 { "" } else { "s" };
        let is_told = |reason: &&Reason| text == format!("{reason} ({messages} message{plural})");
        let reason = expected.iter().find(is_told).copied();
        let ledger = &mut self.links[id].ledger;
        assert!(ledger.log_says == LogSays::Accepted, "{id} is closed twice");
        let Some(reason) = reason else {
            panic!("{id} is closed: {text}; true were {expected:?} ({messages})");
        };
        ledger.log_says = LogSays::Closed(reason);
        self.count(match reason {
            Reason::Answered => "closed: answered",
            Reason::PeerClosed => "closed: peer closed",
            Reason::Failed(_) => "closed: failed",
            Reason::MessageTooLong => "closed: too long",
            Reason::MessageTimeout => "closed: message timeout",
            Reason::IdleTimeout => "closed: idle timeout",
            Reason::Drained => "closed: drained",
            Reason::Aborted => "closed: aborted",
        });
    }

    /// The reasons that a connection may be closed for now.
    fn reasons(&self, id: usize) -> Vec<Reason> {
        let link = &self.links[id];
        let Link { ledger, .. } = link;
        if let Some(kind) = ledger.failure {
            return vec![Reason::Failed(kind)];
        }
        if ledger.lingers()
            && let Some(reason) = ledger.timed_out
        {
            return vec![reason];
        }
        let now = self.turn.now;
        let has_unsent = link.unsent() > 0;
        match ledger.oracle.verdict {
            Some(Verdict::AllAnswered) if !has_unsent => return vec![Reason::Answered],
            Some(Verdict::TooLong) if !has_unsent => return vec![Reason::MessageTooLong],
            Some(Verdict::InputEnded) if !has_unsent => return vec![Reason::PeerClosed],
            _ => {}
        }
        let mut reasons = Vec::new();
        // Input that has arrived counts, read or not, as far as one visit goes.
        let is_at_rest = ledger.blocked_in_turn || ledger.work_in_turn >= WORK_PER_VISIT;
        if is_at_rest {
            reasons.extend(ledger.passed_limit(&self.settings, has_unsent, now));
        }
        if self.may_abort() {
            reasons.push(Reason::Aborted);
        }
        if self.drain.is_some() && !has_unsent {
            reasons.push(Reason::Drained);
        }
        reasons
    }

    // Closing.

    pub(crate) fn check_close(&mut self, id: usize) {
        let link = &self.links[id];
        assert!(link.is_open(), "{id} is closed twice");
        assert!(link.reason().is_some(), "{id} is closed without a line in the log");
        let is_cut_short = link.unsent() > 0 && !link.tcp.is_reset();
        assert!(
            !is_cut_short || link.ledger.resets_on_close || link.tcp.has_unread_bytes(),
            "the reply to {id} is cut short, and it looks whole"
        );
        let must_linger = link.ledger.must_linger(self.drain_began(), self.turn.now);
        assert!(
            !must_linger || self.may_abort(),
            "does not linger for {id}, which is still sending"
        );
        if is_cut_short {
            self.count("reply cut short");
        }
    }

    // Between turns.

    /// At the end of a turn, when the reactor wants to sleep.
    pub(crate) fn check_turn(&mut self, timeout: Millis) {
        let open = self.open_count();
        assert!(open <= self.settings.connections_max, "{open} connections are too many");
        self.turn.ends(open, self.is_visited());
        self.check_length();
        // A share of the turn may have been spent, so that connections wait for the next turn. The
        // check of a deadline costs something too, which no call shows.
        let work = self.turn.work + self.turn.acknowledged + self.links.len() * MESSAGE;
        let may_be_full = work >= self.settings.work_per_turn / 4;
        if self.turn.work >= self.settings.work_per_turn / 2 {
            self.count("turn full");
        }
        for id in 0..self.links.len() {
            self.check_wait(id);
            self.check_open(id, may_be_full);
            self.links[id].ledger.begins_turn();
        }
        self.check_way_out();
        if timeout > 0 {
            let clock = self.turn.clock_read.unwrap_or(self.turn.now);
            self.check_sleep(clock.saturating_add(timeout));
        }
    }

    /// A delay and a drain end in time, or with a second signal.
    fn check_way_out(&mut self) {
        let now = self.turn.now;
        let asked = match (&mut self.delay, &mut self.drain) {
            (Some(delay), _) => {
                assert!(!delay.asked.is_second, "goes on after a second signal");
                assert!(now < delay.ends, "goes on after the delay");
                &mut delay.asked
            }
            (None, Some(drain)) => {
                let is_second = drain.forced.is_some() || drain.asked.is_second;
                assert!(!is_second, "stays after a second signal");
                assert!(now < drain.deadline, "stays after the drain deadline");
                &mut drain.asked
            }
            (None, None) => return,
        };
        if now < asked.began + SAME_REQUEST {
            asked.hidden_until = self.clock;
        }
    }

    /// A turn ends with the visit that goes beyond its budget, in each of its shares.
    fn check_length(&self) {
        let largest = self.links.iter().map(|link| link.ledger.work_in_turn).max().unwrap_or(0);
        let most = self.settings.work_per_turn + SHARES * largest;
        assert!(self.turn.work <= most, "the turn is too long: {} of {most}", self.turn.work);
    }

    /// First come, first served: a connection waits at most one turn for each entry before it. A slot may
    /// have two entries, one of them left by an earlier connection.
    fn check_wait(&mut self, id: usize) {
        let most = 2 * self.links.len();
        let Link { ledger, .. } = &mut self.links[id];
        if let Some(turns) = &mut ledger.waits_for_visit {
            *turns += 1;
            assert!(*turns <= most, "{id} waits for its visit");
        }
    }

    fn check_open(&self, id: usize, may_be_late: bool) {
        let link = &self.links[id];
        let is_closed = link.reason().is_some();
        let is_told = link.ledger.log_says != LogSays::Nothing;
        assert!(is_told || !link.is_accepted(), "{id} came without a line");
        assert!(link.is_open() != is_closed || !link.is_accepted(), "{id} is logged as closed");
        if link.is_open() {
            assert!(link.tcp.is_watched(), "{id} is not watched");
            let deadline = link.deadline(&self.settings, self.drain_began());
            let is_late = self.turn.now >= deadline && !may_be_late;
            assert!(!is_late, "{id} is open after its deadline {deadline}");
        }
    }

    /// There must be nothing to do, and nothing due before the reactor wakes up.
    fn check_sleep(&self, wakes_at: Millis) {
        for (id, link) in self.links.iter().enumerate().filter(|(_, link)| link.is_open()) {
            let deadline = link.deadline(&self.settings, self.drain_began());
            assert!(wakes_at <= deadline, "sleeps beyond {id}'s deadline {deadline}");
            if !link.tcp.has_edge() {
                self.check_nothing_to_do(id, link);
            }
        }
        if let Some(delay) = &self.delay {
            assert!(wakes_at <= delay.ends, "sleeps beyond the delay");
        }
        if let Some(drain) = &self.drain {
            assert!(wakes_at <= drain.deadline, "sleeps beyond the drain deadline");
        }
        self.check_listener_asleep(wakes_at);
        self.check_visitors_asleep(wakes_at);
    }

    fn check_nothing_to_do(&self, id: usize, link: &Link) {
        if link.unsent() > 0 {
            assert!(link.tcp.waits_for_room(), "sleeps with output for {id}");
            return;
        }
        assert!(!link.tcp.has_input(), "sleeps with input from {id}, and no edge will come");
        let may_be_open = self.drain.is_none() || !link.is_idle_in_drain();
        assert!(may_be_open, "the drain waits for {id}, which is idle");
    }

    fn check_listener_asleep(&self, wakes_at: Millis) {
        let is_full = self.open_count() >= self.settings.connections_max;
        if let Some(since) = self.turn.exhausted_at {
            assert!(wakes_at <= since + RETRY_AFTER, "does not try again to accept");
        } else if !is_full && !self.listener_edge {
            assert!(self.queue.is_empty(), "sleeps with connections in the queue");
            let must_close = self.drain.is_some() && self.listener != Listener::Closed;
            assert!(!must_close, "the drain does not close the listener");
        }
    }

    // At the end.

    /// When the reactor has left.
    pub(crate) fn check_exit(&mut self, exit: Exit) {
        let drain = self.drain.as_ref().expect("leaves without a signal");
        assert!(drain.forced.is_some() || !drain.asked.is_second, "a second signal has no effect");
        let expected = drain.forced.map_or(Exit::Drained, Exit::Forced);
        assert!(exit == expected, "leaves with {exit:?}, not {expected:?}");
        assert!(self.listener == Listener::Closed, "the listener is open in the end");
        assert!(self.tally["listener closed"] == 1, "closing the listener is not logged once");
        assert!(self.open_count() == 0, "connections are open in the end");
        self.check_last_frames(match exit {
            Exit::Forced(_) => echo_status::Exit::Forced,
            Exit::Drained if self.tally.contains_key("drain deadline") => {
                echo_status::Exit::Deadline
            }
            Exit::Drained => echo_status::Exit::Drained,
        });
        let (missing, left_out) = (self.lines_missing, self.lines_left_out);
        assert!(missing == left_out, "{missing} lines are missing, {left_out} were left out");
        let is_told = self.tally.contains_key("stopped");
        assert!(is_told == (exit == Exit::Drained), "the last line is wrong");
        self.count(if is_told { "exit: drained" } else { "exit: forced" });
    }

    /// When the kernel has delivered what it could, and the peers have read what they wanted.
    pub(crate) fn check_outcomes(&mut self) {
        for id in 0..self.links.len() {
            let link = &self.links[id];
            match link.ledger.holder {
                Holder::Kernel => {
                    let refused = matches!(link.peer.stage, Stage::Refused | Stage::Unconnected);
                    assert!(refused, "{id} was forgotten in the queue");
                }
                Holder::Nobody => self.check_outcome(id),
                Holder::Lost => {}
                Holder::Reactor => unreachable!("nothing is open"),
            }
        }
    }

    fn check_outcome(&mut self, id: usize) {
        let Link { peer, tcp, ledger } = &self.links[id];
        let owed = ledger.oracle.reply.len();
        if peer.end == Some(End::Clean) {
            let got = tcp.taken;
            assert!(got == owed, "{id} sees a clean end after {got} of {owed} bytes");
        }
        let has_quit = peer.end.is_none() && !peer.is_connected();
        let is_patient = peer.reads_all() && !has_quit;
        if !is_patient {
            return;
        }
        assert!(peer.end.is_some(), "{id} never sees an end");
        let linger_deadline = ledger.earliest_linger_deadline(self.drain_began());
        let lingered_too_long =
            linger_deadline <= ledger.closed_at || self.was_aborted(ledger.closed_at);
        let promised = match self.links[id].reason() {
            Some(Reason::Answered | Reason::MessageTooLong | Reason::PeerClosed)
                if !lingered_too_long =>
            {
                owed
            }
            Some(Reason::IdleTimeout | Reason::MessageTimeout)
                if !lingered_too_long && self.links[id].unsent() == 0 =>
            {
                owed
            }
            Some(Reason::Drained) if !lingered_too_long => self.owed_before_drain(id),
            _ => 0,
        };
        let got = tcp.taken;
        assert!(promised <= got, "{id} got {got} bytes of {promised} that were promised");
        self.count("checked to the end");
    }

    fn was_aborted(&self, closed_at: Millis) -> bool {
        let drain = self.drain.as_ref();
        drain.is_some_and(|drain| drain.forced.is_some() || drain.deadline <= closed_at)
    }

    fn owed_before_drain(&self, id: usize) -> usize {
        let Link { peer, ledger, .. } = &self.links[id];
        let Some(then) = ledger.before_drain else { return 0 };
        let input = &peer.output[..then.arrived];
        Oracle::of(&self.settings, input, then.ended).reply.len()
    }
}

/// The signal that a line names, if it may be a second request.
fn second_signal(asked: &Asked, line: &str) -> Option<Signal> {
    let is_named = |signal: &&Signal| line.starts_with(&signal.to_string());
    asked.may_be_second.iter().find(is_named).copied()
}

/// The number of the peer that a line is about: its port.
fn peer_in(line: &str) -> Option<usize> {
    let (_, address) = line.split_once("('")?;
    let (_, port) = address.split_once("', ")?;
    port.split_once(')')?.0.parse().ok()
}
