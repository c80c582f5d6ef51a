//! What the client does when the server is not there, goes away, or does not do its work.

use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use echo_harness::command::is_available;
use socket2::SockRef;

use crate::support::{Client, Port, exit_code, listen, program, receive, texts};

const FIRST: &str = "[CLIENT 1] Message number 1 sent\n";

#[test]
fn a_server_that_starts_late_is_waited_for() {
    let port = Port::new();
    let mut client = Client::start(&port.address, &["loop_amount: 1"]);
    client.wait_for("Connection refused");
    client.wait_for("Connection refused");
    assert_eq!(receive(&port.listen(1)).echo(), FIRST);
    assert_eq!(client.wait().0, 0);
}

#[test]
fn a_server_may_restart_between_rounds() {
    let port = Port::new();
    let port_again = port.again();
    let mut client = Client::start(&port.address, &["loop_amount: 2", "loop_period: 0s"]);
    let listener = port.listen(1);
    let first = receive(&listener);
    drop(listener);
    assert_eq!(first.echo(), FIRST);
    client.wait_for("Message number 2 not answered");
    assert_eq!(receive(&port_again.listen(1)).echo(), "[CLIENT 1] Message number 2 sent\n");
    assert_eq!(client.wait().0, 0);
}

#[test]
fn a_server_that_does_not_come_is_given_up() {
    let port = Port::new();
    let (code, log) = Client::start(&port.address, &["retry_timeout: 100ms"]).wait();
    let last = log.last().expect("a line");
    assert!(last.contains("ERROR"), "{last}");
    assert!(last.contains("number 1 given up, retry_timeout 100ms is over"), "{last}");
    assert!(last.contains(&port.address.to_string()), "{last}");
    assert_eq!(code, 1);
}

#[test]
fn no_retry_timeout_means_one_try() {
    let port = Port::new();
    let (code, log) = Client::start(&port.address, &["retry_timeout: 0s"]).wait();
    assert_eq!(log.iter().filter(|line| line.contains("Connection refused")).count(), 1);
    assert_eq!(code, 1);
}

/// In a network whose only port for clients is the server's, the kernel connects the client to itself.
#[test]
fn a_connection_to_itself_is_refused() {
    if !is_available(&["unshare", "--net", "ip", "link", "set", "lo", "up"]) {
        return;
    }
    let one_port = "ip link set lo up && echo '40001 40001' >/proc/sys/net/ipv4/ip_local_port_range \
                    && exec \"$0\" --config /dev/null --server-address 127.0.0.1:40001 \
                    --loop-amount 1 --retry-timeout 100ms";
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "sh", "-c", one_port, env!("CARGO_BIN_EXE_echo-client")]);
    let (code, log) = Client::spawn(&mut unshare).wait();
    let first = &texts(&log)[1];
    assert!(first.contains("not answered by 127.0.0.1:40001: cannot connect"), "{log:#?}");
    assert!(first.contains("connection refused"), "{log:#?}");
    assert_eq!(code, 1);
}

#[test]
fn a_name_that_cannot_be_looked_up() {
    // Longer than a part of a name may be, so that nobody is asked.
    let name = format!("{}:1", "x".repeat(64));
    let (code, log) = Client::start(&name, &["retry_timeout: 0s"]).wait();
    let last = log.last().expect("a line");
    assert!(last.contains("cannot look up the server"), "{last}");
    assert_eq!(code, 1);
}

#[test]
fn a_connection_without_a_reply_is_tried_again_with_the_same_message() {
    let (listener, address) = listen();
    let mut client = Client::start(&address, &["loop_amount: 1"]);
    let received = receive(&listener);
    let port = received.peer.port();
    drop(received);
    client.wait_for(&format!("Connection ('127.0.0.1', {port}) closed"));
    client.wait_for("the server closed without a reply");
    assert_eq!(receive(&listener).echo(), FIRST);
    assert_eq!(client.wait().0, 0);
}

#[test]
fn a_reset_is_tried_again() {
    let (listener, address) = listen();
    let mut client = Client::start(&address, &["loop_amount: 1"]);
    let received = receive(&listener);
    SockRef::from(&received.stream).set_linger(Some(Duration::ZERO)).expect("an option");
    drop(received);
    client.wait_for("the connection broke: Connection reset by peer");
    assert_eq!(receive(&listener).echo(), FIRST);
    assert_eq!(client.wait().0, 0);
}

