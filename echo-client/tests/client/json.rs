//! The log as JSON.

use echo_harness::ports::free_address;
use echo_harness::process::{Ended, Process};
use serde_json::{Value, json};

use crate::client::{client_of, listen, receive};

fn start(address: &impl ToString, settings: &[&str]) -> Process {
    Process::start(client_of(address, settings).env("LOG_FORMAT", "json"))
}

/// The objects behind the configuration, without their times.
fn objects(ended: &Ended) -> Vec<Value> {
    let mut objects = ended.log.objects();
    for object in &mut objects {
        let time = object.as_object_mut().expect("an object").remove("time");
        assert!(time.is_some_and(|time| time.is_string()), "{object}");
    }
    assert_eq!(objects.remove(0)["event"], "configuration");
    objects
}

#[test]
fn a_whole_life_in_objects() {
    let (listener, address) = listen();
    let client = start(&address, &["id: a-7", "loop_amount: 1"]);
    let (mut peer, message) = receive(&listener);
    let name = peer.other_name();
    let (_, port) = name.trim_matches(['(', ')']).split_once(", ").expect("('ip', port)");
    let local = format!("127.0.0.1:{port}");
    peer.send(message);
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(
        objects(&ended),
        [
            json!({"level": "info", "event": "message_from_server", "client": "a-7",
                   "reply": "[CLIENT a-7] Message number 1 sent", "bytes": 35}),
            json!({"level": "info", "event": "connection_closed", "client": "a-7", "local": local}),
            json!({"level": "info", "event": "finished", "client": "a-7"}),
        ]
    );
}

#[test]
fn whatever_a_server_replies_is_one_object() {
    let (listener, address) = listen();
    let client = start(&address, &["loop_amount: 1"]);
    let reply = b"\",\"event\":\"forged\"}\r\xff\x1b[2J\\n \xc3\xb1\n";
    receive(&listener).0.send(reply);
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(1));
    let objects = objects(&ended);
    let last = objects.last().expect("a line");
    assert_eq!(last["event"], "wrong_reply");
    assert_eq!(last["reply"], r#"","event":"forged"}\r\xff\x1b[2J\\n \xc3\xb1"#);
    assert_eq!(last["bytes"], reply.len());
}

#[test]
fn a_server_that_does_not_come_is_told_of() {
    let address = free_address();
    let ended = start(&address, &["retry_timeout: 50ms"]).wait();
    assert_eq!(ended.status.code(), Some(1));
    let reason = "cannot connect: Connection refused (os error 111)";
    assert_eq!(
        objects(&ended),
        [
            json!({"level": "warn", "event": "not_answered", "client": "1", "number": 1,
                   "server": address.to_string(), "reason": reason, "pause_ms": 50}),
            json!({"level": "error", "event": "gave_up", "client": "1", "number": 1,
                   "server": address.to_string(), "reason": reason, "retry_timeout_ms": 50}),
        ]
    );
}
