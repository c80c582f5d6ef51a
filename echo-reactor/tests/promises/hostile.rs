//! Faults that a peer or the kernel can cause, and that no other peer notices.

use std::thread;

use rustix::process::{Signal, kill_process};

use echo_harness::peer::{End, Peer, all_get, all_send};
use echo_harness::server::Setup;
use echo_harness::sockets;
use echo_harness::strace::with_faults;
use echo_harness::stuck_peer::StuckPeer;

#[test]
fn a_reset_in_the_listen_queue() {
    let server = Setup::new().start();
    let frozen = server.freeze();
    for number in 0..20 {
        let mut peer = Peer::connect(server.port);
        if number % 2 == 0 {
            peer.send("sent, but gone\n");
        }
        peer.reset();
    }
    let mut good = Peer::connect(server.port);
    good.send("good\n");
    sockets::wait_for_queue(server.port, 21);
    drop(frozen);
    good.assert_gets("good\n");
    server.terminate().assert_left_with(0);
}

#[test]
fn a_reset_in_the_middle_of_a_reply() {
    let server = Setup::new().unlimited().start();
    let stuck = StuckPeer::connect(&server);
    let closed = format!("Connection {} closed: the peer has reset it", stuck.peer.name());
    stuck.peer.reset();
    server.log().wait_for(&closed);
    Peer::connect(server.port).assert_answers_at_the_end("still there?\n");
    server.terminate().assert_left_with(0);
}

/// A peer that is gone must not be confused with the one that gets its place.
#[test]
fn an_event_for_a_connection_that_is_gone() {
    let server = Setup::new().unlimited().start();
    for round in 0..50 {
        let mut gone = Peer::connect(server.port);
        gone.assert_echoes("first\n");
        let frozen = server.freeze();
        gone.send("the last words of one that is gone\n");
        if round % 2 == 0 {
            gone.reset();
        } else {
            drop(gone);
        }
        let mut newcomer = Peer::connect(server.port);
        newcomer.send("newcomer\n");
        newcomer.end_output();
        drop(frozen);
        newcomer.assert_gets("newcomer\n");
    }
    server.terminate().assert_left_with(0);
}

#[test]
fn signals_that_mean_nothing_change_nothing() {
    let server = Setup::new().unlimited().start();
    let pid = server.pid();
    let mut peer = Peer::connect(server.port);
    let signals = [Signal::USR1, Signal::WINCH, Signal::STOP, Signal::USR2, Signal::CONT];
    let storm = thread::spawn(move || {
        for _ in 0..200 {
            for signal in signals {
                kill_process(pid, signal).expect("the server runs");
            }
        }
    });
    let mut rounds = 0;
    while !storm.is_finished() || rounds < 1000 {
        peer.assert_echoes(format!("round {rounds}\n"));
        rounds += 1;
    }
    storm.join().expect("signals can be sent");
    drop(peer);
    server.log().wait_for(&format!("closed: the peer has closed ({rounds} messages)"));
    let ended = server.terminate();
    ended.assert_left_with(0);
    assert_eq!(ended.log.count("Message received"), rounds);
}

#[test]
fn connections_that_are_gone_before_they_are_accepted() {
    for error in ["ECONNABORTED", "EPROTO", "EINTR", "EHOSTUNREACH"] {
        let fault = format!("accept4:error={error}:when=1..5");
        let Some(setup) = with_faults(&fault) else { return };
        let server = setup.log_level("debug").start();
        Peer::connect(server.port).assert_answers("hello\n");
        let ended = server.terminate();
        ended.assert_left_with(0);
        ended.log.assert_lacks("Accepting pauses");
        let gone = if error == "EINTR" { 0 } else { 5 };
        assert_eq!(ended.log.count("gone before it was accepted"), gone, "{error}");
    }
}

#[test]
fn a_kernel_without_memory_or_descriptors_for_a_connection() {
    for (error, text) in [
        ("ENOBUFS", "No buffer space available"),
        ("ENOMEM", "Cannot allocate memory"),
        ("ENFILE", "Too many open files in system"),
    ] {
        let fault = format!("accept4:error={error}:when=1..3");
        let Some(setup) = with_faults(&fault) else { return };
        let server = setup.start();
        let mut peers = Peer::connect_many(server.port, 3);
        all_send(&mut peers, "hello\n");
        all_get(&mut peers, "hello\n");
        let ended = server.terminate();
        ended.assert_left_with(0);
        ended.log.assert_contains(&format!("Accepting pauses: {text}"));
        ended.log.assert_contains("Proceed to accept new connections");
    }
}

#[test]
fn system_calls_that_are_interrupted_are_repeated() {
    let every_other = "recvfrom,accept4,epoll_wait:error=EINTR:when=1+2";
    let Some(setup) = with_faults(every_other) else { return };
    let server = setup.unlimited().start();
    for _ in 0..5 {
        let mut peer = Peer::connect(server.port);
        for _ in 0..20 {
            peer.assert_echoes("hello\n");
        }
        peer.end_output();
        peer.assert_gets("");
    }
    server.terminate().assert_left_with(0);
}

#[test]
fn a_connection_that_cannot_be_watched_is_closed() {
    // The first three are the signals, the log and the listener.
    let Some(setup) = with_faults("epoll_ctl:error=ENOSPC:when=4..5") else { return };
    let server = setup.start();
    for _ in 0..2 {
        let mut idle = Peer::connect(server.port);
        let (bytes, end) = idle.read_to_end();
        // A clean end would say that no reply was owed.
        assert_eq!((bytes.len(), end), (0, End::Reset));
    }
    let mut slow = Peer::connect(server.port);
    server.log().wait_for_count("Got connection", 3);
    slow.assert_answers("watched\n");
    server.terminate().assert_left_with(0);
}
