//! One connection: a socket, its protocol, and the state between them.
//!
//! A connection is told of readiness and goes as far as it can; it knows neither the poll nor the
//! log. Output comes before input: nothing is read until the kernel has taken the whole reply. So
//! the server reads nothing from a peer that reads nothing, and what a connection holds stays bounded.
//!
//! ```text
//!             ┌──────── reply sent ────────┐
//!             ▼                            │
//! accept ─► Open ── reply partly sent ─► Flushing
//!             ├───── last reply sent ──────┤
//!             │                            ├── input may be unread ─► Lingering
//!             ▼                            ▼                             │
//!           Closed ◄──────────── peer's end, or a deadline ──────────────┘
//! ```

use std::io::{self, ErrorKind};
use std::mem;
use std::time::Duration;

use echo_status::{Closed, Open, Step as Told};

use crate::account::Account;
use crate::config::{Rules, Timeouts};
use crate::deadlines::Moment;
use crate::drain::Drain;
use crate::echo::{self, Answer, Echo, Then};
use crate::kernel::Socket;
use crate::peer::Peer;
use crate::source::Readiness;
use crate::work::{self, Budget};

#[cfg(test)]
mod tests;

/// How long a connection lingers, at most. nginx gives its peers 5 s between two reads
/// (`lingering_timeout`); this is 5 s in all.
const LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// A reply up to this size fits into one segment of any connection (RFC 9293, section 3.7.1), and
/// shares the segment with the FIN: the peer gets both or neither. Several replies are counted
/// together, which errs on the safe side.
const ONE_SEGMENT_BYTES: u32 = 536;

/// What holds for every connection that is visited in one turn.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// The protocol's settings.
    pub rules: &'a Rules,
    /// How long a connection may take.
    pub timeouts: &'a Timeouts,
    /// The drain, if the server leaves. Each visit may then be the last, so that a short read is no
    /// reason to wait for an event.
    pub drain: Option<&'a Drain>,
    /// When the turn began.
    pub now: Moment,
}

/// The memory that a visit works in, shared by all connections. Nothing stays in it between two visits.
pub struct Scratch {
    input: Box<[u8]>,
    reply: Vec<u8>,
}

impl Scratch {
    /// Room for one read.
    #[must_use]
    pub fn new(rules: &Rules) -> Scratch {
        let input = vec![0; echo::read_max_bytes(rules)].into_boxed_slice();
        Scratch { input, reply: Vec::new() }
    }
}

/// How a visit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is nothing to do until the next event.
    Blocked,
    /// More may be left to do, and no event will tell of it: the next turn has to visit again.
    OutOfBudget,
    /// The connection is closed.
    Closed,
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has sent all the messages it may send, and each is answered.
    Answered,
    /// The peer has ended its input, and all of it is answered.
    PeerClosed,
    /// Reading, sending or watching failed; the peer may have reset the connection.
    Failed(ErrorKind),
    /// A message is longer than `message_max_bytes`.
    MessageTooLong,
    /// A message was not complete within `message_timeout`.
    MessageTimeout,
    /// No byte came or went for `idle_timeout`.
    IdleTimeout,
    /// The server drains, and all that had arrived is answered.
    Drained,
    /// The drain deadline passed, or a second signal came.
    Aborted,
}

impl Reason {
    fn counter(self, closed: &mut Closed) -> &mut u64 {
        match self {
            Reason::Answered => &mut closed.answered,
            Reason::PeerClosed => &mut closed.peer_closed,
            Reason::Failed(kind) if is_reset(kind) => &mut closed.reset,
            Reason::Failed(_) => &mut closed.failed,
            Reason::MessageTooLong => &mut closed.too_long,
            Reason::MessageTimeout => &mut closed.message_timeout,
            Reason::IdleTimeout => &mut closed.idle_timeout,
            Reason::Drained => &mut closed.drained,
            Reason::Aborted => &mut closed.aborted,
        }
    }
}

/// Whether an error means that the peer has reset the connection.
fn is_reset(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(kind, ConnectionReset | NotConnected | BrokenPipe)
}

/// When a connection's time is over, and by which limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The moment.
    pub at: Moment,
    limit: Limit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Idle,
    Message,
    Linger,
    /// A closed connection has no limit.
    None,
}

