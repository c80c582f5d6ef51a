//! SIGTERM and SIGINT, whatever the client is doing.

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use socket2::{Domain, Socket, Type};

use echo_harness::command::{is_available, program, without_settings};
use echo_harness::ports::free_address;
use echo_harness::proc::{self, Activity};
use echo_harness::process::{Ended, Process};
use echo_harness::scratch::fill;
use echo_harness::{sockets, wait};

use crate::client::{client_of, echo, listen, receive, start};

/// The promise is half a second; the rest is for a loaded machine.
const SOON: Duration = Duration::from_secs(3);

/// Sends the signal, and panics unless the client ends well and soon.
fn end(client: Process, signal: Signal) -> Ended {
    let sent = Instant::now();
    client.signal(signal);
    let ended = client.wait();
    assert!(sent.elapsed() < SOON, "{:?}", sent.elapsed());
    ended.assert_left_with(0);
    ended
}

#[test]
fn in_a_read() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let (listener, address) = listen();
        let client = start(&address, &[]);
        let (mut peer, _) = receive(&listener);
        let ended = end(client, signal);
        ended.log.assert_ends_with(&[&format!("{name} received: stopped")]);
        ended.log.assert_contains(&format!("{} closed", peer.other_name()));
        peer.assert_gets("");
    }
}

#[test]
fn in_the_wait_between_rounds() {
    let (listener, address) = listen();
    let client = start(&address, &["loop_period: 1h", "loop_lapse: 1h"]);
    echo(&listener);
    client.log().wait_for("closed");
    end(client, Signal::TERM).log.assert_ends_with(&["SIGTERM received: stopped"]);
}

#[test]
fn in_the_wait_before_a_retry() {
    let client = start(&free_address(), &["retry_timeout: 1h"]);
    client.log().wait_for("again in 1s");
    end(client, Signal::TERM).log.assert_ends_with(&["SIGTERM received: stopped"]);
}

/// The last line has a tenth of a second, which a busy machine may not give it: one of several ends has to tell.
#[test]
fn in_a_connect() {
    let is_told = || {
        let full = FullQueue::new();
        let client = start(&full.address, &[]);
        sockets::wait_for_connect(full.address.port());
        end(client, Signal::TERM).log.count("the system closes the socket") == 1
    };
    assert!((0..10).any(|_| is_told()));
}

/// The log's pipe is full from the start, so that the client hangs in its first line.
#[test]
fn in_a_log_line_that_nobody_reads() {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let writer = File::from(OwnedFd::from(writer));
    fill(&writer);
    let client = Process::start_with_log(client_of(&free_address(), &[]), writer);
    let is_ready = || proc::catches(client.pid(), Signal::TERM).expect("the client runs");
    wait::until("the handler", is_ready);
    end(client, Signal::TERM);
    let mut log = String::new();
    reader.read_to_string(&mut log).expect("text");
    assert_eq!(log.trim_matches('.'), "");
}

/// Being continued interrupts a read that has a timeout (signal(7)); the reply is read all the same.
#[test]
fn stopped_and_continued_in_a_read() {
    let (listener, address) = listen();
    let client = start(&address, &["loop_amount: 1"]);
    let (mut peer, message) = receive(&listener);
    drop(client.freeze());
    let activity = || proc::activity(client.pid()).expect("the client runs");
    wait::until("the client goes on", || activity() != Activity::Stopped);
    peer.send(message);
    drop(peer);
    let ended = client.wait();
    ended.assert_left_with(0);
    ended.log.assert_lacks("not answered");
}

/// The reply was there before the client's patience was over, though it was not read.
#[test]
fn stopped_in_a_read_for_longer_than_a_reply_may_take() {
    const TRY_TIMEOUT: Duration = Duration::from_secs(5);
    let (listener, address) = listen();
    let client = start(&address, &["loop_amount: 1"]);
    let (mut peer, message) = receive(&listener);
    let received = Instant::now();
    let frozen = client.freeze();
    peer.send(message);
    drop(peer);
    wait::until("its patience over", || received.elapsed() > TRY_TIMEOUT);
    drop(frozen);
    let ended = client.wait();
    ended.assert_left_with(0);
    ended.log.assert_lacks("not answered");
}

#[test]
fn as_pid_1_of_a_container() {
    if !is_available(&["unshare", "--pid", "--fork", "--kill-child", "true"]) {
        return;
    }
    let (listener, address) = listen();
    let mut unshare = without_settings("unshare");
    unshare.args(["--pid", "--fork", "--kill-child"]).arg(program("echo-client"));
    unshare.args(["--config", "/dev/null"]).env("CLI_SERVER_ADDRESS", address.to_string());
    let client = Process::start(&mut unshare);
    let (mut peer, _) = receive(&listener);
    let child = proc::wait_for_child(client.pid(), "echo-client");
    kill_process(child, Signal::TERM).expect("the client runs");
    peer.assert_gets("");
    client.wait().assert_left_with(0);
}

/// A listener that accepts nobody and whose queue is full: a connect to it hangs.
struct FullQueue {
    address: SocketAddr,
    _listener: Socket,
    _queued: Vec<TcpStream>,
}

impl FullQueue {
    fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        listener.bind(&any_port.into()).expect("a free port");
        listener.listen(0).expect("a listener");
        let address = listener.local_addr().ok().and_then(|address| address.as_socket());
        let address = address.expect("an address");
        let short = Duration::from_millis(200);
        let queued = std::iter::from_fn(|| TcpStream::connect_timeout(&address, short).ok());
        Self { address, _queued: queued.collect(), _listener: listener }
    }
}
