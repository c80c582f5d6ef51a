//! What goes in and what comes back.

use std::io::Write as _;

use echo_harness::peer::{Peer, line};
use echo_harness::server::Setup;
use echo_harness::{MEGABYTE, sockets};

#[test]
fn a_line_comes_back_and_the_server_disconnects() {
    let server = Setup::new().start();
    Peer::connect(server.port).assert_answers("hello\n");
    server.terminate().assert_left_with(0);
}

#[test]
fn a_message_and_the_end_of_input_in_one_segment() {
    let server = Setup::new().start();
    let mut at_once = Peer::connect(server.port);
    at_once.send_with_end(b"at once\n");
    at_once.assert_gets("at once\n");

    let mut later = Peer::connect(server.port);
    server.log().wait_for(&format!("Got connection from {}", later.name()));
    later.send_with_end(b"later\n");
    later.assert_gets("later\n");
}

#[test]
fn several_messages_and_the_end_of_input_in_one_segment() {
    let server = Setup::new().unlimited().start();
    let mut at_once = Peer::connect(server.port);
    at_once.send_with_end(b"one\ntwo\nthree");
    at_once.assert_gets("one\ntwo\nthree");

    let mut later = Peer::connect(server.port);
    later.assert_echoes("now it is waited for\n");
    later.send_with_end(b"one\ntwo\nthree");
    later.assert_gets("one\ntwo\nthree");
}

#[test]
fn the_end_of_input_ends_the_last_message() {
    let server = Setup::new().start();
    let mut peer = Peer::connect(server.port);
    peer.send("no newline");
    sockets::wait_for_unread(server.port, 0);
    peer.end_output();
    peer.assert_gets("no newline");
    let ended = server.terminate();
    ended.log.assert_contains("Msg: b'no newline'");
    ended.log.assert_contains("closed: the peer has closed (1 message)");
}

#[test]
fn no_message_gets_no_reply() {
    let server = Setup::new().start();
    let mut peer = Peer::connect(server.port);
    peer.end_output();
    peer.assert_gets("");
    let ended = server.terminate();
    ended.log.assert_contains("closed: the peer has closed (0 messages)");
}

#[test]
fn several_messages_in_one_segment() {
    let server = Setup::new().set("messages_per_connection", 3).start();
    let mut peer = Peer::connect(server.port);
    peer.send("1\n2\n3\n4\n5\n");
    peer.assert_gets("1\n2\n3\n");
}

#[test]
fn one_byte_in_a_segment() {
    let server = Setup::new().start();
    let mut peer = Peer::connect(server.port);
    let message = b"every byte on its own\n";
    for byte in message {
        peer.send([*byte]);
        // The server reads this byte before the next one comes.
        sockets::wait_for_unread(server.port, 0);
    }
    peer.assert_gets(message);
}

#[test]
fn any_bytes_come_back_as_they_are() {
    let server = Setup::new().unlimited().start();
    let mut every_byte: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
    every_byte.push(b'\n');
    let messages: [&[u8]; 5] = [b"\0\n", b"\xff\n", b"CRLF\r\n", b"\x1b[2J\n", &every_byte];
    let mut peer = Peer::connect(server.port);
    for message in messages {
        peer.assert_echoes(message);
    }
}

#[test]
fn an_urgent_byte_is_a_byte_like_any_other() {
    let server = Setup::new().start();
    let mut peer = Peer::connect(server.port);
    peer.send("before ");
    sockets::wait_for_unread(server.port, 0);
    peer.send_urgent(b'!');
    peer.send(" behind\n");
    peer.assert_gets("before ! behind\n");
}

#[test]
fn message_max_bytes_is_the_longest_message() {
    let server = Setup::new().set("message_max_bytes", 1000).start();
    for length in [999, 1000] {
        Peer::connect(server.port).assert_answers(line(length));
    }
    // With and without the newline, and in pieces: nothing is answered, and the end is a clean one.
    let inputs: [&[&[u8]]; 3] =
        [&[&[b'x'; 1000], b"\n"], &[&[b'x'; 1001]], &[&[b'x'; 999], b"x", b"\n"]];
    for pieces in inputs {
        let mut peer = Peer::connect(server.port);
        for piece in pieces {
            peer.send(piece);
            sockets::wait_for_unread(server.port, 0);
        }
        peer.assert_gets("");
    }
    let ended = server.terminate();
    assert_eq!(ended.log.count("closed: a message is longer than message_max_bytes"), 3);
}

#[test]
fn replies_before_a_message_that_is_too_long_arrive() {
    let server = Setup::new().unlimited().set("message_max_bytes", 10).start();
    let mut peer = Peer::connect(server.port);
    peer.send("one\ntwo\n0123456789\n");
    peer.assert_gets("one\ntwo\n");
}

