//! `--watch` in a terminal.

use echo_harness::peer::Peer;
use echo_harness::ports::free_address;
use echo_harness::process::Process;
use echo_harness::stuck_peer::StuckPeer;
use echo_harness::terminal::Terminal;
use echo_harness::wait;
use rustix::process::Signal;

use crate::kit::{look, port_that_says, serve, watched};

/// Panics unless the picture begins in the first row, and no line of it was too long.
#[track_caller]
fn assert_fits(terminal: &Terminal) {
    let rows = terminal.rows();
    assert!(rows[0].starts_with("echo-reactor "), "{rows:#?}");
    assert!(!terminal.has_wrapped(), "{rows:#?}");
}

/// Panics unless the program has left with this code, and the terminal is as it was before.
#[track_caller]
fn assert_leaves(watch: Process, terminal: &Terminal, code: i32) {
    assert_eq!(watch.wait().status.code(), Some(code), "{:#?}", terminal.rows());
    terminal.wait_until_given_back();
}

#[test]
fn a_picture_that_fits_the_terminal_and_ends_with_ctrl_c() {
    let (server, status) = serve();
    let _idle = Peer::connect(server.port);
    for (columns, rows) in [(80, 24), (200, 50), (40, 10)] {
        let terminal = Terminal::new(columns, rows);
        let watch = terminal.start(&look(&status, &["--watch"]));
        terminal.wait_for("RUNNING");
        terminal.wait_for("1 of 1,000");
        terminal.wait_for("!  ");
        assert_fits(&terminal);
        assert!(terminal.is_taken() && !terminal.has_cursor() && !terminal.echoes());
        assert!(terminal.has_colours());
        terminal.type_in("\x03");
        assert_leaves(watch, &terminal, 0);
        assert!(!terminal.shows("RUNNING"), "{:#?}", terminal.rows());
    }
}

#[test]
fn it_follows_the_size_of_the_terminal() {
    let (_server, status) = serve();
    let terminal = Terminal::new(80, 24);
    let _watch = terminal.start(&look(&status, &["--watch"]));
    terminal.wait_for("one second   turns ");
    for (columns, rows) in [(200, 50), (30, 5), (1, 1), (120, 30), (80, 24)] {
        terminal.resize(columns, rows);
        let has_all = columns >= 80;
        wait::until("a picture of this size", || {
            let heading = &terminal.rows()[0];
            let begin = &"echo-reactor"[..usize::from(columns).min(12)];
            let is_whole =
                heading.len() == usize::from(columns) && heading.ends_with("Ctrl-C leaves");
            heading.starts_with(begin)
                && is_whole == has_all
                && terminal.shows("one second   turns ") == has_all
        });
        assert!(!terminal.has_wrapped());
    }
}

#[test]
fn the_numbers_move() {
    let (server, status) = serve();
    let terminal = Terminal::new(80, 24);
    let _watch = terminal.start(&look(&status, &["--watch"]));
    terminal.wait_for("messages 0");
    wait::until("messages in the picture", || {
        Peer::connect(server.port).assert_answers("hello\n");
        terminal.rows().iter().any(|row| row.contains("messages ") && !row.contains("messages 0"))
    });
    terminal.wait_for("  closed by  answered ");
    // And that is over after a second.
    terminal.wait_for("messages 0");
}

#[test]
fn no_color_means_no_colour() {
    let (_server, status) = serve();
    let terminal = Terminal::new(80, 24);
    let _watch = terminal.start(look(&status, &["--watch"]).env("NO_COLOR", "1"));
    terminal.wait_for("RUNNING");
    assert!(!terminal.has_colours());
}

#[test]
fn signals_give_the_terminal_back() {
    let (_server, status) = serve();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        let terminal = Terminal::new(80, 24);
        let watch = terminal.start(&look(&status, &["--watch"]));
        terminal.wait_for("RUNNING");
        watch.signal(signal);
        assert_leaves(watch, &terminal, 0);
    }
}

