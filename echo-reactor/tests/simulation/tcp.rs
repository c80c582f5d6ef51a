//! One simulated TCP connection, as `tcp(7)` and epoll behave on Linux.
//!
//! The bytes themselves are elsewhere: the peer's script has its output, and what the reactor sends is
//! compared with what is owed at once. Here each direction is a row of positions in its stream:
//!
//! ```text
//! input:   0 ..... read ..... arrived         (read to arrived: the host's receive buffer)
//! output:  0 ..... taken ..... transmitted ..... accepted
//!                        (taken to transmitted: at the peer, which has not read it yet;
//!                         transmitted to accepted: the host's send buffer)
//! ```

use std::io;
use std::ops::Range;

use echo_reactor::source::Readiness;
use rustix::io::Errno;

/// What leaves at once, in one piece, if nothing is before it: the smallest maximum segment size (RFC
/// 9293, section 3.7.1).
pub(crate) const LEAST_SEGMENT: usize = 536;

/// How much each buffer holds, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffers {
    pub(crate) receive: usize,
    pub(crate) send: usize,
    /// The peer's receive buffer.
    pub(crate) peer: usize,
    /// The largest segment: with less than that, `MSG_MORE` makes the kernel wait.
    pub(crate) segment: usize,
}

/// When bytes that are sent leave the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaves {
    AtOnce,
    /// The end of the output follows: the kernel may wait for it (`MSG_MORE`).
    WithTheEnd,
}

/// How the input ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Open,
    Ended,
    Reset { after_end: bool, told: bool },
}

/// What the reactor has done to its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    Open,
    OutputEnded,
    /// Closed. The kernel still delivers what is in the send buffer, and then the end.
    Closed,
    /// Reset by either side: nothing is left.
    Gone,
}

/// What epoll knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watch {
    Off,
    /// Nothing has happened since the last event.
    Told,
    /// Something has happened that no event has told of.
    Edge,
}

/// How a peer sees its connection end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Clean,
    Reset,
}

#[derive(Debug)]
pub(crate) struct Tcp {
    buffers: Buffers,
    pub(crate) arrived: usize,
    pub(crate) read: usize,
    /// The position of an urgent byte, which the peer may still have to send.
    urgent_at: Option<usize>,
    input: Input,
    pub(crate) accepted: usize,
    transmitted: usize,
    pub(crate) taken: usize,
    /// How much at the end of the send buffer waits because of `MSG_MORE`.
    held: usize,
    host: Host,
    end_at_peer: Option<End>,
    peer_is_closed: bool,
    /// The reactor was told that there is no room. An edge will tell of room.
    wants_room: bool,
    watch: Watch,
}

impl Tcp {
    pub(crate) fn new(buffers: Buffers, urgent_at: Option<usize>) -> Tcp {
        Tcp {
            buffers,
            arrived: 0,
            read: 0,
            urgent_at,
            input: Input::Open,
            accepted: 0,
            transmitted: 0,
            taken: 0,
            held: 0,
            host: Host::Open,
            end_at_peer: None,
            peer_is_closed: false,
            wants_room: false,
            watch: Watch::Off,
        }
    }

    // What the reactor does.

    /// Reads at most `room` bytes, and returns their positions: none at the end of the input. A read
    /// stops in front of an urgent byte.
    pub(crate) fn read(&mut self, room: usize) -> io::Result<Range<usize>> {
        let from = self.read;
        let stop = match self.urgent_at {
            Some(mark) if from < mark => mark.min(self.arrived),
            _ => self.arrived,
        };
        self.read = stop.min(from + room);
        if from < self.read {
            return Ok(from..self.read);
        }
        match &mut self.input {
            Input::Open => Err(Errno::AGAIN.into()),
            Input::Reset { after_end: false, told } if !*told => {
                *told = true;
                Err(Errno::CONNRESET.into())
            }
            Input::Ended | Input::Reset { .. } => Ok(from..from),
        }
    }