#[test]
fn a_reply_without_its_newline_is_no_reply() {
    let (listener, address) = listen();
    let mut client = Client::start(&address, &["loop_amount: 1"]);
    receive(&listener).answer(FIRST.trim_end());
    client.wait_for("closed after 32 bytes of a reply without its newline");
    assert_eq!(receive(&listener).echo(), FIRST);
    assert_eq!(client.wait().0, 0);
}

#[test]
fn a_server_that_never_replies_is_given_up() {
    let (listener, address) = listen();
    let mut client = Client::start(&address, &["loop_amount: 1"]);
    let silent = receive(&listener);
    client.wait_for("no reply within 5 s");
    silent.wait_for_close();
    assert_eq!(receive(&listener).echo(), FIRST);
    assert_eq!(client.wait().0, 0);
}

/// Each byte comes in time, the reply as a whole does not.
#[test]
fn a_reply_that_drips_for_ever_is_given_up() {
    let (listener, address) = listen();
    let mut client = Client::start(&address, &["loop_amount: 1"]);
    let mut received = receive(&listener);
    let dripping = thread::spawn(move || {
        while received.stream.write_all(b".").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    client.wait_for("no reply within 5 s");
    dripping.join().expect("the drip ends with the connection");
    assert_eq!(receive(&listener).echo(), FIRST);
    assert_eq!(client.wait().0, 0);
}

#[test]
fn a_wrong_reply_ends_the_client() {
    let (listener, address) = listen();
    let client = Client::start(&address, &[]);
    receive(&listener).answer("[CLIENT 1] Message number 7 sent\x1b[2J\n");
    let (code, log) = client.wait();
    let last = log.last().expect("a line");
    assert!(last.contains("ERROR"), "{last}");
    assert!(last.contains(r#"Wrong reply to "[CLIENT 1] Message number 1 sent""#), "{last}");
    assert!(last.contains(r#""[CLIENT 1] Message number 7 sent\u{1b}[2J""#), "{last}");
    assert_eq!(code, 1);
}

#[test]
fn a_reply_with_anything_around_it_ends_the_client() {
    for (reply, shown) in [
        (format!("XX{}YY\n", FIRST.trim_end()), format!("\"XX{}YY\"", FIRST.trim_end())),
        (FIRST.repeat(2), format!(r#""{0}\n{0}""#, FIRST.trim_end())),
        (format!("{FIRST}more"), format!(r#""{}\nmore""#, FIRST.trim_end())),
        (format!("{FIRST}\n"), format!(r#""{}\n""#, FIRST.trim_end())),
    ] {
        let (listener, address) = listen();
        let client = Client::start(&address, &["loop_amount: 1"]);
        receive(&listener).answer(&reply);
        let (code, log) = client.wait();
        let last = log.last().expect("a line");
        assert!(last.contains("Wrong reply to ") && last.contains(&shown), "{last}");
        assert_eq!(code, 1);
    }
}

#[test]
fn a_server_may_keep_the_connection_open() {
    let (listener, address) = listen();
    let client = Client::start(&address, &["loop_amount: 1"]);
    let mut received = receive(&listener);
    received.stream.write_all(FIRST.as_bytes()).expect("the client reads");
    assert_eq!(client.wait().0, 0);
    received.wait_for_close();
}

#[test]
fn an_endless_reply_ends_the_client() {
    let (listener, address) = listen();
    let client = Client::start(&address, &[]);
    let mut received = receive(&listener);
    let error = loop {
        if let Err(error) = received.stream.write_all(&[b'x'; 4096]) {
            break error.kind();
        }
    };
    assert!(matches!(error, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
    let (code, log) = client.wait();
    assert!(log.last().expect("a line").contains("xxx... (1024 bytes)\""), "{log:#?}");
    assert_eq!(code, 1);
}

#[test]
fn a_closed_log_does_no_harm() {
    let (listener, address) = listen();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut child = program()
        .args(["--config", "/dev/null"])
        .env("CLI_SERVER_ADDRESS", address.to_string())
        .env("CLI_LOOP_AMOUNT", "1")
        .stderr(Stdio::from(writer))
        .spawn()
        .expect("the client starts");
    assert_eq!(receive(&listener).echo(), FIRST);
    assert_eq!(exit_code(&mut child), 0);
}
