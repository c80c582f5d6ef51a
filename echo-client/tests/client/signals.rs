//! SIGTERM and SIGINT, whatever the client is doing.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{
    Client, Port, catches_sigterm, exit_code, listen, program, receive, wait_until,
};

/// The promise is half a second; the rest is for a loaded machine.
const SOON: Duration = Duration::from_secs(3);

/// Sends the signal and checks that the client ends well and soon; gives its log.
fn end(client: Client, signal: Signal) -> Vec<String> {
    let start = Instant::now();
    client.signal(signal);
    let (code, log) = client.wait();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_eq!(code, 0, "{log:#?}");
    log
}

#[test]
fn in_a_read() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let (listener, address) = listen();
        let client = Client::start(&address, &[]);
        let received = receive(&listener);
        let log = end(client, signal);
        let [.., closed, stopped] = &log[..] else { panic!("{log:#?}") };
        let port = received.peer.port();
        assert!(closed.ends_with(&format!("('127.0.0.1', {port}) closed")), "{log:#?}");
        assert!(stopped.ends_with(&format!("{name} received: stopped")), "{log:#?}");
        received.wait_for_close();
    }
}

#[test]
fn in_the_wait_between_rounds() {
    let (listener, address) = listen();
    let mut client = Client::start(&address, &["loop_period: 1h", "loop_lapse: 1h"]);
    receive(&listener).echo();
    client.wait_for("closed");
    let log = end(client, Signal::TERM);
    assert!(log.last().expect("a line").ends_with("SIGTERM received: stopped"), "{log:#?}");
}

#[test]
fn in_the_wait_before_a_retry() {
    let port = Port::new();
    let mut client = Client::start(&port.address, &["retry_timeout: 1h"]);
    client.wait_for("again in 1s");
    let log = end(client, Signal::TERM);
    assert!(log.last().expect("a line").ends_with("SIGTERM received: stopped"), "{log:#?}");
}

#[test]
fn in_a_connect() {
    let full = FullQueue::new();
    let client = Client::start(&full.address, &[]);
    wait_until("a connect that hangs", || is_connecting_to(full.address).then_some(()));
    let log = end(client, Signal::TERM);
    assert!(log.last().expect("a line").contains("the system closes the socket"), "{log:#?}");
}

/// The log's pipe is full from the start, so that the client hangs in its first line.
#[test]
fn in_a_log_line_that_nobody_reads() {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let flags = fcntl_getfl(&writer).expect("flags");
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("flags");
    while (&writer).write(&[b'.'; 4096]).is_ok() {}
    while (&writer).write(b".").is_ok() {}
    fcntl_setfl(&writer, flags).expect("flags");
    let mut child = program()
        .args(["--config", "/dev/null"])
        .stderr(Stdio::from(writer))
        .spawn()
        .expect("the client starts");
    wait_until("the handler", || catches_sigterm(child.id()).then_some(()));
    let start = Instant::now();
    kill_process(Pid::from_child(&child), Signal::TERM).expect("the client runs");
    assert_eq!(exit_code(&mut child), 0);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    let mut log = String::new();
    reader.read_to_string(&mut log).expect("text");
    assert_eq!(log.trim_matches('.'), "");
}

/// Being continued interrupts a read that has a timeout (signal(7)); the reply is read all the same.
#[test]
fn stopped_and_continued_in_a_read() {
    let (listener, address) = listen();
    let client = Client::start(&address, &["loop_amount: 1"]);
    let received = receive(&listener);
    client.signal(Signal::STOP);
    wait_until("the client stands still", || (client.state() == 'T').then_some(()));
    client.signal(Signal::CONT);
    wait_until("the client goes on", || (client.state() != 'T').then_some(()));
    received.echo();
    let (code, log) = client.wait();
    assert!(!log.iter().any(|line| line.contains("not answered")), "{log:#?}");
    assert_eq!(code, 0);
}

/// The reply was there before the client's patience was over, though it was not read.
#[test]
fn stopped_in_a_read_for_longer_than_a_reply_may_take() {
    const TRY_TIMEOUT: Duration = Duration::from_secs(5);
    let (listener, address) = listen();
    let client = Client::start(&address, &["loop_amount: 1"]);
    let received = receive(&listener);
    let start = Instant::now();
    client.signal(Signal::STOP);
    wait_until("the client stands still", || (client.state() == 'T').then_some(()));
    received.echo();
    wait_until("its patience over", || (start.elapsed() > TRY_TIMEOUT).then_some(()));
    client.signal(Signal::CONT);
    let (code, log) = client.wait();
    assert!(!log.iter().any(|line| line.contains("not answered")), "{log:#?}");
    assert_eq!(code, 0);
}

#[test]
fn as_pid_1_of_a_container() {
    let mut unshare = Command::new("unshare");
    unshare.args(["--pid", "--fork", "--kill-child"]);
    if !unshare.arg("true").status().is_ok_and(|status| status.success()) {
        println!("skipped: no new PID namespace without unshare and the right to use it");
        return;
    }
    let (listener, address) = listen();
    let mut unshare = Command::new("unshare");
    unshare.args(["--pid", "--fork", "--kill-child", env!("CARGO_BIN_EXE_echo-client")]);
    unshare.args(["--config", "/dev/null"]).env("CLI_SERVER_ADDRESS", address.to_string());
    let client = Client::spawn(&mut unshare);
    let received = receive(&listener);
    client.signal_child(Signal::TERM);
    received.wait_for_close();
    assert_eq!(client.wait().0, 0);
}

/// A listener that accepts nobody and whose queue is full: a connect to it hangs.
struct FullQueue {
    address: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl FullQueue {
    fn new() -> Self {
        let port = Port::new();
        let address = port.address;
        let listener = port.listen(0);
        let short = Duration::from_millis(200);
        let queued = std::iter::from_fn(|| TcpStream::connect_timeout(&address, short).ok());
        Self { address, _queued: queued.collect(), _listener: listener }
    }
}

/// Whether a connection to `address` is in state `SYN_SENT` (2, see proc(5)).
fn is_connecting_to(address: SocketAddr) -> bool {
    let table = fs::read_to_string("/proc/net/tcp").expect("a table of connections");
    let remote_port = format!(":{:04X}", address.port());
    table.lines().any(|line| {
        let mut columns = line.split_whitespace().skip(2);
        let is_remote = columns.next().is_some_and(|remote| remote.ends_with(&remote_port));
        is_remote && columns.next() == Some("02")
    })
}
