//! What any peer gets from the page's port.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use echo_harness::peer::Peer;
use echo_harness::wait::{self, PATIENCE};

use crate::fake::{Fake, measured, turn};
use crate::reader::{Events, connect, exchange, get, reply};
use crate::scope::Scope;

/// One document, which names no other but the ways to get events and numbers.
#[test]
fn the_page_is_one_document_and_needs_nothing_from_elsewhere() {
    let fake = Fake::start();
    let scope = Scope::start(&fake.address);
    let page = scope.get("/");
    assert_eq!(page.status, 200);
    assert!(page.has_header("Content-Type: text/html; charset=utf-8"), "{}", page.head);
    let nonce = page.body.split("<style nonce=\"").nth(1).and_then(|rest| rest.split('"').next());
    let nonce = nonce.expect("a mark");
    assert_eq!(page.body.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
    let policy = format!(
        "Content-Security-Policy: default-src 'none'; script-src 'nonce-{nonce}'; \
         style-src 'nonce-{nonce}'; img-src data:; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    assert!(page.has_header(&policy), "{}", page.head);
    assert!(!scope.get("/").body.contains(nonce), "a mark that can be guessed");
    // The address of SVG is a name, and nothing is loaded from it.
    let body = page.body.replace("http://www.w3.org/2000/svg", "");
    for foreign in
        ["http:", "https:", " src=", "@import", "{style}", "{script}", "{icon}", " style="]
    {
        assert!(!body.contains(foreign), "{foreign}");
    }
    assert_eq!(body.matches("</script>").count(), 1);
    let links: Vec<&str> =
        body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let links: Vec<&str> = links.into_iter().filter(|link| !link.starts_with("data:")).collect();
    assert_eq!(links, ["#pictures", "/metrics"]);
}

#[test]
fn requests_of_any_kind_get_their_answer() {
    let fake = Fake::start();
    let scope = Scope::start(&fake.address);
    for (request, status) in [
        ("GET /?a=b HTTP/1.1\r\n\r\n", 200),
        ("GET / HTTP/1.0\r\n\r\n", 200),
        ("GET /nothing HTTP/1.1\r\n\r\n", 404),
        ("GET /../page.html HTTP/1.1\r\n\r\n", 404),
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
    for byte in b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" {
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
        let end = socket.read(&mut [0]);
        // Those beyond the limit are closed at once, which a peer may see as a reset.
        let is_end = matches!(&end, Ok(0))
            || end.as_ref().is_err_and(|it| it.kind() == ErrorKind::ConnectionReset);
        assert!(is_end, "{end:?}");
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
    let start = Instant::now();
    for round in 1_u64.. {
        assert!(start.elapsed() < PATIENCE.limit, "the stalled reader is not given up");
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
        assert_eq!(get(scope.port, "/").status, 200);
    }
    wait::until("all closed", || scope.process.descriptors() <= before);
}
