//! What happens from the first signal to the drain, if there is a `drain_delay`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use echo_harness::peer::Peer;
use echo_harness::ports::free_address;
use echo_harness::server::{Server, Setup};
use echo_harness::stuck_peer::StuckPeer;
use echo_harness::wait::{self, PATIENCE};
use echo_status::{Exit, Frame, Lines, Phase, Request};
use rustix::process::Signal;

/// Longer than any test may take.
const LONG: &str = "1h";

fn delayed(delay: &str) -> Setup {
    Setup::new().unlimited().set("drain_delay", delay).set("drain_timeout", LONG)
}

/// A server that tells its status, and where.
fn telling(setup: Setup) -> (Server, SocketAddr) {
    let status = free_address();
    (setup.set("status", status).start(), status)
}

fn ask(status: SocketAddr, request: Request) -> Lines {
    Lines::ask(status, request, PATIENCE.limit).expect("the status port answers")
}

fn frame(status: SocketAddr) -> Frame {
    ask(status, Request::Once).next_frame().expect("a frame").expect("one frame")
}

/// Waits until a further signal is a second request: the server has been leaving for long enough, and
/// its turns are short.
fn wait_for_the_end_of_the_request(status: SocketAddr) {
    const ENOUGH_US: u64 = 200_000;
    wait::until("the end of the request", || {
        let Frame { delay, drain, .. } = frame(status);
        let age = delay.map(|delay| delay.us).or(drain.map(|drain| drain.us));
        age.is_some_and(|age| age > ENOUGH_US)
    });
}

#[test]
fn meanwhile_the_server_goes_on_and_tells_that_it_leaves() {
    let (server, status) = telling(delayed(LONG));
    let mut open = Peer::connect(server.port);
    open.assert_echoes("before\n");
    assert_eq!(frame(status).phase, Phase::Running);
    server.signal(Signal::TERM);
    server.log().wait_for("SIGTERM received: going on for 1h, then draining");
    // Old connections are served, and new ones are let in.
    open.assert_echoes("meanwhile\n");
    Peer::connect(server.port).assert_echoes("new\n");
    let Frame { phase, delay, drain, .. } = frame(status);
    assert_eq!((phase, drain), (Phase::Leaving, None));
    let delay = delay.expect("a delay");
    assert_eq!((&*delay.signal, delay.delay_us), ("SIGTERM", 3_600_000_000));
    assert!(delay.us < delay.delay_us);

    wait_for_the_end_of_the_request(status);
    server.signal(Signal::INT);
    let ended = server.wait();
    open.assert_gets("");
    ended.assert_left_with(0);
    ended.log.assert_contains("SIGINT received: draining ");
    ended.log.assert_ends_with(&["All sockets closed, server stopped"]);
}

#[test]
fn the_drain_begins_when_the_delay_is_over() {
    const DELAY: Duration = Duration::from_millis(300);
    let server = delayed("300ms").start();
    let mut idle = Peer::connect(server.port);
    server.log().wait_for("Got connection");
    let asked = Instant::now();
    let ended = server.terminate();
    assert!(asked.elapsed() >= DELAY, "{:?}", asked.elapsed());
    idle.assert_gets("");
    ended.assert_left_with(0);
    let order = ["received: going on", "received: draining 1 connection", "Listener closed"];
    let texts = ended.log.texts();
    let places = order.map(|part| texts.iter().position(|text| text.contains(part)));
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}: {}", ended.log);
}

#[test]
fn a_second_signal_begins_the_drain_and_a_third_ends_it() {
    let (server, status) = telling(delayed(LONG));
    let stuck = StuckPeer::connect(&server);
    server.signal(Signal::TERM);
    server.log().wait_for("going on for");
    wait_for_the_end_of_the_request(status);
    server.signal(Signal::TERM);
    server.log().wait_for("received: draining 1 connection");
    wait_for_the_end_of_the_request(status);
    server.signal(Signal::HUP);
    let ended = server.wait();
    ended.assert_left_with(128 + 1);
    ended.log.assert_contains("SIGHUP received again: leaving at once, aborting 1 connection");
    drop(stuck);
}

#[test]
fn signals_at_once_are_one_request() {
    let (server, status) = telling(delayed(LONG));
    let frozen = server.freeze();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        server.signal(signal);
    }
    drop(frozen);
    server.log().wait_for("going on for");
    Peer::connect(server.port).assert_echoes("still here\n");
    wait_for_the_end_of_the_request(status);
    assert!(server.log().containing("received: draining").is_empty());
    server.signal(Signal::TERM);
    server.wait().assert_left_with(0);
}

#[test]
fn whoever_watches_sees_all_of_the_way_out() {
    let (server, status) = telling(delayed("300ms"));
    let mut watcher = ask(status, Request::Watch);
    let mut stuck = Some(StuckPeer::connect(&server));
    server.signal(Signal::TERM);
    let mut seen = Vec::new();
    let mut last = None;
    while let Some(frame) = watcher.next_frame().expect("a frame") {
        if frame.phase == Phase::Draining
            && let Some(mut stuck) = stuck.take()
        {
            stuck.assert_is_answered();
        }
        if seen.last() != Some(&frame.phase) {
            seen.push(frame.phase);
        }
        last = Some(frame);
    }
    assert_eq!(seen, [Phase::Running, Phase::Leaving, Phase::Draining, Phase::Stopped]);
    let drain = last.and_then(|frame| frame.drain).expect("a drain");
    assert_eq!(drain.exit, Some(Exit::Drained));
    server.wait().assert_left_with(0);
}
