//! `--watch --follow`.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use echo_harness::MEGABYTE;
use echo_harness::command::run;
use echo_harness::peer::{Peer, line};
use echo_harness::ports::free_address;
use echo_harness::terminal::Terminal;
use echo_status::{Call, Step, StepLine, VERSION};
use rustix::process::Signal;

use crate::kit::{Reading, look, port_that, port_that_says, serve, watched};

/// A port that tells of these steps and ends.
fn port_that_tells(steps: Vec<Step>) -> SocketAddr {
    port_that(move |visitor| {
        for step in &steps {
            let line = StepLine { version: VERSION, us: 12, turn: 7, step: step.clone() };
            let line = serde_json::to_string(&line).expect("a step is JSON");
            let _ = writeln!(visitor, "{line}");
        }
    })
}

fn read_nothing() -> Step {
    let (name, error) = ("recv".to_owned(), Some("EAGAIN".to_owned()));
    Step::Call(Call { name, asked: 16_384, got: None, error })
}

fn closed() -> Step {
    Step::Closed { reason: "its messages are answered".to_owned(), messages: 1 }
}

#[test]
fn it_ends_with_the_connection() {
    let steps = vec![Step::Waiting, Step::Waiting, read_nothing(), closed(), Step::Waiting];
    let finished = run(&mut look(&port_that_tells(steps), &["--watch", "--follow"]));
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(lines[0].ends_with("what it means"));
    assert!(lines[1].contains("waiting for a connection"));
    assert!(lines[2].ends_with("nothing there: wait for the next event"));
    assert!(lines[3].contains("closed    its messages are answered (1 message)"));
}

#[test]
fn a_server_that_goes_in_the_middle_is_said() {
    let steps = vec![Step::Waiting, read_nothing()];
    let finished = run(&mut look(&port_that_tells(steps), &["--watch", "--follow"]));
    assert_eq!(finished.code, Some(1), "{}", finished.stdout);
    assert_eq!(finished.stderr, "echo-reactor: the server is gone: connection aborted\n");
}

#[test]
fn a_refusal_is_said() {
    let port = port_that_says("{\"error\":\"as many as may follow are there\"}\n");
    let finished = run(&mut look(&port, &["--watch", "--follow"]));
    assert_eq!(finished.code, Some(1), "{}", finished.stdout);
    assert_eq!(
        finished.stderr,
        "echo-reactor: the server refuses: as many as may follow are there\n"
    );
}

#[test]
fn a_server_that_is_not_there_is_one_line() {
    let mut command = look(&free_address(), &["--watch", "--follow"]);
    let finished = run(command.stdin(Stdio::null()));
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    assert!(finished.stderr.contains("no status port answers at "), "{}", finished.stderr);
}

#[test]
fn in_a_narrow_terminal_each_explanation_stands_below_its_step() {
    let port = port_that_tells(vec![Step::Waiting, read_nothing(), closed()]);
    let terminal = Terminal::new(80, 24);
    let follow = terminal.start(&look(&port, &["--watch", "--follow"]));
    assert_eq!(follow.wait().status.code(), Some(0));
    terminal.wait_for("closed    its messages are answered");
    let rows = terminal.rows();
    let step = rows.iter().position(|row| row.ends_with("recv      16,384 bytes: EAGAIN"));
    let step = step.unwrap_or_else(|| panic!("{rows:#?}"));
    assert_eq!(rows[step + 1].trim(), "nothing there: wait for the next event");
    assert!(!terminal.has_wrapped() && !terminal.is_taken());
}

/// What the lines say that happened, without times, turns and explanations.
fn told(lines: &[String]) -> Vec<String> {
    let what = |line: &String| line[22..line.len().min(62)].trim_end().to_owned();
    lines.iter().skip(1).map(what).collect()
}

/// Panics unless these steps are among those that are told, in this order.
#[track_caller]
fn assert_told(lines: &[String], steps: &[&str]) {
    let told = told(lines);
    let mut rest = told.iter();
    for step in steps {
        assert!(
            rest.any(|told| told.starts_with(step)),
            "{step:?} is not in its place in {told:#?}"
        );
    }
}