#[test]
fn the_largest_message_through_a_small_receive_buffer() {
    const LARGEST: usize = 16 * MEGABYTE;
    let server = Setup::new().set("message_max_bytes", LARGEST).start();
    let mut peer = Peer::connect_with_receive_buffer(server.port, 4096);
    let mut message = pattern(LARGEST);
    message[LARGEST - 1] = b'\n';
    peer.assert_answers(&message);
}

#[test]
fn a_megabyte_behind_the_last_message() {
    let server = Setup::new().start();
    let mut peer = Peer::connect(server.port);
    let mut input = b"the message\n".to_vec();
    input.resize(input.len() + MEGABYTE, b'x');
    let writing = peer.in_background(move |peer| peer.send(&input));
    peer.assert_gets("the message\n");
    writing.join().expect("the server takes it all");
    server.log().wait_for("closed: its messages are answered (1 message)");
}

#[test]
fn a_large_reply_with_input_behind_its_message() {
    let server = Setup::new().set("message_max_bytes", MEGABYTE).start();
    let mut peer = Peer::connect_with_receive_buffer(server.port, 4096);
    let mut input = pattern(MEGABYTE);
    input[MEGABYTE - 1] = b'\n';
    peer.send(&input);
    peer.send(vec![b'x'; 100_000]);
    peer.assert_gets(&input);
}

/// The server's kernel holds the whole reply, because the peer has no room for it yet.
#[test]
fn a_byte_behind_the_end_does_not_destroy_a_reply_on_its_way() {
    let server = Setup::new().start();
    let mut peer = Peer::connect_with_receive_buffer(server.port, 4096);
    let message = line(12_000);
    peer.send(&message);
    sockets::wait_for_end_on_its_way(server.port);
    peer.send("x");
    peer.assert_gets(&message);
}

/// The server's close and the peer's byte cross each other, each time a little differently.
#[test]
fn a_byte_right_behind_the_message_never_destroys_the_reply() {
    let server = Setup::new().start_silent();
    for round in 0..3000_u32 {
        let mut peer = Peer::connect(server.port);
        peer.send("the message\n");
        for _ in 0..round % 100 {
            std::hint::spin_loop();
        }
        // The server may be faster, and the connection gone.
        let _ = peer.try_send("x");
        peer.assert_gets("the message\n");
    }
}

#[test]
fn split_and_joined_messages_come_back_in_order() {
    let server = Setup::new().unlimited().start();
    let lines = (0..2000).fold(Vec::new(), |mut lines, number| {
        let filling = "-".repeat(number % 97);
        writeln!(lines, "message {number} {filling}").expect("memory takes all");
        lines
    });
    let mut peer = Peer::connect(server.port);
    let input = lines.clone();
    let writing = peer.in_background(move |peer| {
        for (piece, length) in input.chunks(61).zip((1..62).cycle()) {
            peer.send(&piece[..length.min(piece.len())]);
            peer.send(&piece[length.min(piece.len())..]);
        }
    });
    peer.assert_gets(&lines);
    writing.join().expect("the server takes it all");
}

#[test]
fn acknowledgements_are_those_of_the_original() {
    let server = Setup::new().unlimited().set("reply", "acknowledge").start();
    let mut peer = Peer::connect(server.port);
    peer.send("[CLIENT 1] Message number 1 sent\nit's \0\r\nend");
    peer.end_output();
    peer.assert_gets(
        "Your Message has been received: b'[CLIENT 1] Message number 1 sent'\n\
         Your Message has been received: b\"it's \\x00\"\n\
         Your Message has been received: b'end'\n",
    );
}

#[test]
fn a_stream_comes_back_until_its_end() {
    let server = Setup::new().set("framing", "stream").set("message_max_bytes", 1).start();
    let mut peer = Peer::connect(server.port);
    let bytes = pattern(5 * MEGABYTE);
    let input = bytes.clone();
    let writing = peer.in_background(move |peer| peer.send(&input));
    peer.assert_gets(&bytes);
    writing.join().expect("the server takes it all");
}

#[test]
fn a_stream_does_not_wait_for_a_newline() {
    let server = Setup::new().set("framing", "stream").start();
    let mut peer = Peer::connect(server.port);
    for word in ["a", "b\n", "\n", "c"] {
        peer.assert_echoes(word);
    }
    peer.end_output();
    peer.assert_gets("");
}

/// Bytes without a newline, in an order that shows when a piece is lost or swapped.
fn pattern(bytes: usize) -> Vec<u8> {
    let letters = (0_u32..).map(|index| (index ^ (index >> 8)) % 26);
    letters.map(|letter| b'a' + u8::try_from(letter).expect("a letter")).take(bytes).collect()
}
