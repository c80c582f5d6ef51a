//! One connection: a socket, its protocol, and the state between them.
//!
//! A connection is told of readiness and goes as far as it can; it knows neither the poll nor the
//! log. Output comes first: as long as a reply is not fully with the kernel, nothing is read, so a
//! peer that does not read is not read from, and what a connection holds stays bounded.
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
use std::time::Duration;

use crate::deadlines::Moment;
use crate::echo::{Echo, Next, Rules};
use crate::kernel::{Socket, Then};
use crate::peer::Peer;
use crate::source::Readiness;

/// The steps (reads or sends) that one visit may take before the others have their turn.
const STEPS_PER_VISIT: usize = 16;

/// How long a connection lingers at the most. nginx gives its peers 5 s between two reads
/// (`lingering_timeout`), we give that long in all.
const LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// A reply up to this size fits into one segment of any connection (RFC 9293, section 3.7.1), and
/// shares it with the FIN behind it: the peer gets both or neither. Several replies are counted
/// together, which errs on the safe side.
const ONE_SEGMENT_BYTES: u32 = 536;

/// When the server drains, a connection whose reply found room at once lingers until its peer has
/// been quiet for so long: it has had its reply, and may just be idle.
const LINGER_TIMEOUT_IN_DRAIN: Duration = Duration::from_millis(100);

/// What all the connections share: the rules, the time limits, and the memory to work in. Nothing
/// stays on the desk between two visits.
pub struct Desk {
    /// The protocol's settings.
    pub rules: Rules,
    /// How long a connection may live without a byte in or out, or the end of the input.
    pub idle_timeout: Duration,
    /// How long a message may take from its first byte to its last.
    pub message_timeout: Duration,
    /// Since when the server drains. Then each visit may be the last, and a short read is no reason
    /// to wait for an event.
    pub drain_began: Option<Moment>,
    input: Box<[u8]>,
    reply: Vec<u8>,
}

impl Desk {
    /// A desk with room for one read.
    #[must_use]
    pub fn new(rules: Rules, idle_timeout: Duration, message_timeout: Duration) -> Desk {
        let input = vec![0; rules.read_max_bytes()].into_boxed_slice();
        Desk { rules, idle_timeout, message_timeout, drain_began: None, input, reply: Vec::new() }
    }
}

/// How a visit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is nothing to do until the next event.
    Blocked,
    /// There is more to do, and no event will tell of it: visit again in the next turn.
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

/// What comes once the reply is with the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Afterwards {
    Read,
    EndOutput { reason: Reason, input_unread: bool },
    Close(Reason),
}

impl Afterwards {
    fn then(self) -> Then {
        match self {
            Afterwards::Read => Then::Unknown,
            Afterwards::EndOutput { .. } | Afterwards::Close(_) => Then::End,
        }
    }
}

#[derive(Debug)]
enum State {
    /// Reads messages and answers them.
    Open,
    /// Waits for room for the rest of a reply.
    Flushing(Box<Unsent>),
    /// Has ended its output and throws away input until the peer ends too: a close with input
    /// unread sends a reset (RFC 2525, section 2.17), which destroys a reply that is on its way.
    Lingering(Reason),
    /// Waits to be reaped.
    Closed(Reason),
}

/// The rest of a reply. In a box, for most connections never have one.
#[derive(Debug)]
struct Unsent {
    bytes: Box<[u8]>,
    sent: usize,
    afterwards: Afterwards,
}

/// What may still be on its way to the peer: an estimate, from above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum InFlight {
    /// So many bytes. More than 4 GiB count as 4 GiB.
    AtMost(u32),
    /// A reply that the kernel did not take at once, and whatever came before it.
    LargeReply,
}

impl InFlight {
    const NOTHING: InFlight = InFlight::AtMost(0);
    const ONE_SEGMENT: InFlight = InFlight::AtMost(ONE_SEGMENT_BYTES);