#[derive(Debug)]
enum State {
    /// Reads messages and answers them.
    Open,
    /// Waits for room for the rest of a reply.
    Flushing(Box<Unsent>),
    /// Has ended its output and throws away input until the peer ends too: a close with input
    /// unread sends a reset (RFC 2525, section 2.17), which destroys a reply that is on its way.
    Lingering { reason: Reason, since: Moment },
    /// Waits to be reaped.
    Closed(Reason),
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            State::Open => "open",
            State::Flushing(_) => "flushing",
            State::Lingering { .. } => "lingering",
            State::Closed(_) => "closed",
        }
    }
}

/// A reply that was sent in part. It is boxed, because most connections never have one.
#[derive(Debug)]
struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
    then: Then,
}

impl Unsent {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }
}

/// How many bytes may still be on their way to the peer, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct InFlight(u32);

impl InFlight {
    const NOTHING: InFlight = InFlight(0);
    const ONE_SEGMENT: InFlight = InFlight(ONE_SEGMENT_BYTES);
    /// The kernel did not take a reply at once, or the replies are 4 GiB or more in all.
    const LARGE_REPLY: InFlight = InFlight(u32::MAX);

    fn plus(self, sent: usize) -> InFlight {
        InFlight(self.0.saturating_add(u32::try_from(sent).unwrap_or(u32::MAX)))
    }
}

enum Step {
    GoOn,
    Blocked,
}

/// One accepted connection. Dropping it closes its socket.
pub struct Connection<S> {
    /// The socket, for the kernel to watch.
    pub socket: S,
    peer: Peer,
    state: State,
    echo: Echo,
    /// An event since the last visit says that a read is worth trying.
    readable: bool,
    /// See [`Readiness::read_on`]. It stays true, because no event repeats it.
    read_on: bool,
    is_queued: bool,
    in_flight: InFlight,
    last_byte: Moment,
    /// When the partial message began, or could go on because the reply before it was sent.
    message_began: Moment,
    /// When the reactor will look at the deadline; [`Moment::NEVER`] while that is not scheduled.
    pub check_at: Moment,
}

impl<S: Socket> Connection<S> {
    /// A connection that was just accepted.
    pub fn new(socket: S, peer: Peer, now: Moment, account: &mut Account) -> Connection<S> {
        account.open.total += 1;
        account.open.idle += 1;
        Connection {
            socket,
            peer,
            state: State::Open,
            echo: Echo::default(),
            // The first message has usually arrived already.
            readable: true,
            read_on: false,
            is_queued: false,
            in_flight: InFlight::NOTHING,
            last_byte: now,
            message_began: now,
            check_at: Moment::NEVER,
        }
    }

    /// Remembers what an event tells, until the next visit.
    pub fn tell(&mut self, readiness: Readiness) {
        self.readable |= readiness.readable;
        self.read_on |= readiness.read_on;
    }

    /// Joins the queue for a visit. Returns false if the connection is in the queue already.
    pub fn join_queue(&mut self) -> bool {
        !mem::replace(&mut self.is_queued, true)
    }

    /// Leaves the queue. Returns false if the connection is not in the queue: an entry may be that of
    /// an earlier connection in the same slot.
    pub fn leave_queue(&mut self) -> bool {
        mem::replace(&mut self.is_queued, false)
    }

    /// One visit: goes as far as readiness and budget allow. `seen` is shown every complete message.
    pub fn advance(
        &mut self,
        turn: &Turn<'_>,
        scratch: &mut Scratch,
        budget: &mut Budget,
        account: &mut Account,
        seen: &mut impl FnMut(&[u8]),
    ) -> Progress {
        // In a drain this visit may be the last: input that has arrived must not wait for an event.
        let mut readable = mem::replace(&mut self.readable, false) || turn.drain.is_some();
        while !budget.is_spent() {
            let step = match self.state {
                State::Open | State::Lingering { .. } if !readable => Step::Blocked,
                State::Open => self.read_and_answer(turn, scratch, budget, account, seen),
                State::Flushing(_) => {
                    // Input that arrived meanwhile had its event, and no other will follow.
                    readable = true;
                    self.flush(turn.now, budget, account)
                }
                State::Lingering { reason, .. } => {
                    self.discard_input(reason, turn.now, scratch, budget, account)
                }
                State::Closed(_) => return Progress::Closed,
            };
            if let Step::Blocked = step {
                self.leave_if_draining(turn, account);
                return Progress::Blocked;
            }
        }
        Progress::OutOfBudget
    }