    /// Takes at most `at_most` of `length` bytes into the send buffer.
    pub(crate) fn send(
        &mut self,
        length: usize,
        leaves: Leaves,
        at_most: usize,
    ) -> io::Result<usize> {
        if let Input::Reset { after_end, told } = &mut self.input {
            let first = !std::mem::replace(told, true);
            let reset = first && !*after_end;
            return Err(if reset { Errno::CONNRESET } else { Errno::PIPE }.into());
        }
        if self.host == Host::OutputEnded {
            return Err(Errno::PIPE.into());
        }
        let wire_is_free = self.in_send_buffer() == self.held;
        let leaves_at_once = if wire_is_free { LEAST_SEGMENT.min(self.room_at_peer()) } else { 0 };
        let room = self.buffers.send - self.in_send_buffer().min(self.buffers.send);
        let taken = length.min(room + leaves_at_once).min(at_most);
        if taken < length {
            self.wants_room = true;
        }
        if taken == 0 {
            return Err(Errno::AGAIN.into());
        }
        self.accepted += taken;
        // A full buffer is sent, even if more is to follow.
        let is_held = leaves == Leaves::WithTheEnd && taken == length;
        self.held = if is_held { (self.held + taken) % self.buffers.segment } else { 0 };
        if wire_is_free {
            self.transmit(LEAST_SEGMENT);
        }
        Ok(taken)
    }

    pub(crate) fn end_output(&mut self) -> io::Result<()> {
        match self.input {
            Input::Reset { .. } => Err(Errno::NOTCONN.into()),
            Input::Open | Input::Ended => {
                self.finish_output(Host::OutputEnded);
                Ok(())
            }
        }
    }

    /// Closes the reactor's side: with a reset if input is unread, or on request.
    pub(crate) fn close(&mut self, with_reset: bool) {
        self.watch = Watch::Off;
        if self.host == Host::Gone {
            return;
        }
        if with_reset || self.has_unread_bytes() {
            self.reset_by_host();
        } else {
            self.finish_output(Host::Closed);
        }
    }

    fn finish_output(&mut self, host: Host) {
        let wire_is_free = self.in_send_buffer() == self.held;
        self.host = host;
        self.held = 0;
        self.transmit(if wire_is_free { LEAST_SEGMENT } else { 0 });
    }

    /// What is still in the send buffer is lost. The peer sees a reset, unless it has the end already.
    fn reset_by_host(&mut self) {
        self.host = Host::Gone;
        self.end_at_peer.get_or_insert(End::Reset);
    }

    // What the peer does.

    /// How much the peer can send at once.
    pub(crate) fn window(&self) -> usize {
        match self.host {
            Host::Open | Host::OutputEnded => self.buffers.receive - (self.arrived - self.read),
            Host::Closed => LEAST_SEGMENT,
            Host::Gone => 0,
        }
    }

    pub(crate) fn arrive(&mut self, length: usize) {
        match self.host {
            Host::Open | Host::OutputEnded => {
                self.arrived += length;
                self.raise_edge();
            }
            // Nobody will ever read these bytes: the kernel answers with a reset.
            Host::Closed => self.reset_by_host(),
            Host::Gone => {}
        }
    }

    pub(crate) fn end_input(&mut self) {
        if self.input == Input::Open {
            self.input = Input::Ended;
            self.raise_edge();
        }
    }

    /// The peer closes: from here on it answers every byte with a reset.
    pub(crate) fn close_by_peer(&mut self) {
        self.peer_is_closed = true;
        if self.taken < self.transmitted {
            self.reset_by_peer();
        } else {
            self.end_input();
        }
    }

    /// A reset from the peer, or from the network. What has arrived before can still be read.
    pub(crate) fn reset_by_peer(&mut self) {
        self.peer_is_closed = true;
        if !matches!(self.input, Input::Reset { .. }) {
            self.input = Input::Reset { after_end: self.input == Input::Ended, told: false };
        }
        self.host = Host::Gone;
        self.raise_edge();
    }

