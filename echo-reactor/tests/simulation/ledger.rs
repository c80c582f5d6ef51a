//! What the reactor got and did on one connection. The checks rely on it.

use std::io::{self, ErrorKind};

use echo_reactor::connection::Reason;

use crate::oracle::Oracle;
use crate::peer::Peer;
use crate::scenario::{Millis, NEVER, Settings};
use crate::tcp::Tcp;
use crate::visitors::Seen;

/// A connection lingers no longer than this.
const LINGER_TIMEOUT: Millis = 5000;

/// In a drain, a connection whose peer is quiet for this long need not linger.
const LINGER_TIMEOUT_IN_DRAIN: Millis = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// The peer has not connected, or the kernel has the connection in its queue.
    Kernel,
    Reactor,
    /// The reactor has closed it.
    Nobody,
    /// The reactor never got it: it failed in the queue, or was left there at the drain deadline.
    Lost,
}

/// What the log has said of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogSays {
    Nothing,
    Accepted,
    Closed(Reason),
}

/// A call of the reactor for one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// It got something; a reply may follow.
    Read,
    Other,
}

/// How the replies left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    /// Each one found room at once.
    AtOnce,
    /// One had to wait for room.
    Delayed,
    /// One had to wait, and later the reactor was told that everything had left. It may rely on that.
    DelayedButSent,
}

/// How things stood when the drain began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BeforeDrain {
    /// How much input had arrived.
    pub(crate) arrived: usize,
    /// Whether its end had.
    pub(crate) ended: bool,
    /// How much output there had been, if all of it had left.
    pub(crate) all_sent: Option<usize>,
}

impl BeforeDrain {
    pub(crate) fn of(tcp: &Tcp) -> BeforeDrain {
        let all_sent = (tcp.in_send_buffer() == 0).then_some(tcp.accepted);
        BeforeDrain { arrived: tcp.arrived, ended: tcp.input_has_ended(), all_sent }
    }
}

/// Times are those of the reactor's turns, because it takes the time once a turn.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) holder: Holder,
    pub(crate) slot: Option<usize>,
    /// What is owed for the input that was read.
    pub(crate) oracle: Oracle,
    last_byte: Millis,
    /// When the partial message began, or could go on because the reply before it was sent.
    message_began: Millis,
    /// When the reactor ended the output, and began to linger.
    output_ended: Option<Millis>,
    /// The limit that had passed then, if that was the reason.
    pub(crate) timed_out: Option<Reason>,
    delivery: Delivery,
    /// The peer ended its output while the reactor lingered.
    peer_ended: bool,
    /// The error that a call returned, after which the connection can't go on.
    pub(crate) failure: Option<ErrorKind>,
    pub(crate) resets_on_close: bool,
    pub(crate) log_says: LogSays,
    pub(crate) closed_at: Millis,
    pub(crate) before_drain: Option<BeforeDrain>,
    /// What the calls for it have cost in this turn.
    pub(crate) work_in_turn: usize,
    pub(crate) last_call: Call,
    /// For how many turns it has waited since an event told that there is something to read.
    pub(crate) waits_for_visit: Option<usize>,
    /// The calls for it, as whoever follows it should see them.
    pub(crate) calls: Vec<Seen>,
    /// Whether this turn has found that there is nothing more to read, or no room to send.
    pub(crate) blocked_in_turn: bool,
}

impl Ledger {
    pub(crate) fn new() -> Ledger {
        Ledger {
            holder: Holder::Kernel,
            slot: None,
            oracle: Oracle::default(),
            last_byte: 0,
            message_began: 0,
            output_ended: None,
            timed_out: None,
            delivery: Delivery::AtOnce,
            peer_ended: false,
            failure: None,
            resets_on_close: false,
            log_says: LogSays::Nothing,
            closed_at: NEVER,
            before_drain: None,
            work_in_turn: 0,
            last_call: Call::Other,
            waits_for_visit: None,
            calls: Vec::new(),
            blocked_in_turn: false,
        }
    }

    pub(crate) fn begins_turn(&mut self) {
        (self.work_in_turn, self.blocked_in_turn) = (0, false);
    }

    pub(crate) fn accepted(&mut self, now: Millis) {
        self.holder = Holder::Reactor;
        self.last_byte = now;
    }

    pub(crate) fn read(&mut self, settings: &Settings, input: &[u8], now: Millis) {
        self.last_byte = now;
        if self.lingers() {
            self.peer_ended = input.is_empty();
            return;
        }
        if input.is_empty() {
            return self.oracle.end(settings);
        }
        let (was_mid_message, messages) = (self.oracle.is_mid_message(), self.oracle.messages);
        self.oracle.take(settings, input);
        if !was_mid_message || self.oracle.messages > messages {
            self.message_began = now;
        }
    }

    pub(crate) fn saw(&mut self, name: &'static str, asked: usize, result: &io::Result<usize>) {
        let got = result.as_ref().ok().map(|count| *count as u64);
        self.calls.push((name, asked as u64, got));
    }

    /// A send took nothing, or a part.
    pub(crate) fn has_to_wait(&mut self) {
        self.delivery = Delivery::Delayed;
    }

