//! What the log says, and what it leaves out.

use std::fs::File;
use std::time::{Duration, Instant};

use echo_harness::peer::{Peer, all_read, all_send};
use echo_harness::scratch::ScratchFile;
use echo_harness::server::Setup;

/// Lines of one connection: accepted, message, closed.
const LINES_PER_CONNECTION: usize = 3;

/// Lines before the first connection and after the last one.
const OTHER_LINES: usize = 6;

#[test]
fn a_whole_life_in_the_words_of_the_original() {
    let server = Setup::new().start();
    let mut peer = Peer::connect(server.port);
    let (port, name) = (server.port, peer.name());
    peer.assert_answers("[CLIENT 1] Message number 1 sent\n");
    let ended = server.terminate();
    let lines: Vec<String> = ended.log.0.iter().map(|line| text_of(line).to_owned()).collect();
    let message = "b'[CLIENT 1] Message number 1 sent'";
    assert!(lines[0].starts_with("INFO     Configuration: ip: 127.0.0.1 | port: 0 | "));
    assert_eq!(
        lines[1..],
        [
            format!("INFO     Listening on ('127.0.0.1', {port})"),
            "INFO     Proceed to accept new connections".to_owned(),
            format!("INFO     Got connection from {name}"),
            format!("INFO     Message received from connection {name}. Msg: {message}"),
            format!("INFO     Connection {name} closed: its messages are answered (1 message)"),
            "INFO     SIGTERM received: draining 0 connections within 700ms".to_owned(),
            "INFO     Listener closed".to_owned(),
            "INFO     All sockets closed, server stopped".to_owned(),
        ]
    );
}

/// The line without its time; panics unless it is printable ASCII and begins with a time.
fn text_of(line: &[u8]) -> &str {
    assert!(line.iter().all(|byte| matches!(byte, b' '..=b'~')), "\"{}\"", line.escape_ascii());
    let line = str::from_utf8(line).expect("ASCII is text");
    let is_time = line.len() > 20
        && line.bytes().zip(*b"0000-00-00 00:00:00 ").all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == form,
        });
    assert!(is_time, "no time: {line}");
    &line[20..]
}

#[test]
fn nothing_that_a_peer_sends_gets_into_the_log_as_it_is() {
    let every_byte: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
    let forged = b"x'\r2020-04-10 23:10:54 INFO     Connection ('1.2.3.4', 5) closed: forged";
    let messages: [&[u8]; 5] = [
        &every_byte,
        forged,
        b"\x1b[2J\x1b]0;title\x07",
        "ñ\u{2028}\u{202e}".as_bytes(),
        &[0; 5000],
    ];
    let server = Setup::new().start();
    for message in messages {
        Peer::connect(server.port).assert_answers_at_the_end(message);
    }
    let ended = server.terminate();
    ended.assert_left_with(0);
    let texts: Vec<&str> = ended.log.0.iter().map(|line| text_of(line)).collect();
    assert_eq!(texts.len(), OTHER_LINES + LINES_PER_CONNECTION * messages.len());
    ended.log.assert_contains(r"Msg: b'\x1b[2J\x1b]0;title\x07'");
    ended.log.assert_contains("'... (5000 bytes)");
    let longest = ended.log.0.iter().map(Vec::len).max();
    assert!(longest < Some(4 * 512 + 200), "{longest:?}");
}

#[test]
fn lines_about_messages_are_limited_and_what_is_left_out_is_counted() {
    const PEERS: usize = 10;
    const EACH: usize = 500;
    const PER_SECOND: u32 = 100;
    let begun = Instant::now();
    let setup = Setup::new().unlimited().set("message_max_bytes", 10);
    let server = setup.message_lines_per_second(PER_SECOND).start();
    let mut peers = Peer::connect_many(server.port, PEERS);
    all_send(&mut peers, "message\n".repeat(EACH));
    all_read(&mut peers, "message\n".repeat(EACH));
    let mut too_long = Peer::connect(server.port);
    too_long.send("this is no message\n");
    too_long.assert_gets("");
    drop(peers);
    let ended = server.terminate();
    let seconds = begun.elapsed().as_secs() + 1;
    // Every accept and every close keeps its line, and so does every warning.
    ended.assert_left_with(0);
    assert_eq!(ended.log.count("Got connection"), PEERS + 1);
    ended.log.assert_contains("closed: a message is longer than message_max_bytes");
    let lines = ended.log.count("Message received");
    assert!(lines as u64 <= seconds * u64::from(PER_SECOND), "{lines} lines in {seconds} seconds");
    assert_eq!(lines + ended.log.sum("left out"), PEERS * EACH);
}

/// Nothing else wakes the server then.
#[test]
fn what_is_left_out_is_said_within_a_second_and_at_the_exit() {
    let server = Setup::new().unlimited().message_lines_per_second(1).start();
    let mut peer = Peer::connect(server.port);
    let begun = Instant::now();
    peer.assert_echoes("1\n2\n3\n");
    server.log().wait_for("WARN     2 log lines were left out: more than 1 message in a second");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    peer.assert_echoes("4\n5\n");
    let ended = server.terminate();
    ended.assert_left_with(0);
    ended.log.assert_contains("WARN     1 log line was left out");
    ended.log.assert_ends_with(&["All sockets closed, server stopped"]);
}

#[test]
fn without_a_limit_every_message_has_its_line() {
    /// More than the default limit.
    const MESSAGES: usize = 12_000;
    let log = ScratchFile::new("every-line", "");
    let setup = Setup::new().unlimited().message_lines_per_second(0);
    let server = setup.start_with_log(File::create(&log).expect("a file"));
    let mut peer = Peer::connect(server.port);
    peer.assert_echoes("\n".repeat(MESSAGES));
    assert_eq!(server.terminate().status.code(), Some(0));
    assert_eq!(log.content().lines().filter(|line| line.ends_with("Msg: b''")).count(), MESSAGES);
}
