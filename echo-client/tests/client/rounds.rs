//! What the client does when all is well.

use std::time::{Duration, Instant};

use crate::support::{Client, listen, program, receive, texts};

#[test]
fn every_message_is_sent_checked_logged_and_its_socket_closed() {
    let (listener, address) = listen();
    let client = Client::start(&address, &["id: a-7", "loop_amount: 3", "loop_period: 0s"]);
    let mut expected = Vec::new();
    for number in 1..=3 {
        let received = receive(&listener);
        let text = format!("[CLIENT a-7] Message number {number} sent");
        assert_eq!(received.message, format!("{text}\n"));
        expected.push(format!("[CLIENT a-7] Message from server: {text}"));
        let (ip, port) = (received.peer.ip(), received.peer.port());
        expected.push(format!("[CLIENT a-7] Connection ('{ip}', {port}) closed"));
        received.echo();
    }
    expected.push("[CLIENT a-7] Main loop finished".to_owned());
    let (code, log) = client.wait();
    assert_eq!(texts(&log)[1..], expected);
    assert_eq!(code, 0);
}

#[test]
fn the_configuration_is_logged_first() {
    let (listener, address) = listen();
    let client = Client::start(&address, &["loop_amount: 1"]);
    receive(&listener).echo();
    let (_, log) = client.wait();
    let expected = format!(
        "Configuration: id: 1 | server_address: {address} | loop_lapse: 1m2s | loop_period: 10s \
         | loop_amount: 1 | retry_timeout: 30s | log.level: info \
         | log.message_lines_per_second: 10000"
    );
    assert_eq!(texts(&log)[0], expected);
}

#[test]
fn at_level_debug_the_opening_of_a_connection_is_logged() {
    let (listener, address) = listen();
    let mut command = program();
    command.args(["--config", "/dev/null"]).env("CLI_SERVER_ADDRESS", address.to_string());
    let client = Client::spawn(command.env("CLI_LOOP_AMOUNT", "1").env("RUST_LOG", "debug"));
    let received = receive(&listener);
    let port = received.peer.port();
    received.echo();
    let (_, log) = client.wait();
    let expected = format!("[CLIENT 1] Connection ('127.0.0.1', {port}) to {address} opened");
    assert_eq!(texts(&log)[1], expected);
}

#[test]
fn an_acknowledgement_is_a_right_reply() {
    let (listener, address) = listen();
    let client = Client::start(&address, &["loop_amount: 1"]);
    let received = receive(&listener);
    let reply = format!("Your Message has been received: b'{}'", received.message.trim_end());
    received.answer(format!("{reply}\n"));
    let (code, log) = client.wait();
    assert_eq!(texts(&log)[1], format!("[CLIENT 1] Message from server: {reply}"));
    assert_eq!(code, 0);
}

#[test]
fn a_reply_in_pieces_is_one_reply() {
    let (listener, address) = listen();
    let mut client = Client::start(&address, &["loop_amount: 1"]);
    let received = receive(&listener);
    received.stream.set_nodelay(true).expect("an option");
    let message = received.message.clone();
    for byte in message.as_bytes() {
        std::io::Write::write_all(&mut &received.stream, &[*byte]).expect("the client reads");
    }
    client.wait_for("Message from server: [CLIENT 1] Message number 1 sent");
    assert_eq!(client.wait().0, 0);
}

#[test]
fn the_loop_ends_with_its_time_also_in_a_wait() {
    let (listener, address) = listen();
    let start = Instant::now();
    let mut client = Client::start(&address, &["loop_lapse: 300ms", "loop_period: 1h"]);
    receive(&listener).echo();
    client.wait_for("Main loop finished");
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!(client.wait().0, 0);
}

#[test]
fn the_wait_between_messages_is_as_long_as_configured() {
    let (listener, address) = listen();
    let client = Client::start(&address, &["loop_amount: 3", "loop_period: 100ms"]);
    let first = receive(&listener);
    let start = Instant::now();
    first.echo();
    receive(&listener).echo();
    receive(&listener).echo();
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert_eq!(client.wait().0, 0);
}

#[test]
fn a_server_on_ipv6() {
    let Ok(listener) = std::net::TcpListener::bind("[::1]:0") else {
        println!("skipped: no IPv6 here");
        return;
    };
    let address = listener.local_addr().expect("an address");
    let client = Client::start(&address, &["loop_amount: 1"]);
    let received = receive(&listener);
    let port = received.peer.port();
    received.echo();
    let (code, log) = client.wait();
    assert_eq!(texts(&log)[2], format!("[CLIENT 1] Connection ('::1', {port}) closed"));
    assert_eq!(code, 0);
}

#[test]
fn a_server_by_name() {
    let (listener, address) = listen();
    let name = format!("localhost:{}", address.port());
    let client = Client::start(&name, &["loop_amount: 1"]);
    receive(&listener).echo();
    assert_eq!(client.wait().0, 0);
}
