//! The log catalogue with `log.format: json`: every event, as the object that a program reads.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use echo_harness::json_log::{JsonLog, assert_events_are_documented};
use echo_reactor::connection::Reason;
use echo_reactor::log_events;
use echo_reactor::peer::Peer;
use echo_reactor::signals::Signal;
use serde_json::{Value, json};

/// Logs each event once, or once for each of its levels.
fn log_every_event() {
    let address: SocketAddr = "[::ffff:10.0.0.1]:7".parse().expect("an address");
    let (peer, text) = (Peer::from(address), "('10.0.0.1', 7)");
    let error = Error::from(ErrorKind::AddrInUse);
    log_events::configuration("port: 7 | log.level: info");
    log_events::note("a \"note\"");
    log_events::listening("[::]:7".parse().expect("an address"));
    log_events::listening_for_watchers(address);
    log_events::proceed_to_accept();
    log_events::connection_limit_reached(1000);
    log_events::accepting_paused(&error);
    log_events::connection_gone(&error);
    log_events::got_connection(peer);
    log_events::message_received(peer, text, b"it's \"\xff\"\n");
    log_events::bytes_received(peer, text, b"12345");
    log_events::message_lines_left_out(2, 1);
    log_events::connection_closed(peer, Reason::Answered, 3);
    log_events::connection_closed(peer, Reason::IdleTimeout, 0);
    log_events::drain_is_delayed(Signal::Hangup, Duration::from_secs(2));
    log_events::drain_begins(Signal::Terminate, 4, Duration::from_millis(1700));
    log_events::listener_closed();
    log_events::drain_deadline_passed(1);
    log_events::forced_out(Signal::Interrupt, 1);
    log_events::lines_dropped(5);
    log_events::report("turns: 1");
    log_events::stopped();
    let _ = log_events::cannot_listen(address, &error);
    let _ = log_events::cannot_listen_for_watchers(address, &error);
}

fn expected() -> Vec<Value> {
    let peer = "10.0.0.1:7";
    let (in_use, remedy) =
        ("address in use", "stop what listens there, or set server.port or SERVER_PORT");
    vec![
        json!({"level": "info", "event": "configuration", "settings": "port: 7 | log.level: info"}),
        json!({"level": "warn", "event": "note", "note": "a \"note\""}),
        json!({"level": "info", "event": "listening", "address": "[::]:7"}),
        json!({"level": "info", "event": "listening_for_watchers", "address": "[::ffff:10.0.0.1]:7"}),
        json!({"level": "info", "event": "proceed_to_accept"}),
        json!({"level": "warn", "event": "connection_limit_reached", "limit": 1000}),
        json!({"level": "warn", "event": "accepting_paused", "error": in_use}),
        json!({"level": "debug", "event": "connection_gone", "error": in_use}),
        json!({"level": "info", "event": "got_connection", "peer": peer}),
        json!({"level": "info", "event": "message_received", "peer": peer,
               "message": r#"it's "\xff""#, "bytes": 9}),
        json!({"level": "debug", "event": "bytes_received", "peer": peer, "bytes": 5}),
        json!({"level": "warn", "event": "message_lines_left_out", "count": 2, "lines_per_second": 1}),
        json!({"level": "info", "event": "connection_closed", "peer": peer,
               "reason": "its messages are answered", "messages": 3}),
        json!({"level": "warn", "event": "connection_closed", "peer": peer,
               "reason": "no byte for idle_timeout", "messages": 0}),
        json!({"level": "info", "event": "drain_is_delayed", "signal": "SIGHUP",
               "drain_delay_ms": 2000}),
        json!({"level": "info", "event": "drain_begins", "signal": "SIGTERM", "connections": 4,
               "drain_timeout_ms": 1700}),
        json!({"level": "info", "event": "listener_closed"}),
        json!({"level": "warn", "event": "drain_deadline_passed", "connections": 1}),
        json!({"level": "warn", "event": "forced_out", "signal": "SIGINT", "connections": 1}),
        json!({"level": "warn", "event": "lines_dropped", "count": 5}),
        json!({"level": "info", "event": "report", "text": "turns: 1"}),
        json!({"level": "info", "event": "stopped"}),
        json!({"level": "error", "event": "cannot_listen", "address": "[::ffff:10.0.0.1]:7",
               "error": in_use, "remedy": remedy}),
        json!({"level": "error", "event": "cannot_listen_for_watchers",
               "address": "[::ffff:10.0.0.1]:7", "error": in_use,
               "remedy": "stop what listens there, or set server.status or SERVER_STATUS"}),
    ]
}

#[test]
fn every_event_is_an_object_that_the_document_lists() {
    let log = JsonLog::open();
    log_every_event();
    let objects = log.objects();
    assert_eq!(objects, expected());
    let crate_directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_events_are_documented("The server's events", crate_directory, &objects);
}