    /// The reactor is told that everything has left.
    pub(crate) fn all_is_sent(&mut self) {
        if self.delivery == Delivery::Delayed {
            self.delivery = Delivery::DelayedButSent;
        }
    }

    pub(crate) fn sent(&mut self, total: usize, now: Millis) {
        self.last_byte = now;
        if total == self.oracle.reply.len() {
            self.message_began = now;
        }
    }

    /// Takes note of an error that ends the connection.
    pub(crate) fn learns<T>(&mut self, result: &io::Result<T>) {
        if let Err(error) = result {
            self.fails(error);
        }
    }

    pub(crate) fn fails(&mut self, error: &io::Error) {
        match error.kind() {
            ErrorKind::WouldBlock => self.blocked_in_turn = true,
            ErrorKind::Interrupted => {}
            kind => self.failure = Some(kind),
        }
    }

    pub(crate) fn output_ended(&mut self, now: Millis) {
        self.output_ended.get_or_insert(now);
    }

    pub(crate) fn closed(&mut self, now: Millis) {
        self.holder = Holder::Nobody;
        self.slot = None;
        self.closed_at = now;
    }

    pub(crate) fn lingers(&self) -> bool {
        self.output_ended.is_some()
    }

    /// Whether the peer may still send input that nobody will answer: a close would end in a reset.
    pub(crate) fn must_linger(&self, drain_began: Option<Millis>, now: Millis) -> bool {
        let is_over = self.peer_ended || self.failure.is_some();
        let deadline = self.earliest_linger_deadline(drain_began);
        self.lingers() && self.oracle.has_input_behind && !is_over && now < deadline
    }

    /// When a connection that lingers may be closed although its peer has not ended.
    pub(crate) fn earliest_linger_deadline(&self, drain_began: Option<Millis>) -> Millis {
        self.linger_deadline(drain_began, self.delivery == Delivery::Delayed)
    }

    /// When a connection that lingers must be closed.
    fn latest_linger_deadline(&self, drain_began: Option<Millis>) -> Millis {
        self.linger_deadline(drain_began, self.delivery != Delivery::AtOnce)
    }

    /// In a drain, a peer that is quiet has read its reply, unless that was a large one.
    fn linger_deadline(&self, drain_began: Option<Millis>, may_be_reading: bool) -> Millis {
        let Some(since) = self.output_ended else { return NEVER };
        let deadline = since + LINGER_TIMEOUT;
        match drain_began {
            Some(began) if !may_be_reading => {
                deadline.min(began.max(since).max(self.last_byte) + LINGER_TIMEOUT_IN_DRAIN)
            }
            _ => deadline,
        }
    }

    pub(crate) fn idle_deadline(&self, settings: &Settings) -> Millis {
        self.last_byte.saturating_add(settings.idle_timeout)
    }

    /// The limit of an open connection that has passed; if both have, the earlier one.
    pub(crate) fn passed_limit(
        &self,
        settings: &Settings,
        has_unsent: bool,
        now: Millis,
    ) -> Option<Reason> {
        let idle = self.idle_deadline(settings);
        let message = if has_unsent { NEVER } else { self.message_deadline(settings) };
        let reason = if idle <= message { Reason::IdleTimeout } else { Reason::MessageTimeout };
        (idle.min(message) <= now).then_some(reason)
    }

    pub(crate) fn message_deadline(&self, settings: &Settings) -> Millis {
        let timeout = if self.oracle.is_mid_message() { settings.message_timeout } else { NEVER };
        self.message_began.saturating_add(timeout)
    }
}

/// A peer, its connection, and what is known of it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: Peer,
    pub(crate) tcp: Tcp,
    pub(crate) ledger: Ledger,
}

impl Link {
    /// How many bytes the reactor still has to send for what it has read.
    pub(crate) fn unsent(&self) -> usize {
        self.ledger.oracle.reply.len() - self.tcp.accepted
    }

    /// Why the log says that it was closed.
    pub(crate) fn reason(&self) -> Option<Reason> {
        match self.ledger.log_says {
            LogSays::Closed(reason) => Some(reason),
            LogSays::Nothing | LogSays::Accepted => None,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.ledger.holder == Holder::Reactor
    }

    pub(crate) fn is_accepted(&self) -> bool {
        matches!(self.ledger.holder, Holder::Reactor | Holder::Nobody)
    }

    /// Whether nothing is left to do for this connection in a drain: nothing to read, to send, or to
    /// wait for.
    pub(crate) fn is_idle_in_drain(&self) -> bool {
        let Ledger { before_drain, oracle, timed_out, .. } = &self.ledger;
        let had_all = before_drain.is_some_and(|then| then.all_sent == Some(self.tcp.accepted));
        oracle.verdict.is_none() && timed_out.is_none() && (had_all || !self.ledger.lingers())
    }

    /// When the reactor must have closed it, unless something happens before.
    pub(crate) fn deadline(&self, settings: &Settings, drain_began: Option<Millis>) -> Millis {
        if self.ledger.lingers() {
            return self.ledger.latest_linger_deadline(drain_began);
        }
        let idle = self.ledger.idle_deadline(settings);
        if self.unsent() > 0 { idle } else { idle.min(self.ledger.message_deadline(settings)) }
    }
}