    fn read_and_answer(
        &mut self,
        turn: &Turn<'_>,
        scratch: &mut Scratch,
        budget: &mut Budget,
        account: &mut Account,
        seen: &mut impl FnMut(&[u8]),
    ) -> Step {
        budget.spend(work::STEP);
        let result = self.socket.read(&mut scratch.input);
        account.read(scratch.input.len(), &result);
        let count = match result {
            Ok(count) => count,
            Err(error) => return self.after_error(&error, account),
        };
        // The end of the input counts too: like a byte, it has a sequence number (RFC 9293, 3.4).
        self.last_byte = turn.now;
        let Scratch { input, reply } = scratch;
        let was_mid_message = self.echo.is_mid_message();
        let messages_before = self.echo.messages();
        if count == 0 {
            let answer = self.echo.end(turn.rules, reply, seen);
            budget.spend(answer.made_bytes());
            self.count_messages(was_mid_message, messages_before, account);
            return self.send(answer, turn.now, account);
        }
        let is_all_read = self.has_read_all(count, input.len());
        let mut answer = self.echo.receive(turn.rules, &input[..count], reply, seen);
        let messages = self.count_messages(was_mid_message, messages_before, account);
        budget.spend(count + answer.made_bytes());
        if echo::looks_at_each_message(turn.rules) {
            budget.spend(messages as usize * work::MESSAGE);
        }
        if !was_mid_message || !answer.reply.is_empty() {
            self.message_began = turn.now;
        }
        if let Then::AllAnswered { input_behind } = &mut answer.then {
            *input_behind |= !is_all_read;
        }
        match self.send(answer, turn.now, account) {
            Step::GoOn if is_all_read && turn.drain.is_none() && self.is_open() => Step::Blocked,
            step => step,
        }
    }

