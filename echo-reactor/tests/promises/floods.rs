//! Floods, from one peer or from hundreds: the other peers hardly notice them.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use echo_harness::peer::{Peer, all_get, all_send, line};
use echo_harness::server::{Server, Setup};
use echo_harness::strace::{Tracer, can_inject_faults};
use echo_harness::{MEGABYTE, sockets, wait};

/// How many bytes of input one turn may throw away, if it does nothing else.
const ONE_TURN: usize = 8 * MEGABYTE;

/// Longer than any drain here may take, and shorter than a connection lingers.
const SOON: Duration = Duration::from_secs(4);

/// Panics unless at most `most` messages of a flooder are served before the last one of 50 others.
/// They are counted in the log, because a time would depend on the machine.
fn assert_others_are_served(setup: Setup, flood: &[u8], message_bytes: usize, most: usize) {
    const OTHERS: usize = 50;
    let server = setup.unlimited().message_lines_per_second(0).start();
    let mut flooder = Peer::connect(server.port);
    let mut others = Peer::connect_many(server.port, OTHERS);
    server.log().wait_for_count("Got connection", OTHERS + 1);

    let frozen = server.freeze();
    flooder.send_while_there_is_room(flood);
    wait::until("the flood", || sockets::unread_bytes(server.port) > most * message_bytes);
    all_send(&mut others, "short\n");
    drop(frozen);
    for other in &mut others {
        assert!(other.read_line().contains("short"));
    }
    let log = server.terminate().log;
    let messages = log.containing("Message received");
    assert!(messages.len() > OTHERS + most);
    let last = messages.iter().rposition(|line| line.ends_with("Msg: b'short'")).expect("a line");
    let served_first = last + 1 - OTHERS;
    assert!(served_first <= most, "{served_first} messages of the flooder came first");
}

#[test]
fn a_flooder_does_not_keep_others_waiting() {
    assert_others_are_served(Setup::new(), &line(128).repeat(1000), 128, 352);
    // An acknowledgement is work too.
    let setup = Setup::new().set("reply", "acknowledge");
    assert_others_are_served(setup, &line(1024).repeat(100), 1024, 40);
}

/// Empty lines are cheap to send and expensive to receive, because each has its line in the log.
#[test]
fn a_flood_of_empty_lines_does_not_keep_others_waiting() {
    assert_others_are_served(Setup::new(), &b"\n".repeat(32 * 1024), 1, 4096);
}

#[test]
fn a_hundred_floods_of_empty_lines_do_not_hold_the_drain() {
    const PEERS: usize = 100;
    let server = Setup::new().unlimited().start();
    let mut peers = Peer::connect_many(server.port, PEERS);
    server.log().wait_for_count("Got connection", PEERS);
    let frozen = server.freeze();
    let flood = b"\n".repeat(256 * 1024);
    for peer in &mut peers {
        peer.send_while_there_is_room(&flood);
    }
    server.signal(Signal::TERM);
    let begun = Instant::now();
    drop(frozen);
    let ended = server.wait();
    let elapsed = begun.elapsed();
    assert!(elapsed < SOON, "drain_timeout is 700 ms: {elapsed:?}");
    ended.assert_left_with(0);
    ended.log.assert_ends_with(&["All sockets closed, server stopped"]);
}

/// Peers whose last message is answered, but who have not closed.
fn lingering_peers(server: &Server) -> Vec<Peer> {
    let mut peers = Peer::connect_many(server.port, 900);
    all_send(&mut peers, "first\nbehind\n");
    all_get(&mut peers, "first\n");
    peers
}

#[test]
fn input_behind_the_last_messages_does_not_keep_a_newcomer_waiting() {
    if !can_inject_faults() {
        return;
    }
    let server = Setup::new().start();
    let mut peers = lingering_peers(&server);
    let frozen = server.freeze();
    let each = line(48 * 1024);
    let flood = peers.len() * each.len();
    all_send(&mut peers, each);
    sockets::wait_for_unread(server.port, flood);
    let mut newcomer = Peer::connect(server.port);
    newcomer.send("newcomer\n");
    // This holds the server after its reply.
    let fault = "shutdown:delay_exit=5000000";
    let _strace = Tracer::inject(server.pid(), fault).expect("strace attaches");
    drop(frozen);
    newcomer.assert_gets("newcomer\n");
    let thrown_away = flood - sockets::unread_bytes(server.port);
    assert!(thrown_away <= ONE_TURN, "{thrown_away} bytes were read first");
}

#[test]
fn peers_that_go_on_sending_behind_their_last_message_do_not_hold_the_drain() {
    let server = Setup::new().start();
    let mut peers = lingering_peers(&server);
    let mut newcomer = Peer::connect(server.port);
    let flood = thread::spawn(move || {
        while !peers.is_empty() {
            peers.retain_mut(|peer| peer.try_send([b'x'; 16 * 1024]).is_ok());
        }
    });
    newcomer.assert_answers("newcomer\n");
    let begun = Instant::now();
    let ended = server.terminate();
    let elapsed = begun.elapsed();
    assert!(elapsed < SOON, "drain_timeout is 700 ms: {elapsed:?}");
    flood.join().expect("the flood ends with the server");
    ended.assert_left_with(0);
    ended.log.assert_lacks("aborted");
}
