//! What the client does when the server is not there, goes away, or does not do its work.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use echo_harness::command::{is_available, program, without_settings};
use echo_harness::ports::free_address;
use echo_harness::process::Process;
use echo_harness::scratch::ScratchFile;

use crate::client::{FIRST, client_of, echo, listen, receive, start};

#[test]
fn a_server_that_starts_late_is_waited_for() {
    let address = free_address();
    let client = start(&address, &["loop_amount: 1"]);
    client.log().wait_for_count("Connection refused", 2);
    let listener = TcpListener::bind(address).expect("a free port");
    assert_eq!(echo(&listener), FIRST);
    client.wait().assert_left_with(0);
}

#[test]
fn a_server_may_restart_between_rounds() {
    let address = free_address();
    let listener = TcpListener::bind(address).expect("a free port");
    let client = start(&address, &["loop_amount: 2", "loop_period: 0s"]);
    let (mut first, message) = receive(&listener);
    drop(listener);
    first.send(message);
    drop(first);
    client.log().wait_for("Message number 2 not answered");
    let listener = TcpListener::bind(address).expect("the same port");
    assert_eq!(echo(&listener), "[CLIENT 1] Message number 2 sent\n");
    client.wait().assert_left_with(0);
}

#[test]
fn a_server_that_does_not_come_is_given_up() {
    let address = free_address();
    let ended = start(&address, &["retry_timeout: 100ms"]).wait();
    ended.assert_left_with(1);
    let given_up = "number 1 given up, retry_timeout 100ms is over";
    ended.log.assert_ends_with(&["ERROR", given_up, &address.to_string()]);
}

/// The one line that is left where there is no log.
#[test]
fn a_client_that_fails_says_why_whatever_the_log_level() {
    for level in ["off", "echo_reactor=info"] {
        let start = |address: &SocketAddr| {
            let mut client = client_of(address, &["retry_timeout: 0s"]);
            Process::start(client.env("RUST_LOG", level))
        };
        let unanswered = start(&free_address()).wait();
        let (listener, address) = listen();
        let client = start(&address);
        receive(&listener).0.send("another\n");
        for (ended, why) in [(unanswered, "given up"), (client.wait(), "Wrong reply to ")] {
            ended.assert_left_with(1);
            ended.log.assert_ends_with(&["echo-client: [CLIENT 1] ", why]);
            assert_eq!(ended.log.texts().len(), 1, "{}", ended.log);
        }
    }
}

#[test]
fn no_retry_timeout_means_one_try() {
    let ended = start(&free_address(), &["retry_timeout: 0s"]).wait();
    ended.assert_left_with(1);
    assert_eq!(ended.log.count("Connection refused"), 1);
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
    let mut unshare = without_settings("unshare");
    unshare.args(["--net", "sh", "-c", one_port]).arg(program("echo-client"));
    let ended = Process::start(&mut unshare).wait();
    ended.assert_left_with(1);
    let first_try = &ended.log.texts()[1];
    for part in ["not answered by 127.0.0.1:40001: cannot connect", "connection refused"] {
        assert!(first_try.contains(part), "no {part:?} in {first_try}");
    }
}

#[test]
fn a_name_that_cannot_be_looked_up() {
    // Longer than a part of a name may be, so that nobody is asked.
    let name = format!("{}:1", "x".repeat(64));
    let ended = start(&name, &["retry_timeout: 0s"]).wait();
    ended.assert_left_with(1);
    ended.log.assert_ends_with(&["cannot look up the server"]);
}

#[test]
fn a_connection_without_a_reply_is_tried_again_with_the_same_message() {
    let (listener, address) = listen();
    let client = start(&address, &["loop_amount: 1"]);
    let (peer, _) = receive(&listener);
    let closed = format!("Connection {} closed", peer.other_name());
    drop(peer);
    client.log().wait_for(&closed);
    client.log().wait_for("the server closed without a reply");
    assert_eq!(echo(&listener), FIRST);
    client.wait().assert_left_with(0);
}

