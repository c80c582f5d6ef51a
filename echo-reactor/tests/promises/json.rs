//! The log as JSON: what holds for the text holds for the objects too.

use std::io;

use echo_harness::log_lines::{Log, LogLines};
use echo_harness::peer::{Peer, line};
use echo_harness::process::Ended;
use echo_harness::server::Setup;
use serde_json::{Value, json};

fn json_log() -> Setup {
    Setup::new().log_format("json")
}

/// The objects without their times. All is printable ASCII, as in a log of text.
fn objects(log: &Log) -> Vec<Value> {
    for line in &log.0 {
        assert!(line.iter().all(|byte| matches!(byte, b' '..=b'~')), "{}", line.escape_ascii());
        assert!(line.starts_with(b"{\"time\":\"20"), "{}", line.escape_ascii());
    }
    let mut objects = log.objects();
    for object in &mut objects {
        object.as_object_mut().expect("an object").remove("time");
    }
    objects
}

fn of_event<'a>(objects: &'a [Value], event: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["event"] == event).collect()
}

/// How many of `event`, and the sum of the counts of those that are missing.
fn total(objects: &[Value], event: &str, missing: &str) -> u64 {
    let count = |object: &&Value| object["count"].as_u64().expect("a number");
    let missing: u64 = of_event(objects, missing).iter().map(count).sum();
    of_event(objects, event).len() as u64 + missing
}

fn assert_left_in_order(ended: &Ended) {
    assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
    let objects = objects(&ended.log);
    let mut accepted = of_event(&objects, "got_connection");
    let mut closed = of_event(&objects, "connection_closed");
    for objects in [&mut accepted, &mut closed] {
        objects.sort_by_key(|object| object["peer"].to_string());
    }
    let peers = |objects: &[&Value]| objects.iter().map(|o| o["peer"].clone()).collect::<Vec<_>>();
    assert_eq!(peers(&accepted), peers(&closed), "{}", ended.log);
}

#[test]
fn a_whole_life_in_objects() {
    let server = json_log().start();
    let mut peer = Peer::connect(server.port);
    let (address, name) = (format!("127.0.0.1:{}", server.port), peer.name());
    let (_, port) = name.trim_matches(['(', ')']).split_once(", ").expect("('ip', port)");
    let peer_address = format!("127.0.0.1:{port}");
    peer.assert_answers("[CLIENT 1] Message number 1 sent\n");
    let ended = server.terminate();
    assert_left_in_order(&ended);
    let objects = objects(&ended.log);
    let settings = objects[0]["settings"].as_str().expect("a text");
    assert!(settings.starts_with("ip: 127.0.0.1 | port: 0 | "), "{settings}");
    assert_eq!(
        objects[1..],
        [
            json!({"level": "info", "event": "listening", "address": address}),
            json!({"level": "info", "event": "proceed_to_accept"}),
            json!({"level": "info", "event": "got_connection", "peer": peer_address}),
            json!({"level": "info", "event": "message_received", "peer": peer_address,
                   "message": "[CLIENT 1] Message number 1 sent", "bytes": 33}),
            json!({"level": "info", "event": "connection_closed", "peer": peer_address,
                   "reason": "its messages are answered", "messages": 1}),
            json!({"level": "info", "event": "drain_begins", "signal": "SIGTERM",
                   "connections": 0, "drain_timeout_ms": 700}),
            json!({"level": "info", "event": "listener_closed"}),
            json!({"level": "info", "event": "stopped"}),
        ]
    );
}

/// Reads a message of the log back; panics where the log has not escaped as it says.
fn unescaped(message: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = message.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next().expect("an escape") {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'\\' => b'\\',
                b'x' => {
                    let digits = [rest.next(), rest.next()].map(|digit| digit.expect("a digit"));
                    let digits = str::from_utf8(&digits).expect("ASCII");
                    u8::from_str_radix(digits, 16).expect("two digits")
                }
                other => panic!("\\{} in {message}", char::from(other)),
            },
            byte => byte,
        });
    }
    bytes
}

#[test]
fn whatever_a_peer_sends_is_one_object_and_can_be_read_back() {
    let every_byte: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
    let messages: [&[u8]; 6] = [
        &every_byte,
        b"\",\"level\":\"error\",\"event\":\"forged\"}\r{\"time\":\"x",
        b"\\\\u0000 \\n \\",
        "\u{1b}[2J ñ\u{2028}\u{202e}\u{feff}!".as_bytes(),
        b"",
        &[0xff; 5000],
    ];
    let server = json_log().start();
    for message in messages {
        Peer::connect(server.port).assert_answers_at_the_end(message);
    }
    let ended = server.terminate();
    assert_left_in_order(&ended);
    let objects = objects(&ended.log);
    let logged = of_event(&objects, "message_received");
    // The end of input behind nothing is no message.
    let sent: Vec<&[u8]> = messages.into_iter().filter(|message| !message.is_empty()).collect();
    assert_eq!(logged.len(), sent.len());
    for (object, message) in logged.iter().zip(sent) {
        let shown = &message[..message.len().min(512)];
        assert_eq!(unescaped(object["message"].as_str().expect("a text")), shown);
        assert_eq!(object["bytes"], message.len());
    }
    assert!(of_event(&objects, "forged").is_empty());
}

#[test]
fn what_a_limit_leaves_out_is_counted() {
    const MESSAGES: usize = 300;
    let server = json_log().unlimited().message_lines_per_second(10).start();
    let mut peer = Peer::connect(server.port);
    peer.assert_echoes("message\n".repeat(MESSAGES));
    drop(peer);
    let ended = server.terminate();
    assert_left_in_order(&ended);
    let objects = objects(&ended.log);
    assert!(!of_event(&objects, "message_lines_left_out").is_empty());
    let all = total(&objects, "message_received", "message_lines_left_out");
    assert_eq!(all, MESSAGES as u64);
}

/// Each line is kept or dropped whole.
#[test]
fn a_reader_that_stalls_gets_whole_objects() {
    /// More than a pipe and the server's own buffer hold.
    const FLOOD: usize = 5000;
    let (reader, writer) = io::pipe().expect("a pipe");
    let server = json_log().unlimited().start_with_log(writer);
    let mut peer = Peer::connect(server.port);
    (0..FLOOD).for_each(|_| peer.assert_echoes(line(501)));
    let log = LogLines::gather(reader);
    log.wait_for("lines_dropped");
    drop(peer);
    assert_eq!(server.terminate().status.code(), Some(0));
    let objects = objects(&log.whole());
    assert_eq!(objects.last().expect("a line")["event"], "stopped");
    // The messages are by far the most lines, so none of the others is dropped.
    assert_eq!(total(&objects, "message_received", "lines_dropped"), FLOOD as u64);
}