    fn plus(self, sent: usize) -> InFlight {
        match self {
            InFlight::AtMost(bytes) => {
                InFlight::AtMost(bytes.saturating_add(u32::try_from(sent).unwrap_or(u32::MAX)))
            }
            InFlight::LargeReply => InFlight::LargeReply,
        }
    }
}

enum Step {
    Done,
    Blocked,
}

/// One accepted connection. Dropping it closes its socket.
pub struct Connection<S> {
    /// The socket, for the kernel to watch.
    pub socket: S,
    peer: Peer,
    state: State,
    echo: Echo,
    /// See [`Readiness::read_on`]; no event repeats it.
    read_on: bool,
    in_flight: InFlight,
    last_byte: Moment,
    /// When the partial message began, or the lingering.
    began: Moment,
    /// When the reactor will look at the deadline; [`Moment::NEVER`] while that is not scheduled.
    pub check_at: Moment,
}

impl<S: Socket> Connection<S> {
    /// A connection that was just accepted.
    pub fn new(socket: S, peer: Peer, now: Moment) -> Connection<S> {
        Connection {
            socket,
            peer,
            state: State::Open,
            echo: Echo::default(),
            read_on: false,
            in_flight: InFlight::NOTHING,
            last_byte: now,
            began: now,
            check_at: Moment::NEVER,
        }
    }

    /// Goes as far as readiness and budget allow. `seen` is shown every complete message.
    pub fn advance(
        &mut self,
        readiness: Readiness,
        desk: &mut Desk,
        now: Moment,
        seen: &mut impl FnMut(&[u8]),
    ) -> Progress {
        self.read_on |= readiness.read_on;
        let mut readable = readiness.readable;
        for _ in 0..STEPS_PER_VISIT {
            let step = match self.state {
                State::Open | State::Lingering(_) if !readable => Step::Blocked,
                State::Open => self.read_and_answer(desk, now, seen),
                State::Flushing(_) => {
                    // What came in meanwhile had its event, and no other will follow.
                    readable = true;
                    self.flush(now)
                }
                State::Lingering(reason) => self.discard_input(reason, desk, now),
                State::Closed(_) => return Progress::Closed,
            };
            if let Step::Blocked = step {
                return Progress::Blocked;
            }
        }
        Progress::OutOfBudget
    }

    fn read_and_answer(
        &mut self,
        desk: &mut Desk,
        now: Moment,
        seen: &mut impl FnMut(&[u8]),
    ) -> Step {
        let count = match self.socket.read(&mut desk.input) {
            Ok(count) => count,
            Err(error) => return self.after_error(&error),
        };
        // The end counts as well: it takes a sequence number like a byte (RFC 9293, section 3.4).
        self.last_byte = now;
        if count == 0 {
            let reply = self.echo.end(&desk.rules, &mut desk.reply, seen);
            return self.send(reply, Afterwards::Close(Reason::PeerClosed), now);
        }
        let drained = self.is_drained(count, desk);
        let may_wait = drained && desk.drain_began.is_none();
        let was_mid_message = self.echo.is_mid_message();
        let input = &desk.input[..count];
        let answer = self.echo.receive(&desk.rules, input, &mut desk.reply, seen);
        if !was_mid_message || !answer.reply.is_empty() {
            self.began = now;
        }
        let afterwards = match answer.next {
            Next::Read => Afterwards::Read,
            Next::Close { input_behind } => Afterwards::EndOutput {
                reason: Reason::Answered,
                input_unread: input_behind || !drained,
            },
            Next::TooLong => {
                Afterwards::EndOutput { reason: Reason::MessageTooLong, input_unread: true }
            }
        };
        match self.send(answer.reply, afterwards, now) {
            Step::Done if may_wait && matches!(self.state, State::Open) => Step::Blocked,
            step => step,
        }
    }

