//! What is bounded, and what happens at each bound.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use echo_harness::peer::{End, Peer, all_get, all_read, all_send, line};
use echo_harness::server::{Server, Setup};
use echo_harness::stuck_peer::StuckPeer;
use echo_harness::{MEGABYTE, proc, sockets, wait};

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
    // One leaves, one comes in, no matter how often.
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
    // What was cut short must not look whole.
    assert_eq!(stuck.peer.read_to_end().1, End::Reset);
}

#[test]
fn a_slow_message_is_closed_at_its_total_deadline() {
    let server = Setup::new().unlimited().set("message_timeout", "300ms").start();
    // The turn that reads the first byte may have begun with the other peer's.
    let start = Instant::now();
    let mut patient = Peer::connect(server.port);
    patient.assert_echoes("between two messages is no hurry\n");
    let mut slow = Peer::connect(server.port);
    // Every byte puts the idle deadline off, none the message's.
    wait::until("the slow peer closed", || slow.has_input() || slow.try_send("x").is_err());
    // The server counts whole milliseconds.
    assert!(start.elapsed() >= Duration::from_millis(299));
    patient.assert_echoes("still here\n");
    let ended = server.terminate();
    ended.assert_left_with(0);
    assert_eq!(ended.log.count("closed: a message was not complete within message_timeout"), 1);
}

/// An interrupted wait is over before it has looked (signal(7)), and the deadlines are over too.
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
        // In one segment, so that the echo tells that half a message was read.
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

/// Lets the server open just `more` descriptors; returns the limit before.
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
    // The log tells of it once a second.
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

/// A block that shows every loss: its length has no common factor with a buffer's.
fn block() -> Vec<u8> {
    (0..1_000_003_u32).map(|index| u8::try_from(index % 251).expect("a byte")).collect()
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
    let mut last_unread = 0;
    wait::until("the server not reading", || {
        // Others are served all the while.
        other.assert_echoes("ping");
        let unread = sockets::unread_bytes(server.port);
        std::mem::replace(&mut last_unread, unread) == unread && unread > 0
    });
    server.assert_grown_by_less_than(2 * MEGABYTE, before);

    let block = block();
    (0..BLOCKS).for_each(|_| pusher.assert_reads(&block));
    pusher.assert_gets("");
    writing.join().expect("the server takes it all");
    server.assert_grown_by_less_than(2 * MEGABYTE, before);
}

#[test]
fn a_flooder_does_not_keep_others_waiting() {
    const OTHERS: usize = 50;
    // What is acknowledged is read in pieces of 1 KiB, so that a hundred of them can wait.
    let server = Setup::new().unlimited().set("reply", "acknowledge").start();
    let mut flooder = Peer::connect(server.port);
    let mut others = Peer::connect_many(server.port, OTHERS);
    server.log().wait_for_count("Got connection", OTHERS + 1);

    let frozen = server.freeze();
    let message = line(1024);
    let _ = flooder.send_while_there_is_room(&message.repeat(1000));
    let waiting = sockets::unread_bytes(server.port) / message.len();
    assert!(waiting >= 64, "only {waiting} messages to flood with");
    all_send(&mut others, "short\n");
    drop(frozen);
    all_read(&mut others, "Your Message has been received: b'short'\n");
    // Counted in the log, for time would tell of the machine.
    server.log().wait_for_count("b'short'", OTHERS);
    let log = server.log().containing("Message received");
    let position = |text: &str| log.iter().rposition(|line| line.contains(text)).expect("a line");
    let before_last = &log[..position("b'short'")];
    let flood_lines = before_last.iter().filter(|line| line.contains("b'xxx")).count();
    assert!(flood_lines <= 32, "{flood_lines} messages of the flooder came first");
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
