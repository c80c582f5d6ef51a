//! The server as a process: as PID 1 of a container, and by the system calls that it makes.

use std::collections::BTreeMap;
use std::io::{Write, stderr};

use rustix::process::{Signal, kill_process};

use echo_harness::command::is_available;
use echo_harness::peer::{Peer, all_get, all_send, line};
use echo_harness::ports::free_port;
use echo_harness::server::{Server, Setup};
use echo_harness::strace::{Tracer, can_count};
use echo_harness::{proc, sockets, wait};

#[test]
fn as_the_first_process_of_a_container() {
    let unshare = ["unshare", "--pid", "--fork", "--kill-child"];
    if !is_available(&["unshare", "--pid", "--fork", "--kill-child", "true"]) {
        return;
    }
    for signal in [Signal::TERM, Signal::INT] {
        let server = Setup::new().under(&unshare).start();
        let _idle = Peer::connect(server.port);
        Peer::connect(server.port).assert_answers("hello\n");
        let child = proc::wait_for_child(server.pid(), "echo-reactor");
        kill_process(child, signal).expect("the server runs");
        server.wait().assert_left_with(0);
    }
}

/// How often the server makes each system call while `work` is done.
fn count_system_calls(server: &Server, work: impl FnOnce()) -> BTreeMap<String, u64> {
    let tracer = Tracer::count(server.pid()).expect("strace attaches");
    work();
    let mut calls = tracer.counts().expect("the counts");
    if cfg!(debug_assertions) {
        // Without optimization the standard library looks at each descriptor before it closes it.
        calls.remove("fcntl");
    }
    calls
}

/// All calls for 1000 messages except the waits, which many messages share. They are also printed, so that
/// whoever runs the tests sees how the numbers change.
fn calls_per_1000(what: &str, calls: &BTreeMap<String, u64>, messages: u64) -> u64 {
    let working = calls.iter().filter(|(name, _)| !name.starts_with("epoll_"));
    let per_1000 = working.map(|(_, count)| count).sum::<u64>() * 1000 / messages;
    let _ = writeln!(stderr(), "{what}: {per_1000} calls for 1000 messages, {calls:?}");
    per_1000
}

/// Without a log, and with a status port at which nobody watches.
fn silent(setup: Setup) -> Server {
    let port = free_port().expect("a free port");
    let mut server = setup.set("port", port).with_status().start_silent();
    // The kernel may have told of the status port.
    server.port = port;
    server
}

#[test]
fn a_message_on_an_open_connection_takes_two_system_calls() {
    const MESSAGES: u64 = 5000;
    if !can_count() {
        return;
    }
    let server = silent(Setup::new().unlimited());
    let mut peer = Peer::connect(server.port);
    peer.assert_echoes("hello\n");
    let calls = count_system_calls(&server, || {
        (0..MESSAGES).for_each(|_| peer.assert_echoes("hello\n"));
    });
    assert!(calls_per_1000("stream", &calls, MESSAGES) <= 2050);
    assert!(calls["epoll_wait"] <= MESSAGES + 10, "{calls:?}");
}

/// The largest reply after which a connection may be closed at once: one segment.
const ONE_SEGMENT: usize = 536;

/// Counts the calls for a burst of connections that wait in the listen queue, each with a message.
fn burst(server: &Server, connections: u16) -> BTreeMap<String, u64> {
    let descriptors = server.descriptors();
    let frozen = server.freeze();
    let mut peers = Peer::connect_many(server.port, connections.into());
    let message = line(ONE_SEGMENT);
    all_send(&mut peers, &message);
    sockets::wait_for_queue(server.port, peers.len());
    sockets::wait_for_unread(server.port, peers.len() * message.len());
    count_system_calls(server, || {
        drop(frozen);
        all_get(&mut peers, &message);
        wait::until("all closed", || server.descriptors() == descriptors);
    })
}

#[test]
fn a_message_on_its_own_connection_takes_five_system_calls() {
    const CONNECTIONS: u16 = 500;
    if !can_count() {
        return;
    }
    let calls = burst(&silent(Setup::new()), CONNECTIONS);
    let silent = calls_per_1000("burst", &calls, CONNECTIONS.into());
    assert!(silent <= 5050);
    assert!(!calls.contains_key("epoll_ctl"), "{calls:?}");
    assert!(calls["epoll_wait"] <= u64::from(CONNECTIONS / 20), "{calls:?}");

    let calls = burst(&Setup::new().start(), CONNECTIONS);
    assert!(calls_per_1000("burst with a log", &calls, CONNECTIONS.into()) <= silent + 50);
}
