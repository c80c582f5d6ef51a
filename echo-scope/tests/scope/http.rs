//! What any peer gets from the page's port.

use std::io::{Read, Write};
use std::net::TcpStream;

use echo_harness::peer::Peer;
use echo_harness::wait;

use crate::fake::{Fake, measured, turn};
use crate::reader::{Events, connect, exchange, get, reply};
use crate::scope::Scope;

#[test]
fn the_page_and_its_parts_come_from_the_program_alone() {
    let fake = Fake::start();
    let scope = Scope::start(&fake.address);
    let page = scope.get("/");
    assert_eq!(page.status, 200);
    assert!(page.has_header("Content-Type: text/html; charset=utf-8"), "{}", page.head);
    let policy = "Content-Security-Policy: default-src 'none'; script-src 'self'; ";
    assert!(page.head.contains(policy), "{}", page.head);
    for (at, _) in page.body.match_indices("=\"/") {
        let path = page.body[at + 2..].split('"').next().expect("an end");
        assert_eq!(scope.get(path).status, 200, "{path}");
    }
    // An address of SVG is a name, and nothing is loaded from it.
    for path in ["/", "/page.css", "/page.js", "/circle.js", "/words.js"] {
        let body = scope.get(path).body.replace("http://www.w3.org/2000/svg", "");
        assert!(!body.contains("http:") && !body.contains("https:"), "{path}");
        assert!(!body.contains(" style=") && !body.contains("<script>"), "{path}");
    }
    // Every module that one imports is there.
    let script = scope.get("/page.js").body;
    for import in script.split(" from '.").skip(1) {
        let path = import.split('\'').next().expect("an end");
        assert_eq!(scope.get(path).status, 200, "{path}");
    }
}

#[test]
fn requests_of_any_kind_get_their_answer() {
    let fake = Fake::start();
    let scope = Scope::start(&fake.address);
    for (request, status) in [
        ("GET /?a=b HTTP/1.1\r\n\r\n", 200),
        ("GET / HTTP/1.0\r\n\r\n", 200),
        ("GET /nothing HTTP/1.1\r\n\r\n", 404),
        ("GET /../page.css HTTP/1.1\r\n\r\n", 404),
        ("GET /events/127.0.0.1:1 HTTP/1.1\r\n\r\n", 404),
        ("GET /events/example.com:80 HTTP/1.1\r\n\r\n", 404),
        ("GET /follow/127.0.0.1:1 HTTP/1.1\r\n\r\n", 404),
        ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405),
        ("no request at all\r\n\r\n", 400),
        ("\x16\x03\x01\x01\x02", 400),
        (&format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(20_000)), 431),
        (&format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(200)), 431),
    ] {
        assert_eq!(exchange(scope.port, request).status, status, "{request:.60}");
    }
    let head = exchange(scope.port, "HEAD / HTTP/1.1\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let stream = exchange(scope.port, "HEAD /events HTTP/1.1\r\n\r\n");
    assert_eq!((stream.status, stream.body.as_str()), (200, ""));
    let refused = exchange(scope.port, "DELETE / HTTP/1.1\r\n\r\n");
    assert!(refused.has_header("Allow: GET, HEAD"), "{}", refused.head);
}

/// One byte at a time, with the end of its output before the answer.
#[test]
fn a_request_in_pieces_is_answered() {
    let fake = Fake::start();
    let scope = Scope::start(&fake.address);
    let mut socket = connect(scope.port);
    socket.set_nodelay(true).expect("an option");
    for byte in b"GET /icon.svg HTTP/1.1\r\nHost: x\r\n\r\n" {
        socket.write_all(&[*byte]).expect("room");
    }
    socket.shutdown(std::net::Shutdown::Write).expect("connected");
    assert_eq!(reply(socket).status, 200);
}

#[test]
fn who_says_nothing_holds_a_place_for_some_seconds_only() {
    let fake = Fake::start();
    let scope = Scope::start(&fake.address);
    let mut silent: Vec<TcpStream> = (0..80).map(|_| connect(scope.port)).collect();
    for socket in &mut silent {
        assert_eq!(socket.read(&mut [0]).unwrap_or(0), 0);
    }
    assert_eq!(scope.get("/").status, 200);
}

#[test]
fn readers_of_events_leave_places_for_the_page_and_for_prometheus() {
    let fake = Fake::start();
    let scope = Scope::start(&fake.address);
    let mut readers = Vec::new();
    let status = loop {
        match Events::try_open(scope.port, "/events") {
            Ok(events) => readers.push(events),
            Err(status) => break status,
        }
        assert!(readers.len() < 100, "no limit");
    };
    assert_eq!((status.as_str(), readers.len()), ("HTTP/1.1 503 Service Unavailable", 40));
    assert_eq!(scope.get("/").status, 200);
    assert_eq!(scope.get("/metrics").status, 200);
    for events in &mut readers {
        events.until("the server", |state| state["shown"]["frame"]["phase"] == "running");
    }
    drop(readers);
    wait::until("a free place", || Events::try_open(scope.port, "/events").is_ok());
}

/// A reader that takes nothing fills the buffers between, and is then given up. The others get theirs.
#[test]
fn a_reader_that_stalls_holds_up_nobody_and_is_given_up() {
    let fake = Fake::start();
    fake.change(|frame| frame.last_second = Some(measured()));
    let scope = Scope::start(&fake.address);
    let mut reader = scope.events("/events");
    reader.until("the server", |state| !state["shown"].is_null());
    let before = scope.process.descriptors();
    let mut stalled = Peer::connect_with_little_room(scope.port);
    stalled.send("GET /events HTTP/1.1\r\n\r\n");
    wait::until("its stream", || scope.process.descriptors() == before + 1);
    for round in 1_u64.. {
        fake.change(|frame| frame.turns = (round * 256..(round + 1) * 256).map(turn).collect());
        reader.until("the turns", |state| {
            let turns = state["shown"]["turns"].as_array().expect("turns");
            turns.last().is_some_and(|turn| turn["number"].as_u64() >= Some(round * 256 + 255))
        });
        if scope.process.descriptors() == before {
            break;
        }
    }
    drop(stalled);
}

#[test]
fn two_hundred_pages_in_a_row_leave_nothing_behind() {
    let fake = Fake::start();
    let scope = Scope::start(&fake.address);
    scope.events("/events").until("the server", |state| !state["shown"].is_null());
    wait::until("a closed stream", || scope.get("/").status == 200);
    let before = scope.process.descriptors();
    for _ in 0..200 {
        assert_eq!(get(scope.port, "/page.js").status, 200);
    }
    wait::until("all closed", || scope.process.descriptors() <= before);
}
