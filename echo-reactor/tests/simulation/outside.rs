//! What happens outside of the reactor's host: peers connect, send, read and leave, and the network
//! moves what the kernel has to send.

use crate::ledger::Link;
use crate::peer::{Quit, Stage};
use crate::scenario::{Millis, NEVER, When};
use crate::tcp::{End, LEAST_SEGMENT};
use crate::world::{Listener, World};

/// Far more than any life needs.
const STEPS_MAX: u64 = 1_000_000;

impl World {
    /// Lets one thing happen, if anything can happen at this time. Returns whether it did.
    pub(crate) fn step(&mut self) -> bool {
        self.steps += 1;
        assert!(self.steps < STEPS_MAX, "the life does not end");
        let links = self.links.len();
        let count = links + self.lobby.visitors.len();
        let first = self.dice.usize(..count);
        (first..first + count).map(|number| number % count).any(|number| {
            if number < links { self.act(number) } else { self.visitor_acts(number - links) }
        })
    }

    fn act(&mut self, id: usize) -> bool {
        if self.links[id].peer.quit.is_some_and(|(at, _)| at <= self.clock) {
            return self.quit(id);
        }
        let first = self.dice.u8(..3);
        (first..first + 3).any(|turn| match turn % 3 {
            0 => self.peer_writes(id),
            1 => self.peer_reads(id),
            _ => self.network_moves(id),
        })
    }

    fn quit(&mut self, id: usize) -> bool {
        let Link { peer, tcp, .. } = &mut self.links[id];
        let Some((_, how)) = peer.quit.take() else { return false };
        if !peer.is_connected() {
            return false;
        }
        peer.stage = Stage::Gone;
        match how {
            Quit::Close => tcp.close_by_peer(),
            Quit::Reset => tcp.reset_by_peer(),
        }
        self.note(|_| format!("peer {id} leaves: {how:?}"));
        self.count("peer leaves");
        true
    }

    fn peer_writes(&mut self, id: usize) -> bool {
        if self.clock < self.links[id].next_write() {
            return false;
        }
        if self.links[id].peer.stage == Stage::Unconnected {
            self.connect(id);
            return true;
        }
        let Link { peer, tcp, .. } = &mut self.links[id];
        let left = peer.output.len() - peer.sent;
        let length = left.min(peer.write.bytes_max).min(tcp.window());
        if length > 0 {
            tcp.arrive(length);
            peer.sent += length;
        }
        let ends = peer.wants_to_end_output() && (length == 0 || peer.end_comes_with_data);
        if ends {
            peer.has_ended_output = true;
            tcp.end_input();
        }
        peer.next_write = self.clock + self.dice.u64(..=peer.write.pause_max);
        self.note(|_| format!("peer {id} sends {length}{}", if ends { " and ends" } else { "" }));
        true
    }

    fn connect(&mut self, id: usize) {
        let has_room = self.queue.len() < self.settings.backlog;
        let peer = &mut self.links[id].peer;
        let gives_up = self.listener != Listener::Open || !has_room && self.dice.u8(..4) == 0;
        if gives_up {
            peer.stage = Stage::Refused;
        } else if has_room {
            peer.stage = Stage::Connected;
            peer.next_write = self.clock;
            self.queue.push_back(id);
            self.listener_edge = true;
        } else {
            peer.next_write = self.clock + 1000;
        }
        self.note(|world| format!("peer {id} connects: {:?}", world.links[id].peer.stage));
    }

    fn peer_reads(&mut self, id: usize) -> bool {
        if self.clock < self.links[id].next_read() {
            return false;
        }
        let Link { peer, tcp, .. } = &mut self.links[id];
        let count = tcp.take(peer.read.bytes_max);
        peer.next_read = self.clock + self.dice.u64(..=peer.read.pause_max);
        if count == 0 {
            self.peer_sees_end(id);
        }
        self.note(|world| format!("peer {id} reads {count}, {:?}", world.links[id].peer.end));
        true
    }

    fn peer_sees_end(&mut self, id: usize) {
        let Link { peer, tcp, .. } = &mut self.links[id];
        peer.end = tcp.end_for_peer();
        if peer.end == Some(End::Reset) || !peer.stays_after_end {
            peer.stage = Stage::Gone;
            tcp.close_by_peer();
        }
    }

    fn network_moves(&mut self, id: usize) -> bool {
        if self.clock < self.links[id].next_transmit() {
            return false;
        }
        let bytes_max = if self.dice.bool() { usize::MAX } else { self.dice.usize(..3000) };
        let Link { peer, tcp, .. } = &mut self.links[id];
        tcp.stop_holding();
        tcp.transmit(bytes_max.max(LEAST_SEGMENT));
        peer.next_transmit = self.clock + self.dice.u64(..=peer.latency_max);
        self.note(|world| {
            format!("network: {} bytes for peer {id} left", world.links[id].tcp.in_send_buffer())
        });
        true
    }

    /// The next time at which something can happen without the reactor.
    pub(crate) fn next_time(&self) -> Millis {
        let signal = match self.signals_to_come.front() {
            Some(&(When::At(time), _)) => time,
            _ => NEVER,
        };
        let times = self.links.iter().map(|link| {
            let quit = link.peer.quit.filter(|_| link.peer.is_connected());
            let quit = quit.map_or(NEVER, |(at, _)| at);
            quit.min(link.next_write()).min(link.next_read()).min(link.next_transmit())
        });
        times.fold(signal.min(self.visitors_next_time()), Millis::min)
    }

    /// The process has left: the kernel delivers what it still has, and the peers finish.
    pub(crate) fn settle(&mut self) {
        self.signals_to_come.clear();
        loop {
            while self.step() {}
            match self.next_time() {
                NEVER => return,
                time => self.clock = time,
            }
        }
    }
}

impl Link {
    fn next_write(&self) -> Millis {
        let Link { peer, tcp, .. } = self;
        let can_write = match peer.stage {
            Stage::Unconnected => true,
            Stage::Connected if peer.has_more_to_send() => tcp.window() > 0,
            Stage::Connected => peer.wants_to_end_output(),
            Stage::Refused | Stage::Gone => false,
        };
        if can_write { peer.next_write } else { NEVER }
    }

    fn next_read(&self) -> Millis {
        let Link { peer, tcp, .. } = self;
        let can_read = peer.is_connected() && peer.end.is_none() && tcp.can_take();
        if can_read { peer.next_read.max(peer.reads_from) } else { NEVER }
    }

    fn next_transmit(&self) -> Millis {
        let Link { peer, tcp, .. } = self;
        if tcp.can_transmit() || tcp.is_holding() { peer.next_transmit } else { NEVER }
    }
}
