//! One connection of a peer: goes through its script, and checks every byte that comes back.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, SocketAddrV4};
use std::ops::Range;
use std::time::{Duration, Instant};

use echo_bench::connection::Sources;
use mio::net::TcpStream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket2::{Domain, SockRef, Socket, Type};

use crate::board::{Epoch, Notes, Phase};
use crate::script::{Ending, Kind, Leaving, Script, Sending};
use crate::server::{IDLE_TIMEOUT, MESSAGE_TIMEOUT};

/// A server that runs answers within this, even where other work takes most of the machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// The server takes the time once a turn: where it is stopped in the middle of one, it takes a
/// connection that comes meanwhile for older than it is. Longer than it is ever stopped.
const CLOCK_SLACK: Duration = Duration::from_secs(1);
/// The receive buffer of a peer that does not read: a small one, to be full soon.
const DEAF_BUFFER_BYTES: usize = 1 << 16;
/// How much of a message the server's log shows.
const LOG_SHOWS_BYTES: usize = 512;
/// What stands around it in its line, or a little less.
const LOG_LINE_BYTES: usize = 90;

/// One connection.
pub struct Talk {
    /// What it is registered with in a poll.
    pub stream: TcpStream,
    /// When it was begun.
    pub begun: Epoch,
    script: Script,
    sent: usize,
    received: usize,
    /// The replies that a stopped server owed when its SIGTERM came.
    owed_late: Range<usize>,
    output: Output,
    connected_at: Instant,
    first_sent_at: Option<Instant>,
    last_sent_at: Instant,
    last_received_at: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    Open,
    Ended,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server ended its output in order.
    Clean,
    /// It was refused, reset or otherwise broken.
    Broken(ErrorKind),
    /// The peer left, as its script says.
    Left,
}

/// What an end means.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is as it should be.
    Fine,
    /// A restart came in between: to be done again.
    Cut,
    /// The server was away.
    Refused,
    /// This must not happen.
    Wrong(String),
}

impl Talk {
    /// Connects, nonblocking.
    ///
    /// # Errors
    /// When this machine has no socket or port for it.
    pub fn begin(
        script: Script,
        server: SocketAddrV4,
        begun: Epoch,
        sources: &mut Sources,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
        if !script.deaf_for.is_zero() {
            socket.set_recv_buffer_size(DEAF_BUFFER_BYTES)?;
        }
        let source = SocketAddr::from((sources.take(), 0));
        socket.bind(&source.into())?;
        match socket.connect(&server.into()) {
            Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => {
                return Err(error);
            }
            _ => {}
        }
        socket.set_tcp_nodelay(true)?;
        let now = Instant::now();
        Ok(Self {
            stream: TcpStream::from_std(socket.into()),
            begun,
            script,
            sent: 0,
            received: 0,
            owed_late: 0..0,
            output: Output::Open,
            connected_at: now,
            first_sent_at: None,
            last_sent_at: now,
            last_received_at: now,
        })
    }

