//! A simulated client: what it sends and when, how it reads, and how it leaves.

use std::net::SocketAddr;

use crate::scenario::{Millis, NEVER};
use crate::tcp::End;

/// How many bytes go at once, and how long the pause after them is, at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) bytes_max: usize,
    pub(crate) pause_max: Millis,
}

/// What a peer does once it has sent all that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// It waits for the server's end.
    Stay,
    /// It ends its output, and reads on.
    HalfClose,
}

/// How a peer leaves in the middle of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quit {
    Close,
    Reset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Unconnected,
    Connected,
    /// It wanted to connect, and the server does not listen any more.
    Refused,
    /// It has seen the end, or made one.
    Gone,
}

#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) output: Vec<u8>,
    pub(crate) urgent_at: Option<usize>,
    pub(crate) write: Pace,
    pub(crate) read: Pace,
    pub(crate) reads_from: Millis,
    /// How long the network takes for what the server sends.
    pub(crate) latency_max: Millis,
    pub(crate) afterwards: Afterwards,
    /// Its last bytes and its end arrive together.
    pub(crate) end_comes_with_data: bool,
    pub(crate) quit: Option<(Millis, Quit)>,
    /// It does not close when it has seen the server's end.
    pub(crate) stays_after_end: bool,
    pub(crate) stage: Stage,
    pub(crate) sent: usize,
    pub(crate) has_ended_output: bool,
    pub(crate) next_write: Millis,
    pub(crate) next_read: Millis,
    pub(crate) next_transmit: Millis,
    /// What it saw in the end.
    pub(crate) end: Option<End>,
}

impl Peer {
    /// A peer that sends and reads at once, and waits for the server's end.
    pub(crate) fn new(address: SocketAddr, connects_at: Millis, output: Vec<u8>) -> Peer {
        let at_once = Pace { bytes_max: usize::MAX, pause_max: 0 };
        Peer {
            address,
            output,
            urgent_at: None,
            write: at_once,
            read: at_once,
            reads_from: 0,
            latency_max: 0,
            afterwards: Afterwards::Stay,
            end_comes_with_data: false,
            quit: None,
            stays_after_end: false,
            stage: Stage::Unconnected,
            sent: 0,
            has_ended_output: false,
            next_write: connects_at,
            next_read: 0,
            next_transmit: 0,
            end: None,
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.stage == Stage::Connected
    }

    /// Whether it takes everything that the server sends, to the end.
    pub(crate) fn reads_all(&self) -> bool {
        self.reads_from < NEVER
    }

    pub(crate) fn has_more_to_send(&self) -> bool {
        self.sent < self.output.len()
    }

    pub(crate) fn wants_to_end_output(&self) -> bool {
        self.afterwards == Afterwards::HalfClose
            && !self.has_more_to_send()
            && !self.has_ended_output
    }
}
