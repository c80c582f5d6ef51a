//! Log lines about single messages: a limited number a second, for the whole server.
//!
//! One peer can send a million messages a second. What it sends must not fill a disk, nor push every
//! other line out of a log that is cut to a size. Lines beyond the limit are counted, and one line a
//! second says how many were left out: lines read + lines left out = messages.

use std::time::Duration;

use crate::config::{Framing, Service};
use crate::deadlines::Moment;
use crate::log_events;
use crate::peer::Peer;

const SECOND: Duration = Duration::from_secs(1);

/// Logs messages, and counts the lines that it leaves out.
#[derive(Debug)]
pub struct MessageLog {
    framing: Framing,
    is_on: bool,
    /// 0 is no limit.
    lines_per_second: u32,
    second_ends: Moment,
    lines: u32,
    /// Lines that were left out, and that no line has told of yet.
    left_out: u64,
    left_out_in_all: u64,
    /// The peer of the last line, and its text. They are kept because a peer's messages come in a row.
    peer: Option<Peer>,
    peer_text: String,
}

impl MessageLog {
    /// Nothing is logged or left out yet.
    #[must_use]
    pub fn new(service: &Service) -> MessageLog {
        let framing = service.rules.framing;
        let is_on = match framing {
            Framing::Line => service.rules.messages_are_logged,
            Framing::Stream => log_events::pieces_are_logged(),
        };
        MessageLog {
            framing,
            is_on,
            lines_per_second: service.message_lines_per_second,
            second_ends: Moment::START,
            lines: 0,
            left_out: 0,
            left_out_in_all: 0,
            peer: None,
            peer_text: String::new(),
        }
    }

    /// A message, or a piece of a stream, has arrived from `peer`.
    pub fn received(&mut self, peer: Peer, bytes: &[u8], now: Moment) {
        if !self.is_on {
            return;
        }
        if self.second_ends <= now {
            self.report();
            self.second_ends = now + SECOND;
            self.lines = 0;
        }
        if self.lines_per_second > 0 && self.lines == self.lines_per_second {
            self.left_out += 1;
            self.left_out_in_all += 1;
            return;
        }
        self.lines += 1;
        if self.peer != Some(peer) {
            self.peer = Some(peer);
            self.peer_text = peer.to_string();
        }
        match self.framing {
            Framing::Line => log_events::message_received(peer, &self.peer_text, bytes),
            Framing::Stream => log_events::bytes_received(peer, &self.peer_text, bytes),
        }
    }

    /// How many lines were left out since the start.
    #[must_use]
    pub fn left_out_in_all(&self) -> u64 {
        self.left_out_in_all
    }

    /// When [`MessageLog::report_if_due`] has something to say, [`Moment::NEVER`] if nothing was left
    /// out.
    #[must_use]
    pub fn report_at(&self) -> Moment {
        if self.left_out == 0 { Moment::NEVER } else { self.second_ends }
    }

    /// Says how many lines were left out, once their second is over.
    pub fn report_if_due(&mut self, now: Moment) {
        if self.report_at() <= now {
            self.report();
        }
    }

    /// Says how many lines were left out, if any were.
    pub fn report(&mut self) {
        if self.left_out > 0 {
            log_events::message_lines_left_out(self.left_out, self.lines_per_second);
            self.left_out = 0;
        }
    }
}
