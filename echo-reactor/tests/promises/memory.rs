//! What connections leave behind, and what they hold at their worst.

use std::mem;

use echo_harness::peer::{Peer, all_send, line};
use echo_harness::server::{Server, Setup};
use echo_harness::{MEGABYTE, sockets, wait};

/// The block's length has no common factor with that of a buffer, so the loss of a buffer shows.
fn block() -> Vec<u8> {
    (0..1_000_003_u32).map(|index| u8::try_from(index % 251).expect("a byte")).collect()
}

/// Waits until the server reads nothing more from peers that do not read. It serves others all the while.
fn wait_until_it_reads_no_more(server: &Server, mut serve_another: impl FnMut()) {
    let mut last_unread = 0;
    wait::until("the server not reading", || {
        serve_another();
        let unread = sockets::unread_bytes(server.port);
        mem::replace(&mut last_unread, unread) == unread && unread > 0
    });
}

#[test]
fn a_peer_that_never_reads_costs_no_memory() {
    const BLOCKS: usize = 100;
    let server = Setup::new().set("framing", "stream").start_silent();
    let mut other = Peer::connect(server.port);
    other.assert_echoes("hello");
    let before = server.resident_bytes();

    let mut pusher = Peer::connect(server.port);
    let writing = pusher.in_background(|peer| {
        let block = block();
        (0..BLOCKS).for_each(|_| peer.send(&block));
    });
    wait_until_it_reads_no_more(&server, || other.assert_echoes("ping"));
    server.assert_grown_by_less_than(2 * MEGABYTE, before);

    let block = block();
    (0..BLOCKS).for_each(|_| pusher.assert_reads(&block));
    pusher.assert_gets("");
    writing.join().expect("the server takes it all");
    server.assert_grown_by_less_than(2 * MEGABYTE, before);
}

/// How much memory the server takes apart from its connections, in bytes.
const BASE: usize = 8 * MEGABYTE;

/// Peers that send and do not read.
const STALLED: usize = 1000;

/// At worst a connection holds a reply that finds no room, and the beginning of the next message: 16 KiB each
/// by default.
#[test]
fn a_thousand_peers_that_do_not_read_cost_what_is_stated() {
    let setup = Setup::new().set("messages_per_connection", 64).set("connections_max", STALLED + 1);
    assert_stalled_peers_cost(33_000, &setup.start());
}

/// Where nobody looks at single messages, the reply to one read is up to 64 KiB.
#[test]
fn a_thousand_peers_that_do_not_read_cost_what_is_stated_in_bulk() {
    let setup = Setup::new().unlimited().set("connections_max", STALLED + 1);
    assert_stalled_peers_cost(82_000, &setup.start_silent());
}

/// A stream has no message that could be incomplete, whatever its longest one may be.
#[test]
fn a_thousand_peers_that_do_not_read_cost_what_is_stated_in_a_stream() {
    let setup = Setup::new().set("framing", "stream").set("connections_max", STALLED + 1);
    assert_stalled_peers_cost(66_000, &setup.set("message_max_bytes", 16 * MEGABYTE).start());
}

/// Panics unless each stalled peer costs at most `each` bytes, and not much less.
fn assert_stalled_peers_cost(each: usize, server: &Server) {
    let mut peers = Peer::connect_many_with_little_room(server.port, STALLED);
    // More than there is room for on the way to a peer. No read ends at the end of a message.
    all_send(&mut peers, [line(10), line(16 * 1024).repeat(10)].concat());
    wait_until_it_reads_no_more(server, || {
        Peer::connect(server.port).assert_answers_at_the_end("ping\n");
    });
    let memory = server.peak_resident_bytes();
    let stated = BASE + STALLED * each;
    assert!(memory <= stated, "{memory} bytes");
    assert!(memory >= stated / 2, "{memory} bytes are too few to test anything");
}

/// It is four times as long as its message here, because Python prints each of these bytes as four.
#[test]
fn an_acknowledgement_is_held_once() {
    const MESSAGE: usize = 4 * MEGABYTE;
    let setup = Setup::new().set("reply", "acknowledge");
    let server = setup.set("message_max_bytes", MESSAGE).start();
    let mut message = vec![0xff; MESSAGE];
    message[MESSAGE - 1] = b'\n';
    let mut peer = Peer::connect_with_little_room(server.port);
    peer.send(message);
    server.log().wait_for("Message received");
    let memory = server.peak_resident_bytes();
    assert!(memory <= BASE + MESSAGE + 4 * MESSAGE, "{memory} bytes");
}

#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    const BATCHES: usize = 100;
    let server = Setup::new().set("connections_max", 200).start();
    mixed_batch(&server);
    let descriptors = without_connections(&server);
    let memory = server.resident_bytes();
    (0..BATCHES).for_each(|_| mixed_batch(&server));
    assert_eq!(without_connections(&server), descriptors);
    server.assert_grown_by_less_than(MEGABYTE, memory);
    let ended = server.terminate();
    ended.assert_left_with(0);
    assert_eq!(ended.log.count("Got connection"), (BATCHES + 1) * 100);
}

/// A hundred connections: good ones, resets, idle ones, and half-closed ones.
fn mixed_batch(server: &Server) {
    let peers = Peer::connect_many(server.port, 100);
    for (number, mut peer) in peers.into_iter().enumerate() {
        match number % 4 {
            0 => peer.assert_answers("good\n"),
            1 => {
                peer.send("half a mess");
                peer.reset();
            }
            2 => drop(peer),
            _ => peer.assert_answers_at_the_end("half-closed"),
        }
    }
}

/// How many descriptors the server has once all its connections are closed.
fn without_connections(server: &Server) -> usize {
    let log = server.log();
    wait::until("all connections closed", || {
        let accepted = log.containing("Got connection").len();
        accepted > 0
            && accepted.is_multiple_of(100)
            && accepted == log.containing(") closed: ").len()
    });
    server.descriptors()
}