fn follow(status: SocketAddr) -> Reading {
    let follow = Reading::start(&mut look(&status, &["--watch", "--follow"]));
    follow.lines.wait_for("waiting for a connection");
    follow
}

#[test]
fn a_connection_from_its_accept_to_its_close() {
    let status = free_address();
    let server = watched(status).unlimited().start();
    let follow = follow(status);
    let mut peer = Peer::connect(server.port);
    follow.lines.wait_for("epoll_ctl add");
    // A silence, long enough to be told of.
    thread::sleep(Duration::from_millis(50));
    peer.assert_echoes("hello\n");
    peer.assert_answers_at_the_end("");
    let (code, lines) = follow.end();
    assert_eq!(code, Some(0));
    assert_told(
        &lines,
        &[
            "waiting",
            "accept4",
            "recv ",
            "epoll_ctl add",
            "silence",
            "event     readable",
            "recv ",
            "send      6 bytes: 6",
            "event     readable, and the end",
            "recv ",
            "state     open -> closed",
            "closed    the peer has closed (1 message",
        ],
    );
}

#[test]
fn a_slow_reader_shows_the_back_pressure() {
    let status = free_address();
    let server = watched(status).unlimited().start();
    let follow = follow(status);
    let mut peer = Peer::connect_with_little_room(server.port);
    let input = line(16 * 1024).repeat(2 * MEGABYTE / (16 * 1024));
    let sending = peer.in_background({
        let input = input.clone();
        move |peer| peer.send(&input)
    });
    follow.lines.wait_for("state     open -> flushing");
    peer.assert_gets(&input);
    sending.join().expect("it sends");
    let (code, lines) = follow.end();
    assert_eq!(code, Some(0));
    let steps =
        ["send ", "state     open -> flushing", "event ", "state     flushing -> open", "closed "];
    assert_told(&lines, &steps);
    let told = told(&lines);
    let blocked =
        told.iter().position(|step| step == "state     open -> flushing").expect("it is told");
    let free =
        told.iter().position(|step| step == "state     flushing -> open").expect("it is told");
    assert!(told[blocked..free].iter().all(|step| !step.starts_with("recv")), "{told:#?}");
    assert!(lines.iter().any(|line| line.contains("back-pressure")), "{lines:#?}");
}

#[test]
fn a_peer_that_half_closes_late_shows_the_linger() {
    let (server, status) = serve();
    let follow = follow(status);
    let mut peer = Peer::connect(server.port);
    let message = line(4096);
    peer.send(&message);
    peer.assert_reads(&message);
    follow.lines.wait_for("state     open -> lingering");
    // The server has ended its output, and waits for this end.
    peer.assert_answers_at_the_end("");
    let (code, lines) = follow.end();
    assert_eq!(code, Some(0));
    let steps = [
        "send ",
        "shutdown",
        "state     open -> lingering",
        "event",
        "recv ",
        "state     lingering -> closed",
        "closed ",
    ];
    assert_told(&lines, &steps);
}

#[test]
fn while_it_waits_the_server_may_come_back() {
    let status = free_address();
    let server = watched(status).start();
    let follow = follow(status);
    drop(server);
    follow.lines.wait_for("! the server is gone (");
    let back = watched(status).start();
    follow.lines.wait_for_count("waiting for a connection", 2);
    Peer::connect(back.port).assert_answers("hello\n");
    let (code, lines) = follow.end();
    assert_eq!(code, Some(0));
    assert_eq!(lines.iter().filter(|line| line.contains("waiting")).count(), 2, "{lines:#?}");
}

#[test]
fn a_ninth_follower_is_told_why_not() {
    let (_server, status) = serve();
    let followers: Vec<Reading> = (0..8).map(|_| follow(status)).collect();
    let ninth = run(&mut look(&status, &["--watch", "--follow"]));
    assert_eq!(ninth.code, Some(1), "{}", ninth.stdout);
    assert!(ninth.stderr.starts_with("echo-reactor: the server refuses: "), "{}", ninth.stderr);
    for follower in followers {
        follower.child.signal(Signal::INT).expect("it runs");
        assert_eq!(follower.end().0, Some(0));
    }
}