    /// Whether a read of `count` bytes has taken all that there is.
    fn is_drained(&self, count: usize, desk: &Desk) -> bool {
        count < desk.input.len() && !self.read_on
    }

    /// Sends the reply to what was just read. What there is no room for waits in a buffer of this
    /// connection's own.
    fn send(&mut self, reply: &[u8], afterwards: Afterwards, now: Moment) -> Step {
        let sent = match self.send_some(reply, afterwards) {
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return self.after_error(&error),
        };
        if sent == reply.len() {
            return self.proceed(afterwards, now);
        }
        let unsent = Unsent { bytes: reply[sent..].into(), sent: 0, afterwards };
        self.in_flight = InFlight::LargeReply;
        self.enter(State::Flushing(Box::new(unsent)));
        Step::Done
    }

    fn flush(&mut self, now: Moment) -> Step {
        let State::Flushing(unsent) = &mut self.state else {
            unreachable!("only a flushing connection is flushed");
        };
        match self.socket.send(&unsent.bytes[unsent.sent..], unsent.afterwards.then()) {
            Ok(count) => unsent.sent += count,
            Err(error) => return self.after_error(&error),
        }
        self.last_byte = now;
        if unsent.sent < unsent.bytes.len() {
            return Step::Done;
        }
        let afterwards = unsent.afterwards;
        // The peer could not go on with its message while it was not read from.
        self.began = now;
        self.proceed(afterwards, now)
    }