    /// The kind of peer.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.script.kind
    }

    /// The connection is broken or ended: even a peer that does not read takes notice.
    pub fn notice_end(&mut self) {
        self.script.deaf_for = Duration::ZERO;
    }

    /// What the server's log shows of the messages that are answered, in bytes, or a little less.
    #[must_use]
    pub fn logged_bytes(&self) -> usize {
        let ends = self.script.messages[..self.answered()].iter().map(|message| message.end);
        let begins = std::iter::once(0).chain(ends.clone());
        let shown = ends.zip(begins).map(|(end, begin)| (end - begin).min(LOG_SHOWS_BYTES));
        shown.map(|bytes| bytes + LOG_LINE_BYTES).sum()
    }

    /// Whole replies so far.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.script.messages.partition_point(|message| message.end <= self.received)
    }

    /// The server stands still: notes the messages that are with its kernel, and returns how many.
    pub fn note_arrivals(&mut self) -> usize {
        if self.reads() && is_all_sent(&self.stream) {
            let messages = &self.script.messages;
            let arrived = messages.partition_point(|message| message.end <= self.sent);
            let end = messages[..arrived].last().map_or(0, |message| message.end);
            self.owed_late = self.received..end;
        }
        self.ends_of_owed_late().count()
    }

    /// How many of them were answered.
    #[must_use]
    pub fn answered_late(&self) -> usize {
        self.ends_of_owed_late().filter(|end| *end <= self.received).count()
    }

    fn ends_of_owed_late(&self) -> impl Iterator<Item = usize> {
        let ends = self.script.messages.iter().map(|message| message.end);
        ends.filter(|end| *end > self.owed_late.start && *end <= self.owed_late.end)
    }

    /// Whether it takes its replies, to the last of them.
    fn reads(&self) -> bool {
        !matches!(self.script.kind, Kind::Deaf | Kind::Reset)
    }

    /// Goes as far as socket and script allow; says how it ended, if it did.
    ///
    /// # Errors
    /// With what is wrong about the replies.
    pub fn advance(&mut self, now: Instant, buffer: &mut [u8]) -> Result<Option<End>, String> {
        // Reading comes first: an answer must be taken in before there is more to send.
        if now >= self.connected_at + self.script.deaf_for
            && let Some(end) = self.read(now, buffer)?
        {
            return Ok(Some(end));
        }
        if let Err(error) = self.send(now) {
            match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::NotConnected | ErrorKind::Interrupted => {}
                // What the server sent before is to be read first; the end then tells the reason.
                ErrorKind::BrokenPipe if self.is_owed_something() => {}
                kind => return Ok(Some(End::Broken(kind))),
            }
        }
        if self.leaves(now) {
            return Ok(Some(End::Left));
        }
        let last_activity = self.last_sent_at.max(self.last_received_at);
        if now >= last_activity + PATIENCE {
            return Err(self.complain("neither a reply nor an end for 20 s"));
        }
        Ok(None)
    }

    fn is_owed_something(&self) -> bool {
        self.received < self.script.owed
    }

    fn read(&mut self, now: Instant, buffer: &mut [u8]) -> Result<Option<End>, String> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Ok(Some(End::Clean)),
                Ok(count) => {
                    self.last_received_at = now;
                    self.check(&buffer[..count])?;
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::NotConnected => return Ok(None),
                    ErrorKind::Interrupted => {}
                    kind => return Ok(Some(End::Broken(kind))),
                },
            }
        }
    }

    fn check(&mut self, bytes: &[u8]) -> Result<(), String> {
        let end = self.received + bytes.len();
        if end > self.script.owed.min(self.sent) {
            let shown = bytes[..bytes.len().min(80)].escape_ascii();
            return Err(self.complain(&format!("more came than is owed: {shown}")));
        }
        let expected = &self.script.bytes[self.received..end];
        if bytes != expected {
            let same = bytes.iter().zip(expected).take_while(|(a, b)| a == b).count();
            let shown = bytes[same..].iter().take(80).copied().collect::<Vec<u8>>();
            let shown = shown.escape_ascii();
            return Err(
                self.complain(&format!("wrong from byte {} on: {shown}", self.received + same))
            );
        }
        self.received = end;
        Ok(())
    }

    fn send(&mut self, now: Instant) -> io::Result<()> {
        while self.sent < self.may_send(now) {
            let count = self.stream.write(&self.script.bytes[self.sent..self.may_send(now)])?;
            self.sent += count;
            self.first_sent_at.get_or_insert(now);
            self.last_sent_at = now;
        }
        let done = match self.script.ending {
            Ending::WithLastByte => self.sent == self.script.bytes.len(),
            Ending::WithLastReply => {
                self.sent == self.script.bytes.len() && self.received == self.script.owed
            }
            Ending::Server => false,
        };
        if done && self.output == Output::Open {
            self.stream.shutdown(Shutdown::Write)?;
            self.output = Output::Ended;
        }
        Ok(())
    }

    /// Up to which byte the script lets this peer send now.
    fn may_send(&self, now: Instant) -> usize {
        match self.script.sending {
            Sending::AtOnce => self.script.bytes.len(),
            Sending::OneByOne(pause) => {
                let is_due = self.received == self.sent && now >= self.last_received_at + pause;
                let next = self.script.messages.get(self.answered());
                next.filter(|_| is_due).map_or_else(|| self.end_of_begun(), |message| message.end)
            }
            Sending::Dripping(pause) => {
                let is_due = self.first_sent_at.is_none() || now >= self.last_sent_at + pause;
                (self.sent + usize::from(is_due)).min(self.script.bytes.len())
            }
        }
    }

    /// The end of the message that is partly sent; what is sent, if none is.
    fn end_of_begun(&self) -> usize {
        let messages = &self.script.messages;
        let begun = messages.partition_point(|message| message.end < self.sent);
        if self.sent == 0 {
            0
        } else {
            messages.get(begun).map_or(self.sent, |message| message.end)
        }
    }

    /// Whether the script has this peer leave now. A close is made a reset where that is meant.
    fn leaves(&self, now: Instant) -> bool {
        let resets = match self.script.leaving {
            Leaving::Never => false,
            Leaving::CloseAfter(time) => return now >= self.connected_at + time,
            Leaving::ResetWhenSent => self.sent == self.script.bytes.len() && self.is_connected(),
            Leaving::ResetInReply => self.received > 0,
        };
        if resets {
            // If that fails, the connection is gone already.
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
        resets
    }

    fn is_connected(&self) -> bool {
        self.stream.peer_addr().is_ok()
    }

    /// Ends the conversation early. `false` if it would take long: then it is to be dropped.
    pub fn wind_down(&mut self) -> bool {
        match self.script.kind {
            Kind::Stream => {
                let begun = self.end_of_begun();
                self.script.bytes.truncate(begun);
                self.script.messages.retain(|message| message.end <= begun);
                self.script.owed = begun;
                self.script.ending = Ending::WithLastReply;
                true
            }
            Kind::OneShot | Kind::Pipeline | Kind::HalfClose | Kind::TooLong => true,
            Kind::Drip | Kind::Idle | Kind::Deaf | Kind::Reset => false,
        }
    }

    /// What the end means, by what stands on the board.
    #[must_use]
    pub fn verdict(&self, end: End, notes: &Notes, now: Instant) -> Verdict {
        let serves = notes.epoch == self.begun && notes.epoch.phase == Phase::Serving;
        let is_complete = self.received == self.script.owed && self.script.kind != Kind::Idle;
        match end {
            End::Left => Verdict::Fine,
            // A reply that was cut off must not pass for a whole one: not even in a restart.
            End::Clean if !self.is_between_replies() => {
                Verdict::Wrong(self.complain("a clean end in the middle of a reply"))
            }
            End::Clean if is_complete => Verdict::Fine,
            End::Broken(ErrorKind::ConnectionRefused) if !serves => Verdict::Refused,
            End::Clean | End::Broken(_)
                if self.received < self.owed_late.end
                    && !notes.drain_may_be_over(now)
                    && !self.has_timed_out(now) =>
            {
                Verdict::Wrong(self.complain("not all is answered that had come before SIGTERM"))
            }
            End::Clean | End::Broken(_) if !serves => Verdict::Cut,
            End::Clean | End::Broken(_) if self.has_timed_out(now) => Verdict::Fine,
            // A reset can cross one of the other side's.
            End::Broken(_) if self.script.kind == Kind::Reset => Verdict::Fine,
            End::Clean => Verdict::Wrong(self.complain("a clean end, but no reply")),
            End::Broken(kind) => Verdict::Wrong(self.complain(&kind.to_string())),
        }
    }

    fn is_between_replies(&self) -> bool {
        let ends = |message: &crate::script::Message| message.end == self.received;
        self.received == 0 || self.script.messages.iter().any(ends)
    }

    /// Whether the server may have closed because of a deadline. Its clock should start with a byte
    /// that arrives, after this one; but see [`CLOCK_SLACK`].
    fn has_timed_out(&self, now: Instant) -> bool {
        let over = |since: Instant, timeout: Duration| now + CLOCK_SLACK >= since + timeout;
        let slow = matches!(self.script.sending, Sending::Dripping(_))
            && self.first_sent_at.is_some_and(|first| over(first, MESSAGE_TIMEOUT));
        let deaf = self.script.kind == Kind::Deaf && over(self.connected_at, IDLE_TIMEOUT);
        slow || deaf || over(self.last_sent_at, IDLE_TIMEOUT)
    }

    /// The messages that are sent and not answered, of a peer that reads.
    pub fn unanswered(&self) -> impl Iterator<Item = u64> {
        let reads = self.script.kind != Kind::Deaf;
        let messages = self.script.messages.iter().filter(move |_| reads);
        let is_open = |end: usize| end > self.received && end <= self.sent;
        messages.filter(move |message| is_open(message.end)).map(|message| message.number)
    }

    fn complain(&self, what: &str) -> String {
        let port = self.stream.local_addr().map_or_else(
            |_| String::new(),
            |address| format!(", ('{}', {})", address.ip(), address.port()),
        );
        let (kind, life) = (self.script.kind.name(), self.begun.life + 1);
        let count = self.script.messages.len();
        let (answered, received, sent) = (self.answered(), self.received, self.sent);
        let age_ms = self.connected_at.elapsed().as_millis();
        format!(
            "{what} ({kind}{port}, life {life}: {answered} of {count} messages answered, {sent} \
             bytes sent, {received} received, within {age_ms} ms)"
        )
    }
}

/// Whether all that was written is on its way: on this machine it arrives within moments.
fn is_all_sent(stream: &TcpStream) -> bool {
    let socket = SockRef::from(stream);
    // With this mark it counts as writable only if nothing waits to be sent; 0 takes it away.
    let is_marked = socket.set_tcp_notsent_lowat(1).is_ok();
    let mut writable = [PollFd::new(stream, PollFlags::OUT)];
    let is_writable = poll(&mut writable, Some(&Timespec::default())) == Ok(1);
    is_marked && socket.set_tcp_notsent_lowat(0).is_ok() && is_writable
}
