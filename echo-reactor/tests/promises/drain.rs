//! What happens from the first signal to the exit.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use echo_harness::peer::{End, Peer, all_get, all_read, all_send, assert_same, line};
use echo_harness::server::Setup;
use echo_harness::strace::with_faults;
use echo_harness::stuck_peer::{LINE, StuckPeer, lines};
use echo_harness::{MEGABYTE, sockets, wait};

/// No test takes this long, so a drain that ends earlier did not wait for its deadline.
const LONG: &str = "1h";

/// A connection lingers for 5 s at most.
const SHORTER_THAN_LINGERING: &str = "4s";

/// A server that keeps its connections, and has time to drain them.
fn patient() -> Setup {
    Setup::new().unlimited().set("drain_timeout", LONG)
}

#[test]
fn every_connection_in_the_listen_queue_is_served() {
    const PEERS: usize = 300;
    let server = Setup::new().set("drain_timeout", LONG).start();
    let frozen = server.freeze();
    let mut peers = Peer::connect_many(server.port, PEERS);
    let message = |number: usize| format!("message {number:03}\n");
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.send(message(number));
    }
    sockets::wait_for_queue(server.port, PEERS);
    sockets::wait_for_unread(server.port, PEERS * message(0).len());
    server.signal(Signal::TERM);
    drop(frozen);
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.assert_gets(message(number));
    }
    let ended = server.wait();
    ended.assert_left_with(0);
    assert_eq!(ended.log.count("closed: its messages are answered (1 message)"), PEERS);
    ended.log.assert_contains("Listener closed");
    ended.log.assert_contains("All sockets closed, server stopped");
}

#[test]
fn the_listen_queue_is_served_beyond_the_connection_limit() {
    const PEERS: usize = 50;
    let server = Setup::new().set("connections_max", 4).set("drain_timeout", LONG).start();
    let idle = Peer::connect_many(server.port, 4);
    server.log().wait_for_count("Got connection", 4);
    let mut peers = Peer::connect_many(server.port, PEERS);
    all_send(&mut peers, "queued\n");
    sockets::wait_for_queue(server.port, PEERS);
    sockets::wait_for_unread(server.port, PEERS * "queued\n".len());
    server.signal(Signal::TERM);
    all_get(&mut peers, "queued\n");
    server.wait().assert_left_with(0);
    drop(idle);
}

#[test]
fn every_message_that_has_arrived_is_answered() {
    const PEERS: usize = 20;
    let server = patient().start();
    let mut peers = Peer::connect_many(server.port, PEERS);
    all_send(&mut peers, "known to the server\n");
    all_read(&mut peers, "known to the server\n");
    let frozen = server.freeze();
    let input = line(1000).repeat(50);
    // One byte behind the messages begins a message that will never be complete.
    for peer in &mut peers {
        peer.send(&input);
        peer.send("x");
    }
    sockets::wait_for_unread(server.port, PEERS * (input.len() + 1));
    server.signal(Signal::TERM);
    drop(frozen);
    all_get(&mut peers, &input);
    drop(peers);
    let ended = server.wait();
    ended.assert_left_with(0);
    assert_eq!(ended.log.count("closed: the server is shutting down (51 messages)"), PEERS);
}

#[test]
fn a_pending_reply_is_flushed_before_the_exit() {
    let server = patient().start();
    let mut stuck = StuckPeer::connect(&server);
    server.signal(Signal::TERM);
    server.log().wait_for("Listener closed");
    stuck.assert_is_answered();
    drop(stuck);
    server.wait().assert_left_with(0);
}

/// The peer did not read, so the server's kernel still holds replies. What the peer sends after the
/// close must not destroy them.
#[test]
fn replies_on_their_way_survive_input_behind_the_drain() {
    let server = patient().start();
    let mut peer = Peer::connect_with_receive_buffer(server.port, 4096);
    let replies = lines(MEGABYTE);
    peer.send(&replies);
    server.log().wait_for_count("Message received", MEGABYTE / LINE);
    sockets::wait_for_unread(server.port, 0);
    server.signal(Signal::TERM);
    server.log().wait_for("Listener closed");
    peer.send("one more, too late to be answered\n");
    peer.assert_gets(&replies);
    drop(peer);
    server.wait().assert_left_with(0);
}

/// When the drain begins, all earlier replies have left and the peer's window is full. So even a small reply
/// is still here when the server ends its output. A byte of the peer must not destroy it.
#[test]
fn a_small_reply_that_finds_no_window_in_the_drain_arrives() {
    // Less than one segment. Two of these fit into the smallest window, a third does not.
    let reply = line(500);
    let Some(setup) = with_faults("shutdown:delay_enter=2000000") else { return };
    let server =
        setup.unlimited().set("message_max_bytes", reply.len()).set("drain_timeout", LONG).start();
    let mut peer = Peer::connect_with_receive_buffer(server.port, 1);
    for replies in 1..=2 {
        peer.send(&reply);
        peer.wait_for_input(replies * reply.len());
    }
    // This holds the server for two seconds. The last message and the signal come meanwhile.
    let mut too_long = Peer::connect(server.port);
    too_long.send([b'x'; 501]);
    server.wait_until_held();
    peer.send(&reply);
    sockets::wait_for_unread(server.port, reply.len());
    server.signal(Signal::TERM);
    sockets::wait_for_unread(server.port, 0);
    server.wait_until_held();
    assert!(peer.wait_for_input(2 * reply.len()) < 3 * reply.len(), "there was room");
    peer.send("x");
    server.wait().assert_left_with(0);
    peer.assert_gets(reply.repeat(3));
    drop(too_long);
}