    /// Whether a read of `count` bytes into a buffer of `room` has taken all that had arrived.
    fn has_read_all(&self, count: usize, room: usize) -> bool {
        count < room && !self.read_on
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Counts what an open connection has just taken in; returns the number of messages.
    fn count_messages(&self, was_mid_message: bool, before: u32, account: &mut Account) -> u32 {
        let messages = self.echo.messages() - before;
        account.tally.messages += u64::from(messages);
        let open = &mut account.open;
        match (was_mid_message, self.echo.is_mid_message()) {
            (false, true) => (open.idle, open.mid_message) = (open.idle - 1, open.mid_message + 1),
            (true, false) => (open.idle, open.mid_message) = (open.idle + 1, open.mid_message - 1),
            (false, false) | (true, true) => {}
        }
        messages
    }

    /// Sends the reply to what was just read. The connection keeps the part that finds no room.
    fn send(
        &mut self,
        Answer { reply, then }: Answer<'_>,
        now: Moment,
        account: &mut Account,
    ) -> Step {
        let sent = match self.send_some(&reply, then, account) {
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return self.after_error(&error, account),
        };
        if sent == reply.len() {
            self.go_on(then, now, account);
        } else {
            let (bytes, sent) = reply.keep_from(sent);
            let unsent = Unsent { bytes, sent, then };
            self.in_flight = InFlight::LARGE_REPLY;
            self.enter(State::Flushing(Box::new(unsent)), account);
        }
        Step::GoOn
    }

    fn send_some(&mut self, reply: &[u8], then: Then, account: &mut Account) -> io::Result<usize> {
        if reply.is_empty() {
            return Ok(0);
        }
        match send_before(&mut self.socket, reply, then, account) {
            Ok(sent) => {
                self.in_flight = self.in_flight.plus(sent);
                Ok(sent)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn flush(&mut self, now: Moment, budget: &mut Budget, account: &mut Account) -> Step {
        let State::Flushing(unsent) = &mut self.state else {
            unreachable!("only a flushing connection is flushed");
        };
        let then = unsent.then;
        budget.spend(work::STEP);
        match send_before(&mut self.socket, unsent.rest(), then, account) {
            Ok(count) => {
                unsent.sent += count;
                account.open.waiting_bytes -= count as u64;
                budget.spend(count);
            }
            Err(error) => return self.after_error(&error, account),
        }
        self.last_byte = now;
        if unsent.rest().is_empty() {
            // The next message could not go on while nothing was read from the peer.
            self.message_began = now;
            self.go_on(then, now, account);
        }
        Step::GoOn
    }

    /// Does what follows a reply that the kernel has taken whole.
    fn go_on(&mut self, then: Then, now: Moment, account: &mut Account) {
        match then {
            Then::Read if self.is_open() => {}
            Then::Read => self.enter(State::Open, account),
            Then::AllAnswered { input_behind } => {
                self.end_output(Reason::Answered, input_behind, now, account);
            }
            Then::TooLong => self.end_output(Reason::MessageTooLong, true, now, account),
            // After the end of the input nothing arrives that could turn this close into a reset.
            Then::InputEnded => self.close(Reason::PeerClosed, account),
        }
    }

    /// Ends the output, and closes the socket at once if that is safe. If input may be unread or output
    /// unsent (`must_linger`), or if more than one segment may be in flight, the connection lingers.
    fn end_output(
        &mut self,
        reason: Reason,
        must_linger: bool,
        now: Moment,
        account: &mut Account,
    ) {
        let result = self.socket.end_output();
        account.ended_output(&result);
        if let Err(error) = result {
            self.close(Reason::Failed(error.kind()), account);
        } else if must_linger || self.in_flight > InFlight::ONE_SEGMENT {
            self.enter(State::Lingering { reason, since: now }, account);
        } else {
            self.close(reason, account);
        }
    }

    fn discard_input(
        &mut self,
        reason: Reason,
        now: Moment,
        scratch: &mut Scratch,
        budget: &mut Budget,
        account: &mut Account,
    ) -> Step {
        budget.spend(work::STEP);
        let result = self.socket.read(&mut scratch.input);
        account.read(scratch.input.len(), &result);
        match result {
            Ok(0) => self.close(reason, account),
            Ok(count) => {
                budget.spend(count);
                self.last_byte = now;
                if self.has_read_all(count, scratch.input.len()) {
                    return Step::Blocked;
                }
            }
            Err(error) => return self.after_error(&error, account),
        }
        Step::GoOn
    }

    fn after_error(&mut self, error: &io::Error, account: &mut Account) -> Step {
        match error.kind() {
            ErrorKind::WouldBlock => return Step::Blocked,
            ErrorKind::Interrupted => {}
            kind => self.fail(kind, account),
        }
        Step::GoOn
    }

    /// The server begins to drain. If all replies of an open connection have left this host, nothing
    /// counts as in flight any more, so that an idle peer does not delay the drain.
    pub fn begin_drain(&mut self) {
        let is_unsure = self.is_open() && self.in_flight > InFlight::NOTHING;
        if is_unsure && self.socket.is_all_sent() {
            self.in_flight = InFlight::NOTHING;
        }
    }

    /// In a drain, an open connection leaves once all that had arrived is read and answered.
    fn leave_if_draining(&mut self, turn: &Turn<'_>, account: &mut Account) {
        if turn.drain.is_some() && self.is_open() {
            self.leave(Reason::Drained, turn.now, account);
        }
    }

    /// Ends an open connection, although its peer may go on sending. Replies on their way must survive
    /// that.
    fn leave(&mut self, reason: Reason, now: Moment, account: &mut Account) {
        if self.in_flight == InFlight::NOTHING {
            self.close(reason, account);
        } else {
            let must_linger = !self.socket.is_all_sent();
            self.end_output(reason, must_linger, now, account);
        }
    }

    /// When this connection's time is over. Bytes that come or go put the deadline off.
    #[must_use]
    pub fn deadline(&self, turn: &Turn<'_>) -> Deadline {
        let idle = Deadline { at: self.last_byte + turn.timeouts.idle, limit: Limit::Idle };
        match self.state {
            State::Open if self.echo.is_mid_message() => {
                let at = self.message_began + turn.timeouts.message;
                if at < idle.at { Deadline { at, limit: Limit::Message } } else { idle }
            }
            State::Open | State::Flushing(_) => idle,
            State::Lingering { since, .. } => {
                Deadline { at: self.linger_deadline(since, turn.drain), limit: Limit::Linger }
            }
            State::Closed(_) => Deadline { at: Moment::NEVER, limit: Limit::None },
        }
    }

    fn linger_deadline(&self, since: Moment, drain: Option<&Drain>) -> Moment {
        let deadline = since + LINGER_TIMEOUT;
        match drain {
            // The reply was too large for the kernel's buffer: its peer may still be reading it.
            Some(_) if self.in_flight == InFlight::LARGE_REPLY => deadline,
            Some(drain) => deadline.min(drain.linger_deadline(since.max(self.last_byte))),
            None => deadline,
        }
    }

    /// Ends the connection if its deadline has passed.
    pub fn expire(&mut self, turn: &Turn<'_>, account: &mut Account) {
        let Deadline { at, limit } = self.deadline(turn);
        let now = turn.now;
        if at > now {
            return;
        }
        match (limit, &self.state) {
            (Limit::Idle, State::Open) => self.leave(Reason::IdleTimeout, now, account),
            (Limit::Message, State::Open) => self.leave(Reason::MessageTimeout, now, account),
            (Limit::Idle, State::Flushing(_)) => self.cut_off(Reason::IdleTimeout, account),
            (Limit::Linger, State::Lingering { reason, .. }) => self.close(*reason, account),
            (limit, state) => unreachable!("{limit:?} does not hold for {state:?}"),
        }
    }

    /// Whether the connection may still owe its peer a reply. It does not once it lingers or is closed.
    #[must_use]
    pub fn owes(&self) -> bool {
        matches!(self.state, State::Open | State::Flushing(_))
    }

    /// Closes at once, whatever is left to do.
    pub fn abort(&mut self, account: &mut Account) {
        match self.state {
            State::Lingering { reason, .. } => self.close(reason, account),
            State::Open | State::Flushing(_) => self.cut_off(Reason::Aborted, account),
            State::Closed(_) => {}
        }
    }

    /// Closes. A reply that is cut short ends in a reset, so that the peer cannot take it for whole.
    fn cut_off(&mut self, reason: Reason, account: &mut Account) {
        if let State::Flushing(_) = self.state {
            self.socket.reset_on_close();
        }
        self.close(reason, account);
    }

    /// Closes after an error, with a reset: the connection may still work, and a clean end would pass
    /// for the end of a whole reply.
    pub fn fail(&mut self, kind: ErrorKind, account: &mut Account) {
        self.socket.reset_on_close();
        self.close(Reason::Failed(kind), account);
    }

    fn close(&mut self, reason: Reason, account: &mut Account) {
        *reason.counter(&mut account.tally.closed) += 1;
        account.open.total -= 1;
        self.enter(State::Closed(reason), account);
    }

    /// Every move from one state to another goes through here: these are the arrows of the diagram.
    fn enter(&mut self, state: State, account: &mut Account) {
        use State::{Closed, Flushing, Lingering, Open};
        let moves = &mut account.tally.moves;
        let arrow = match (&self.state, &state) {
            (Open, Flushing(_)) => &mut moves.open_to_flushing,
            (Open, Lingering { .. }) => &mut moves.open_to_lingering,
            (Open, Closed(_)) => &mut moves.open_to_closed,
            (Flushing(_), Open) => &mut moves.flushing_to_open,
            (Flushing(_), Lingering { .. }) => &mut moves.flushing_to_lingering,
            (Flushing(_), Closed(_)) => &mut moves.flushing_to_closed,
            (Lingering { .. }, Closed(_)) => &mut moves.lingering_to_closed,
            (from, to) => panic!("from {from:?} to {to:?}"),
        };
        *arrow += 1;
        account.follow.step(|| Told::Moved {
            from: self.state.name().to_owned(),
            to: state.name().to_owned(),
        });
        if let Some(count) = self.count_in(&mut account.open) {
            *count -= 1;
        }
        account.open.waiting_bytes -= self.waiting_bytes();
        self.state = state;
        if let Some(count) = self.count_in(&mut account.open) {
            *count += 1;
        }
        account.open.waiting_bytes += self.waiting_bytes();
    }

    /// The count that this connection is in; `None` once it is closed.
    fn count_in<'a>(&self, open: &'a mut Open) -> Option<&'a mut u64> {
        match self.state {
            State::Open if self.echo.is_mid_message() => Some(&mut open.mid_message),
            State::Open => Some(&mut open.idle),
            State::Flushing(_) => Some(&mut open.flushing),
            State::Lingering { .. } => Some(&mut open.lingering),
            State::Closed(_) => None,
        }
    }

    fn waiting_bytes(&self) -> u64 {
        match &self.state {
            State::Flushing(unsent) => unsent.rest().len() as u64,
            State::Open | State::Lingering { .. } | State::Closed(_) => 0,
        }
    }

    /// Why the connection is closed; `None` if it is not.
    #[must_use]
    pub fn closed(&self) -> Option<Reason> {
        match self.state {
            State::Closed(reason) => Some(reason),
            State::Open | State::Flushing(_) | State::Lingering { .. } => None,
        }
    }

    /// The address at the other end.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// How many messages were owed an answer.
    #[must_use]
    pub fn messages(&self) -> u32 {
        self.echo.messages()
    }
}

/// Sends as much as there is room for. The last bytes before the end of the output may share a
/// segment with it.
fn send_before(
    socket: &mut impl Socket,
    bytes: &[u8],
    then: Then,
    account: &mut Account,
) -> io::Result<usize> {
    let result = match then {
        Then::Read => socket.send(bytes),
        Then::AllAnswered { .. } | Then::TooLong | Then::InputEnded => socket.send_last(bytes),
    };
    account.sent(bytes.len(), &result);
    result
}
