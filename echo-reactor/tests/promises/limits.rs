//! The bounds of the server, and what happens at each.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use echo_harness::peer::{End, Peer, all_get, all_read, all_send, line};
use echo_harness::server::{Server, Setup};
use echo_harness::stuck_peer::StuckPeer;
use echo_harness::{proc, sockets, wait};

#[test]
fn the_connection_limit_holds_and_goes_on() {
    let server = Setup::new().unlimited().set("connections_max", 3).start();
    let mut peers = Peer::connect_many(server.port, 6);
    all_send(&mut peers, "hello\n");
    let mut waiting = peers.split_off(3);
    all_read(&mut peers, "hello\n");
    server.log().wait_for("Accepting pauses: the limit of 3 connections is reached");
    sockets::wait_for_queue(server.port, 3);
    assert!(waiting.iter().all(|peer| !peer.has_input()));
    // Each time one connection leaves, the next one comes in.
    while !waiting.is_empty() {
        drop(peers.remove(0));
        let mut next = waiting.remove(0);
        next.assert_reads("hello\n");
        sockets::wait_for_queue(server.port, waiting.len());
        peers.push(next);
    }
    server.terminate().assert_left_with(0);
}

#[test]
fn an_idle_connection_is_closed() {
    // Long enough for an echo on a busy machine.
    let server = Setup::new().unlimited().set("idle_timeout", "3s").start();
    let start = Instant::now();
    let mut silent = Peer::connect(server.port);
    let mut once = Peer::connect(server.port);
    once.assert_echoes("only this\n");
    silent.assert_gets("");
    once.assert_gets("");
    // The server counts whole milliseconds.
    assert!(start.elapsed() >= Duration::from_millis(2999));
    let ended = server.terminate();
    ended.assert_left_with(0);
    assert_eq!(ended.log.count("closed: no byte for idle_timeout"), 2);
}

#[test]
fn a_peer_that_does_not_read_is_idle_too() {
    // Long enough for the peer to get stuck.
    let server = Setup::new().unlimited().set("idle_timeout", "4s").start();
    let mut stuck = StuckPeer::connect(&server);
    let closed = format!("Connection {} closed: no byte for idle_timeout", stuck.peer.name());
    server.log().wait_for(&closed);
    // A reply that was cut short must not look whole.
    assert_eq!(stuck.peer.read_to_end().1, End::Reset);
}

#[test]
fn a_slow_message_is_closed_at_its_total_deadline() {
    let server = Setup::new().unlimited().set("message_timeout", "300ms").start();
    // The turn that reads the first byte may have begun earlier, with the other peer's bytes.
    let start = Instant::now();
    let mut patient = Peer::connect(server.port);
    patient.assert_echoes("between two messages is no hurry\n");
    let mut slow = Peer::connect(server.port);
    // Every byte puts off the idle deadline, but not the deadline of the message.
    wait::until("the slow peer closed", || slow.has_input() || slow.try_send("x").is_err());
    // The server counts whole milliseconds.
    assert!(start.elapsed() >= Duration::from_millis(299));
    patient.assert_echoes("still here\n");
    let ended = server.terminate();
    ended.assert_left_with(0);
    assert_eq!(ended.log.count("closed: a message was not complete within message_timeout"), 1);
}

/// The peers do not read, so the server's kernel still holds replies. What a peer sends after its deadline
/// must not destroy them.
#[test]
fn replies_survive_a_timeout_and_input_behind_it() {
    let server =
        Setup::new().unlimited().set("message_timeout", "1s").set("idle_timeout", "2s").start();
    let replies = line(4096).repeat(100);
    for (behind, reason) in [
        ("half a mess", "a message was not complete within message_timeout"),
        ("", "no byte for idle_timeout"),
    ] {
        let mut peer = Peer::connect_with_receive_buffer(server.port, 4096);
        peer.send(&replies);
        peer.send(behind);
        sockets::wait_for_unread(server.port, 0);
        sockets::wait_for_end_on_its_way(server.port);
        peer.send("x");
        peer.assert_gets(&replies);
        let closed = format!("Connection {} closed: {reason} (100 messages)", peer.name());
        drop(peer);
        server.log().wait_for(&closed);
    }
    server.terminate().assert_left_with(0);
}

/// A signal ends the wait before it has looked for events (signal(7)), and the deadlines have passed.
#[test]
fn what_arrives_while_the_server_is_stopped_has_come_in_time() {
    const TIMEOUT: Duration = Duration::from_secs(2);
    for leaves in [false, true] {
        let server = Setup::new()
            .unlimited()
            .set("idle_timeout", "2s")
            .set("message_timeout", "2s")
            .set("drain_timeout", "1h")
            .start();
        let mut silent = Peer::connect(server.port);
        server.log().wait_for("Got connection");
        let mut slow = Peer::connect(server.port);
        // In one segment, so that the echo proves that half a message was read too.
        slow.send("a message\nhalf a");
        slow.assert_reads("a message\n");
        let frozen = server.freeze();
        let start = Instant::now();
        silent.send("the first\n");
        slow.send(" message\n");
        sockets::wait_for_unread(server.port, 10 + 9);
        wait::until("both deadlines over", || start.elapsed() > TIMEOUT);
        if leaves {
            server.signal(Signal::TERM);
        }
        drop(frozen);
        silent.assert_reads("the first\n");
        slow.assert_reads("half a message\n");
        server.terminate().assert_left_with(0);
    }
}

/// Lets the server open `more` further descriptors at most. Returns the limit that held before.
fn leave_room_for(server: &Server, more: usize) -> u64 {
    let limit = proc::limit_for_more_descriptors(server.pid(), more).expect("the server runs");
    proc::limit_descriptors(server.pid(), limit).expect("a process of our own")
}

const PAUSE: &str = "Accepting pauses: Too many open files";

#[test]
fn without_descriptors_it_pauses_and_goes_on_by_itself() {
    let server = Setup::new().unlimited().start();
    let before = leave_room_for(&server, 3);
    let mut peers = Peer::connect_many(server.port, 6);
    all_send(&mut peers, "hello\n");
    all_read(&mut peers[..3], "hello\n");
    server.log().wait_for(PAUSE);
    let time = server.processor_time();
    // The log mentions pauses once a second at most.
    server.log().wait_for_count(PAUSE, 3);
    let used = server.processor_time().saturating_sub(time);
    assert!(used < Duration::from_millis(200), "{used:?} in two seconds of waiting");
    assert!(peers[3..].iter().all(|peer| !peer.has_input()));
    // Neither a new connection nor a closed one helps.
    proc::limit_descriptors(server.pid(), before).expect("a process of our own");
    all_read(&mut peers[3..], "hello\n");
    server.terminate().assert_left_with(0);
}

#[test]
fn without_descriptors_a_closed_connection_lets_the_next_one_in() {
    let server = Setup::new().start();
    leave_room_for(&server, 1);
    let mut peers = Peer::connect_many(server.port, 20);
    for peer in peers.iter_mut().rev() {
        peer.send("hello\n");
    }
    all_get(&mut peers, "hello\n");
    server.terminate().assert_left_with(0);
}