#[test]
fn keys_are_not_seen_and_only_ctrl_c_does_something() {
    let (_server, status) = serve();
    let terminal = Terminal::new(80, 24);
    let mut watch = terminal.start(&look(&status, &["--watch"]));
    terminal.wait_for("RUNNING");
    terminal.type_in("XYZZY\n\x1a\x04");
    // A picture that came behind the keys.
    terminal.resize(100, 24);
    wait::until("a new picture", || terminal.rows()[0].len() == 100);
    assert!(!terminal.shows("XYZZY") && !watch.has_ended());
    assert_fits(&terminal);
    terminal.type_in("\x03");
    assert_leaves(watch, &terminal, 0);
}

#[test]
fn a_terminal_that_is_closed_ends_it() {
    let (_server, status) = serve();
    let terminal = Terminal::new(80, 24);
    let watch = terminal.start(&look(&status, &["--watch"]));
    terminal.wait_for("RUNNING");
    drop(terminal);
    assert_eq!(watch.wait().status.code(), Some(0));
}

#[test]
fn what_is_not_there_is_one_line_in_a_terminal_as_it_was() {
    for (status, line) in [
        (free_address(), "echo-reactor: no status port answers at "),
        (port_that_says("hello\n"), "echo-reactor: what comes from "),
    ] {
        let terminal = Terminal::new(200, 24);
        let watch = terminal.start(&look(&status, &["--watch"]));
        assert_leaves(watch, &terminal, 1);
        assert!(terminal.wait_for("echo-reactor: ").starts_with(line));
        assert!(terminal.rows()[0].starts_with(line), "{:#?}", terminal.rows());
    }
}

#[test]
fn a_server_that_leaves_is_seen_to_its_end() {
    let status = free_address();
    let server = watched(status).unlimited().set("drain_timeout", "1h").start();
    let mut stuck = StuckPeer::connect(&server);
    let terminal = Terminal::new(80, 24);
    let watch = terminal.start(&look(&status, &["--watch"]));
    terminal.wait_for("!  1 connection waits for room to send ");
    terminal.wait_for("  flushing 1 (");
    server.signal(Signal::TERM);
    terminal.wait_for("DRAINING");
    terminal.wait_for("queue closed");
    terminal.wait_for("!  SIGTERM: 1 connection may still be owed a reply");
    stuck.assert_is_answered();
    server.wait().assert_left_with(0);
    assert_leaves(watch, &terminal, 0);
    terminal.wait_for("The server has left: what had arrived was answered");
    // The last picture stays.
    assert!(terminal.shows("STOPPED"), "{:#?}", terminal.rows());
}

#[test]
fn a_server_that_is_killed_is_gone_until_it_is_back() {
    let status = free_address();
    let server = watched(status).start();
    let _idle = Peer::connect(server.port);
    let terminal = Terminal::new(80, 24);
    let watch = terminal.start(&look(&status, &["--watch"]));
    terminal.wait_for("1 of 1,000");
    drop(server);
    terminal.wait_for("GONE for ");
    terminal.wait_for("!  the server is gone (");
    assert!(terminal.shows("1 of 1,000"));
    let _back = watched(status).start();
    terminal.wait_for("RUNNING");
    terminal.wait_for("0 of 1,000");
    assert!(!terminal.shows("gone"), "{:#?}", terminal.rows());
    terminal.type_in("\x03");
    assert_leaves(watch, &terminal, 0);
}

#[test]
fn a_server_that_is_stopped_is_silent_until_it_goes_on() {
    let (server, status) = serve();
    let terminal = Terminal::new(80, 24);
    let _watch = terminal.start(&look(&status, &["--watch"]));
    terminal.wait_for("RUNNING");
    let frozen = server.freeze();
    terminal.wait_for("SILENT for ");
    terminal.wait_for("!  no frame comes");
    drop(frozen);
    terminal.wait_for("RUNNING");
}

#[test]
fn a_ninth_watcher_sees_it_too() {
    let (_server, status) = serve();
    let watchers: Vec<_> = (0..9)
        .map(|_| {
            let terminal = Terminal::new(80, 24);
            let watch = terminal.start(&look(&status, &["--watch"]));
            terminal.wait_for("one second   turns ");
            (terminal, watch)
        })
        .collect();
    let (ninth, _) = watchers.last().expect("nine");
    // It lives on single frames.
    ninth.wait_for("up 2.");
    assert!(ninth.shows("RUNNING") && !ninth.shows("GONE"), "{:#?}", ninth.rows());
}