    fn send_some(&mut self, reply: &[u8], afterwards: Afterwards) -> io::Result<usize> {
        if reply.is_empty() {
            return Ok(0);
        }
        match self.socket.send(reply, afterwards.then()) {
            Ok(sent) => {
                self.in_flight = self.in_flight.plus(sent);
                Ok(sent)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Goes on after a reply that is fully with the kernel.
    fn proceed(&mut self, afterwards: Afterwards, now: Moment) -> Step {
        match afterwards {
            Afterwards::Read => self.enter(State::Open),
            Afterwards::EndOutput { reason, input_unread } => {
                self.end_output(reason, input_unread, now);
            }
            Afterwards::Close(reason) => self.close(reason),
        }
        Step::Done
    }

    /// Ends the output. The socket may be closed right behind that, unless input may be unread then
    /// or output unsent (`must_linger`), or a reply is too large to be safe without that.
    fn end_output(&mut self, reason: Reason, must_linger: bool, now: Moment) {
        if let Err(error) = self.socket.end_output() {
            self.close(Reason::Failed(error.kind()));
        } else if must_linger || self.in_flight > InFlight::ONE_SEGMENT {
            self.began = now;
            self.enter(State::Lingering(reason));
        } else {
            self.close(reason);
        }
    }

    fn discard_input(&mut self, reason: Reason, desk: &mut Desk, now: Moment) -> Step {
        match self.socket.read(&mut desk.input) {
            Ok(0) => self.close(reason),
            Ok(count) => {
                self.last_byte = now;
                if self.is_drained(count, desk) {
                    return Step::Blocked;
                }
            }
            Err(error) => return self.after_error(&error),
        }
        Step::Done
    }

    fn after_error(&mut self, error: &io::Error) -> Step {
        match error.kind() {
            ErrorKind::WouldBlock => return Step::Blocked,
            ErrorKind::Interrupted => {}
            kind => self.fail(kind),
        }
        Step::Done
    }

    /// The server begins to drain. A peer that has been sent everything, and sends no more itself,
    /// must not delay it; the others get the time to read.
    pub fn begin_drain(&mut self) {
        let is_unsure = matches!(self.state, State::Open) && self.in_flight > InFlight::NOTHING;
        if is_unsure && self.socket.is_all_sent() {
            self.in_flight = InFlight::NOTHING;
        }
    }

    /// While the server drains: leaves, if all that had arrived is read and answered.
    pub fn drain(&mut self, now: Moment) {
        match self.state {
            State::Open if self.in_flight == InFlight::NOTHING => self.close(Reason::Drained),
            State::Open => {
                let must_linger = !self.socket.is_all_sent();
                self.end_output(Reason::Drained, must_linger, now);
            }
            State::Flushing(_) | State::Lingering(_) | State::Closed(_) => {}
        }
    }

    /// When this connection's time is over, as things stand: bytes that come or go put it off.
    #[must_use]
    pub fn deadline(&self, desk: &Desk) -> Moment {
        let idle = self.last_byte + desk.idle_timeout;
        match self.state {
            State::Open if self.echo.is_mid_message() => {
                idle.min(self.began + desk.message_timeout)
            }
            State::Open | State::Flushing(_) => idle,
            State::Lingering(_) => self.linger_deadline(desk),
            State::Closed(_) => Moment::NEVER,
        }
    }

    fn linger_deadline(&self, desk: &Desk) -> Moment {
        let deadline = self.began + LINGER_TIMEOUT;
        match desk.drain_began {
            // The reply was too large for the kernel's buffer: its peer may still be reading it.
            Some(_) if self.in_flight == InFlight::LargeReply => deadline,
            Some(drain_began) => {
                let quiet_since = self.began.max(self.last_byte).max(drain_began);
                deadline.min(quiet_since + LINGER_TIMEOUT_IN_DRAIN)
            }
            None => deadline,
        }
    }

    /// Closes because the deadline has passed.
    pub fn expire(&mut self, desk: &Desk, now: Moment) {
        match self.state {
            State::Lingering(reason) => self.close(reason),
            State::Open if self.last_byte + desk.idle_timeout > now => {
                self.close(Reason::MessageTimeout);
            }
            State::Open | State::Flushing(_) => self.cut_off(Reason::IdleTimeout),
            State::Closed(_) => {}
        }
    }

    /// Whether it is unfinished. One that only lingers owes its peer nothing.
    #[must_use]
    pub fn owes(&self) -> bool {
        matches!(self.state, State::Open | State::Flushing(_))
    }

    /// Closes whatever is still to be done. A connection that only lingers owes nothing.
    pub fn abort(&mut self) {
        match self.state {
            State::Lingering(reason) => self.close(reason),
            State::Open | State::Flushing(_) => self.cut_off(Reason::Aborted),
            State::Closed(_) => {}
        }
    }

    /// Closes; a reply that is cut short ends in a reset, so that it can't pass for a whole one.
    fn cut_off(&mut self, reason: Reason) {
        if let State::Flushing(_) = self.state {
            self.socket.reset_on_close();
        }
        self.close(reason);
    }

    /// Closes after an error that the connection may outlive: a reset tells the peer that not all
    /// is answered, where an end would pass for the end of a whole reply.
    pub fn fail(&mut self, kind: ErrorKind) {
        self.socket.reset_on_close();
        self.close(Reason::Failed(kind));
    }

    /// Closes without further ado.
    pub fn close(&mut self, reason: Reason) {
        self.enter(State::Closed(reason));
    }

    fn enter(&mut self, state: State) {
        assert!(!matches!(self.state, State::Closed(_)), "closed is for ever, not {state:?}");
        self.state = state;
    }

    /// Why it is closed; `None` while it is not.
    #[must_use]
    pub fn closed(&self) -> Option<Reason> {
        match self.state {
            State::Closed(reason) => Some(reason),
            State::Open | State::Flushing(_) | State::Lingering(_) => None,
        }
    }

    /// The address at the other end.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// How many messages it was owed an answer to.
    #[must_use]
    pub fn messages(&self) -> u32 {
        self.echo.messages()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_idle_connections_are_104_megabytes() {
        // A socket is a descriptor.
        assert_eq!(size_of::<Connection<u32>>(), 104);
        assert_eq!(size_of::<Option<Connection<u32>>>(), 104);
    }
}
