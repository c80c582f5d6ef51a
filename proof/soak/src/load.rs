//! The load: all peers, in one thread.

use std::io;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use echo_bench::connection::Sources;
use mio::{Events, Interest, Poll, Token};

use crate::board::{Board, Epoch, Order, Phase};
use crate::script::{Author, Kind};
use crate::talk::{End, Talk, Verdict};

/// Between two looks at the peers for which no event comes, but the time.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// One peer: it talks, rests, and talks again.
struct Peer {
    kind: Kind,
    state: State,
}

enum State {
    Resting { until: Instant },
    Talking(Box<Talk>),
}

struct Load<'a> {
    board: &'a Board,
    server: SocketAddrV4,
    poll: Poll,
    peers: Vec<Peer>,
    author: Author,
    sources: Sources,
    buffer: Vec<u8>,
}

/// Loads the server, as the board orders, until the order to end.
pub fn run(board: &Board, server: SocketAddrV4) {
    if let Err(error) = Load::new(board, server).and_then(Load::run) {
        board.notes().violate(format!("the load can't go on: {error}"));
    }
}

impl<'a> Load<'a> {
    fn new(board: &'a Board, server: SocketAddrV4) -> io::Result<Self> {
        let resting = |kind| Peer { kind, state: State::Resting { until: Instant::now() } };
        let kinds = Kind::ALL.into_iter().flat_map(|kind| vec![kind; kind.peers()]);
        Ok(Self {
            board,
            server,
            poll: Poll::new()?,
            peers: kinds.map(resting).collect(),
            author: Author::new(),
            sources: Sources::default(),
            buffer: vec![0; 1 << 16],
        })
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(self.peers.len());
        let mut next_look = Instant::now();
        let mut last_order = Order::Pause;
        loop {
            let order = self.board.notes().order;
            if order != last_order && order != Order::Run {
                self.wind_down();
            }
            last_order = order;
            if let Err(error) = self.poll.poll(&mut events, Some(LOOK_EVERY))
                && error.kind() != io::ErrorKind::Interrupted
            {
                return Err(error);
            }
            for event in &events {
                let index = event.token().0;
                if event.is_error() || event.is_read_closed() || event.is_write_closed() {
                    self.notice_end(index);
                }
                self.advance(index);
            }
            let now = Instant::now();
            if now >= next_look {
                next_look = now + LOOK_EVERY;
                self.look_at_all(order)?;
                self.note_arrivals();
            }
            if self.report() == Order::End {
                return Ok(());
            }
        }
    }

    /// Goes on with what waits for its time, and begins what is due.
    fn look_at_all(&mut self, order: Order) -> io::Result<()> {
        for index in 0..self.peers.len() {
            match self.peers[index].state {
                State::Talking(_) => self.advance(index),
                State::Resting { until } if order == Order::Run && Instant::now() >= until => {
                    self.begin(index)?;
                }
                State::Resting { .. } => {}
            }
        }
        Ok(())
    }

    fn begin(&mut self, index: usize) -> io::Result<()> {
        let peer = &mut self.peers[index];
        let script = self.author.write(peer.kind);
        let epoch = self.board.notes().epoch;
        let mut talk = Talk::begin(script, self.server, epoch, &mut self.sources)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut talk.stream, Token(index), interest)?;
        peer.state = State::Talking(Box::new(talk));
        Ok(())
    }

    fn notice_end(&mut self, index: usize) {
        if let State::Talking(talk) = &mut self.peers[index].state {
            talk.notice_end();
        }
    }

    fn advance(&mut self, index: usize) {
        let now = Instant::now();
        let State::Talking(talk) = &mut self.peers[index].state else { return };
        match talk.advance(now, &mut self.buffer) {
            Ok(None) => {}
            Ok(Some(end)) => self.end(index, end, now),
            Err(wrong) => {
                self.board.notes().violate(wrong);
                self.rest(index, now);
            }
        }
    }

    /// Judges a conversation that has ended.
    fn end(&mut self, index: usize, end: End, now: Instant) {
        let State::Talking(talk) = &self.peers[index].state else { return };
        let mut notes = self.board.notes();
        let verdict = talk.verdict(end, &notes, now);
        notes.answered_late += talk.answered_late() as u64;
        notes.logged_bytes += talk.logged_bytes() as u64;
        let tally = notes.tally(talk.kind());
        tally.messages += talk.answered() as u64;
        match verdict {
            Verdict::Fine => tally.conversations += 1,
            Verdict::Cut => {
                tally.cut += 1;
                notes.unanswered.extend(talk.unanswered());
            }
            Verdict::Refused => {}
            Verdict::Wrong(what) => notes.violate(what),
        }
        drop(notes);
        self.rest(index, now);
    }

    /// Dropping the conversation closes its connection.
    fn rest(&mut self, index: usize, now: Instant) {
        let peer = &mut self.peers[index];
        peer.state = State::Resting { until: now + self.author.rest(peer.kind) };
    }

    /// A pause: short conversations come to their end, the others are dropped.
    fn wind_down(&mut self) {
        let now = Instant::now();
        for index in 0..self.peers.len() {
            if let State::Talking(talk) = &mut self.peers[index].state
                && !talk.wind_down()
            {
                self.rest(index, now);
            }
        }
    }

    /// Tells the director how far things are; returns the order, once it is carried out.
    fn report(&self) -> Order {
        let begun = self.peers.iter().filter_map(|peer| match &peer.state {
            State::Talking(talk) => Some(talk.begun),
            State::Resting { .. } => None,
        });
        let oldest: Option<Epoch> = begun.min();
        let mut notes = self.board.notes();
        notes.oldest_open = oldest;
        if oldest.is_some() || notes.order == Order::Run {
            return Order::Run;
        }
        notes.at_rest = true;
        notes.order
    }

    /// Notes what a stopped server owes. The board is held meanwhile, so that SIGTERM comes later.
    fn note_arrivals(&mut self) {
        let mut notes = self.board.notes();
        if notes.epoch.phase != Phase::Stopped {
            return;
        }
        let arrived = self.peers.iter_mut().map(|peer| match &mut peer.state {
            State::Talking(talk) => talk.note_arrivals(),
            State::Resting { .. } => 0,
        });
        notes.arrived = arrived.sum();
    }
}