/// A handshake that ends between the last `accept` and the close of the listener would be reset.
#[test]
fn nothing_is_let_in_behind_the_last_accept() {
    // The server learns one second late that the queue is empty.
    let Some(setup) = with_faults("accept4:delay_exit=1000000") else { return };
    let server = setup.set("drain_timeout", LONG).start();
    server.signal(Signal::TERM);
    server.wait_until_held();
    let address = (Ipv4Addr::LOCALHOST, server.port).into();
    let come = TcpStream::connect_timeout(&address, Duration::from_millis(100));
    let dropped = come.is_err_and(|error| error.kind() == ErrorKind::TimedOut);
    assert!(dropped, "let in, to be reset, or refused");
    server.wait().assert_left_with(0);
}

#[test]
fn new_connections_are_refused_while_it_drains() {
    let server = patient().start();
    let stuck = StuckPeer::connect(&server);
    server.signal(Signal::TERM);
    server.log().wait_for("Listener closed");
    let come = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port));
    assert!(come.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused));
    stuck.peer.reset();
    server.wait().assert_left_with(0);
}

#[test]
fn at_the_deadline_a_peer_that_does_not_read_is_aborted() {
    let server = patient().set("drain_timeout", "200ms").start();
    let mut stuck = StuckPeer::connect(&server);
    let ended = server.terminate();
    ended.assert_left_with(0);
    ended.log.assert_contains("Drain deadline passed: aborting 1 connection");
    ended.log.assert_contains("closed: aborted, the server is shutting down");
    ended.log.assert_contains("All sockets closed, server stopped");
    // A reply that was cut short must not look whole.
    let (replies, end) = stuck.peer.read_to_end();
    assert!(replies.len() < stuck.sent.len());
    assert_eq!(end, End::Reset);
}

/// The server has read all that the peer sent, so a plain close would be a clean end. Only the server knows
/// that the reply is not whole.
#[test]
fn a_reply_that_is_cut_short_ends_in_a_reset() {
    const MESSAGE: usize = 16 * MEGABYTE;
    let server = Setup::new().set("message_max_bytes", MESSAGE).set("drain_timeout", "0s").start();
    let mut peer = Peer::connect_with_receive_buffer(server.port, 4096);
    peer.send(line(MESSAGE));
    server.log().wait_for("Message received");
    let ended = server.terminate();
    ended.assert_left_with(0);
    ended.log.assert_contains("closed: aborted, the server is shutting down");
    let (reply, end) = peer.read_to_end();
    assert!(reply.len() < MESSAGE);
    assert_eq!(end, End::Reset);
}

/// Its replies had to wait for room. All have left this host, but nothing says whether the client has read
/// them.
#[test]
fn an_idle_client_that_was_slow_to_read_does_not_delay_the_exit() {
    let server = patient().start();
    let StuckPeer { mut peer, sent, .. } = StuckPeer::connect(&server);
    peer.read(sent.len() - sent.len() % LINE);
    let begun = Instant::now();
    server.terminate().assert_left_with(0);
    let elapsed = begun.elapsed();
    assert!(elapsed < Duration::from_secs(4), "it lingered: {elapsed:?}");
}

#[test]
fn idle_clients_that_have_got_their_last_reply_do_not_delay_the_exit() {
    let server = Setup::new().set("drain_timeout", SHORTER_THAN_LINGERING).start();
    let (large, too_long) = (line(4_000), line(20_000));
    let cases: [(&[u8], &[u8]); 3] =
        [(&large, &large), (b"first\nbehind\n", b"first\n"), (&too_long, b"")];
    let mut idle = Vec::new();
    for (message, reply) in cases {
        let mut peer = Peer::connect(server.port);
        peer.send(message);
        // The client reads to the end and does not close.
        peer.assert_gets(reply);
        idle.push(peer);
    }
    let ended = server.terminate();
    ended.assert_left_with(0);
    ended.log.assert_lacks("Drain deadline passed");
    ended.log.assert_every_connection_closed_once();
}

#[test]
fn without_time_to_drain_all_is_closed_at_once() {
    let server = patient().set("drain_timeout", "0s").start();
    let mut idle = Peer::connect(server.port);
    idle.assert_echoes("known to the server\n");
    let _stuck = StuckPeer::connect(&server);
    let ended = server.terminate();
    ended.assert_left_with(0);
    ended.log.assert_contains("aborted");
}

