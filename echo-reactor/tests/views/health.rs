//! `--health`: the check of containers.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use echo_harness::command::{Finished, run};
use echo_harness::peer::Peer;
use echo_harness::ports::free_address;
use echo_harness::stuck_peer::StuckPeer;
use rustix::process::Signal;

use crate::kit::{look, port_that, port_that_says, serve, watched};

fn health(status: &impl ToString) -> Finished {
    run(&mut look(status, &["--health"]))
}

/// Panics unless the check fails with one line that has these parts.
#[track_caller]
fn assert_fails(finished: &Finished, parts: &[&str]) {
    let Finished { code, stdout, stderr } = finished;
    assert_eq!((*code, stdout.as_str(), stderr.lines().count()), (Some(1), "", 1), "{stderr}");
    assert!(stderr.starts_with("echo-reactor: "), "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{part:?} is not in {stderr}");
    }
}

#[test]
fn a_server_that_serves_is_healthy_and_does_not_notice() {
    let (server, status) = serve();
    Peer::connect(server.port).assert_answers("hello\n");
    server.log().wait_for(" closed: ");
    let descriptors = server.descriptors();
    for _ in 0..20 {
        let finished = health(&status);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""), "{}", finished.stderr);
        assert_eq!(finished.stderr, "");
    }
    server.wait_until_quiet();
    assert_eq!(server.descriptors(), descriptors);
    let ended = server.terminate();
    ended.assert_left_with(0);
    assert_eq!(ended.log.count("Got connection"), 1);
    let listening = ended.log.texts().iter().position(|line| line.starts_with("Got")).unwrap();
    let expected = ["Got connection from ", "Message received", "Connection ", "SIGTERM received"];
    for (line, expected) in ended.log.texts()[listening..].iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn every_address_is_reached_on_loopback() {
    let address = free_address();
    let everywhere = format!("0.0.0.0:{}", address.port());
    let _server = watched(everywhere.parse().expect("an address")).start();
    assert_eq!(health(&everywhere).code, Some(0));
}

#[test]
fn a_server_that_is_not_there() {
    let address = free_address();
    let refused =
        format!("no status port answers at {address}: Connection refused; is the server running");
    assert_fails(&health(&address), &[&refused]);
}

#[test]
fn without_a_status_port_one_line_says_how_to_have_one() {
    assert_fails(&health(&"off"), &["server.status is off", "SERVER_STATUS=127.0.0.1:12346"]);
    assert_fails(&health(&"127.0.0.1:0"), &["127.0.0.1:0", "the server's log says which"]);
}

#[test]
fn a_server_that_drains_is_not_healthy() {
    let status = free_address();
    let server = watched(status).unlimited().set("drain_timeout", "1h").start();
    let stuck = StuckPeer::connect(&server);
    server.signal(Signal::TERM);
    server.log().wait_for("SIGTERM received");
    assert_fails(&health(&status), &["the server is on its way out (SIGTERM)"]);
    drop(stuck);
    server.wait().assert_left_with(0);
}

#[test]
fn a_server_that_will_drain_is_not_healthy() {
    let status = free_address();
    let server = watched(status).set("drain_delay", "1h").start();
    server.signal(Signal::TERM);
    server.log().wait_for("SIGTERM received");
    assert_fails(&health(&status), &["the server is on its way out (SIGTERM)"]);
}

#[test]
fn a_server_that_is_stopped_is_not_healthy() {
    let (server, status) = serve();
    let _frozen = server.freeze();
    assert_fails(&health(&status), &["no frame came from ", " within 2 s"]);
}

#[test]
fn what_is_no_status_port_is_named() {
    let (server, _) = serve();
    let clients = format!("127.0.0.1:{}", server.port);
    assert_fails(
        &health(&clients),
        &["what comes from ", &clients, "is no frame", "and not that for clients"],
    );
    for text in ["{}\n", "null\n", "\u{1b}[2J\n", "{\"version\":1", "\n"] {
        assert_fails(&health(&port_that_says(text)), &["is no frame"]);
    }
    assert_fails(&health(&port_that_says("")), &["the server is gone: connection aborted"]);
}

#[test]
fn a_frame_that_drips_is_not_waited_for() {
    let port = port_that(|visitor| {
        while visitor.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let start = Instant::now();
    assert_fails(&health(&port), &["no frame came from ", " within 2 s"]);
    assert!(start.elapsed() >= Duration::from_secs(2));
}
