//! The log catalogue with `log.format: json`: every event, as the object that a program reads.

use std::io::{self, ErrorKind};
use std::path::Path;

use echo_harness::json_log::{JsonLog, assert_events_are_documented};
use echo_scope::log_events;
use echo_status::Server;
use serde_json::{Value, json};
use signal_hook::consts::SIGTERM;

/// Logs each event once.
fn log_every_event() {
    let address = "10.0.0.1:12346".parse().expect("an address");
    let server = Server {
        version: "0.1.0".to_owned(),
        host: "a\nhost".to_owned(),
        address: "0.0.0.0:12345".to_owned(),
        started_unix_us: 1,
        connections_max: 1,
    };
    log_events::configuration("listen: 127.0.0.1:8080");
    log_events::note("a \"note\"");
    log_events::serving(address);
    log_events::cannot_listen(address, &ErrorKind::AddrInUse.into());
    log_events::watching("server:12346", address, &server);
    log_events::silent("server:12346", address);
    log_events::no_place("server:12346", address);
    log_events::gone("server:12346", address, "a\nreason");
    log_events::no_thread(&io::Error::other("a cause"));
    log_events::cannot_accept(&io::Error::other("a cause"));
    log_events::stopped(SIGTERM);
}

fn expected() -> Vec<Value> {
    let (server, address) = ("server:12346", "10.0.0.1:12346");
    vec![
        json!({"level": "info", "event": "configuration", "settings": "listen: 127.0.0.1:8080"}),
        json!({"level": "warn", "event": "note", "note": "a \"note\""}),
        json!({"level": "info", "event": "serving", "address": address}),
        json!({"level": "error", "event": "cannot_listen", "address": address,
               "error": "address in use",
               "remedy": "stop what listens there, or set scope.listen or SCOPE_LISTEN"}),
        json!({"level": "info", "event": "watching", "server": server, "address": address,
               "host": r"a\nhost", "version": "0.1.0"}),
        json!({"level": "warn", "event": "silent", "server": server, "address": address}),
        json!({"level": "warn", "event": "no_place", "server": server, "address": address}),
        json!({"level": "warn", "event": "gone", "server": server, "address": address,
               "reason": r"a\nreason"}),
        json!({"level": "warn", "event": "no_thread", "error": "a cause",
               "remedy": "raise the limit of processes (pids_limit, ulimit -u)"}),
        json!({"level": "warn", "event": "cannot_accept", "error": "a cause"}),
        json!({"level": "info", "event": "stopped", "signal": "SIGTERM"}),
    ]
}

#[test]
fn every_event_is_an_object_that_the_document_lists() {
    let log = JsonLog::open();
    log_every_event();
    let objects = log.objects();
    assert_eq!(objects, expected());
    let crate_directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_events_are_documented("The page's events", crate_directory, &objects);
}