#[test]
fn a_reset_is_tried_again() {
    let (listener, address) = listen();
    let client = start(&address, &["loop_amount: 1"]);
    receive(&listener).0.reset();
    client.log().wait_for("the connection broke: Connection reset by peer");
    assert_eq!(echo(&listener), FIRST);
    client.wait().assert_left_with(0);
}

#[test]
fn a_reply_without_its_newline_is_no_reply() {
    let (listener, address) = listen();
    let client = start(&address, &["loop_amount: 1"]);
    receive(&listener).0.send(FIRST.trim_end());
    client.log().wait_for("closed after 32 bytes of a reply without its newline");
    assert_eq!(echo(&listener), FIRST);
    client.wait().assert_left_with(0);
}

#[test]
fn a_server_that_never_replies_is_given_up() {
    let (listener, address) = listen();
    let client = start(&address, &["loop_amount: 1"]);
    let (mut silent, _) = receive(&listener);
    client.log().wait_for("no reply within 5 s");
    silent.assert_gets("");
    assert_eq!(echo(&listener), FIRST);
    client.wait().assert_left_with(0);
}

/// Each byte comes in time, the reply as a whole does not.
#[test]
fn a_reply_that_drips_without_end_is_given_up() {
    let (listener, address) = listen();
    let client = start(&address, &["loop_amount: 1"]);
    let (mut peer, _) = receive(&listener);
    let dripping = thread::spawn(move || {
        while peer.try_send(".").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    client.log().wait_for("no reply within 5 s");
    dripping.join().expect("the drip ends with the connection");
    assert_eq!(echo(&listener), FIRST);
    client.wait().assert_left_with(0);
}

#[test]
fn a_wrong_reply_ends_the_client() {
    let (listener, address) = listen();
    let client = start(&address, &[]);
    receive(&listener).0.send("[CLIENT 1] Message number 7 sent\x1b[2J\n");
    let ended = client.wait();
    ended.assert_left_with(1);
    ended.log.assert_ends_with(&[
        "ERROR",
        r#"Wrong reply to "[CLIENT 1] Message number 1 sent""#,
        r#""[CLIENT 1] Message number 7 sent\u{1b}[2J""#,
    ]);
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
        let client = start(&address, &["loop_amount: 1"]);
        receive(&listener).0.send(reply);
        let ended = client.wait();
        ended.assert_left_with(1);
        ended.log.assert_ends_with(&["Wrong reply to ", &shown]);
    }
}

#[test]
fn a_server_may_keep_the_connection_open() {
    let (listener, address) = listen();
    let client = start(&address, &["loop_amount: 1"]);
    let (mut peer, message) = receive(&listener);
    peer.send(message);
    client.wait().assert_left_with(0);
    peer.assert_gets("");
}

#[test]
fn an_endless_reply_ends_the_client() {
    let (listener, address) = listen();
    let client = start(&address, &[]);
    let (mut peer, _) = receive(&listener);
    let error = loop {
        if let Err(error) = peer.try_send([b'x'; 4096]) {
            break error.kind();
        }
    };
    assert!(matches!(error, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
    let ended = client.wait();
    ended.assert_left_with(1);
    ended.log.assert_ends_with(&["xxx... (1024 bytes)\""]);
}

#[test]
fn a_closed_log_does_no_harm() {
    let (listener, address) = listen();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let client = Process::start_with_log(client_of(&address, &["loop_amount: 1"]), writer);
    assert_eq!(echo(&listener), FIRST);
    client.wait().assert_left_with(0);
}

#[test]
fn a_log_that_may_not_grow_does_no_harm() {
    let (listener, address) = listen();
    let log = ScratchFile::new("log", "");
    let mut shell = without_settings("sh");
    shell.args(["-c", "ulimit -f 0 && exec \"$0\" \"$@\""]).arg(program("echo-client"));
    shell.args(["--config", "/dev/null", "--loop-amount", "2", "--loop-period", "0s"]);
    shell.args(["--server-address", &address.to_string()]);
    let client = Process::start_with_log(shell, File::create(&log).expect("a file"));
    assert_eq!(echo(&listener), FIRST);
    echo(&listener);
    client.wait().assert_left_with(0);
    assert_eq!(log.content(), "");
}
