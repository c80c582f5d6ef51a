//! The page in a real browser, with a real server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::{self, JoinHandle};

use rustix::process::Signal;

use echo_harness::command::build;
use echo_harness::peer::{Peer, all_read, all_send};
use echo_harness::ports::free_address;
use echo_harness::server::{Server, Setup};
use echo_harness::stuck_peer::StuckPeer;

use crate::browser::Look;
use crate::page::{
    WIDE, assert_no_complaint, save, show, wait_until_all_move, wait_until_followed,
};

/// As wide as a document shows its pictures.
const IN_A_DOCUMENT: Look = Look { width: 1280, height: 1000, is_dark: false };

/// A real server with a status port.
struct Real {
    server: Server,
    status: SocketAddr,
}

impl Real {
    fn start_at(status: SocketAddr) -> Real {
        static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| build("echo-reactor"));
        let setup = Setup::of(&PROGRAM).unlimited().set("status", status);
        // Enough for a drain to be seen while it lasts.
        Real { server: setup.set("drain_timeout", "3s").start(), status }
    }

    fn start() -> Real {
        Real::start_at(free_address())
    }
}

/// Clients of a real server, until this is dropped: each sends lines, and comes and goes.
struct Clients {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Clients {
    fn of(port: u16) -> Clients {
        let is_over = Arc::new(AtomicBool::new(false));
        let is_over_there = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            while !is_over_there.load(Ordering::SeqCst) {
                let mut peers = Peer::connect_many(port, 20);
                for _ in 0..50 {
                    all_send(&mut peers, "hello\n");
                    all_read(&mut peers, "hello\n");
                }
            }
        });
        Clients { is_over, thread: Some(thread) }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let result = self.thread.take().expect("a thread").join();
        assert!(thread::panicking() || result.is_ok(), "a client has failed");
    }
}

/// Clients of every kind: some that come and go, some that wait in a message, and one that does not read.
struct Crowd {
    _clients: Clients,
    _halves: Vec<Peer>,
    _stuck: StuckPeer,
}

impl Crowd {
    fn of(server: &Server) -> Crowd {
        let stuck = StuckPeer::connect(server);
        let mut halves = Peer::connect_many(server.port, 3);
        all_send(&mut halves, "half a");
        Crowd { _clients: Clients::of(server.port), _halves: halves, _stuck: stuck }
    }
}

#[test]
fn a_real_server_under_load_is_seen() {
    let real = Real::start();
    let Some((browser, _scope)) = show(&real.status, WIDE) else { return };
    browser.until_text("#who", "serving 127.0.0.1:");
    let crowd = Crowd::of(&real.server);
    browser.until_text("#states .rate.used", "/s");
    wait_until_all_move(&browser);
    browser.until_text("#states .words", "3 with a part of a message, 1 flushing");

    browser.click("#follow button");
    wait_until_followed(&browser);
    for text in ["a connection of 127.0.0.1:", "recv: 6 of ", "send: 6 of 6", "open → closed"] {
        browser.until_text("#follow tbody", text);
    }
    save(&browser, "real");
    drop(crowd);
    browser.until_text("#states .words", "0 connections are open");
    assert_no_complaint(&browser);
    real.server.terminate().assert_left_with(0);
}

/// The pictures of `docs/guide.md`: `SCREENSHOTS=docs/guide` saves them.
#[test]
fn a_crowd_and_a_drain_behind_it_are_seen() {
    let real = Real::start();
    let Some((browser, _scope)) = show(&real.status, IN_A_DOCUMENT) else { return };
    browser.until_text("#who", "serving 127.0.0.1:");
    let crowds: Vec<_> = (0..5).map(|_| Clients::of(real.server.port)).collect();
    let _stuck: Vec<_> = (0..4).map(|_| StuckPeer::connect(&real.server)).collect();
    browser.until_text("#notes", "4 connections wait for room to send");
    wait_until_all_move(&browser);
    save(&browser, "page-under-load");
    drop(crowds);
    real.server.signal(Signal::TERM);
    browser.until_text("#drain ol", "4 connections owe a reply");
    let clock = r"/[12]\.\d s/.test(document.querySelector('#drain svg').textContent)";
    browser.until("a clock that has gone for more than a second", clock);
    save(&browser, "page-in-a-drain");
    assert_no_complaint(&browser);
}

#[test]
fn a_real_server_that_drains_and_comes_back_is_seen() {
    let real = Real::start();
    let status = real.status;
    let Some((browser, _scope)) = show(&status, WIDE) else { return };
    browser.until_text("#drain .words", "No signal has come");
    let stuck = StuckPeer::connect(&real.server);
    browser.until_text("#notes", "1 connection waits for room to send");
    real.server.signal(Signal::TERM);
    browser.until_text("#drain .words", "SIGTERM came");
    browser.until_text("#drain ol", "1 connection owes a reply");
    browser.until_text("#drain .words", "the deadline passed, and what was left was aborted");
    real.server.wait().assert_left_with(0);
    drop(stuck);
    browser.until_text("#who", "is gone for");
    let real = Real::start_at(status);
    browser.until_text("#who", "started anew once");
    assert_no_complaint(&browser);
    drop(real);
}