#[test]
fn idle_clients_do_not_delay_the_exit() {
    const PEERS: usize = 100;
    let server = patient().set("drain_timeout", SHORTER_THAN_LINGERING).start();
    let mut idle = Peer::connect_many(server.port, PEERS);
    // Large replies could still be on their way.
    for (peer, length) in idle.iter_mut().skip(PEERS / 2).zip([10, 10_000].into_iter().cycle()) {
        peer.assert_echoes(line(length));
    }
    // Half a message is no message.
    idle[0].send("half a mess");
    server.log().wait_for_count("Got connection", PEERS);
    let ended = server.terminate();
    ended.assert_left_with(0);
    ended.log.assert_lacks("Drain deadline passed");
    assert_eq!(ended.log.count("closed: the server is shutting down"), PEERS);
    all_get(&mut idle, "");
}

#[test]
fn each_signal_that_asks_to_leave_drains() {
    for (signal, name) in
        [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT"), (Signal::HUP, "SIGHUP")]
    {
        let server = Setup::new().unlimited().start();
        let mut open = Peer::connect(server.port);
        open.assert_echoes("known to the server\n");
        let frozen = server.freeze();
        open.send("the last\n");
        sockets::wait_for_unread(server.port, "the last\n".len());
        server.signal(signal);
        drop(frozen);
        open.assert_gets("the last\n");
        let ended = server.wait();
        ended.assert_left_with(0);
        ended.log.assert_contains(&format!("{name} received: draining 1 connection within 700ms"));
        ended.log.assert_ends_with(&["All sockets closed, server stopped"]);
    }
}

#[test]
fn a_second_signal_ends_the_drain() {
    for (signal, code) in [(Signal::TERM, 128 + 15), (Signal::INT, 128 + 2), (Signal::HUP, 128 + 1)]
    {
        let mut server = patient().start();
        let mut stuck = StuckPeer::connect(&server);
        server.signal(Signal::TERM);
        server.log().wait_for("SIGTERM received: draining");
        // Signals right behind the first one count as the same request.
        wait::until("the exit", || {
            server.signal(signal);
            server.has_ended()
        });
        let ended = server.wait();
        ended.assert_left_with(code);
        ended.log.assert_contains("received again: leaving at once, aborting 1 connection");
        assert_eq!(stuck.peer.read_to_end().1, End::Reset);
    }
}

#[test]
fn five_signals_at_once_are_one_drain() {
    let server = patient().start();
    let mut stuck = StuckPeer::connect(&server);
    let frozen = server.freeze();
    for signal in [Signal::TERM, Signal::INT, Signal::TERM, Signal::INT, Signal::TERM] {
        server.signal(signal);
    }
    drop(frozen);
    server.log().wait_for("Listener closed");
    stuck.assert_is_answered();
    drop(stuck);
    let ended = server.wait();
    ended.assert_left_with(0);
    assert_eq!(ended.log.count("draining"), 1);
}

/// More than the buffers of both sockets hold, if the peer's is small.
fn large_message() -> Vec<u8> {
    line(8 * MEGABYTE)
}

/// The first turn of a drain can be long, because there may be much to finish.
#[test]
fn a_signal_in_the_first_turn_of_a_drain_belongs_to_it() {
    // The peer takes two calls of `accept4`. From the third call on, the server learns two seconds late that
    // the queue is empty.
    let Some(setup) = with_faults("accept4:delay_exit=2000000:when=3+") else { return };
    let server = setup.set("message_max_bytes", 16 * MEGABYTE).set("drain_timeout", LONG).start();
    let mut peer = Peer::connect_with_receive_buffer(server.port, 4096);
    let message = large_message();
    peer.send(&message);
    server.log().wait_for("Message received");
    server.signal(Signal::TERM);
    server.wait_until_held();
    server.signal(Signal::INT);
    server.log().wait_for("Listener closed");
    peer.assert_gets(message);
    drop(peer);
    let ended = server.wait();
    ended.assert_left_with(0);
    ended.log.assert_lacks("received again");
}

/// A part of the client's reply has left this host, and the rest waits for room.
#[test]
fn a_reply_whose_first_part_has_left_is_not_cut_off_by_the_drain() {
    let server = patient().set("message_max_bytes", 16 * MEGABYTE).start();
    let mut peer = Peer::connect_with_receive_buffer(server.port, 4096);
    let message = large_message();
    peer.send(&message);
    server.log().wait_for("Message received");
    let frozen = server.freeze();
    let mut reply = peer.read_while(|| sockets::unsent_bytes(server.port) > 0);
    server.signal(Signal::TERM);
    drop(frozen);
    reply.extend(peer.read(7 * MEGABYTE - reply.len()));
    sockets::wait_for_end_on_its_way(server.port);
    peer.send("x");
    let (rest, end) = peer.read_to_end();
    reply.extend(rest);
    assert_same(&reply, &message);
    assert_eq!(end, End::Clean);
    drop(peer);
    server.wait().assert_left_with(0);
}
