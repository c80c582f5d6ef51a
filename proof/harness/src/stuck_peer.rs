//! A peer that sends without end and does not read.

use crate::peer::{End, Peer, assert_same, line};
use crate::server::Server;
use crate::{MEGABYTE, sockets, wait};

/// The length of its lines, in bytes. They are long, so that the log of megabytes stays short.
pub const LINE: usize = 16 * 1024;

pub fn lines(bytes: usize) -> Vec<u8> {
    line(LINE).repeat(bytes / LINE)
}

/// A peer that has sent all that it can, reads nothing, and so keeps the server from ending.
pub struct StuckPeer {
    pub peer: Peer,
    pub sent: Vec<u8>,
    /// How much of that has reached the server's host for sure.
    arrived: usize,
}

impl StuckPeer {
    /// Connects, and sends until the server no longer reads.
    pub fn connect(server: &Server) -> StuckPeer {
        let mut peer = Peer::connect(server.port);
        let mut sent = Vec::new();
        // More than the buffers of both sockets hold.
        let input = lines(32 * MEGABYTE);
        wait::until("the peer stuck", || {
            let count = peer.send_while_there_is_room(&input[sent.len()..]);
            sent.extend_from_slice(&input[sent.len()..sent.len() + count]);
            // The server answers others while this one finds no room: it does not read from it.
            Peer::connect(server.port).assert_answers_at_the_end("ping\n");
            count == 0
        });
        let answered = server.log().containing("Msg: b'xxx").len() * LINE;
        let arrived = answered + sockets::unread_bytes(server.port);
        StuckPeer { peer, sent, arrived }
    }

    /// Reads on, and panics unless all that had arrived is answered.
    pub fn assert_is_answered(&mut self) {
        let (replies, end) = self.peer.read_to_end();
        assert_same(&replies, &self.sent[..replies.len().min(self.sent.len())]);
        assert!(replies.len() >= self.arrived - self.arrived % LINE);
        assert_eq!((replies.len() % LINE, end), (0, End::Clean));
    }
}
