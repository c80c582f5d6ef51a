//! What the client does when all is well.

use std::net::{Ipv6Addr, TcpListener};
use std::time::{Duration, Instant};

use echo_harness::process::Process;
use echo_harness::skip;

use crate::client::{client_of, echo, listen, receive, start};

#[test]
fn every_message_is_sent_checked_logged_and_its_socket_closed() {
    let (listener, address) = listen();
    let client = start(&address, &["id: a-7", "loop_amount: 3", "loop_period: 0s"]);
    let mut expected = Vec::new();
    for number in 1..=3 {
        let (mut peer, message) = receive(&listener);
        let text = format!("[CLIENT a-7] Message number {number} sent");
        assert_eq!(message, format!("{text}\n"));
        expected.push(format!("[CLIENT a-7] Message from server: {text}"));
        expected.push(format!("[CLIENT a-7] Connection {} closed", peer.other_name()));
        peer.send(message);
    }
    expected.push("[CLIENT a-7] Main loop finished".to_owned());
    let ended = client.wait();
    ended.assert_left_with(0);
    assert_eq!(ended.log.texts()[1..], expected);
}

#[test]
fn the_configuration_is_logged_first() {
    let (listener, address) = listen();
    let client = start(&address, &["loop_amount: 1"]);
    echo(&listener);
    let expected = format!(
        "Configuration: id: 1 | server_address: {address} | loop_lapse: 1m2s | loop_period: 10s \
         | loop_amount: 1 | retry_timeout: 30s | log.level: info \
         | log.format: text | log.message_lines_per_second: 10000"
    );
    assert_eq!(client.wait().log.texts()[0], expected);
}

#[test]
fn at_level_debug_the_opening_of_a_connection_is_logged() {
    let (listener, address) = listen();
    let mut command = client_of(&address, &["loop_amount: 1"]);
    let client = Process::start(command.env("RUST_LOG", "debug"));
    let (mut peer, message) = receive(&listener);
    let name = peer.other_name();
    peer.send(message);
    drop(peer);
    let expected = format!("[CLIENT 1] Connection {name} to {address} opened");
    assert_eq!(client.wait().log.texts()[1], expected);
}

#[test]
fn an_acknowledgement_is_a_right_reply() {
    let (listener, address) = listen();
    let client = start(&address, &["loop_amount: 1"]);
    let (mut peer, message) = receive(&listener);
    let reply = format!("Your Message has been received: b'{}'", message.trim_end());
    peer.send(format!("{reply}\n"));
    let ended = client.wait();
    ended.assert_left_with(0);
    assert_eq!(ended.log.texts()[1], format!("[CLIENT 1] Message from server: {reply}"));
}

#[test]
fn a_reply_in_pieces_is_one_reply() {
    let (listener, address) = listen();
    let client = start(&address, &["loop_amount: 1"]);
    let (mut peer, message) = receive(&listener);
    for byte in message.as_bytes() {
        peer.send([*byte]);
    }
    client.log().wait_for("Message from server: [CLIENT 1] Message number 1 sent");
    client.wait().assert_left_with(0);
}

#[test]
fn the_loop_ends_with_its_time_also_in_a_wait() {
    let (listener, address) = listen();
    let start_time = Instant::now();
    let client = start(&address, &["loop_lapse: 300ms", "loop_period: 1h"]);
    echo(&listener);
    client.log().wait_for("Main loop finished");
    assert!(start_time.elapsed() >= Duration::from_millis(300));
    client.wait().assert_left_with(0);
}

#[test]
fn the_wait_between_messages_is_as_long_as_configured() {
    let (listener, address) = listen();
    let client = start(&address, &["loop_amount: 3", "loop_period: 100ms"]);
    let (mut first, message) = receive(&listener);
    let first_reply = Instant::now();
    first.send(message);
    drop(first);
    echo(&listener);
    echo(&listener);
    assert!(first_reply.elapsed() >= Duration::from_millis(200));
    client.wait().assert_left_with(0);
}

#[test]
fn a_server_on_ipv6() {
    let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else {
        skip::say("no IPv6", "");
        return;
    };
    let client = start(&listener.local_addr().expect("an address"), &["loop_amount: 1"]);
    let (mut peer, message) = receive(&listener);
    let name = peer.other_name();
    peer.send(message);
    drop(peer);
    let ended = client.wait();
    ended.assert_left_with(0);
    assert!(name.starts_with("('::1', "));
    assert_eq!(ended.log.texts()[2], format!("[CLIENT 1] Connection {name} closed"));
}

#[test]
fn a_server_by_name() {
    let (listener, address) = listen();
    let client = start(&format!("localhost:{}", address.port()), &["loop_amount: 1"]);
    echo(&listener);
    client.wait().assert_left_with(0);
}
