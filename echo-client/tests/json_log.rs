//! The log catalogue with `log.format: json`: every event, as the object that a program reads.

use std::path::Path;
use std::time::Duration;

use echo_client::config::Config;
use echo_client::log_events;
use echo_harness::json_log::{JsonLog, assert_events_are_documented};
use serde_json::{Value, json};
use signal_hook::consts::SIGTERM;

/// Logs each event once.
fn log_every_event() {
    let config = Config::default();
    let local = "10.0.0.1:7".parse().expect("an address");
    log_events::configuration("id: 1");
    log_events::note("a \"note\"");
    log_events::connected(&config, local);
    log_events::message_from_server(&config, b"a \"reply\"\xff\n");
    log_events::connection_closed(&config, local);
    log_events::not_answered(&config, 2, &"a cause", Duration::from_millis(50));
    log_events::gave_up(&config, 2, &"a cause");
    log_events::wrong_reply(&config, "a message", b"\x1b[2J");
    log_events::finished(&config);
    log_events::stopped(&config.id, SIGTERM);
    log_events::abandoned(&config.id, SIGTERM);
}

fn expected() -> Vec<Value> {
    let (client, local, server) = ("1", "10.0.0.1:7", "server:12345");
    vec![
        json!({"level": "info", "event": "configuration", "settings": "id: 1"}),
        json!({"level": "warn", "event": "note", "note": "a \"note\""}),
        json!({"level": "debug", "event": "connected", "client": client, "local": local,
               "server": server}),
        json!({"level": "info", "event": "message_from_server", "client": client,
               "reply": r#"a "reply"\xff"#, "bytes": 11}),
        json!({"level": "info", "event": "connection_closed", "client": client, "local": local}),
        json!({"level": "warn", "event": "not_answered", "client": client, "number": 2,
               "server": server, "reason": "a cause", "pause_ms": 50}),
        json!({"level": "error", "event": "gave_up", "client": client, "number": 2,
               "server": server, "reason": "a cause", "retry_timeout_ms": 30000}),
        json!({"level": "error", "event": "wrong_reply", "client": client, "server": server,
               "message": "a message", "reply": r"\x1b[2J", "bytes": 4}),
        json!({"level": "info", "event": "finished", "client": client}),
        json!({"level": "info", "event": "stopped", "client": client, "signal": "SIGTERM"}),
        json!({"level": "warn", "event": "abandoned", "client": client, "signal": "SIGTERM"}),
    ]
}

#[test]
fn every_event_is_an_object_that_the_document_lists() {
    let log = JsonLog::open();
    log_every_event();
    let objects = log.objects();
    assert_eq!(objects, expected());
    let crate_directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_events_are_documented("The client's events", crate_directory, &objects);
}