    /// The peer reads at most `room` bytes.
    pub(crate) fn take(&mut self, room: usize) -> usize {
        let count = room.min(self.transmitted - self.taken);
        self.taken += count;
        count
    }

    /// How the connection ended, once the peer has read everything before the end.
    pub(crate) fn end_for_peer(&self) -> Option<End> {
        self.end_at_peer.filter(|_| self.taken == self.transmitted)
    }

    pub(crate) fn has_bytes_to_take(&self) -> bool {
        self.taken < self.transmitted
    }

    pub(crate) fn can_take(&self) -> bool {
        self.taken < self.transmitted || self.end_at_peer.is_some()
    }

    // What the network does.

    /// Moves at most `at_most` bytes to the peer.
    pub(crate) fn transmit(&mut self, at_most: usize) {
        let moved = self.transmittable().min(at_most);
        self.transmitted += moved;
        if moved > 0 && self.peer_is_closed {
            self.reset_by_peer();
        }
        let has_ended = matches!(self.host, Host::OutputEnded | Host::Closed);
        if has_ended && self.in_send_buffer() == 0 {
            self.end_at_peer.get_or_insert(End::Clean);
        }
        if self.has_news_of_room() {
            self.wants_room = false;
            self.raise_edge();
        }
    }

    pub(crate) fn can_transmit(&self) -> bool {
        self.transmittable() > 0 || self.has_news_of_room()
    }

    /// `MSG_MORE` holds bytes back for 200 ms at most.
    pub(crate) fn stop_holding(&mut self) {
        self.held = 0;
    }

    pub(crate) fn is_holding(&self) -> bool {
        self.held > 0
    }

    fn transmittable(&self) -> usize {
        self.room_at_peer().min(self.in_send_buffer().saturating_sub(self.held))
    }

    fn room_at_peer(&self) -> usize {
        self.buffers.peer - (self.transmitted - self.taken)
    }

    /// How many bytes wait in the send buffer. A reset destroys them.
    pub(crate) fn in_send_buffer(&self) -> usize {
        if self.host == Host::Gone { 0 } else { self.accepted - self.transmitted }
    }

    /// Linux tells of room when a third of the buffer is free.
    fn has_room(&self) -> bool {
        3 * self.in_send_buffer() <= 2 * self.buffers.send
    }

    fn has_news_of_room(&self) -> bool {
        self.wants_room && self.has_room()
    }

    // What epoll does.

    /// Begins to watch. The first event tells of what is there already, which always includes room.
    pub(crate) fn watch(&mut self) {
        self.watch = Watch::Edge;
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watch != Watch::Off
    }

    fn raise_edge(&mut self) {
        if self.is_watched() {
            self.watch = Watch::Edge;
        }
    }

    pub(crate) fn has_edge(&self) -> bool {
        self.watch == Watch::Edge
    }

    /// Takes the edge, if there is one.
    pub(crate) fn take_edge(&mut self) -> bool {
        let has_edge = self.has_edge();
        if has_edge {
            self.watch = Watch::Told;
        }
        has_edge
    }

    /// What an event says now.
    pub(crate) fn readiness(&self) -> Readiness {
        let ended = self.input != Input::Open;
        Readiness { readable: self.has_input(), read_on: ended || self.has_urgent_input() }
    }

    /// Whether a read would get something.
    pub(crate) fn has_input(&self) -> bool {
        self.has_unread_bytes() || self.input != Input::Open
    }

    pub(crate) fn has_unread_bytes(&self) -> bool {
        self.read < self.arrived
    }

    pub(crate) fn input_has_ended(&self) -> bool {
        self.input != Input::Open
    }

    pub(crate) fn has_urgent_input(&self) -> bool {
        self.urgent_at.is_some_and(|mark| (self.read..self.arrived).contains(&mark))
    }

    /// Whether the reactor is right to wait for the peer to take its reply.
    pub(crate) fn waits_for_room(&self) -> bool {
        self.wants_room
    }

