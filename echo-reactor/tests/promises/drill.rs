//! The rolling restart: clients keep sending while the server leaves and comes back.

use std::env;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use echo_harness::peer::Peer;
use echo_harness::ports::free_port;
use echo_harness::server::Setup;
use echo_harness::wait::{self, PATIENCE};

/// The pause between two tries of a client.
const RETRY_AFTER: Duration = Duration::from_millis(2);

/// What all clients share.
struct Clients {
    port: u16,
    stop: AtomicBool,
    answered: AtomicUsize,
    retried: AtomicUsize,
}

/// The number in a variable of the environment.
fn number(variable: &str, default: usize) -> usize {
    let text = env::var(variable).ok();
    text.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

#[test]
fn no_message_is_lost_while_the_server_restarts_over_and_over() {
    let restarts = number("DRILL_RESTARTS", 10);
    let clients = number("DRILL_CLIENTS", 20);
    let shared = Clients {
        port: free_port().expect("a free port"),
        stop: AtomicBool::new(false),
        answered: AtomicUsize::new(0),
        retried: AtomicUsize::new(0),
    };
    let received = thread::scope(|scope| {
        for id in 0..clients {
            let shared = &shared;
            scope.spawn(move || send_until_stopped(id, shared));
        }
        // Also in a panic, because the scope waits for the clients.
        let _stop = StopOnDrop(&shared.stop);
        (0..restarts).map(|_| serve_for_a_while(&shared, clients)).sum::<usize>()
    });
    let answered = shared.answered.into_inner();
    let retried = shared.retried.into_inner();
    let summary = format!("{restarts} restarts, {clients} clients: {answered} messages answered");
    let _ = writeln!(std::io::stderr(), "drill: {summary}, {retried} tries not");
    // The servers received no message twice: each one that they received was answered.
    assert_eq!(received, answered);
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One life of the server, ended in the middle of the work. Returns how many messages it received.
fn serve_for_a_while(shared: &Clients, clients: usize) -> usize {
    let server = Setup::new().set("port", shared.port).set("drain_timeout", "20s").start();
    let goal = shared.answered.load(Ordering::Relaxed) + 5 * clients;
    wait::until("the clients served", || shared.answered.load(Ordering::Relaxed) >= goal);
    let ended = server.terminate();
    ended.assert_left_with(0);
    ended.log.assert_lacks("aborted");
    ended.log.count("Message received from connection")
}

/// A client that sends each message until it is answered, on as many connections as that takes.
fn send_until_stopped(id: usize, shared: &Clients) {
    for number in 0.. {
        let message = format!("client {id} message {number}\n");
        let since = Instant::now();
        while !is_answered(&message, shared.port) {
            if shared.stop.load(Ordering::Relaxed) {
                return;
            }
            assert!(since.elapsed() < PATIENCE.limit, "not answered: {message}");
            shared.retried.fetch_add(1, Ordering::Relaxed);
            thread::sleep(RETRY_AFTER);
        }
        shared.answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// One try. Returns false if there is no reply at all, and panics if there is a part of one.
fn is_answered(message: &str, port: u16) -> bool {
    let Ok(socket) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let mut peer = Peer::from(socket);
    if peer.try_send(message).is_err() {
        return false;
    }
    let (reply, _) = peer.read_to_end();
    assert!(reply.is_empty() || reply == message.as_bytes(), "wrong: {}", reply.escape_ascii());
    !reply.is_empty()
}