    pub(crate) fn is_reset(&self) -> bool {
        matches!(self.input, Input::Reset { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUFFERS: Buffers = Buffers { receive: 100, send: 2000, peer: 1000, segment: 1460 };

    fn watched(urgent_at: Option<usize>) -> Tcp {
        let mut tcp = Tcp::new(BUFFERS, urgent_at);
        tcp.watch();
        assert!(tcp.take_edge(), "there is room");
        tcp
    }

    fn is_blocked<T>(result: &io::Result<T>) -> bool {
        result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    #[test]
    fn each_arrival_is_one_edge_and_the_end_comes_with_the_data() {
        let mut tcp = watched(None);
        tcp.arrive(10);
        assert!(tcp.take_edge());
        tcp.arrive(5);
        tcp.end_input();
        assert!(tcp.take_edge());
        assert_eq!(tcp.readiness(), Readiness { readable: true, read_on: true });
        assert_eq!(tcp.read(100).unwrap(), 0..15);
        assert_eq!(tcp.read(100).unwrap(), 15..15);
        assert!(!tcp.has_edge());
    }

    #[test]
    fn a_read_stops_in_front_of_an_urgent_byte() {
        let mut tcp = watched(Some(3));
        tcp.arrive(5);
        assert!(tcp.readiness().read_on);
        assert_eq!(tcp.read(100).unwrap(), 0..3);
        assert_eq!(tcp.read(100).unwrap(), 3..5);
        assert!(!tcp.readiness().read_on);
        assert!(is_blocked(&tcp.read(100)));
    }

    #[test]
    fn a_close_with_input_unread_destroys_unsent_output() {
        let mut tcp = watched(None);
        tcp.arrive(1);
        assert_eq!(tcp.send(600, Leaves::AtOnce, usize::MAX).unwrap(), 600);
        tcp.close(false);
        assert_eq!((tcp.take(usize::MAX), tcp.end_for_peer()), (536, Some(End::Reset)));
    }

    #[test]
    fn input_after_a_close_destroys_unsent_output() {
        let mut tcp = watched(None);
        assert_eq!(tcp.send(600, Leaves::AtOnce, usize::MAX).unwrap(), 600);
        tcp.close(false);
        tcp.arrive(1);
        tcp.transmit(usize::MAX);
        assert_eq!((tcp.take(usize::MAX), tcp.end_for_peer()), (536, Some(End::Reset)));
    }

    #[test]
    fn held_bytes_leave_with_the_end_and_are_lost_without_it() {
        for (ends, left) in [(true, 10), (false, 0)] {
            let mut tcp = watched(None);
            assert_eq!(tcp.send(10, Leaves::WithTheEnd, usize::MAX).unwrap(), 10);
            tcp.transmit(usize::MAX);
            if ends {
                tcp.end_output().unwrap();
            }
            tcp.arrive(1);
            tcp.close(false);
            assert_eq!(tcp.take(usize::MAX), left);
        }
    }

    #[test]
    fn room_is_told_once_after_a_send_that_found_none() {
        let mut tcp = watched(None);
        assert_eq!(tcp.send(5000, Leaves::AtOnce, usize::MAX).unwrap(), 2000 + 536);
        tcp.transmit(usize::MAX);
        assert!(!tcp.has_edge(), "less than a third is free");
        assert_eq!(tcp.take(usize::MAX), 1000);
        tcp.transmit(usize::MAX);
        assert!(tcp.take_edge());
        assert_eq!(tcp.take(usize::MAX), 1000);
        tcp.transmit(usize::MAX);
        assert!(!tcp.has_edge());
    }

    #[test]
    fn a_reset_is_told_after_the_data_and_then_the_pipe_is_broken() {
        let mut tcp = watched(None);
        tcp.arrive(2);
        tcp.reset_by_peer();
        assert_eq!(tcp.read(100).unwrap(), 0..2);
        let kinds = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        assert_eq!(tcp.read(100).unwrap_err().kind(), kinds[0]);
        assert_eq!(tcp.send(1, Leaves::AtOnce, 1).unwrap_err().kind(), kinds[1]);
    }
}
